//! Compact data as the file holds them: a message of the dataset's object header.
//!
//! libhdf5 gives them converted only, which for elements of variable length means that it follows them.

use chunk_core::{DataFile, Result};

use crate::error::Place;
use crate::heap::number;
use crate::superblock::Superblock;

/// Types of messages.
const LAYOUT: u64 = 8;
const CONTINUATION: u64 = 16;
/// The class of a layout whose data are in the message.
const COMPACT: u8 = 0;
/// Blocks of an object header, and bytes of one, at most.
const MOST_BLOCKS: usize = 1000;
const MOST_BLOCK_BYTES: u64 = 1 << 20;
/// What the checksum of a block of the second version takes.
const CHECKSUM: u64 = 4;

/// The data in the object header at this address.
pub(crate) fn read(file: &DataFile, address: u64, place: &Place) -> Result<Vec<u8>> {
    let header = Header { file, superblock: &Superblock::read(file)? };
    let found = header.data(address)?;
    found.ok_or_else(|| place.corrupt("its object header, which is to hold the data, cannot be understood"))
}

struct Header<'a> {
    file: &'a DataFile,
    superblock: &'a Superblock,
}

/// How messages begin: eight bytes, or four and maybe the order of creation.
#[derive(Clone, Copy)]
enum Version {
    One,
    Two { ordered: bool },
}

impl Header<'_> {
    fn data(&self, address: u64) -> Result<Option<Vec<u8>>> {
        let Some((version, first, length)) = self.first_block(address)? else { return Ok(None) };
        let mut blocks = vec![(first, length)];
        let mut at = 0;
        while let Some(&(address, length)) = blocks.get(at) {
            at += 1;
            let Some(block) = self.bytes(address, length)? else { break };
            let mut rest = &block[..];
            while let Some((kind, body, behind)) = message(version, rest) {
                match kind {
                    LAYOUT => return Ok(compact(body)),
                    CONTINUATION if blocks.len() < MOST_BLOCKS => blocks.extend(self.continuation(version, body)),
                    _ => {}
                }
                rest = behind;
            }
        }
        Ok(None)
    }

    /// The version, and where the first messages are.
    fn first_block(&self, address: u64) -> Result<Option<(Version, u64, u64)>> {
        let Some(head) = self.bytes(address, 16)? else { return Ok(None) };
        if head[0] == 1 {
            return Ok(Some((Version::One, address + 16, number(&head[8..12]))));
        }
        if head[..5] != *b"OHDR\x02" {
            return Ok(None);
        }
        let flags = head[5];
        let times = if flags & 0x20 == 0 { 0 } else { 16 };
        let bounds = if flags & 0x10 == 0 { 0 } else { 4 };
        let (at, width) = (address + 6 + times + bounds, 1 << (flags & 3));
        let length = self.bytes(at, width)?.map(|bytes| number(&bytes));
        Ok(length.map(|length| (Version::Two { ordered: flags & 4 != 0 }, at + width, length)))
    }

    /// Where further messages are.
    fn continuation(&self, version: Version, body: &[u8]) -> Option<(u64, u64)> {
        let (address, rest) = body.split_at_checked(self.superblock.address_size())?;
        let (address, length) = (number(address), number(rest.get(..self.superblock.length_size())?));
        match version {
            Version::One => Some((address, length)),
            // Between a signature and a checksum.
            Version::Two { .. } => Some((address.checked_add(4)?, length.checked_sub(4 + CHECKSUM)?)),
        }
    }

    /// Bytes of the file, unless they are not there or too many.
    fn bytes(&self, address: u64, length: u64) -> Result<Option<Vec<u8>>> {
        let start = self.superblock.offset.saturating_add(address);
        if length > MOST_BLOCK_BYTES || start.saturating_add(length) > self.file.length()? {
            return Ok(None);
        }
        let mut bytes = vec![0; length as usize];
        self.file.read_at(&mut bytes, start)?;
        Ok(Some(bytes))
    }
}

/// The type and the body of the first message, and what is behind it.
fn message(version: Version, bytes: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let (kind, length, head) = match version {
        Version::One => (bytes.get(..2)?, bytes.get(2..4)?, 8),
        Version::Two { ordered } => (bytes.get(..1)?, bytes.get(1..3)?, if ordered { 6 } else { 4 }),
    };
    let (body, behind) = bytes.get(head..)?.split_at_checked(number(length) as usize)?;
    Some((number(kind), body, behind))
}

/// The data in a layout message of the versions that libhdf5 writes since 1.6.3.
fn compact(body: &[u8]) -> Option<Vec<u8>> {
    let [3..=5, COMPACT, low, high, data @ ..] = body else { return None };
    data.get(..usize::from(u16::from_le_bytes([*low, *high]))).map(<[u8]>::to_vec)
}
