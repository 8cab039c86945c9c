//! The directory of a zip archive, as far as .npz files need it: names, places, sizes; zip64 too.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::sync::Arc;

use chunk_core::{DataFile, Error, Result};

use crate::error::Place;

/// An archive and what is in it.
#[derive(Clone, Debug)]
pub(crate) struct Archive {
    pub(crate) file: Arc<DataFile>,
    pub(crate) entries: Vec<ArchiveEntry>,
}

/// A file in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ArchiveEntry {
    pub(crate) name: String,
    method: u16,
    flags: u16,
    crc: u32,
    stored: u64,
    length: u64,
    /// Where its own header begins.
    header: u64,
}

/// The bytes of a file in an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Whether they are deflated, or as they were.
    pub(crate) deflated: bool,
    pub(crate) crc: u32,
    pub(crate) start: u64,
    /// Bytes in the archive.
    pub(crate) stored: u64,
    /// Bytes that they decode to.
    pub(crate) length: u64,
}

/// What a local header begins with, and thereby an archive that is not empty.
pub(crate) const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
/// What an archive of nothing begins with.
pub(crate) const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const LOCATOR_64: &[u8] = b"PK\x06\x07";

const END_BYTES: u64 = 22;
const LOCATOR_BYTES: u64 = 20;
const END_64_BYTES: u64 = 56;
const CENTRAL_BYTES: usize = 46;
const LOCAL_BYTES: u64 = 30;
/// The end record may be followed by a remark of so many bytes.
const LONGEST_REMARK: u64 = 65535;
/// A directory of a million members; it is held in memory while it is read.
const LONGEST_DIRECTORY: u64 = 128 << 20;
/// No deflated stream decodes to more than this many times its bytes.
const MOST_EXPANSION: u64 = 1032;

/// Whether a file that begins with `head` is an archive whose first member is an array: what NumPy writes.
pub(crate) fn begins_with_array(head: &[u8]) -> bool {
    let Some(fixed) = head.get(..LOCAL_BYTES as usize).filter(|fixed| fixed.starts_with(LOCAL)) else { return false };
    let name = head[LOCAL_BYTES as usize..].get(..usize::from(u16_at(fixed, 26)));
    name.is_some_and(|name| name.ends_with(b".npy"))
}

impl Archive {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = DataFile::open(path)?;
        let place = Place::new(path, "");
        let directory = read_directory(&file, &place)?;
        let entries = parse_directory(&directory, &place)?;
        Ok(Archive { file: Arc::new(file), entries })
    }

    /// Where the bytes of `entry` are, its sizes checked.
    pub(crate) fn member(&self, entry: &ArchiveEntry) -> Result<Member> {
        let place = Place::new(self.file.path(), &entry.name);
        if entry.flags & 1 != 0 {
            return Err(place.unsupported("it is encrypted"));
        }
        let deflated = match entry.method {
            0 => false,
            8 => true,
            other => return Err(place.unsupported(format!("compression method {other}: stored and deflated are read"))),
        };
        let most = if deflated { entry.stored.saturating_mul(MOST_EXPANSION).saturating_add(64) } else { entry.stored };
        if entry.length > most || (!deflated && entry.length != entry.stored) {
            let (stored, length) = (entry.stored, entry.length);
            return Err(place.corrupt(format!("{stored} stored bytes cannot be the {length} that are stated")));
        }
        let mut local = [0; LOCAL_BYTES as usize];
        self.file.read_at(&mut local, entry.header)?;
        if !local.starts_with(LOCAL) {
            return Err(place.corrupt("the directory of the archive leads elsewhere"));
        }
        let lengths = u64::from(u16_at(&local, 26)) + u64::from(u16_at(&local, 28));
        let start = entry.header.checked_add(LOCAL_BYTES + lengths);
        let end = start.and_then(|start| start.checked_add(entry.stored));
        match (start, end) {
            (Some(start), Some(end)) if end <= self.file.length()? => {
                Ok(Member { deflated, crc: entry.crc, start, stored: entry.stored, length: entry.length })
            }
            _ => Err(place.corrupt("its bytes lie outside the archive")),
        }
    }
}

impl ArchiveEntry {
    /// Bytes in the archive.
    pub(crate) fn stored(&self) -> u64 {
        self.stored
    }

    pub(crate) fn is_deflated(&self) -> bool {
        self.method == 8
    }
}

/// The bytes of the central directory.
fn read_directory(file: &DataFile, place: &Place) -> Result<Vec<u8>> {
    let length = file.length()?;
    let tail_length = length.min(END_BYTES + LONGEST_REMARK);
    let mut tail = vec![0; tail_length as usize];
    file.read_at(&mut tail, length - tail_length)?;
    let found = (0..=tail.len().saturating_sub(END_BYTES as usize)).rev().find(|at| {
        let remark = tail.get(at + 20..at + 22).map(|bytes| u64::from(u16_at(bytes, 0)));
        tail[*at..].starts_with(END) && remark.is_some_and(|remark| (tail.len() - at) as u64 == END_BYTES + remark)
    });
    let Some(at) = found.filter(|_| length >= END_BYTES) else {
        let mut head = [0; 4];
        let begun = length >= 4 && file.read_at(&mut head, 0).is_ok() && head == LOCAL;
        let truncated = || place.corrupt("the archive has no directory: it is truncated");
        return Err(if begun { truncated() } else { wrong_format(place) });
    };
    let end = &tail[at..];
    let end_offset = length - tail_length + at as u64;
    let (mut size, mut offset) = (u64::from(u32_at(end, 12)), u64::from(u32_at(end, 16)));
    if let Some(record) = read_end_64(file, end_offset, place)? {
        (size, offset) = (u64_at(&record, 40), u64_at(&record, 48));
    }
    if offset.checked_add(size).is_none_or(|end| end > end_offset) {
        return Err(place.corrupt("the directory of the archive lies outside it"));
    }
    if size > LONGEST_DIRECTORY {
        return Err(place.unsupported(format!("an archive whose directory has {size} bytes")));
    }
    let mut directory = vec![0; size as usize];
    file.read_at(&mut directory, offset)?;
    Ok(directory)
}

fn wrong_format(place: &Place) -> Error {
    Error::WrongFormat { path: place.path.clone(), format: "an .npz" }
}

/// The end record of zip64, if there is one before the end record at `end`.
fn read_end_64(file: &DataFile, end: u64, place: &Place) -> Result<Option<[u8; END_64_BYTES as usize]>> {
    let Some(at) = end.checked_sub(LOCATOR_BYTES) else { return Ok(None) };
    let mut locator = [0; LOCATOR_BYTES as usize];
    file.read_at(&mut locator, at)?;
    if !locator.starts_with(LOCATOR_64) {
        return Ok(None);
    }
    let offset = u64_at(&locator, 8);
    let mut record = [0; END_64_BYTES as usize];
    if offset.checked_add(END_64_BYTES).is_none_or(|end| end > at) {
        return Err(place.corrupt("the end record of the archive lies outside it"));
    }
    file.read_at(&mut record, offset)?;
    if !record.starts_with(END_64) {
        return Err(place.corrupt("the end record of the archive is damaged"));
    }
    Ok(Some(record))
}

/// The members; of several with one name the last, as Python does.
fn parse_directory(mut rest: &[u8], place: &Place) -> Result<Vec<ArchiveEntry>> {
    let mut entries: Vec<ArchiveEntry> = Vec::new();
    let mut places = HashMap::new();
    while !rest.is_empty() {
        let (entry, length) =
            parse_entry(rest).ok_or_else(|| place.corrupt("the directory of the archive is damaged"))?;
        rest = &rest[length..];
        match places.entry(entry.name.clone()) {
            Entry::Occupied(known) => entries[*known.get()] = entry,
            Entry::Vacant(new) => {
                new.insert(entries.len());
                entries.push(entry);
            }
        }
    }
    Ok(entries)
}

/// The first entry of a directory and its length there.
fn parse_entry(bytes: &[u8]) -> Option<(ArchiveEntry, usize)> {
    let fixed = bytes.get(..CENTRAL_BYTES).filter(|fixed| fixed.starts_with(CENTRAL))?;
    let name_end = CENTRAL_BYTES + usize::from(u16_at(fixed, 28));
    let extra_end = name_end + usize::from(u16_at(fixed, 30));
    let end = extra_end + usize::from(u16_at(fixed, 32));
    let (name, extra) = (bytes.get(CENTRAL_BYTES..name_end)?, bytes.get(name_end..extra_end)?);
    bytes.get(..end)?;
    let mut large = Large(field_64(extra));
    let length = large.or(u32_at(fixed, 24))?;
    let stored = large.or(u32_at(fixed, 20))?;
    let header = large.or(u32_at(fixed, 42))?;
    let name = String::from_utf8_lossy(name).into_owned();
    let (flags, method, crc) = (u16_at(fixed, 8), u16_at(fixed, 10), u32_at(fixed, 16));
    Some((ArchiveEntry { name, method, flags, crc, stored, length, header }, end))
}

/// The extra field of zip64.
fn field_64(mut extra: &[u8]) -> &[u8] {
    while extra.len() >= 4 {
        let (kind, length) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
        let Some(field) = extra.get(4..4 + length) else { break };
        if kind == 1 {
            return field;
        }
        extra = &extra[4 + length..];
    }
    &[]
}

/// The large numbers that stand in place of those that do not fit 32 bits, in their order.
struct Large<'a>(&'a [u8]);

impl Large<'_> {
    fn or(&mut self, small: u32) -> Option<u64> {
        if small != u32::MAX {
            return Some(small.into());
        }
        // A member may also be of just that size.
        let Some((large, rest)) = self.0.split_at_checked(8) else { return self.0.is_empty().then_some(small.into()) };
        self.0 = rest;
        Some(u64_at(large, 0))
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
