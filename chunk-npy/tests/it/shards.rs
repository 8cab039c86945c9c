//! Arrays that are made of shards.

use std::fs;
use std::path::PathBuf;

use chunk_core::{
    Backend, Checksum, ChunkSourceExt, CreateOptions, DType, DatasetInfo, Element, Error, Location, Result, Shard,
    Sharding, Slab, Worker,
};
use chunk_npy::{Npy, NpySource};

const ROWS: u64 = 10;
const WIDTH: u64 = 6;

struct Job {
    folder: tempfile::TempDir,
}

fn row(number: u64) -> (Slab, Vec<f64>) {
    let elements = (number * WIDTH..(number + 1) * WIDTH).map(|i| i as f64 / 4.0 + 1.0).collect();
    (Slab::new([number, 0], [1, WIDTH]), elements)
}

impl Job {
    /// In memory, where there is such a place: the syncs of a disk would take half a minute.
    fn new() -> Self {
        Job { folder: tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open(&self, name: &str) -> Result<Box<dyn Shard>> {
        let info = DatasetInfo::new([ROWS, WIDTH], DType::F64);
        Npy::default().shard(&Location::new(self.path("x.npy")), info, &CreateOptions::default(), &self.path(name))
    }

    /// Writes again what the shard does not hold: how many rows.
    fn complete(&self, shard: &dyn Shard) -> usize {
        let worker = Worker::new();
        let mut missing = 0;
        for (slab, elements) in (0..ROWS).map(row) {
            let bytes = f64::as_bytes(&elements);
            if !shard.holds(&slab, Checksum::of(bytes), &worker).unwrap() {
                missing += 1;
                shard.write_from(&slab, bytes, &worker).unwrap();
            }
        }
        missing
    }

    fn check(&self, when: &str) {
        let source = NpySource::open(self.path("x.npy")).unwrap();
        let expected: Vec<f64> = (0..ROWS).flat_map(|number| row(number).1).collect();
        assert_eq!(source.read_all::<f64>().unwrap(), expected, "{when}");
        assert!(Npy::default().growing().unwrap().problems(&self.path("x.npy")).unwrap().is_empty(), "{when}");
        fs::remove_file(self.path("x.npy")).unwrap();
    }
}

#[test]
fn whatever_is_cut_off_or_changed_is_written_again() {
    let job = Job::new();
    let shard = job.open("shard").unwrap();
    assert_eq!(job.complete(&*shard), ROWS as usize);
    drop(shard);
    let (path, log) = (job.path("shard"), job.path("shard.log"));
    let (data, records) = (fs::read(&path).unwrap(), fs::read(&log).unwrap());
    let mut cases: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    cases.extend((0..records.len()).map(|length| (data.clone(), records[..length].to_vec())));
    cases.extend((0..data.len()).step_by(7).map(|length| (data[..length].to_vec(), records.clone())));
    cases.extend((0..data.len()).map(|at| (changed(&data, at), records.clone())));
    cases.extend((16..records.len()).map(|at| (data.clone(), changed(&records, at))));
    let header = data.len() - (ROWS * WIDTH * 8) as usize;
    for (number, (bytes, record_bytes)) in cases.iter().enumerate() {
        fs::write(&path, bytes).unwrap();
        fs::write(&log, record_bytes).unwrap();
        let shard = job.open("shard").unwrap();
        let missing = job.complete(&*shard);
        let is_sound = bytes[header.min(bytes.len())..] == data[header..] && *record_bytes == records;
        assert_eq!(missing == 0, is_sound, "case {number}: {missing} rows are written again");
        shard.finish().unwrap();
        job.check(&format!("case {number}"));
    }
}

fn changed(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 0x20;
    bytes
}

#[test]
fn what_nobody_asked_for_is_looked_at_before_it_is_published() {
    let job = Job::new();
    let shard = job.open("shard").unwrap();
    job.complete(&*shard);
    drop(shard);
    let mut data = fs::read(job.path("shard")).unwrap();
    let last = data.len() - 1;
    data[last] ^= 1;
    fs::write(job.path("shard"), data).unwrap();
    assert!(matches!(job.open("shard").unwrap().finish(), Err(Error::Corrupt { .. })));
    assert!(!job.path("x.npy").exists());
    let shard = job.open("shard").unwrap();
    assert_eq!(job.complete(&*shard), 1);
    shard.finish().unwrap();
    job.check("mended");
}

#[test]
fn damage_is_not_joined() {
    let job = Job::new();
    let shard = job.open("shard").unwrap();
    job.complete(&*shard);
    drop(shard);
    let join = || {
        let info = DatasetInfo::new([ROWS, WIDTH], DType::F64);
        let mut pieces = (0..ROWS).map(|number| (0, row(number).0));
        let (location, options) = (Location::new(job.path("x.npy")), CreateOptions::default());
        Npy::default().join(&location, info, &options, &[job.path("shard")], &mut pieces, &Worker::new())
    };
    join().unwrap();
    job.check("joined");
    let data = fs::read(job.path("shard")).unwrap();
    fs::write(job.path("shard"), changed(&data, data.len() - 3)).unwrap();
    assert!(matches!(join(), Err(Error::Corrupt { .. })));
    assert_eq!(fs::read_dir(job.folder.path()).unwrap().count(), 2);
}
