//! A part of a stack whose elements become those of the stack as they are read.

use chunk_core::{
    Casting, ChunkSource, Conversion, Cost, DType, DatasetInfo, Operation, Result, Slab, Work, Worker, total_cost,
    total_held_bytes,
};

/// Bytes that are converted at a time, so that they stay in the caches.
const PIECE: usize = 256 << 10;

/// Another source with its elements cast, for a node that reads it itself; others use
/// [`chunk_core::cast`].
#[derive(Debug)]
pub(crate) struct Casted<'a> {
    source: &'a dyn ChunkSource,
    conversion: Conversion,
    info: DatasetInfo,
}

impl<'a> Casted<'a> {
    pub(crate) fn new(source: &'a dyn ChunkSource, dtype: &DType) -> Result<Self> {
        let from = source.info();
        let conversion = Conversion::new(&from.dtype, dtype, Casting::Safe, &from.name)?;
        let mut info = from.derived(&from.name);
        info.dtype = dtype.clone();
        Ok(Casted { source, conversion, info })
    }
}

impl ChunkSource for Casted<'_> {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    fn held_bytes(&self) -> u64 {
        total_held_bytes(self.source)
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Result<Cost> {
        let mut cost = total_cost(self.source, slab, threads)?;
        let read = slab.bytes(self.conversion.from().size());
        cost.scratch_bytes = cost.scratch_bytes.saturating_add(read);
        cost.work += Work::copying(read.max(slab.bytes(self.conversion.to().size())));
        Ok(cost)
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        slab.check(&self.info, out.len())?;
        let (from, to) = (self.conversion.from().size(), self.conversion.to().size());
        let mut read = worker.scratch(slab.bytes(from) as usize)?;
        self.source.read_into(slab, &mut read, worker)?;
        if from == 0 || to == 0 {
            return self.conversion.apply(&read, out);
        }
        let elements = (PIECE / from.max(to)).max(1);
        let pieces = read.chunks(elements * from).zip(out.chunks_mut(elements * to)).collect();
        worker.for_each(pieces, |(from, to), _| self.conversion.apply(from, to))
    }
}
