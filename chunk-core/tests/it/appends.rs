//! Appending: what is written, which slabs are written at once, what is refused.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use chunk_core::{
    Budget, ChunkSink, ChunkSource, Cost, DType, DatasetInfo, Error, MemoryOutput, MemorySink, Result, Run, Slab,
    Worker,
};
use proptest::prelude::*;

use crate::common::{Heard, counting};

/// A sink that refuses slabs which share a chunk while they may be written at once: those of one piece.
#[derive(Debug)]
struct Watched {
    sink: MemorySink,
    chunk: u64,
    /// Chunks along axis 0 of the slabs that were written, with where the piece of each begins.
    rows: Arc<Mutex<BTreeSet<(u64, u64)>>>,
}

impl ChunkSink for Watched {
    fn info(&self) -> &DatasetInfo {
        self.sink.info()
    }

    fn held_bytes(&self) -> u64 {
        self.sink.held_bytes()
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Cost {
        self.sink.cost(slab, threads)
    }

    fn write_from(&self, slab: &Slab, data: &[u8], worker: &Worker) -> Result<()> {
        let (start, end) = (slab.start()[0], slab.end(0));
        if start < end {
            let begins_with_a_chunk = start.is_multiple_of(self.chunk);
            let stays_in_one = start / self.chunk == (end - 1) / self.chunk;
            assert!(begins_with_a_chunk || stays_in_one, "{slab} cuts a chunk and goes on");
            assert!(self.rows.lock().unwrap().insert((start, slab.start()[1])), "{slab} is written once");
        }
        self.sink.write_from(slab, data, worker)
    }

    fn prepare(&self) -> Result<()> {
        self.sink.prepare()
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Box::new(self.sink).finish()
    }
}

/// A sink of `rows` x 5 in chunks of `chunk` x 2 that grows along axis 0.
fn sink(rows: u64, chunk: u64) -> (Box<Watched>, MemoryOutput) {
    let info = DatasetInfo::new([rows, 5], DType::U32).with_chunk_shape([chunk, 2]).with_max_shape([None, Some(5)]);
    let sink = MemorySink::new(info).unwrap();
    let output = sink.output();
    (Box::new(Watched { sink, chunk, rows: Arc::default() }), output)
}

fn sources(rows: &[u64]) -> Vec<Arc<dyn ChunkSource>> {
    rows.iter().map(|rows| Arc::new(counting(&[*rows, 5], Some(&[3, 4]))) as Arc<dyn ChunkSource>).collect()
}

fn run(threads: usize) -> Run {
    Run::new().budget(Budget::new(4000).unwrap()).threads(threads)
}

proptest! {
    #[test]
    fn what_is_appended_follows_what_was_there(
        rows in prop::collection::vec(0_u64..40, 1..5),
        begun in 0_u64..20,
        chunk in 1_u64..12,
        threads in 1_usize..4,
    ) {
        let (sink, output) = sink(begun, chunk);
        run(threads).append(&sources(&rows), sink, 0, begun).unwrap();
        let counted = rows.iter().flat_map(|rows| 0..rows * 5).map(|number| number as u32);
        let expected: Vec<u32> = vec![0; begun as usize * 5].into_iter().chain(counted).collect();
        let found = output.source().unwrap();
        prop_assert_eq!(&found.info().shape[..], [begun + rows.iter().sum::<u64>(), 5]);
        prop_assert_eq!(chunk_core::ChunkSourceExt::read_all::<u32>(&found).unwrap(), expected);
    }
}

#[test]
fn a_new_dataset_is_filled_from_the_beginning() {
    let sink = MemorySink::new(DatasetInfo::new([9, 5], DType::U32).with_chunk_shape([4, 5])).unwrap();
    let output = sink.output();
    run(2).append(&sources(&[2, 7]), Box::new(sink), 0, 0).unwrap();
    let found = chunk_core::ChunkSourceExt::read_all::<u32>(&output.source().unwrap()).unwrap();
    assert_eq!(found, (0..10).chain(0..35).collect::<Vec<_>>());
}

#[test]
fn rows_without_elements_count() {
    let info = DatasetInfo::new([2, 0], DType::U32).with_max_shape([None, Some(0)]);
    let sink = MemorySink::new(info).unwrap();
    let output = sink.output();
    run(1).append(&[Arc::new(counting(&[3, 0], None))], Box::new(sink), 0, 2).unwrap();
    assert_eq!(output.source().unwrap().info().shape[..], [5, 0]);
}

#[test]
fn refuses_before_the_first_byte() {
    let refused = |bad: Arc<dyn ChunkSource>, axis: usize, budget: u64| {
        let (sink, _) = sink(2, 4);
        let rows = sink.rows.clone();
        let sources = [sources(&[3]), vec![bad]].concat();
        let error = run(1).budget(Budget::new(budget).unwrap()).append(&sources, sink, axis, 2).unwrap_err();
        assert!(rows.lock().unwrap().is_empty(), "{error}");
        error
    };
    let row: Arc<dyn ChunkSource> = Arc::new(counting(&[1, 5], None));
    assert!(matches!(refused(row.clone(), 2, 4000), Error::AxisOutOfRange { .. }));
    assert!(matches!(refused(row.clone(), 1, 4000), Error::InvalidArgument(_)));
    assert!(matches!(refused(row, 0, 10), Error::BudgetTooSmall { .. }));
    for shape in [&[1, 4][..], &[5], &[1, 5, 1]] {
        assert!(matches!(refused(Arc::new(counting(shape, None)), 0, 4000), Error::InvalidArgument(_)), "{shape:?}");
    }
    let other = chunk_core::MemorySource::new([1, 5], &[0_i32; 5]).unwrap();
    assert!(matches!(refused(Arc::new(other), 0, 4000), Error::DTypeMismatch { .. }));
    let full = MemorySink::new(DatasetInfo::new([3, 5], DType::U32)).unwrap();
    assert!(matches!(run(1).append(&sources(&[2]), Box::new(full), 0, 2), Err(Error::InvalidArgument(_))));
}

#[test]
fn progress_hears_of_the_whole() {
    let heard = Arc::new(Heard::default());
    let (sink, _) = sink(2, 4);
    let plan = run(1).progress(heard.clone()).append(&sources(&[7, 30]), sink, 0, 2).unwrap();
    assert_eq!(plan.bytes(), 37 * 5 * 4);
    let heard = heard.0.lock().unwrap();
    assert!(heard.is_sorted_by_key(|done| (done.slabs, done.bytes)));
    assert!(heard.iter().all(|done| done.total_bytes == plan.bytes()));
    let last = heard[heard.len() - 1];
    assert_eq!((last.slabs, last.bytes), (last.total_slabs, last.total_bytes));
}
