//! Jobs of transforms: one pass or several, the same bytes, within the budget, and a word on why.

use std::path::Path;
use std::sync::{Arc, Mutex};

use chunk_core::{
    Budget, ChunkSink, ChunkSource, Cost, DType, DatasetInfo, Done, Error, Job, MemoryOutput, MemorySink, MemorySource,
    Operation, Output, Progress, Result, Run, Slab, Work, Worker, chunked_bytes,
};
use chunk_ops::{fft, irfft, rfft};
use proptest::prelude::*;

use crate::common::{array, read};

fn run(budget: u64, threads: usize) -> Run {
    Run::new().budget(Budget::new(budget).unwrap()).threads(threads)
}

/// Plans `node` into memory, as a file with chunks of this shape.
fn plan(
    node: Arc<dyn ChunkSource>,
    chunk_shape: &[u64],
    run: &Run,
    directory: &Path,
) -> (Result<Job>, Arc<Mutex<Vec<MemoryOutput>>>) {
    let outputs = Arc::new(Mutex::new(Vec::new()));
    let build = |info: DatasetInfo| {
        let sink = MemorySink::new(info)?;
        outputs.lock().unwrap().push(sink.output());
        Ok(Box::new(sink) as Box<dyn ChunkSink>)
    };
    let output = node.info().clone().with_chunk_shape(chunk_shape);
    let job = Job::plan(run, &[Output::new(node, output, build)], directory);
    (job, outputs)
}

fn finished(outputs: &Mutex<Vec<MemoryOutput>>) -> Option<MemorySource> {
    outputs.lock().unwrap().iter().find_map(MemoryOutput::source)
}

fn noise(shape: [u64; 2], chunk_shape: [u64; 2]) -> Arc<MemorySource> {
    Arc::new(array(&DType::ComplexF64, &shape, Some(&chunk_shape), 9).0)
}

/// An array in memory that takes as long to read as if its chunks had to be decoded.
#[derive(Debug)]
struct Encoded(MemorySource);

impl ChunkSource for Encoded {
    fn info(&self) -> &DatasetInfo {
        self.0.info()
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn cost(&self, slab: &Slab, _threads: usize) -> Result<Cost> {
        Ok(Cost::new(0, Work::decoding(chunked_bytes(self.info(), slab))))
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        self.0.read_into(slab, out, worker)
    }
}

/// 1024 x 512 complex128: 8 MiB in chunks of half a MiB, to be transformed along the chunked axis.
fn wide() -> Arc<Encoded> {
    Arc::new(Encoded(array(&DType::ComplexF64, &[1024, 512], Some(&[64, 512]), 9).0))
}

#[test]
fn takes_the_intermediate_where_reading_again_is_dear() {
    let directory = tempfile::tempdir().unwrap();
    let node = Arc::new(fft(wide(), 0).unwrap());
    let run = run(3 << 20, 2);
    let (job, outputs) = plan(node.clone(), &[64, 512], &run, directory.path());
    let job = job.unwrap();
    let text = job.describe();
    assert_eq!((job.stages(), job.scratch_bytes()), (2, 8 << 20), "{text}");
    assert!(text.contains("strategy intermediate on disk: reading the input"), "{text}");
    assert!(text.contains(&format!("disk     8 MiB in {}", directory.path().display())), "{text}");
    let plans: Vec<_> = job.plans().collect();
    assert!(plans.iter().all(|plan| plan.amplification() < 1.01), "{text}");
    assert!(job.peak_bytes() <= 3 << 20, "{text}");
    job.execute(&run).unwrap();
    assert!(finished(&outputs).unwrap().bytes() == read(&node, &Slab::whole(&[1024, 512]), 1));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn reads_directly_where_each_chunk_is_read_once() {
    let node = Arc::new(fft(wide(), 1).unwrap());
    let run = run(8 << 20, 2);
    let (job, outputs) = plan(node.clone(), &[64, 512], &run, Path::new("no such directory"));
    let job = job.unwrap();
    assert_eq!(job.stages(), 1);
    assert!(job.describe().starts_with("strategy direct: each chunk is read once"), "{}", job.describe());
    job.execute(&run).unwrap();
    assert!(finished(&outputs).unwrap().bytes() == read(&node, &Slab::whole(&[1024, 512]), 1));
}

#[test]
fn reads_twice_rather_than_write() {
    let node = Arc::new(fft(noise([256, 256], [256, 256]), 0).unwrap());
    let (job, _) = plan(node, &[256, 16], &run(820 << 10, 1), &std::env::temp_dir());
    let job = job.unwrap();
    let text = job.describe();
    assert_eq!(job.stages(), 1, "{text}");
    assert!(text.contains("is no slower than an intermediate"), "{text}");
}

#[test]
fn reads_again_where_the_intermediate_has_no_place() {
    let node = Arc::new(fft(wide(), 0).unwrap());
    let run = run(3 << 20, 2);
    let (job, outputs) = plan(node.clone(), &[64, 512], &run, Path::new("no such directory"));
    let job = job.unwrap();
    let text = job.describe();
    assert_eq!(job.stages(), 1);
    assert!(text.contains("for want of an intermediate: no such directory"), "{text}");
    job.execute(&run).unwrap();
    assert!(finished(&outputs).unwrap().bytes() == read(&node, &Slab::whole(&[1024, 512]), 1));
}

/// An array that only a plan looks at.
#[derive(Debug)]
struct Vast(DatasetInfo);

impl ChunkSource for Vast {
    fn info(&self) -> &DatasetInfo {
        &self.0
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    fn cost(&self, slab: &Slab, _threads: usize) -> Result<Cost> {
        Ok(Cost::new(0, Work::decoding(chunked_bytes(&self.0, slab))))
    }

    fn read_into(&self, _slab: &Slab, _out: &mut [u8], _worker: &Worker) -> Result<()> {
        unreachable!("nothing is read while planning")
    }
}

#[derive(Debug)]
struct Unwritten(DatasetInfo);

impl ChunkSink for Unwritten {
    fn info(&self) -> &DatasetInfo {
        &self.0
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn cost(&self, slab: &Slab, _threads: usize) -> Cost {
        Cost::new(0, Work::encoding(slab.bytes(self.0.dtype.size())))
    }

    fn write_from(&self, _slab: &Slab, _data: &[u8], _worker: &Worker) -> Result<()> {
        unreachable!("nothing is written while planning")
    }

    fn prepare(&self) -> Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

#[test]
fn looks_whether_the_disk_has_room() {
    let info = DatasetInfo::new([1 << 14, 1 << 34], DType::ComplexF64).with_chunk_shape([256, 4096]).with_name("vast");
    let node = Arc::new(fft(Arc::new(Vast(info)), 0).unwrap());
    let output = node.info().clone().with_chunk_shape([256, 4096]);
    let build = |info| Ok(Box::new(Unwritten(info)) as Box<dyn ChunkSink>);
    let outputs = [Output::new(node, output, build)];
    let job = Job::plan(&run(256 << 20, 2), &outputs, &std::env::temp_dir()).unwrap();
    let text = job.describe();
    assert_eq!(job.stages(), 1, "{text}");
    assert!(text.contains("for want of an intermediate") && text.contains("it takes 4 PiB, and"), "{text}");
}

/// Decodes all chunks that a slab touches before it gives any of them.
#[derive(Debug)]
struct Hungry(Arc<Encoded>);

impl ChunkSource for Hungry {
    fn info(&self) -> &DatasetInfo {
        self.0.info()
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    fn cost(&self, slab: &Slab, _threads: usize) -> Result<Cost> {
        let bytes = chunked_bytes(self.info(), slab);
        Ok(Cost::new(bytes, Work::decoding(bytes)))
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        self.0.read_into(slab, out, worker)
    }
}

#[test]
fn does_by_an_intermediate_what_does_not_fit_directly() {
    let node = Arc::new(fft(Arc::new(Hungry(wide())), 0).unwrap());
    let run = run(3 << 20, 1);
    let (job, outputs) = plan(node.clone(), &[64, 512], &run, &std::env::temp_dir());
    let job = job.unwrap();
    let text = job.describe();
    assert_eq!(job.stages(), 2, "{text}");
    assert!(text.contains("does not fit the budget beside"), "{text}");
    assert!(job.peak_bytes() <= 3 << 20, "{text}");
    job.execute(&run).unwrap();
    assert!(finished(&outputs).unwrap().bytes() == read(&node, &Slab::whole(&[1024, 512]), 1));
}

#[test]
fn refuses_before_anything_is_created() {
    let directory = tempfile::tempdir().unwrap();
    let node = Arc::new(fft(wide(), 0).unwrap());
    let (job, outputs) = plan(node, &[64, 512], &run(40 << 10, 2), directory.path());
    let error = job.unwrap_err();
    assert!(matches!(&error, Error::BudgetTooSmall { dataset, .. } if dataset == "fft(x, axis 0)"), "{error}");
    assert!(finished(&outputs).is_none());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn long_lines_get_long_narrow_chunks() {
    let node = Arc::new(fft(noise([16384, 64], [256, 64]), 0).unwrap());
    let run = run(2 << 20, 1);
    let (job, outputs) = plan(node.clone(), &[256, 64], &run, &std::env::temp_dir());
    let job = job.unwrap();
    let chunk_shape = job.output(0).chunk_shape.clone().unwrap();
    assert!(chunk_shape[1] <= 4 && chunk_shape[0] >= 4096, "{chunk_shape}: {}", job.describe());
    job.execute(&run).unwrap();
    assert!(finished(&outputs).unwrap().bytes() == read(&node, &Slab::whole(&[16384, 64]), 1));
}

#[derive(Default)]
struct Heard(Mutex<Vec<Done>>);

impl Progress for Heard {
    fn update(&self, done: Done) {
        self.0.lock().unwrap().push(done);
    }
}

#[test]
fn progress_hears_both_passes_as_one() {
    let node = Arc::new(fft(wide(), 0).unwrap());
    let run = run(3 << 20, 1);
    let heard = Arc::new(Heard::default());
    let (job, _) = plan(node, &[64, 512], &run, &std::env::temp_dir());
    job.unwrap().progress(heard.clone()).execute(&run).unwrap();
    let heard = heard.0.lock().unwrap();
    assert!(heard.is_sorted_by_key(|done| (done.slabs, done.bytes)));
    assert!(heard.iter().all(|done| done.total_bytes == 16 << 20));
    let last = heard[heard.len() - 1];
    assert_eq!((last.slabs, last.bytes), (last.total_slabs, last.total_bytes));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn both_ways_give_the_same_bytes(
        shape in prop::array::uniform3(1_u64..40), chunk in prop::array::uniform3(1_u64..20), axis in 0_usize..3,
        output_chunk in prop::array::uniform3(1_u64..20), kind in 0..3, budget in 20_000_u64..120_000, threads in 1_usize..4,
    ) {
        let (source, _) = array(&DType::F32, &shape, Some(&chunk), 4);
        let source = Arc::new(source);
        let node: Arc<dyn ChunkSource> = match kind {
            0 => Arc::new(fft(source, axis).unwrap()),
            1 => Arc::new(rfft(source, axis).unwrap()),
            _ => Arc::new(irfft(source, axis, 9).unwrap()),
        };
        let run = run(budget, threads);
        let directory = std::env::temp_dir();
        let (job, outputs) = plan(node.clone(), &output_chunk, &run, &directory);
        match job {
            Ok(job) => {
                prop_assert!(job.peak_bytes() <= budget);
                job.execute(&run).unwrap();
                let whole = Slab::whole(&node.info().shape);
                let written = finished(&outputs).unwrap();
                prop_assert_eq!(written.bytes(), read(&node, &whole, 1));
            }
            Err(Error::BudgetTooSmall { needed, .. }) => prop_assert!(needed.0 > budget),
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        }
    }
}
