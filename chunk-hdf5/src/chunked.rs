//! Reading chunks: positional reads and decoding on the calling thread, without the library.

use std::ops::{Deref, Range};
use std::sync::Arc;

use chunk_core::{Buffer, Cost, DataFile, Grid, Result, Scalar, Scratch, Slab, Span, Spans, Work, Worker, copy_region};

use crate::cache::{Cache, Key};
use crate::codec::{
    Blosc2Frame, CodecError, Frame, HEADER_LEN, Header, Pipeline, SEQUENCE_HEADER_LEN, Sequence, SequenceBlocks,
    Shuffled,
};
use crate::error::Place;
use crate::index::{Chunk, Index};

/// The chunks of a dataset.
#[derive(Debug)]
pub(crate) struct Chunks {
    pub(crate) grid: Grid,
    pub(crate) index: Index,
    pub(crate) pipeline: Pipeline,
    pub(crate) element_size: usize,
    /// What chunks that are not stored hold, in the byte order of the file.
    pub(crate) fill: Scalar,
    /// What chunks that are made of blocks have in them, by the first and the last.
    pub(crate) blocks: Option<Blocks>,
    pub(crate) cache: Option<Cache>,
}

/// The blocks of a chunk.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Blocks {
    block: usize,
    temporary: usize,
    table: usize,
    /// Whether the stored bytes are read as a whole, since only they say where a block begins.
    in_sequence: bool,
}

/// Cuts of a chunk are estimated one by one up to this many.
const EXACT_CHUNKS: u64 = 64;

/// A region of less than one part in so many of its chunk has blocks unshuffled in part.
const LITTLE: u64 = 8;
/// In the key of a piece: it is a block that is still shuffled, and packed.
const SHUFFLED: usize = 1 << (usize::BITS - 1);

/// Stored bytes of a frame that a thread holds at once, unless its blocks are larger.
const WINDOW: usize = 1 << 20;

impl Blocks {
    /// What the headers of the first and the last stored chunk say, `None` if chunks are not blocks alone.
    pub(crate) fn sample(
        file: &DataFile,
        index: &Index,
        pipeline: &Pipeline,
        chunk_bytes: usize,
    ) -> Result<Option<Self>> {
        let sequence = pipeline.sequence_only(0);
        if !pipeline.is_blosc_only(0) && sequence.is_none() {
            return Ok(None);
        }
        let mut blocks = Blocks { in_sequence: sequence.is_some(), ..Blocks::default() };
        let mut frames = index.chunks().iter().filter(|chunk| !pipeline.is_identity(chunk.filter_mask));
        for chunk in frames.next().into_iter().chain(frames.next_back()) {
            let mut head = [0; HEADER_LEN];
            let head = &mut head[..HEADER_LEN.min(chunk.stored as usize)];
            file.read_at(head, chunk.address)?;
            // A damaged header is reported when the chunk is read.
            match sequence {
                Some(sequence) => blocks.note_sequence(Sequence::parse(sequence, head, chunk_bytes).ok()),
                None => blocks.note_header(Header::parse(head, chunk.stored as usize).ok().as_ref()),
            }
        }
        Ok(Some(blocks))
    }

    fn note_header(&mut self, header: Option<&Header>) {
        let Some(header) = header else { return };
        self.block = self.block.max(header.block_len());
        self.temporary = self.temporary.max(header.temporary_len());
        self.table = self.table.max(header.head_len() + header.frame_bytes());
    }

    fn note_sequence(&mut self, sequence: Option<Sequence>) {
        let Some(sequence) = sequence else { return };
        self.block = self.block.max(sequence.block_len());
        self.temporary = self.temporary.max(sequence.temporary_len());
    }
}

impl Chunks {
    fn chunk_bytes(&self) -> usize {
        self.grid.chunk_shape().elements() as usize * self.element_size
    }

    /// What one thread holds while it reads, and what all of `slab` decodes.
    pub(crate) fn cost(&self, slab: &Slab) -> Cost {
        let chunk = self.chunk_bytes();
        let stored = self.index.most_stored() as usize;
        let scratch = match self.blocks {
            _ if self.pipeline.is_identity(0) => DataFile::spans_scratch(chunk as u64) as usize,
            Some(blocks) if blocks.in_sequence => stored + blocks.block + blocks.temporary,
            Some(blocks) => stored.min(WINDOW.max(2 * blocks.block)) + blocks.block + blocks.temporary + blocks.table,
            None => stored + chunk + self.pipeline.decode_scratch(chunk) + self.pipeline.hidden_bytes(chunk),
        };
        Cost::new(scratch as u64, self.work(self.moved_bytes(slab)))
    }

    fn work(&self, moved: u64) -> Work {
        if self.pipeline.is_identity(0) {
            return Work::reading(moved);
        }
        let chunk = (self.chunk_bytes() as u64).max(1);
        let stored = (u128::from(moved) * u128::from(self.index.most_stored()) / u128::from(chunk)) as u64;
        let operations = moved.saturating_mul(self.pipeline.decode_operations());
        Work::decoding(moved) + Work::reading(stored.min(moved)) + Work::computing(operations)
    }

    fn moved_bytes(&self, slab: &Slab) -> u64 {
        let touched = self.grid.touched(slab);
        let decoded = |position: Vec<u64>| self.decoded_bytes(&position, slab);
        if touched.elements() <= EXACT_CHUNKS {
            return touched.positions().map(decoded).sum();
        }
        // The first chunk may be cut on its near side, the last on its far side: the rest are like the heavier.
        let first = touched.start().to_vec();
        let last = (0..touched.ndim()).map(|axis| touched.end(axis) - 1).collect();
        decoded(first).max(decoded(last)).saturating_mul(touched.elements())
    }

    /// Bytes that are decoded of the chunk at `position`.
    fn decoded_bytes(&self, position: &[u64], slab: &Slab) -> u64 {
        let whole = self.grid.whole_slab(position);
        let Some(region) = whole.intersection(slab) else { return 0 };
        let region_bytes = region.bytes(self.element_size);
        let chunk = self.chunk_bytes() as u64;
        let block = match self.blocks {
            _ if self.pipeline.is_identity(0) => return region_bytes,
            Some(blocks) if blocks.block > 0 => blocks.block as u64,
            Some(_) | None => return chunk,
        };
        let mut spans = Spans::new(&region, &whole, &region, self.element_size);
        let Some(span) = spans.next() else { return 0 };
        let blocks_of = |span: Span| {
            let (first, end) = (span.from as u64 / block, ((span.from + span.length) as u64).div_ceil(block));
            (end - first) * block
        };
        let count = spans.len() as u64 + 1;
        let step = spans.next().map(|next| (next.from - span.from) as u64);
        match step {
            None => blocks_of(span).min(chunk),
            Some(step) if step > block => (blocks_of(span) * count).min(chunk),
            Some(_) => chunk.min(self.covering_bytes(&region, &whole)),
        }
    }

    /// Bytes of the chunk from the first to the last element of `region`.
    fn covering_bytes(&self, region: &Slab, whole: &Slab) -> u64 {
        let first = self.offset(whole, |axis| region.start()[axis]);
        let last = self.offset(whole, |axis| region.end(axis) - 1);
        (last - first + self.element_size) as u64
    }

    /// Where in the decoded bytes of the chunk `whole` the element at a position of the dataset is.
    fn offset(&self, whole: &Slab, position: impl Fn(usize) -> u64) -> usize {
        let number =
            (0..whole.ndim()).fold(0, |sum, axis| sum * whole.count()[axis] + position(axis) - whole.start()[axis]);
        number as usize * self.element_size
    }

    /// Where a part of a slab may be cut without decoding anything twice.
    pub(crate) fn alignment(&self, slab: &Slab, threads: usize) -> u64 {
        let Some(axis) = slab.outermost_axis() else { return 1 };
        let touched = self.grid.touched(slab).count()[axis];
        let by_blocks = self.blocks.is_some() || self.pipeline.is_identity(0);
        if by_blocks && touched < threads as u64 * 2 { 1 } else { self.grid.chunk_shape()[axis] }
    }

    /// Fills `out`, the packed buffer of `slab`, in the byte order of the file, on this thread.
    pub(crate) fn read(
        &self,
        file: &DataFile,
        slab: &Slab,
        out: &mut [u8],
        worker: &Worker,
        place: &Place,
    ) -> Result<()> {
        for position in self.grid.touched(slab).positions() {
            worker.check()?;
            let whole = self.grid.whole_slab(&position);
            let Some(region) = whole.intersection(slab) else { continue };
            let reading = Reading { chunks: self, file, worker, place, region, whole, position };
            match self.index.find(&reading.position) {
                None => reading.fill(slab, out),
                Some(chunk) if self.pipeline.is_identity(chunk.filter_mask) => reading.raw(chunk, slab, out)?,
                Some(chunk) if self.pipeline.is_blosc_only(chunk.filter_mask) => reading.blocks(chunk, slab, out)?,
                Some(chunk) => match self.pipeline.sequence_only(chunk.filter_mask) {
                    Some(blocks) => reading.sequence(chunk, blocks, slab, out)?,
                    None if self.pipeline.is_blosc2_only(chunk.filter_mask) => reading.blosc2(chunk, slab, out)?,
                    None => reading.whole(chunk, slab, out)?,
                },
            }
        }
        Ok(())
    }
}

/// One chunk being read: the region of it that is wanted.
struct Reading<'a> {
    chunks: &'a Chunks,
    file: &'a DataFile,
    worker: &'a Worker,
    place: &'a Place,
    region: Slab,
    whole: Slab,
    position: Vec<u64>,
}

impl Reading<'_> {
    fn spans(&self, slab: &Slab) -> Spans {
        Spans::new(&self.region, &self.whole, slab, self.chunks.element_size)
    }

    fn fill(&self, slab: &Slab, out: &mut [u8]) {
        for span in self.spans(slab) {
            self.chunks.fill.fill(&mut out[span.to..span.to + span.length]);
        }
    }

    /// A chunk that no filter was applied to.
    fn raw(&self, chunk: Chunk, slab: &Slab, out: &mut [u8]) -> Result<()> {
        let expected = self.chunks.chunk_bytes();
        if chunk.stored != expected as u64 {
            let cause = CodecError::Length { expected, found: chunk.stored as usize };
            return Err(self.place.corrupt_chunk(&self.position, chunk, cause));
        }
        let place = (chunk.address, chunk.stored);
        self.file.read_spans(place, self.spans(slab), out, self.worker)
    }

    /// A chunk whose filters must be undone as a whole.
    fn whole(&self, chunk: Chunk, slab: &Slab, out: &mut [u8]) -> Result<()> {
        let length = self.chunks.chunk_bytes();
        let key = (chunk.number(), 0);
        let mut spans = self.spans(slab);
        match (spans.next(), self.find(key)) {
            (Some(span), None) if span.length == length => {
                self.decode_whole(chunk, &mut out[span.to..span.to + length])
            }
            (_, found) => {
                let decoded = match found {
                    Some(found) => found,
                    None => self.make(key, length, |decoded| self.decode_whole(chunk, decoded))?,
                };
                copy_region(&self.region, &decoded, &self.whole, out, slab, self.chunks.element_size);
                Ok(())
            }
        }
    }

    fn decode_whole(&self, chunk: Chunk, out: &mut [u8]) -> Result<()> {
        let pipeline = &self.chunks.pipeline;
        let stored = self.stored(chunk)?;
        let stored = &stored[..chunk.stored as usize];
        let mut scratch = self.worker.scratch(pipeline.decode_scratch(out.len()))?;
        let mut decoded = pipeline.decode(stored, chunk.filter_mask, out, &mut scratch);
        if let Err(CodecError::ScratchTooSmall { needed, .. }) = decoded {
            // Blocks of an uncommon size.
            drop(scratch);
            scratch = self.worker.scratch(needed)?;
            decoded = pipeline.decode(stored, chunk.filter_mask, out, &mut scratch);
        }
        decoded.map_err(|cause| self.place.corrupt_chunk(&self.position, chunk, cause))
    }

    /// All stored bytes of a chunk, at the start of a buffer that fits every chunk.
    fn stored(&self, chunk: Chunk) -> Result<Scratch<'_>> {
        let mut stored = self.worker.scratch(self.chunks.index.most_stored() as usize)?;
        self.file.read_at(&mut stored[..chunk.stored as usize], chunk.address)?;
        Ok(stored)
    }

    /// A Blosc2 frame: all of it is read, but only the blocks that hold something of the region are decoded, unless
    /// they have several axes.
    fn blosc2(&self, chunk: Chunk, slab: &Slab, out: &mut [u8]) -> Result<()> {
        let corrupt = |cause| self.place.corrupt_chunk(&self.position, chunk, cause);
        let expected = self.chunks.chunk_bytes();
        let stored = self.stored(chunk)?;
        let frame = Blosc2Frame::parse(&stored[..chunk.stored as usize], expected).map_err(corrupt)?;
        if frame.decoded_len() != expected {
            return Err(corrupt(CodecError::Length { expected, found: frame.decoded_len() }));
        }
        if !frame.is_linear() {
            drop(stored);
            return self.whole(chunk, slab, out);
        }
        let mut temporary = self.worker.scratch(frame.temporary_len())?;
        let mut cursor = Cursor::new(self.spans(slab));
        while let Some(span) = cursor.current {
            let index = span.from / frame.block_len();
            let block = frame.decoded_range(index);
            self.take_block(&mut cursor, out, (chunk.number(), index), &block, |target| {
                frame.decode_block(index, target, &mut temporary).map_err(corrupt)
            })?;
        }
        Ok(())
    }

    /// Blocks behind their lengths: all are read, but only those that hold something of the region are decoded.
    fn sequence(&self, chunk: Chunk, blocks: SequenceBlocks, slab: &Slab, out: &mut [u8]) -> Result<()> {
        let corrupt = |cause| self.place.corrupt_chunk(&self.position, chunk, cause);
        let expected = self.chunks.chunk_bytes();
        let stored = self.stored(chunk)?;
        let stored = &stored[..chunk.stored as usize];
        let head = &stored[..stored.len().min(SEQUENCE_HEADER_LEN)];
        let sequence = Sequence::parse(blocks, head, expected).map_err(corrupt)?;
        if sequence.decoded_len() != expected {
            return Err(corrupt(CodecError::Length { expected, found: sequence.decoded_len() }));
        }
        let mut temporary = self.worker.scratch(sequence.temporary_len())?;
        let mut walk = sequence.walk(stored);
        let mut cursor = Cursor::new(self.spans(slab));
        let mut index = 0;
        while cursor.current.is_some() {
            let Some(step) = walk.next() else { break };
            let (block, bytes) = step.map_err(corrupt)?;
            self.take_block(&mut cursor, out, (chunk.number(), index), &block, |target| {
                sequence.decode_block(bytes, target, &mut temporary).map_err(corrupt)
            })?;
            index += 1;
        }
        Ok(())
    }

    /// A Blosc frame: only the blocks that hold something of the region are read and decoded, straight into `out`
    /// where they lie there in one piece.
    fn blocks(&self, chunk: Chunk, slab: &Slab, out: &mut [u8]) -> Result<()> {
        let corrupt = |cause| self.place.corrupt_chunk(&self.position, chunk, cause);
        let frame = self.frame(chunk)?;
        let length = frame.header().block_len();
        let mut stored = StoredBlocks::new(self, chunk, &frame);
        let leave_shuffled = frame.header().is_byte_shuffled() && self.wants_little();
        let mut temporary = self.worker.scratch(if leave_shuffled { 0 } else { frame.header().temporary_len() })?;
        let mut cursor = Cursor::new(self.spans(slab));
        while let Some(span) = cursor.current {
            let index = span.from / length;
            let block = frame.decoded_range(index);
            if leave_shuffled {
                let decode =
                    |target: &mut [u8]| frame.header().decode_shuffled(stored.block(index)?, target).map_err(corrupt);
                self.take_shuffled(&mut cursor, out, (chunk, index), &frame, decode)?;
                continue;
            }
            self.take_block(&mut cursor, out, (chunk.number(), index), &block, |target| {
                let bytes = stored.block(index)?;
                frame.decode_block(index, bytes, target, &mut temporary).map_err(corrupt)
            })?;
        }
        Ok(())
    }

    /// Whether the region is a small part of its chunk.
    fn wants_little(&self) -> bool {
        self.region.elements().saturating_mul(LITTLE) <= self.whole.elements()
    }

    /// Copies what the spans want of one block, undoing its shuffling for that alone.
    fn take_shuffled(
        &self,
        cursor: &mut Cursor,
        out: &mut [u8],
        (chunk, index): (Chunk, usize),
        frame: &Frame,
        decode: impl FnOnce(&mut [u8]) -> Result<()>,
    ) -> Result<()> {
        let block = frame.decoded_range(index);
        let size = frame.header().element_size();
        let piece = self.shuffled((chunk.number(), SHUFFLED | index), block.len(), size, decode)?;
        let planes = match &piece {
            Piece::Kept(packed) => Shuffled::packed(size, block.len(), packed),
            Piece::Lent(shuffled) => Shuffled::new(size, shuffled),
        };
        while let Some(part) = cursor.take_before(block.end) {
            let out = &mut out[part.to..part.to + part.length];
            let undone = planes.unshuffle_part(part.from - block.start, out);
            undone.map_err(|cause| self.place.corrupt_chunk(&self.position, chunk, cause))?;
        }
        Ok(())
    }

    /// A block of `length` bytes that is still shuffled: as it was kept, or decoded.
    fn shuffled(
        &self,
        key: Key,
        length: usize,
        element_size: usize,
        decode: impl FnOnce(&mut [u8]) -> Result<()>,
    ) -> Result<Piece<'_>> {
        if let Some(kept) = self.find(key) {
            return Ok(kept);
        }
        let mut shuffled = self.worker.scratch(length)?;
        decode(&mut shuffled)?;
        let Some(cache) = &self.chunks.cache else { return Ok(Piece::Lent(shuffled)) };
        let planes = Shuffled::new(element_size, &shuffled).condensed();
        let pack = |kept: &mut [u8]| {
            planes.pack(kept);
            Ok(())
        };
        cache.make(key, planes.packed_len(), pack).map(Piece::Kept)
    }

    /// Copies what the spans want of one block, decoding it if it holds any of that.
    fn take_block(
        &self,
        cursor: &mut Cursor,
        out: &mut [u8],
        key: Key,
        block: &Range<usize>,
        decode: impl FnOnce(&mut [u8]) -> Result<()>,
    ) -> Result<()> {
        let Some(span) = cursor.current.filter(|span| span.from < block.end) else { return Ok(()) };
        let piece = match self.find(key) {
            Some(found) => found,
            None if span.from == block.start && span.length >= block.len() => {
                decode(&mut out[span.to..span.to + block.len()])?;
                cursor.take_before(block.end);
                return Ok(());
            }
            None => self.make(key, block.len(), decode)?,
        };
        while let Some(part) = cursor.take_before(block.end) {
            let from = part.from - block.start;
            out[part.to..part.to + part.length].copy_from_slice(&piece[from..from + part.length]);
        }
        Ok(())
    }

    /// A decoded piece that was kept.
    fn find(&self, key: Key) -> Option<Piece<'_>> {
        self.chunks.cache.as_ref()?.find(key).map(Piece::Kept)
    }

    /// Decodes a piece, and keeps it where there is a cache.
    fn make(&self, key: Key, length: usize, decode: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<Piece<'_>> {
        if let Some(cache) = &self.chunks.cache {
            return cache.make(key, length, decode).map(Piece::Kept);
        }
        let mut piece = self.worker.scratch(length)?;
        decode(&mut piece)?;
        Ok(Piece::Lent(piece))
    }

    fn frame(&self, chunk: Chunk) -> Result<Frame> {
        let corrupt = |cause| self.place.corrupt_chunk(&self.position, chunk, cause);
        let mut start = [0; HEADER_LEN];
        let length = (chunk.stored as usize).min(HEADER_LEN);
        self.file.read_at(&mut start[..length], chunk.address)?;
        let stored = chunk.stored as usize;
        let header = Header::parse(&start[..length], stored).map_err(corrupt)?;
        // Whatever a header claims, the table is inside the stored bytes: no more than those is ever taken.
        let mut head = self.worker.scratch(header.head_len().min(stored))?;
        self.file.read_at(&mut head, chunk.address)?;
        Frame::parse(&head, stored, self.chunks.chunk_bytes()).map_err(corrupt)
    }
}

/// The decoded bytes of a chunk or a block.
enum Piece<'worker> {
    Kept(Arc<Buffer>),
    Lent(Scratch<'worker>),
}

impl Deref for Piece<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Piece::Kept(buffer) => buffer,
            Piece::Lent(buffer) => buffer,
        }
    }
}

/// Spans taken piece by piece.
struct Cursor {
    rest: Spans,
    current: Option<Span>,
}

impl Cursor {
    fn new(mut spans: Spans) -> Self {
        Cursor { current: spans.next(), rest: spans }
    }

    /// What the current span has before `end`; the cursor moves past it.
    fn take_before(&mut self, end: usize) -> Option<Span> {
        let span = self.current.filter(|span| span.from < end)?;
        let length = span.length.min(end - span.from);
        let rest = Span { from: span.from + length, to: span.to + length, length: span.length - length };
        self.current = if rest.length > 0 { Some(rest) } else { self.rest.next() };
        Some(Span { length, ..span })
    }
}

/// The stored bytes of a frame's blocks, read a window at a time.
struct StoredBlocks<'a> {
    reading: &'a Reading<'a>,
    chunk: Chunk,
    frame: &'a Frame,
    /// None before the first block that is not kept elsewhere.
    window: Option<Scratch<'a>>,
    /// Which bytes of the frame are in the window.
    loaded: Range<usize>,
    /// Where in the frame the last block that is wanted ends: nothing is read ahead beyond it.
    end: usize,
}

impl<'a> StoredBlocks<'a> {
    fn new(reading: &'a Reading<'a>, chunk: Chunk, frame: &'a Frame) -> Self {
        let last = reading.chunks.offset(&reading.whole, |axis| reading.region.end(axis) - 1);
        let end = frame.stored_range(last / frame.header().block_len()).end;
        StoredBlocks { reading, chunk, frame, window: None, loaded: 0..0, end }
    }

    /// The stored bytes of a block.
    fn block(&mut self, index: usize) -> Result<&[u8]> {
        let wanted = self.frame.stored_range(index);
        if self.window.is_none() || wanted.start < self.loaded.start || wanted.end > self.loaded.end {
            self.window = Some(self.load(&wanted)?);
        }
        let window = self.window.as_ref().map_or(&[][..], |window| window);
        Ok(&window[wanted.start - self.loaded.start..wanted.end - self.loaded.start])
    }

    /// Reads the block, and what is behind it as far as the window goes.
    fn load(&mut self, wanted: &Range<usize>) -> Result<Scratch<'a>> {
        let Reading { worker, file, chunks, .. } = self.reading;
        worker.check()?;
        // As long for every chunk of the dataset, so that the buffer is used again.
        let most = chunks.index.most_stored() as usize;
        let length = most.min(WINDOW.max(2 * self.frame.header().block_len())).max(wanted.len());
        let mut window = match self.window.take() {
            Some(window) if window.len() >= length => window,
            _ => worker.scratch(length)?,
        };
        let ahead = self.end.min(wanted.start + window.len());
        self.loaded = wanted.start..ahead.max(wanted.end);
        file.read_at(&mut window[..self.loaded.len()], self.chunk.address + self.loaded.start as u64)?;
        Ok(window)
    }
}
