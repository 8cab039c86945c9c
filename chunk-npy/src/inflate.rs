//! A compressed member of an archive, decoded as it is read.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chunk_core::{DataFile, Result, Spans, Worker};
use flate2::{Crc, Decompress, FlushDecompress, Status};

use crate::archive::Member;
use crate::error::Place;

/// Decodes from the beginning, or goes on from where an earlier read stopped.
///
/// Deflated bytes can be decoded in order only. So decoders stay where a read ended, a few of them, for the reads that
/// come next from several threads; a read before all of them begins anew.
pub(crate) struct Inflater {
    file: Arc<DataFile>,
    place: Place,
    member: Member,
    idle: Mutex<Vec<Decoder>>,
}

/// Decoders that stay.
const MOST_IDLE: usize = 4;
/// Compressed bytes that are read at once, and decoded ones that are passed over at once.
const STEP: usize = 32 << 10;
/// What a decoder holds: both of these, the window of 32 KiB twice, its tables.
pub(crate) const DECODER_BYTES: u64 = 192 << 10;
/// What all decoders hold that stay.
pub(crate) const HELD_BYTES: u64 = MOST_IDLE as u64 * DECODER_BYTES;

struct Decoder {
    inner: Decompress,
    input: Box<[u8]>,
    /// The part of `input` that is not decoded yet.
    unread: (usize, usize),
    /// Compressed bytes that were read from the file.
    taken: u64,
    /// Decoded bytes so far.
    position: u64,
    crc: Crc,
    passed_over: Box<[u8]>,
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").field("place", &self.place).field("member", &self.member).finish_non_exhaustive()
    }
}

impl Inflater {
    pub(crate) fn new(file: Arc<DataFile>, place: Place, member: Member) -> Self {
        Inflater { file, place, member, idle: Mutex::default() }
    }

    /// Decoded bytes.
    pub(crate) fn length(&self) -> u64 {
        self.member.length
    }

    pub(crate) fn read_at(&self, out: &mut [u8], offset: u64) -> Result<()> {
        let mut decoder = self.decoder(offset);
        self.pass_over(&mut decoder, offset)?;
        self.decode(&mut decoder, out)?;
        self.keep(decoder);
        Ok(())
    }

    /// Spans come in the order of the member.
    pub(crate) fn read_spans(&self, base: u64, mut spans: Spans, out: &mut [u8], worker: &Worker) -> Result<()> {
        let Some(first) = spans.clone().next() else { return Ok(()) };
        let mut decoder = self.decoder(base + first.from as u64);
        spans.try_for_each(|span| {
            worker.check()?;
            self.pass_over(&mut decoder, base + span.from as u64)?;
            self.decode(&mut decoder, &mut out[span.to..span.to + span.length])
        })?;
        self.keep(decoder);
        Ok(())
    }

    /// The decoder that is nearest before `offset`.
    fn decoder(&self, offset: u64) -> Decoder {
        let mut idle = lock(&self.idle);
        let before = idle.iter().enumerate().filter(|(_, decoder)| decoder.position <= offset);
        match before.max_by_key(|(_, decoder)| decoder.position).map(|(index, _)| index) {
            Some(index) => idle.remove(index),
            None => Decoder::new(),
        }
    }

    /// Keeps a decoder in place of the one that waits longest.
    fn keep(&self, decoder: Decoder) {
        let mut idle = lock(&self.idle);
        if idle.len() == MOST_IDLE {
            idle.remove(0);
        }
        idle.push(decoder);
    }

    fn pass_over(&self, decoder: &mut Decoder, offset: u64) -> Result<()> {
        let mut buffer = std::mem::take(&mut decoder.passed_over);
        let mut passed = Ok(());
        while passed.is_ok() && decoder.position < offset {
            let step = (offset - decoder.position).min(buffer.len() as u64) as usize;
            passed = self.decode(decoder, &mut buffer[..step]);
        }
        decoder.passed_over = buffer;
        passed
    }

    /// Fills `out` with the next decoded bytes.
    fn decode(&self, decoder: &mut Decoder, out: &mut [u8]) -> Result<()> {
        let mut filled = 0;
        while filled < out.len() {
            let (status, decoded) = self.step(decoder, &mut out[filled..])?;
            filled += decoded;
            if status == Status::StreamEnd && filled < out.len() {
                let what =
                    format!("it decodes to {} bytes, not the {} that are stated", decoder.position, self.length());
                return Err(self.place.corrupt(what));
            }
        }
        if decoder.position == self.length() && !out.is_empty() {
            self.check_end(decoder)?;
        }
        Ok(())
    }

    /// One call of the decoder.
    fn step(&self, decoder: &mut Decoder, out: &mut [u8]) -> Result<(Status, usize)> {
        if decoder.unread.0 == decoder.unread.1 && decoder.taken < self.member.stored {
            let step = (self.member.stored - decoder.taken).min(STEP as u64) as usize;
            self.file.read_at(&mut decoder.input[..step], self.member.start + decoder.taken)?;
            decoder.taken += step as u64;
            decoder.unread = (0, step);
        }
        let input = &decoder.input[decoder.unread.0..decoder.unread.1];
        let (in_before, out_before) = (decoder.inner.total_in(), decoder.inner.total_out());
        let status = decoder.inner.decompress(input, out, FlushDecompress::None);
        let status =
            status.map_err(|error| self.place.corrupt(format!("its compressed bytes are damaged ({error})")))?;
        let (used, made) = (decoder.inner.total_in() - in_before, decoder.inner.total_out() - out_before);
        decoder.unread.0 += used as usize;
        decoder.position += made;
        decoder.crc.update(&out[..made as usize]);
        if used == 0 && made == 0 && status != Status::StreamEnd {
            return Err(self.place.corrupt("its compressed bytes end too early"));
        }
        Ok((status, made as usize))
    }

    /// All is decoded: the sum must be the one that the archive states.
    fn check_end(&self, decoder: &Decoder) -> Result<()> {
        let found = decoder.crc.sum();
        if found == self.member.crc {
            return Ok(());
        }
        Err(self.place.corrupt(format!("its checksum is {found:08x}, not {:08x}: it is damaged", self.member.crc)))
    }
}

impl Decoder {
    fn new() -> Self {
        Decoder {
            inner: Decompress::new(false),
            input: vec![0; STEP].into(),
            unread: (0, 0),
            taken: 0,
            position: 0,
            crc: Crc::new(),
            passed_over: vec![0; STEP].into(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
