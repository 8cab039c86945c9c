//! The tools that tests are made with.

use std::thread;

use chunk_core::{DType, DatasetInfo, Error, MemorySink, MemorySource, Run};
use chunk_testkit::{CountingSource, FaultySink, FaultySource, PeakAlloc, pattern};

#[test]
fn a_run_reads_each_byte_once() {
    let source = CountingSource::new(MemorySource::new([1000], &[1_u8; 1000]).unwrap());
    Run::new().threads(2).visit::<Error>(&source, |_, _| Ok(())).unwrap();
    assert_eq!(source.bytes(), 1000);
}

#[test]
fn a_run_ends_with_the_error_of_its_sink() {
    let info = DatasetInfo::new([1000], DType::U8);
    let source = MemorySource::from_bytes(info.clone(), pattern(&DType::U8, 1000)).unwrap();
    let sink = MemorySink::new(info).unwrap();
    let output = sink.output();
    let failing = FaultySink::new(sink, 1, Error::InvalidArgument("full".to_owned()));
    assert_eq!(Run::new().copy(&source, Box::new(failing)).unwrap_err().to_string(), "full");
    assert!(output.source().is_none());
}

#[test]
fn a_fault_happens_once_whatever_the_threads() {
    let source = FaultySource::new(MemorySource::new([4], &[1_u8; 4]).unwrap(), 3, Error::Cancelled);
    let read = || chunk_core::ChunkSourceExt::read_vec::<u8>(&source, &chunk_core::Slab::whole(&[4])).is_err();
    let failed = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(read)).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap().then_some(())).count()
    });
    assert!(failed == 1 && source.has_failed());
}

#[test]
fn memory_is_measured_on_all_threads() {
    chunk_testkit::alone(|| {
        let allocate = || drop(vec![1_u8; 1 << 20]);
        let ((), held) = PeakAlloc::measure(|| thread::spawn(allocate).join().unwrap());
        assert!(held.peak >= 1 << 20 && held.left < 1 << 16, "{held:?}");
        let (kept, held) = PeakAlloc::measure(|| vec![0_u8; 1 << 20]);
        assert!(held.left >= 1 << 20, "{held:?} {}", kept.len());
    });
}
