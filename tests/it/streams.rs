//! Streams of chunks keep chunkiter's names, layout and filter, and refuse what it loses without a word.

use std::path::{Path, PathBuf};

use chunk_core::{Bytes, ChunkSource, ChunkSourceExt, DType, DatasetInfo, Error, MemorySource, Run, steps};
use chunk_hdf5::{Filter, Hdf5Appender, Hdf5Sink, Hdf5Source, Hdf5Stream, ReadOptions};
use tempfile::TempDir;

use crate::python;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn files(&self) -> usize {
        std::fs::read_dir(self.0.path()).unwrap().count()
    }
}

/// `rows` rows of three numbers, from `start` on.
fn rows(start: i32, rows: u64) -> MemorySource {
    let numbers: Vec<i32> = (3 * start..3 * (start + rows as i32)).collect();
    MemorySource::new([rows, 3], &numbers).unwrap()
}

fn floats(count: u64) -> MemorySource {
    MemorySource::new([count], &vec![0.5_f64; count as usize]).unwrap()
}

fn one(path: &Path) -> Hdf5Stream {
    Hdf5Stream::of_one(path, None, Filter::default())
}

fn read(path: &Path, name: &str) -> Vec<i32> {
    Hdf5Source::open(path, Some(name)).unwrap().read_all().unwrap()
}

#[test]
fn layout_and_filter_are_chunkiters() {
    let folder = Folder::new();
    let mut stream = one(&folder.path("one.h5"));
    for (start, count) in [(0, 1000), (1000, 1000), (2000, 7), (2007, 0), (2007, 2000)] {
        stream.write(&[rows(start, count)]).unwrap();
    }
    assert_eq!(folder.files(), 1, "it has another name until it is finished");
    assert!(!folder.path("one.h5").exists());
    stream.finish().unwrap();
    assert_eq!(read(&folder.path("one.h5"), "/data"), (0..3 * 4007).collect::<Vec<_>>());
    python::run("streams.py", &["one", &folder.path("one.h5").to_string_lossy(), "4007", "1000"]);
}

/// CK-15, its cases that work.
#[test]
fn names_are_counted_in_each_file() {
    let folder = Folder::new();
    let [a, b, c] = ["a.h5", "b.h5", "c.h5"].map(|name| folder.path(name));
    let write = |mut stream: Hdf5Stream| {
        stream.write(&[rows(0, 4), floats(5)]).unwrap();
        stream.write(&[rows(4, 2), floats(1)]).unwrap();
        stream.finish().unwrap();
    };
    write(Hdf5Stream::of_several(&[&a], &[], Filter::NONE));
    write(Hdf5Stream::of_several(&[&a], &["x", "g/y"], Filter::NONE)); // added to what is there
    write(Hdf5Stream::of_several(&[&b, &c], &[], Filter::NONE));
    write(Hdf5Stream::of_several(&[&b, &c], &["same"], Filter::NONE));
    write(Hdf5Stream::of_several(&[&b, &c], &["n1", "n2"], Filter::NONE));
    let found = python::run("streams.py", &["names", &[&a, &b, &c].map(|path| path.to_string_lossy()).join(":")]);
    assert_eq!(found.trim(), "data0 data1 g/y x : data0 n1 same : data0 n2 same");
    assert_eq!(read(&a, "data0"), (0..18).collect::<Vec<_>>());
    let automatic = Hdf5Source::open_automatic(&a, ReadOptions::default()).unwrap();
    assert_eq!(automatic.iter().map(|source| source.info().shape[0]).collect::<Vec<_>>(), [6, 6]);
    // A tuple of one is a tuple.
    let mut stream = Hdf5Stream::of_several(&[folder.path("d.h5")], &[], Filter::NONE);
    stream.write(&[floats(1)]).unwrap();
    stream.finish().unwrap();
    assert!(Hdf5Source::open(folder.path("d.h5"), Some("data0")).is_ok());
}

/// CK-15, its silent cases: a value dropped, a name ignored, an empty dataset left, one of two that goes on alone.
#[test]
fn arrays_that_files_and_names_are_not_for_are_refused_before_anything_is_created() {
    let folder = Folder::new();
    let [a, b] = ["a.h5", "b.h5"].map(|name| folder.path(name));
    let three = [floats(1), floats(1), floats(1)];
    for (paths, names, arrays) in [
        (&[&a, &b][..], &[][..], &three[..]),   // three values, two files
        (&[&a], &["x", "y", "z"], &three[..2]), // two values, three names
        (&[&a], &["x"], &three[..2]),           // two values, one name in one file
        (&[&a, &a], &["x", "x"], &three[..2]),  // twice the same
        (&[&a], &[], &[]),                      // no values
    ] {
        let error = Hdf5Stream::of_several(paths, names, Filter::NONE).write(arrays).unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)), "{error}");
    }
    assert!(one(&a).write(&three[..2]).is_err());
    assert_eq!(folder.files(), 0);

    let mut stream = Hdf5Stream::of_several(&[&a], &[], Filter::NONE);
    stream.write(&[rows(0, 2), floats(2)]).unwrap();
    assert!(stream.write(&[rows(2, 2)]).unwrap_err().to_string().contains("1 arrays after chunks of 2"));
    stream.finish().unwrap();
    assert_eq!(read(&a, "data0").len(), 6);
}

/// CK-14: 2.7 becomes 2 there, complex numbers lose their imaginary part, 2**40 is 0.
#[test]
fn a_later_dtype_is_refused_and_nothing_is_cast() {
    let folder = Folder::new();
    let path = folder.path("x.h5");
    let mut stream = one(&path);
    stream.write(&[rows(0, 2)]).unwrap();
    for later in [
        MemorySource::new([1, 3], &[2.7_f64, 0.0, 0.0]).unwrap(),
        MemorySource::new([1, 3], &[1_i64 << 40; 3]).unwrap(),
        MemorySource::new([1, 3], &[1_i16; 3]).unwrap(),
    ] {
        assert!(matches!(stream.write(&[later]), Err(Error::DTypeMismatch { .. })));
    }
    stream.write(&[rows(2, 1)]).unwrap();
    stream.finish().unwrap();
    assert_eq!(read(&path, "/data"), (0..9).collect::<Vec<_>>());
}

/// CK-10: the shapes that end the program there, part way.
#[test]
fn rows_of_other_extents_are_refused_and_the_stream_goes_on() {
    let folder = Folder::new();
    let path = folder.path("x.h5");
    let mut stream = one(&path);
    let scalar = MemorySource::new([], &[1_i32]).unwrap();
    assert!(matches!(stream.write(&[scalar]), Err(Error::AxisOutOfRange { .. })));
    assert_eq!(folder.files(), 0);
    stream.write(&[rows(0, 1)]).unwrap();
    for shape in [&[3][..], &[1, 4], &[1, 3, 1], &[]] {
        let numbers = vec![0_i32; shape.iter().product::<u64>() as usize];
        let error = stream.write(&[MemorySource::new(shape, &numbers).unwrap()]).unwrap_err();
        assert!(error.to_string().contains("x.h5::/data"), "{error}");
    }
    stream.finish().unwrap();
    assert_eq!(read(&path, "/data"), [0, 1, 2]);
}

/// CK-10: partial output stays there, and a file that is left open.
#[test]
fn a_stream_that_ends_early_leaves_nothing() {
    let folder = Folder::new();
    one(&folder.path("empty.h5")).finish().unwrap();
    assert_eq!(folder.files(), 0, "no chunks, no file");
    let mut stream = one(&folder.path("dropped.h5"));
    stream.write(&[rows(0, 5)]).unwrap();
    drop(stream);
    assert_eq!(folder.files(), 0);

    let path = folder.path("there.h5");
    let mut stream = one(&path);
    stream.write(&[rows(0, 2)]).unwrap();
    stream.finish().unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(one(&path).write(&[rows(0, 1)]), Err(Error::AlreadyExists { .. })));
    let mut other = Hdf5Stream::of_one(&path, Some("other"), Filter::default());
    other.write(&[rows(0, 5)]).unwrap();
    drop(other);
    assert_eq!(folder.files(), 1);
    assert_eq!(std::fs::read(&path).unwrap().len(), before.len());
    assert_eq!(read(&path, "/data").len(), 6);
    assert!(Hdf5Appender::open(&path, Some("data"), 0).is_ok(), "nobody has it open");
}

/// CK-16, CK-17: the original is passed on; what is made of it is written, and made of what is written only.
#[test]
fn a_tee_passes_the_original_on_and_writes_every_nth() {
    let folder = Folder::new();
    let path = folder.path("x.h5");
    let mut made = 0;
    let stream = one(&path).with_skip(3).unwrap();
    let passed: Vec<i32> = stream
        .tee(0..8, |number| {
            made += 1;
            Ok(vec![rows(10 * number, 1)])
        })
        .map(Result::unwrap)
        .collect();
    assert_eq!(passed, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(made, 3);
    assert_eq!(read(&path, "/data"), [0, 1, 2, 90, 91, 92, 180, 181, 182]);
    assert!(one(&path).with_skip(0).is_err());
}

#[test]
fn a_tee_that_fails_or_is_dropped_leaves_nothing() {
    let folder = Folder::new();
    let fails = |number: &i32| match number {
        3 => Err(Error::InvalidArgument("three".to_owned())),
        number => Ok(vec![rows(*number, 1)]),
    };
    let passed: Vec<_> = one(&folder.path("x.h5")).tee(0..8, fails).collect();
    assert!(passed.len() == 4 && passed[3].is_err(), "{passed:?}");
    let mut tee = one(&folder.path("y.h5")).tee(0..8, fails);
    assert_eq!(tee.by_ref().take(2).count(), 2);
    drop(tee);
    assert_eq!(folder.files(), 0);
}

/// CK-3: without chunks there a dataset cannot be iterated, and a negative chunk size gives nothing.
#[test]
fn a_dataset_without_chunks_is_read_a_few_rows_at_a_time() {
    let folder = Folder::new();
    let path = folder.path("x.h5");
    python::run("streams.py", &["contiguous", &path.to_string_lossy()]);
    let source = Hdf5Source::open(&path, None).unwrap();
    assert_eq!(source.info().chunk_shape, None);
    let read = |step| -> Vec<i32> {
        let steps = steps(&[&source], step).unwrap();
        steps.flat_map(|slabs| source.read_vec::<i32>(&slabs[0]).unwrap()).collect()
    };
    assert_eq!(read(None), (0..21).collect::<Vec<_>>());
    assert_eq!(read(Some(2)), read(None));
    assert_eq!(chunk_core::rows::<i32>(&source, Bytes(0)).unwrap().last().unwrap().unwrap(), [18, 19, 20]);
    assert!(steps(&[&source], Some(0)).is_err());
}

/// CK-7: there the identity is the spelling of the path, so that another file of that name is taken for the first.
#[test]
fn the_identity_of_a_file_is_its_content_not_its_spelling() {
    let folder = Folder::new();
    let path = folder.path("x.h5");
    let write = |start| {
        let _ = std::fs::remove_file(&path);
        let mut stream = one(&path);
        stream.write(&[rows(start, 4)]).unwrap();
        stream.finish().unwrap();
    };
    let identity = |path: &Path| Hdf5Source::open(path, None).unwrap().info().identity.unwrap();
    write(0);
    let first = identity(&path);
    std::fs::create_dir(folder.path("g")).unwrap();
    assert_eq!(identity(&folder.path("g/../x.h5")), first);
    write(5);
    assert_ne!(identity(&path), first);
}

/// CK-9: a node that is there keeps its dtype and shape, and what is written is cast and broadcast.
#[test]
fn an_array_is_copied_to_hdf5_in_one_line_and_never_into_what_is_there() {
    let folder = Folder::new();
    let path = folder.path("x.h5");
    let copy = |source: &MemorySource| -> chunk_core::Result<()> {
        let sink = Hdf5Sink::create(&path, Some("x"), source.info().clone(), Filter::default())?;
        Run::new().copy(source, Box::new(sink)).map(drop)
    };
    copy(&rows(0, 5)).unwrap();
    for other in [floats(1), rows(9, 1)] {
        assert!(matches!(copy(&other), Err(Error::AlreadyExists { .. })));
    }
    assert_eq!(read(&path, "x"), (0..15).collect::<Vec<_>>());
    // Complex numbers stay complex in a file of their own.
    let complex = DatasetInfo::new([2], DType::ComplexF64);
    let complex = MemorySource::from_bytes(complex, [1.0_f64, 2.0, 3.0, 4.0].map(f64::to_ne_bytes).concat()).unwrap();
    Run::new()
        .copy(&complex, Box::new(Hdf5Sink::create(&path, Some("z"), complex.info().clone(), Filter::NONE).unwrap()))
        .unwrap();
    assert_eq!(Hdf5Source::open(&path, Some("z")).unwrap().info().dtype, DType::ComplexF64);
}
