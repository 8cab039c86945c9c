//! The planned peak holds for the process: runs under an allocator that counts.

use chunk_core::{
    Budget, ChunkSink, ChunkSource, Cost, DType, DatasetInfo, Error, Operation, Result, Run, Shape, Slab, Work, Worker,
    chunked_bytes,
};
use chunk_testkit::PeakAlloc;

chunk_testkit::measure_memory!();

/// What a run takes for its threads and its bookkeeping.
const FIXED: u64 = 32 << 10;

/// Zeros, which take a chunk of scratch a thread to make.
#[derive(Debug)]
struct Zeros(DatasetInfo);

impl Zeros {
    fn scratch(&self, threads: usize) -> u64 {
        let chunk = self.0.chunk_shape.as_ref().map_or(0, Shape::elements);
        chunk * self.0.dtype.size() as u64 * threads as u64
    }
}

impl ChunkSource for Zeros {
    fn info(&self) -> &DatasetInfo {
        &self.0
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Result<Cost> {
        Ok(Cost::new(self.scratch(threads), Work::decoding(chunked_bytes(&self.0, slab))))
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        slab.check(&self.0, out.len())?;
        worker.for_each_part(slab, out, self.0.dtype.size(), 1, |_, out, worker| {
            let scratch = worker.scratch(self.scratch(1) as usize)?;
            out.fill(0);
            drop(scratch);
            Ok(())
        })
    }
}

/// Takes a copy of each slab, and throws it away.
#[derive(Debug)]
struct Nowhere(DatasetInfo);

impl ChunkSink for Nowhere {
    fn info(&self) -> &DatasetInfo {
        &self.0
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn cost(&self, slab: &Slab, _threads: usize) -> Cost {
        let bytes = slab.bytes(self.0.dtype.size());
        Cost::new(bytes, Work::copying(bytes))
    }

    fn write_from(&self, slab: &Slab, data: &[u8], worker: &Worker) -> Result<()> {
        slab.check(&self.0, data.len())?;
        worker.scratch(data.len())?.copy_from_slice(data);
        Ok(())
    }

    fn prepare(&self) -> Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

#[test]
fn runs_hold_no_more_than_planned() {
    let mut ran = 0;
    for (shape, chunk, sink_chunk) in [
        (vec![1000, 300], vec![100, 300], vec![100, 300]),
        (vec![1000, 300], vec![77, 50], vec![10, 300]),
        (vec![300_000], vec![10_000], vec![7000]),
        (vec![40, 50, 60], vec![10, 50, 7], vec![3, 20, 60]),
    ] {
        let source = Zeros(DatasetInfo::new(shape.as_slice(), DType::F64).with_chunk_shape(chunk));
        let info = DatasetInfo::new(shape.as_slice(), DType::F64).with_chunk_shape(sink_chunk);
        for budget in [100 << 10, 300 << 10, 1 << 20, 5 << 20, 64 << 20] {
            for threads in 1..5 {
                let run = Run::new().budget(Budget::new(budget).unwrap()).threads(threads);
                let (copied, held) = PeakAlloc::measure(|| run.copy(&source, Box::new(Nowhere(info.clone()))));
                match copied {
                    Ok(plan) => {
                        let planned = plan.peak_bytes();
                        assert!(planned <= budget);
                        assert!(held.peak <= planned + FIXED, "{held:?}\n{}", plan.describe());
                        ran += 1;
                    }
                    Err(Error::BudgetTooSmall { .. }) => assert!(held.peak <= FIXED, "{held:?}"),
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
    assert!(ran > 40, "{ran}");
}
