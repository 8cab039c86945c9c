//! Memory is what was said beforehand: every allocation of this program is counted.

use std::sync::Arc;

use chunk_core::{
    Budget, Buffer, ChunkSink, ChunkSource, ChunkSourceExt, Cost, DType, DatasetInfo, Job, MemorySource, Output,
    Result, Run, Slab, Work, Worker,
};
use chunk_ops::{Fft, fft, ifft, irfft, rfft};
use chunk_testkit::PeakAlloc;

chunk_testkit::measure_memory!();

/// What threads and short lists take besides, whatever the slab.
const CONSTANT: usize = 32 << 10;

/// The result of `work`, the bytes it held at most beyond what was held before, and those it still holds.
fn measured<R>(work: impl FnOnce() -> R) -> (R, usize, usize) {
    let (result, held) = PeakAlloc::measure(work);
    (result, held.peak as usize, held.left as usize)
}

fn zeros(dtype: &DType, shape: &[u64]) -> Arc<MemorySource> {
    let info = DatasetInfo::new(shape, dtype.clone());
    let bytes = info.bytes() as usize;
    Arc::new(MemorySource::from_bytes(info, vec![0; bytes]).unwrap())
}

fn reading_is_counted(node: &Fft, slab: &Slab) {
    let size = node.info().dtype.size();
    let mut out = Buffer::zeroed(slab.bytes(size) as usize).unwrap();
    for threads in [1, 2, 3] {
        let said = node.total_cost(slab, threads).unwrap().scratch_bytes as usize;
        let worker = Worker::with_threads(threads);
        let (result, peak, _) = measured(|| node.read_into(slab, &mut out, &worker));
        result.unwrap();
        let what = format!("{} {slab} on {threads} threads: {said} said, {peak} used", node.info().name);
        assert!(peak <= said + CONSTANT, "{what}");
        // With several threads, one may do all the work before another begins.
        assert!(threads > 1 || said <= 2 * peak + CONSTANT, "{what}");
    }
}

fn tables_are_counted(kind: fn(Arc<dyn ChunkSource>, usize) -> Result<Fft>, dtype: &DType, n: u64) -> f64 {
    let source = zeros(dtype, &[n]);
    let (node, _, kept) = measured(|| kind(source, 0).unwrap());
    let said = node.held_bytes() as usize;
    assert!(kept <= said, "{} of {n}: {said} said, {kept} kept", node.info().name);
    said as f64 / kept as f64
}

/// Writes to nowhere.
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
        Cost::new(0, Work::encoding(slab.bytes(self.0.dtype.size())))
    }

    fn write_from(&self, slab: &Slab, data: &[u8], _worker: &Worker) -> Result<()> {
        slab.check(&self.0, data.len())
    }

    fn prepare(&self) -> Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// Plans and runs a transform of 4 MiB, and returns whether it took an intermediate.
fn a_run_is_counted(dtype: &DType, axis: usize, budget: u64, threads: usize) -> bool {
    let count = (4 << 20) / dtype.size() as u64;
    let info = DatasetInfo::new([512, count / 512], dtype.clone()).with_chunk_shape([32, count / 512]);
    let source = MemorySource::from_bytes(info, vec![0; 4 << 20]).unwrap();
    let node = Arc::new(fft(Arc::new(source), axis).unwrap());
    let output = node.info().clone().with_chunk_shape([32, count / 512]);
    let run = Run::new().budget(Budget::new(budget).unwrap()).threads(threads);
    let build = |info| Ok(Box::new(Nowhere(info)) as Box<dyn ChunkSink>);
    let outputs = [Output::new(node.clone(), output, build)];
    let job = Job::plan(&run, &outputs, &std::env::temp_dir()).unwrap();
    let (said, what) = (job.peak_bytes(), job.describe());
    let two = job.stages() > 1;
    let (result, peak, _) = measured(|| job.execute(&run));
    result.unwrap();
    // The tables are in the plan and were made before.
    let peak = peak as u64 + node.held_bytes();
    assert!(said <= budget && peak <= said + 2 * CONSTANT as u64, "{peak} used:\n{what}");
    two
}

/// One test alone: another one's allocations would count.
#[test]
fn no_more_is_held_than_was_said() {
    for dtype in [DType::ComplexF64, DType::F64, DType::ComplexF32, DType::F32, DType::I16, DType::Bool] {
        let shape = [24, 64, 45];
        for axis in 0..3 {
            let source = zeros(&dtype, &shape);
            let mut nodes = vec![fft(source.clone(), axis).unwrap(), irfft(source.clone(), axis, 50).unwrap()];
            if !dtype.is_complex() {
                nodes.push(rfft(source, axis).unwrap());
            }
            for node in nodes {
                let whole = Slab::whole(&node.info().shape);
                reading_is_counted(&node, &whole);
                reading_is_counted(&node, &whole.with_axis((axis + 1) % 3, 3..20));
                reading_is_counted(&node, &whole.with_axis(axis, 2..11));
            }
        }
        let (columns, rows) = (zeros(&dtype, &[2000, 37]), zeros(&dtype, &[37, 2000]));
        reading_is_counted(&fft(columns, 0).unwrap(), &Slab::whole(&[2000, 37]));
        reading_is_counted(&ifft(rows, 1).unwrap(), &Slab::whole(&[37, 2000]));
    }
    let mut ways = Vec::new();
    for dtype in [DType::ComplexF64, DType::F32, DType::I16] {
        for threads in [1, 2, 3] {
            ways.push(a_run_is_counted(&dtype, 0, 3 << 20, threads));
            ways.push(a_run_is_counted(&dtype, 0, 64 << 20, threads));
            ways.push(a_run_is_counted(&dtype, 1, 4 << 20, threads));
        }
    }
    assert!(ways.contains(&true) && ways.contains(&false));
    let (mut least, mut most) = (f64::MAX, 0.0);
    for n in (1..70)
        .chain([997, 1000, 1024, 4096, 8191, 8192, 10_000, 16_384, 65_536, 65_537, 99_991, 100_000, 131_071, 262_143])
    {
        for ratio in [
            tables_are_counted(fft, &DType::ComplexF64, n),
            tables_are_counted(fft, &DType::F64, n),
            tables_are_counted(ifft, &DType::ComplexF32, n),
            tables_are_counted(rfft, &DType::F32, n),
            tables_are_counted(|x, axis| irfft(x.clone(), axis, x.info().shape[axis]), &DType::F64, n),
        ] {
            if n >= 8191 {
                least = f64::min(least, ratio);
                most = f64::max(most, ratio);
            }
        }
    }
    println!("tables of long lines: {least:.2} to {most:.2} times what is kept");
}
