//! Datasets added to files that exist, by a program that reads them meanwhile.

use std::fs;

use chunk_core::{Backend, Budget, CreateOptions, DType, DatasetInfo, Error, Location, MemorySource, Planner, Run};
use chunk_hdf5::{Filter, Hdf5, Hdf5Editor, Hdf5Source};

use crate::common::{doubles, folder, info, write};

#[test]
fn sources_and_a_sink_of_one_backend_share_a_file() {
    let folder = folder();
    let path = folder.path().join("x.h5");
    let backend = Hdf5::default();
    let place = |name: &str| Location::new(&path).with_dataset(name);
    let numbers = doubles(&[64, 8]);
    let create = |name: &str| {
        let options = CreateOptions::default();
        backend.create(&place(name), info(&[64, 8], DType::F64, &[16, 8]), &options).unwrap()
    };
    Run::new().copy(&numbers, create("/a")).unwrap();
    let source = backend.open(&place("/a")).unwrap();
    let sink = create("/b");
    let whole = chunk_core::Slab::whole(&[64, 8]);
    sink.write_from(&whole, numbers.bytes(), &chunk_core::Worker::new()).unwrap();
    // Sources go on, and more are opened; others are kept out, and so is a second sink.
    let late = backend.open(&place("/a")).unwrap();
    assert!(matches!(Hdf5Source::open(&path, Some("/a")), Err(Error::Locked { .. })));
    let second = create("/c");
    assert!(matches!(second.finish(), Err(Error::Locked { .. })));
    assert!(matches!(backend.open(&place("/b")), Err(Error::DatasetNotFound { .. })), "it is not finished");
    sink.finish().unwrap();
    for source in [&source, &late, &backend.open(&place("/b")).unwrap()] {
        assert_eq!(crate::common::bytes(&**source, &whole, 1), numbers.bytes());
    }
    // The locks of the sources are theirs again.
    assert!(matches!(Hdf5Editor::open(&path), Err(Error::Locked { .. })));
    drop((source, late));
    Hdf5Editor::open(&path).unwrap();
}

#[test]
fn a_file_is_replaced_whole_only_if_nothing_else_is_in_it() {
    let folder = folder();
    let path = folder.path().join("x.h5");
    let overwrite = |name: &str| {
        let location = Location::new(&path).with_dataset(name);
        let options = CreateOptions::default().with_overwrite(true).with_filter("none");
        let sink = Hdf5::default().create(&location, info(&[64, 8], DType::F64, &[16, 8]), &options).unwrap();
        Run::new().copy(&doubles(&[64, 8]), sink).unwrap();
        fs::metadata(&path).unwrap().len()
    };
    let alone = overwrite("/g/x");
    assert_eq!(overwrite("/g/x"), alone, "a file of its own has no hole");
    let edit = |change: &dyn Fn(&Hdf5Editor) -> chunk_core::Result<()>| {
        let editor = Hdf5Editor::open(&path).unwrap();
        change(&editor).unwrap();
        editor.finish().unwrap();
    };
    edit(&|editor| editor.create_group("/empty"));
    assert!(overwrite("/g/x") > alone + 4096);
    assert_eq!(Hdf5::default().list(&path).unwrap().len(), 3, "/empty is kept");
    edit(&|editor| editor.remove("/empty"));
    assert_eq!(overwrite("/g/x"), alone);
    let file = hdf5::File::append(&path).unwrap();
    file.new_attr::<i32>().create("title").unwrap().write_scalar(&7).unwrap();
    file.close().unwrap();
    overwrite("/g/x");
    let file = hdf5::File::open(&path).unwrap();
    assert_eq!(file.attr("title").unwrap().read_scalar::<i32>().unwrap(), 7, "an attribute is kept");
}

/// A plan tries many chunk shapes, with a sink for each, and none may walk through the file.
#[test]
#[cfg(target_os = "linux")]
fn planning_reads_little_of_a_file_with_many_datasets() {
    let folder = folder();
    let path = folder.path().join("x.h5");
    let editor = Hdf5Editor::create(&path, false).unwrap();
    for number in 0..5000 {
        let sink = editor.create_dataset(
            &format!("/g{}/{number}", number % 3),
            DatasetInfo::new([2], DType::U8),
            Filter::NONE,
        );
        write(sink.unwrap(), &MemorySource::new([2], &[1_u8, 2]).unwrap(), &[2]);
    }
    editor.finish().unwrap();
    // Bytes that this thread has read.
    let read = || {
        let text = fs::read_to_string("/proc/thread-self/io").unwrap();
        text.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse::<u64>().unwrap()
    };
    let backend = Hdf5::default();
    let before = read();
    backend.list(&path).unwrap();
    let listing = read() - before;
    let sinks = std::cell::Cell::new(0);
    let source = doubles(&[4096, 64]);
    let location = Location::new(&path).with_dataset("/g1/new");
    let build = |info: DatasetInfo| {
        sinks.set(sinks.get() + 1);
        backend.create(&location, info, &CreateOptions::default())
    };
    let before = read();
    Planner::new(Budget::new(3 << 20).unwrap())
        .create(&source, &info(&[4096, 64], DType::F64, &[4096, 64]), &build)
        .unwrap();
    let planning = read() - before;
    assert!(sinks.get() > 2, "{} sinks were made", sinks.get());
    assert!(planning < listing / 4, "planning read {planning} bytes for {} sinks, listing {listing}", sinks.get());
}
