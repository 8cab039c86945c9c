//! Bad input: a clear error that names the file and what is wrong, nothing created, nothing lost.

use std::fs;

use chunk_core::{
    Backend, ChunkSink, ChunkSource, CreateOptions, DType, DatasetInfo, Error, Location, MemorySource, Run, Slab,
    Worker,
};
use chunk_hdf5::{Filter, Hdf5, Hdf5Sink, Hdf5Source};

use crate::common::{doubles, filter, folder, info, write};

fn sample(path: &std::path::Path, name: &str) {
    let sink = Hdf5Sink::create(path, Some("group/velocity"), info(&[64, 64], DType::F64, &[16, 64]), filter(name));
    write(sink.unwrap(), &doubles(&[64, 64]), &[64, 64]);
}

#[test]
fn a_missing_or_foreign_file() {
    let folder = folder();
    let path = folder.path().join("x.h5");
    assert!(matches!(Hdf5Source::open(&path, None), Err(Error::FileNotFound { .. })));
    for content in [&b""[..], b"not HDF5", &[0; 5000]] {
        fs::write(&path, content).unwrap();
        assert!(matches!(Hdf5Source::open(&path, None), Err(Error::WrongFormat { .. })));
    }
    assert!(matches!(Hdf5Source::open(folder.path(), None), Err(Error::WrongFormat { .. })));
}

#[test]
fn a_truncated_file_at_any_length() {
    let folder = folder();
    let path = folder.path().join("x.h5");
    sample(&path, "blosc:lz4:5");
    let whole = fs::read(&path).unwrap();
    for length in (8..whole.len()).step_by(97) {
        fs::write(&path, &whole[..length]).unwrap();
        let error = Hdf5Source::open(&path, Some("/group/velocity")).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{length}: {error}");
        assert!(error.to_string().contains("x.h5"), "{error}");
    }
}

#[test]
fn a_missing_dataset_names_the_near_ones() {
    let folder = folder();
    let path = folder.path().join("x.h5");
    sample(&path, "none");
    let error = Hdf5Source::open(&path, Some("/group/velocty")).unwrap_err();
    assert!(error.to_string().ends_with("no dataset \"/group/velocty\" (there is /group/velocity)"), "{error}");
    let error = Hdf5Source::open(&path, Some("group")).unwrap_err();
    assert!(error.to_string().contains("\"/group\" is a group, not a dataset (there is /group/velocity)"), "{error}");
    let error = Hdf5Source::open(&path, Some("/")).unwrap_err();
    assert!(matches!(error, Error::NotADataset { .. }), "{error}");
}

#[test]
fn a_corrupt_chunk_is_named_with_its_offset() {
    let folder = folder();
    for name in ["gzip:5", "blosc:lz4:5", "blosc:zstd:5", "blosc:blosclz:5"] {
        let path = folder.path().join(name.replace(':', "-"));
        sample(&path, name);
        let good = fs::read(&path).unwrap();
        // Zeros over the end of the file, where the chunks are: the error must name one that they hit.
        let mut bad = good.clone();
        let from = bad.len() * 3 / 4;
        bad[from..].fill(0);
        fs::write(&path, &bad).unwrap();
        let source = Hdf5Source::open(&path, None).unwrap();
        let whole = Slab::whole(&[64, 64]);
        let error = source.read_into(&whole, &mut vec![0; 64 * 64 * 8], &Worker::new()).unwrap_err();
        let Error::CorruptChunk { chunk, offset, stored, .. } = &error else { panic!("{name}: {error}") };
        assert!(chunk.len() == 2 && offset + stored > from as u64, "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let folder = folder();
    let path = folder.path().join("x.h5");
    for name in ["gzip:5", "blosc:lz4:5", "blosc:zlib:5:bitshuffle"] {
        sample(&folder.path().join("good.h5"), name);
        let good = fs::read(folder.path().join("good.h5")).unwrap();
        fs::remove_file(folder.path().join("good.h5")).unwrap();
        // The chunks are in the second half of the file, its structure in the first.
        for at in (good.len() / 2..good.len()).step_by(31) {
            let mut bad = good.clone();
            bad[at] ^= 0xff;
            fs::write(&path, &bad).unwrap();
            if let Ok(source) = Hdf5Source::open(&path, None) {
                let whole = Slab::whole(&source.info().shape);
                let mut out = vec![0; whole.bytes(source.info().dtype.size()) as usize];
                let _ = source.read_into(&whole, &mut out, &Worker::new());
            }
        }
    }
}

#[test]
fn an_output_that_exists_is_kept() {
    let folder = folder();
    let path = folder.path().join("x.h5");
    sample(&path, "none");
    let before = fs::read(&path).unwrap();
    let again = |name: &str, overwrite: bool| {
        let location = Location::new(&path).with_dataset(name);
        let options = CreateOptions::default().with_overwrite(overwrite);
        Hdf5::default().create(&location, DatasetInfo::new([1], DType::U8), &options).map(drop)
    };
    let error = again("group/velocity", false).unwrap_err();
    assert!(matches!(&error, Error::AlreadyExists { dataset, .. } if dataset == "/group/velocity"), "{error}");
    for overwrite in [false, true] {
        assert!(matches!(again("/group", overwrite), Err(Error::NotADataset { kind: "a group", .. })));
    }
    assert!(matches!(again("/group/velocity/x", true), Err(Error::NotAGroup { .. })));
    assert!(matches!(again("/group/../x", true), Err(Error::InvalidLocation { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn an_unfinished_output_leaves_nothing() {
    let folder = folder();
    let path = folder.path().join("x.h5");
    let sink = Hdf5Sink::create(&path, None, info(&[64, 64], DType::F64, &[16, 64]), Filter::default()).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "making a sink creates nothing");
    let source = doubles(&[16, 64]);
    sink.write_from(&Slab::whole(&[16, 64]), source.bytes(), &Worker::new()).unwrap();
    assert!(!path.exists());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    drop(sink);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_failed_overwrite_keeps_the_old_file() {
    let folder = folder();
    let path = folder.path().join("x.h5");
    let make = |fill: i64| {
        let options = CreateOptions::default().with_overwrite(true);
        let info = info(&[4], DType::I64, &[2]).with_fill(fill);
        Hdf5::default().create(&Location::new(&path), info, &options).unwrap()
    };
    make(1).finish().unwrap();
    let before = fs::read(&path).unwrap();
    let second = make(2);
    second.write_from(&Slab::whole(&[4]), &[0; 32], &Worker::new()).unwrap();
    drop(second);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_budget_that_is_too_small_creates_nothing() {
    let folder = folder();
    let path = folder.path().join("x.h5");
    let sink = Hdf5Sink::create(&path, None, info(&[64, 64], DType::F64, &[64, 64]), Filter::default()).unwrap();
    let run = Run::new().budget("16K".parse().unwrap());
    let error = run.copy(&doubles(&[64, 64]), Box::new(sink)).unwrap_err();
    assert!(matches!(error, Error::BudgetTooSmall { .. }), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn impossible_outputs() {
    let folder = folder();
    let missing = folder.path().join("missing/x.h5");
    let tiny = || DatasetInfo::new([1], DType::U8);
    let error = Hdf5Sink::create(&missing, None, tiny(), Filter::NONE).unwrap_err();
    assert_eq!(error.report().split(": ").last(), Some("the directory does not exist"));
    let path = folder.path().join("x.h5");
    let huge = info(&[1 << 31], DType::U8, &[1 << 31]);
    let error = Hdf5Sink::create(&path, None, huge, Filter::default()).unwrap_err();
    assert!(error.to_string().contains("too large"), "{error}");
    let ucs4 = DatasetInfo::new([1], DType::Ucs4(3));
    let error = Hdf5Sink::create(&path, None, ucs4, Filter::NONE).unwrap_err();
    assert!(matches!(error, Error::UnsupportedDType { .. }), "{error}");
    let source = MemorySource::new([2], &[1_u8, 2]).unwrap();
    let sink = Hdf5Sink::create(&path, None, DatasetInfo::new([2], DType::I8), Filter::NONE).unwrap();
    assert!(matches!(Run::new().copy(&source, Box::new(sink)), Err(Error::DTypeMismatch { .. })));
}
