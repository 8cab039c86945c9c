//! Datasets that are made of shards.

use std::fs;
use std::path::{Path, PathBuf};

use chunk_core::{
    Attribute, Backend, Checksum, ChunkSource, CreateOptions, DType, DatasetInfo, Element, Error, Grid, Location,
    MemorySource, Result, Shape, Shard, Sharding, Slab, Worker, copy_region,
};
use chunk_hdf5::{Hdf5, Hdf5Editor, Hdf5Metadata, Hdf5Source};
use tempfile::TempDir;

use crate::common::{doubles, folder, info, noise};

/// A dataset that is made of tasks, each of some chunks.
struct Job {
    folder: TempDir,
    location: Location,
    info: DatasetInfo,
    options: CreateOptions,
    array: MemorySource,
    tasks: Vec<Slab>,
}

impl Job {
    fn new(array: MemorySource, chunk: &[u64], filter: &str) -> Self {
        let folder = folder();
        let location = Location::new(folder.path().join("x.h5")).with_dataset("/g/x");
        let info = array.info().clone().with_chunk_shape(chunk);
        let task: Shape = chunk.iter().enumerate().map(|(axis, extent)| extent * [1, 2][axis % 2]).collect();
        let grid = Grid::new(info.shape.clone(), task);
        let tasks = (0..grid.len()).map(|number| grid.slab(&grid.position(number))).collect();
        Job { folder, location, info, options: CreateOptions::default().with_filter(filter), array, tasks }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open(&self, name: &str) -> Result<Box<dyn Shard>> {
        self.open_as(name, &self.info)
    }

    fn open_as(&self, name: &str, info: &DatasetInfo) -> Result<Box<dyn Shard>> {
        Hdf5::default().shard(&self.location, info.clone(), &self.options, &self.path(name))
    }

    fn part(&self, task: &Slab) -> Vec<u8> {
        let (shape, size) = (&self.array.info().shape, self.info.dtype.size());
        let mut part = vec![0; task.bytes(size) as usize];
        copy_region(task, self.array.bytes(), &Slab::whole(shape), &mut part, task, size);
        part
    }

    fn write(&self, shard: &dyn Shard, task: &Slab) {
        shard.write_from(task, &self.part(task), &Worker::with_threads(2)).unwrap();
    }

    fn holds(&self, shard: &dyn Shard, task: &Slab) -> bool {
        shard.holds(task, Checksum::of(&self.part(task)), &Worker::with_threads(2)).unwrap()
    }

    /// Writes again what the shard does not hold: how many tasks.
    fn complete(&self, shard: &dyn Shard) -> usize {
        let missing: Vec<_> = self.tasks.iter().filter(|task| !self.holds(shard, task)).collect();
        for task in &missing {
            self.write(shard, task);
        }
        missing.len()
    }

    fn join(&self, shards: &[PathBuf]) -> Result<()> {
        let mut pieces = (0..).zip(&self.tasks).map(|(number, task)| (number % shards.len(), task.clone()));
        Hdf5::default().join(&self.location, self.info.clone(), &self.options, shards, &mut pieces, &Worker::new())
    }

    /// Fails unless the output is there, right and sound; removes it.
    fn check(&self, when: &str) {
        let source = Hdf5Source::open(self.location.path(), Some("/g/x")).unwrap();
        assert_eq!(source.info().shape, self.info.shape, "{when}");
        let found = crate::common::bytes(&source, &Slab::whole(&self.info.shape), 2);
        assert!(found == self.array.bytes(), "{when}: other elements");
        drop(source);
        let problems = Hdf5::default().growing().unwrap().problems(self.location.path()).unwrap();
        assert!(problems.is_empty(), "{when}: {problems:?}");
        fs::remove_file(self.location.path()).unwrap();
    }
}

fn log_of(path: &Path) -> PathBuf {
    path.with_added_extension("log")
}

#[test]
fn a_shard_becomes_a_file_whatever_the_index_of_its_chunks_is() {
    let none = None::<Vec<Option<u64>>>;
    for (shape, chunk, most) in [
        (vec![64, 8], vec![64, 8], none.clone()),
        (vec![64, 8], vec![16, 8], none.clone()),
        (vec![0, 8], vec![16, 8], Some(vec![None, Some(8)])),
        (vec![64, 8], vec![16, 8], Some(vec![None, Some(8)])),
        (vec![65, 9], vec![16, 4], Some(vec![None, None])),
        (vec![9, 70], vec![4, 16], Some(vec![Some(9), None])),
        // More chunks than a page of a fixed array, of a byte or some each; and of more bytes than a block of metadata.
        (vec![9000], vec![3], none.clone()),
        (vec![3, 2000], vec![1, 1], Some(vec![None, None])),
        (vec![70_000], vec![30_000], none),
    ] {
        for filter in ["none", "gzip", "blosc:lz4:5"] {
            let mut job = Job::new(doubles(&shape), &chunk, filter);
            job.info.max_shape.clone_from(&most);
            let shard = job.open("shard").unwrap();
            assert_eq!(job.complete(&*shard), job.tasks.len());
            shard.finish().unwrap();
            if most.is_some() && shape[0] > 0 && most.as_ref().is_some_and(|most| most[0].is_none()) {
                // It can be appended to.
                let sink = Hdf5::default().growing().unwrap().append(&job.location, 0).unwrap();
                drop(sink);
            }
            assert_eq!(fs::read_dir(job.folder.path()).unwrap().count(), 1);
            job.check(&format!("{shape:?} in chunks of {chunk:?}, {filter}"));
        }
    }
}

#[test]
fn a_finished_shard_grows_like_any_file() {
    let mut job = Job::new(doubles(&[64, 8]), &[16, 8], "gzip");
    job.info = job.info.clone().with_max_shape([None, Some(8)]);
    let shard = job.open("shard").unwrap();
    job.complete(&*shard);
    shard.finish().unwrap();
    let sink = Hdf5::default().growing().unwrap().append(&job.location, 0).unwrap();
    let more = doubles(&[36, 8]);
    sink.write_from(&Slab::new([64, 0], [36, 8]), more.bytes(), &Worker::new()).unwrap();
    sink.finish().unwrap();
    let source = Hdf5Source::open(job.location.path(), None).unwrap();
    let found = crate::common::bytes(&source, &Slab::whole(&[100, 8]), 1);
    assert!(found == [job.array.bytes(), more.bytes()].concat());
}

#[test]
fn attributes_large_and_small_are_written_around_chunks() {
    let mut job = Job::new(doubles(&[64, 8]), &[16, 8], "none");
    // In a heap of their own; the long ones among them where else only elements are.
    let long = "long text ".repeat(900);
    let mut attributes: Vec<(String, Attribute)> =
        (0..40).map(|number| (format!("number {number}"), Attribute::from(f64::from(number)))).collect();
    attributes.push(("units".to_owned(), "m/s".into()));
    attributes.push(("long".to_owned(), long.as_str().into()));
    job.options = job.options.clone().with_attributes(attributes);
    let shard = job.open("shard").unwrap();
    job.complete(&*shard);
    shard.finish().unwrap();
    let metadata = Hdf5Metadata::open(job.location.path()).unwrap();
    assert_eq!(metadata.attribute("/g/x", "units").unwrap().text().as_deref(), Some("m/s"));
    assert_eq!(metadata.attribute("/g/x", "long").unwrap().text().as_deref(), Some(long.as_str()));
    assert_eq!(metadata.attribute("/g/x", "number 39").unwrap(), Attribute::from(39.0));
    drop(metadata);
    job.check("with attributes");
}

#[test]
fn whatever_is_cut_off_a_shard_is_written_again() {
    let job = Job::new(doubles(&[40, 12]), &[8, 3], "gzip");
    let shard = job.open("shard").unwrap();
    job.complete(&*shard);
    drop(shard);
    let (path, log) = (job.path("shard"), log_of(&job.path("shard")));
    let (data, records) = (fs::read(&path).unwrap(), fs::read(&log).unwrap());
    let cut_logs = (0..records.len()).map(|length| (data.len(), length));
    let cut_data = (0..data.len()).step_by(13).map(|length| (length, records.len()));
    let mut redone = Vec::new();
    for (data_length, log_length) in cut_logs.chain(cut_data) {
        fs::write(&path, &data[..data_length]).unwrap();
        fs::write(&log, &records[..log_length]).unwrap();
        let shard = job.open("shard").unwrap();
        let count = job.complete(&*shard);
        assert!(count > 0 || data_length > data.len() - 13, "{data_length}, {log_length}");
        redone.push(count);
        shard.finish().unwrap();
        job.check(&format!("cut to {data_length} and {log_length} bytes"));
    }
    assert!((0..=job.tasks.len()).all(|count| count == 0 || redone.contains(&count)), "{redone:?}");
}

#[test]
fn whatever_byte_of_a_shard_changes_its_chunk_is_written_again() {
    let job = Job::new(
        MemorySource::new(
            [12, 6],
            &noise(72 * 8)
                .as_chunks::<8>()
                .0
                .iter()
                .map(|bits| f64::from_bits(u64::from_ne_bytes(*bits) >> 2))
                .collect::<Vec<_>>(),
        )
        .unwrap(),
        &[4, 3],
        "none",
    );
    let shard = job.open("shard").unwrap();
    job.complete(&*shard);
    drop(shard);
    let (path, log) = (job.path("shard"), log_of(&job.path("shard")));
    let (data, records) = (fs::read(&path).unwrap(), fs::read(&log).unwrap());
    for at in (4096..data.len()).chain(data.len()..data.len() + records.len()) {
        let (mut data, mut records) = (data.clone(), records.clone());
        match at.checked_sub(data.len()) {
            None => data[at] ^= 0x10,
            Some(at) => records[at] ^= 0x10,
        }
        fs::write(&path, &data).unwrap();
        fs::write(&log, &records).unwrap();
        let shard = match job.open("shard") {
            // It is no log any more.
            Err(Error::WrongFormat { .. }) if at < data.len() + 16 => continue,
            shard => shard.unwrap(),
        };
        let count = job.complete(&*shard);
        assert!(if at < data.len() { count == 1 } else { count > 0 }, "byte {at}: {count} tasks are done again");
        shard.finish().unwrap();
        job.check(&format!("byte {at} changed"));
    }
}

#[test]
fn what_nobody_asked_for_is_looked_at_before_it_is_published() {
    let job = Job::new(doubles(&[40, 12]), &[8, 3], "none");
    let shard = job.open("shard").unwrap();
    job.complete(&*shard);
    drop(shard);
    job.open("shard").unwrap().finish().unwrap();
    job.check("published by the next process");
    let shard = job.open("shard").unwrap();
    job.complete(&*shard);
    drop(shard);
    let mut data = fs::read(job.path("shard")).unwrap();
    let last = data.len() - 1;
    data[last] ^= 1;
    fs::write(job.path("shard"), data).unwrap();
    let refused = job.open("shard").unwrap().finish();
    assert!(matches!(refused, Err(Error::Corrupt { .. })), "{refused:?}");
    assert!(!job.location.path().exists());
    // It can still be completed.
    let shard = job.open("shard").unwrap();
    assert_eq!(job.complete(&*shard), 1);
    shard.finish().unwrap();
    job.check("mended");
}

#[test]
fn the_last_content_of_a_slab_counts() {
    let job = Job::new(doubles(&[40, 12]), &[8, 3], "gzip");
    let shard = job.open("shard").unwrap();
    let (task, other) = (&job.tasks[0], vec![7; job.part(&job.tasks[0]).len()]);
    shard.write_from(task, &other, &Worker::new()).unwrap();
    assert!(shard.holds(task, Checksum::of(&other), &Worker::new()).unwrap() && !job.holds(&*shard, task));
    job.complete(&*shard);
    drop(shard);
    let shard = job.open("shard").unwrap();
    assert!(job.holds(&*shard, task) && !shard.holds(task, Checksum::of(&other), &Worker::new()).unwrap());
    // Chunks that were written with another slab are not those of this one.
    let one = Slab::new([0, 0], [8, 3]);
    let bytes = job.part(&one);
    assert!(!shard.holds(&one, Checksum::of(&bytes), &Worker::new()).unwrap());
    shard.finish().unwrap();
    job.check("written twice");
}

#[test]
fn a_slab_that_cuts_chunks_is_refused() {
    let job = Job::new(doubles(&[40, 12]), &[8, 3], "gzip");
    let shard = job.open("shard").unwrap();
    let slab = Slab::new([0, 0], [8, 2]);
    let refused = shard.write_from(&slab, &[0; 128], &Worker::new());
    assert!(matches!(refused, Err(Error::InvalidArgument(_))), "{refused:?}");
    assert!(!job.path("shard").exists());
}

#[test]
fn the_shard_of_another_description_is_refused_by_what_differs() {
    let job = Job::new(doubles(&[40, 12]), &[8, 3], "gzip");
    let shard = job.open("shard").unwrap();
    job.write(&*shard, &job.tasks[0]);
    drop(shard);
    let base = || job.info.clone();
    let chunked = base().with_chunk_shape([8, 6]);
    let (mut longer, mut integer) = (base(), base());
    longer.shape = [41, 12].into();
    integer.dtype = DType::I64;
    for (info, what) in [
        (longer, "its shape is (40, 12), not (41, 12)"),
        (integer, "its dtype is float64, not int64"),
        (chunked, "its chunk shape is (8, 3), not (8, 6)"),
        (base().with_fill(1.0), "its fill value is none, not 1"),
    ] {
        let error = job.open_as("shard", &info).unwrap_err();
        assert!(matches!(error, Error::ShardMismatch { .. }) && error.to_string().contains(what), "{error}");
    }
    let mut other = job;
    other.options = other.options.clone().with_filter("none");
    let error = other.open("shard").unwrap_err().to_string();
    assert!(error.contains("its filter is gzip:4, not none"), "{error}");
    other.options = other.options.clone().with_filter("gzip");
    assert!(other.holds(&*other.open("shard").unwrap(), &other.tasks[0]));
}

#[test]
fn a_file_that_exists_changes_only_when_the_shard_is_finished_and_at_once() {
    let job = Job::new(doubles(&[40, 12]), &[8, 3], "gzip");
    let editor = Hdf5Editor::create(job.location.path(), false).unwrap();
    editor.create_group("/other").unwrap();
    editor.finish().unwrap();
    let before = fs::read(job.location.path()).unwrap();
    let shard = job.open("shard").unwrap();
    job.complete(&*shard);
    drop(shard);
    assert_eq!(fs::read(job.location.path()).unwrap(), before);
    // While another has the file there is no commit, and nothing is lost.
    let reader = Hdf5Metadata::open(job.location.path()).unwrap();
    let blocked = Hdf5Editor::open(job.location.path()).unwrap_err();
    assert!(matches!(blocked, Error::Locked { .. }));
    let shard = job.open("shard").unwrap();
    assert_eq!(job.complete(&*shard), 0);
    assert!(matches!(shard.finish(), Err(Error::Locked { .. })));
    drop(reader);
    assert_eq!(fs::read(job.location.path()).unwrap(), before);
    let shard = job.open("shard").unwrap();
    assert_eq!(job.complete(&*shard), 0);
    shard.finish().unwrap();
    assert_eq!(fs::read_dir(job.folder.path()).unwrap().count(), 1);
    assert!(Hdf5::default().list(job.location.path()).unwrap().iter().any(|entry| entry.name == "/other"));
    job.check("added");
}

#[test]
fn a_dataset_is_replaced_by_a_shard_and_by_several() {
    for count in [1, 3] {
        let mut job = Job::new(doubles(&[40, 12]), &[8, 3], "gzip");
        let old = MemorySource::new([3], &[1_i32, 2, 3]).unwrap();
        for name in ["/g/x", "/kept"] {
            let location = Location::new(job.location.path()).with_dataset(name);
            let sink = Hdf5::default().create(&location, old.info().clone(), &CreateOptions::default()).unwrap();
            sink.write_from(&Slab::whole(&[3]), old.bytes(), &Worker::new()).unwrap();
            sink.finish().unwrap();
        }
        assert!(matches!(job.open("0"), Err(Error::AlreadyExists { .. })));
        job.options = job.options.clone().with_overwrite(true);
        if count == 1 {
            let shard = job.open("0").unwrap();
            job.complete(&*shard);
            shard.finish().unwrap();
        } else {
            let paths: Vec<_> = (0..count).map(|number| job.path(&number.to_string())).collect();
            for number in 0..count {
                let shard = job.open(&number.to_string()).unwrap();
                job.tasks.iter().skip(number).step_by(count).for_each(|task| job.write(&*shard, task));
            }
            job.join(&paths).unwrap();
        }
        let kept = Hdf5Source::open(job.location.path(), Some("/kept")).unwrap();
        assert_eq!(crate::common::bytes(&kept, &Slab::whole(&[3]), 1), old.bytes());
        drop(kept);
        job.check("replaced");
    }
}

#[test]
fn pytables_gets_its_attributes_however_a_dataset_is_made() {
    let job = Job::new(doubles(&[40, 12]), &[8, 3], "gzip");
    let backend = Hdf5::default().to_pytables();
    let open = |name: &str| backend.shard(&job.location, job.info.clone(), &job.options, &job.path(name)).unwrap();
    let class = || Hdf5Metadata::open(job.location.path()).unwrap().attribute("/g/x", "CLASS").unwrap();
    let shard = open("one");
    job.complete(&*shard);
    shard.finish().unwrap();
    assert_eq!(class().text().as_deref(), Some("CARRAY"));
    job.check("one shard");
    let shard = open("two");
    job.complete(&*shard);
    drop(shard);
    let mut pieces = job.tasks.iter().map(|task| (0, task.clone()));
    let shards = [job.path("two")];
    backend.join(&job.location, job.info.clone(), &job.options, &shards, &mut pieces, &Worker::new()).unwrap();
    assert_eq!(class().text().as_deref(), Some("CARRAY"));
    job.check("joined");
}

#[test]
fn one_element_is_a_shard_too() {
    let job = Job::new(MemorySource::new([], &[2.5_f64]).unwrap(), &[], "gzip");
    let shard = job.open("shard").unwrap();
    shard.write_from(&Slab::whole(&[]), f64::as_bytes(&[2.5]), &Worker::new()).unwrap();
    drop(shard);
    let shard = job.open("shard").unwrap();
    assert_eq!(job.complete(&*shard), 0);
    shard.finish().unwrap();
    job.check("one element");
}

#[test]
fn files_of_equal_data_are_equal_whenever_they_are_made() {
    let folder = folder();
    for (name, backend) in [("plain", Hdf5::default()), ("pytables", Hdf5::default().to_pytables())] {
        let path = folder.path().join(name);
        let make = || {
            let location = Location::new(&path).with_dataset("/g/x");
            let options = CreateOptions::default().with_overwrite(true);
            let sink = backend.create(&location, info(&[64, 8], DType::F64, &[16, 8]), &options).unwrap();
            sink.write_from(&Slab::whole(&[64, 8]), doubles(&[64, 8]).bytes(), &Worker::new()).unwrap();
            sink.finish().unwrap();
            fs::read(&path).unwrap()
        };
        let first = make();
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let second = make();
        let differ: Vec<_> = (0..first.len()).filter(|at| first[*at] != second[*at]).collect();
        assert!(first == second, "{name}: {differ:?}");
    }
}
