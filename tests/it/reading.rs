//! Every dtype, filter and layout that h5py and PyTables write is read as they read it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;

use chunk_core::{ChunkSource, ChunkSourceExt, DType, Slab};
use chunk_hdf5::{Hdf5Appender, Hdf5References, Hdf5Sequences, Hdf5Source, Hdf5Strings, ReadOptions};
use tempfile::TempDir;

use crate::{program, python};

/// Hashes of what the files hold, by location.
type Hashes = BTreeMap<String, String>;

/// The files, written once.
fn files() -> &'static (TempDir, Hashes) {
    static FILES: OnceLock<(TempDir, Hashes)> = OnceLock::new();
    FILES.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let printed = python::run("reading_files.py", &[&folder.path().to_string_lossy()]);
        let entry = |line: &str| {
            let [file, dataset, hash] = line.split('\t').collect::<Vec<_>>().try_into().expect("three columns");
            (format!("{}::{dataset}", folder.path().join(file).display()), hash.to_owned())
        };
        let hashes = printed.lines().map(entry).collect();
        (folder, hashes)
    })
}

fn path(name: &str) -> PathBuf {
    files().0.path().join(name)
}

#[test]
fn every_dtype_filter_and_layout_is_read_as_its_writer_reads_it() {
    let hashes = &files().1;
    assert!(hashes.len() > 950, "only {} datasets were written", hashes.len());
    let arguments: Vec<&str> = ["hash", "--json"].into_iter().chain(hashes.keys().map(String::as_str)).collect();
    let output = program::command(&arguments).output().expect("the program starts");
    let mut seen = 0;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        let expected = &hashes[record["dataset"].as_str().unwrap()];
        assert_eq!(record["sha256"], expected.as_str(), "{record}");
        seen += 1;
    }
    assert_eq!(seen, hashes.len());
}

#[test]
fn windows_are_parts_of_the_whole_with_a_cache_and_without() {
    let windows = [Slab::new([0, 0], [61, 30]), Slab::new([15, 12], [3, 3]), Slab::new([40, 0], [1, 30])];
    let options = [ReadOptions::default(), ReadOptions::default().with_cache(chunk_core::Bytes(4000))];
    for filter in
        ["none", "gzip", "lzf", "lz4_blocks", "bitshuffle", "bitshuffle_lz4_blocks", "zstd", "blosc", "blosc2"]
    {
        for file in ["h5py_btree1.h5", "h5py_fixed_array.h5"] {
            let name = format!("/{filter}_f8");
            let whole: Vec<f64> = Hdf5Source::open(path(file), Some(&name)).unwrap().read_all().unwrap();
            for options in options {
                let source = Hdf5Source::open_with(path(file), Some(&name), options).unwrap();
                for window in windows.iter().chain(&windows) {
                    let read: Vec<f64> = source.read_vec(window).unwrap();
                    let row = |row: u64| (row * 30 + window.start()[1]) as usize..(row * 30 + window.end(1)) as usize;
                    let rows = window.start()[0]..window.end(0);
                    let expected: Vec<f64> = rows.flat_map(|number| whole[row(number)].iter().copied()).collect();
                    assert_eq!(read, expected, "{file} {name} {window}");
                }
            }
        }
    }
}

#[test]
fn dtypes_are_those_of_the_writer() {
    let dtype = |file: &str, name: &str| Hdf5Source::open(path(file), Some(name)).unwrap().info().dtype.to_string();
    assert_eq!(dtype("pytables.h5", "bool"), "bool");
    assert_eq!(dtype("h5py_contiguous.h5", "number_?"), "bool");
    assert_eq!(dtype("h5py_others.h5", "time_<M8[ns]"), "datetime64[ns]");
    assert_eq!(dtype("h5py_others.h5", "time_<m8[10us]"), "timedelta64[10us]");
    assert_eq!(dtype("h5py_others.h5", "time_>M8[ms]"), "datetime64[ms]");
    assert_eq!(dtype("h5py_contiguous.h5", "number_be_c16"), "complex128");
    assert_eq!(dtype("odd.h5", "three_bytes_big"), "int32");
    assert_eq!(dtype("odd.h5", "bfloat16"), "float32");
    assert!(dtype("pytables.h5", "table_none").contains("flag: bool"));
}

#[test]
fn fields_are_chosen_by_name() {
    let open = || Hdf5Source::open(path("pytables.h5"), Some("table_blosc_lz4")).unwrap();
    let field = open().select_field("inner.x").unwrap();
    assert_eq!(field.info().dtype, DType::F64);
    let expected: Vec<f64> = (0..40).map(|row| f64::from(row) / 7.0).collect();
    assert_eq!(field.read_all::<f64>().unwrap(), expected);
    let two = open().select_fields(&["inner.x", "a"]).unwrap();
    assert_eq!(two.info().dtype.to_string(), "struct{inner.x: float64, a: int32}");
    let mut bytes = vec![0; 3 * 12];
    two.read_into(&Slab::new([5], [3]), &mut bytes, &chunk_core::Worker::new()).unwrap();
    let packed: Vec<u8> =
        (5..8_i32).flat_map(|row| [&(f64::from(row) / 7.0).to_ne_bytes()[..], &row.to_ne_bytes()].concat()).collect();
    assert_eq!(bytes, packed);
    assert_ne!(two.info().identity, open().info().identity);
    for names in [&["b"][..], &["a.x"], &[]] {
        assert!(open().select_fields(names).is_err(), "{names:?}");
    }
    assert!(two.select_field("a").is_err(), "fields were chosen before");
}

#[test]
fn text_comes_without_its_padding_and_within_its_bound() {
    let open = |name: &str| Hdf5Strings::open(path("h5py_others.h5"), Some(name)).unwrap();
    let first = |name: &str| open(name).read(&Slab::new([0], [4])).unwrap();
    assert_eq!(first("bytes"), ["", "a", "seven c", "x\0y"]);
    assert_eq!(first("utf8")[..3], ["größe", "x", ""]);
    assert_eq!(open("variable_ascii").read(&Slab::new([0], [3])).unwrap(), ["one", "", "three"]);
    assert_eq!(open("variable_unwritten").read(&Slab::new([1], [2])).unwrap(), ["", ""]);
    let both = Slab::new([1, 0], [1, 2]);
    for name in ["variable_utf8", "variable_chunked"] {
        assert_eq!(open(name).read(&both).unwrap(), ["größe".to_owned(), "x".repeat(5000)]);
        let little = open(name).with_most_bytes(chunk_core::Bytes(4000));
        assert!(little.read(&both).unwrap_err().to_string().contains("more than"), "{name}");
        assert_eq!(little.read(&Slab::new([1, 0], [1, 1])).unwrap(), ["größe"]);
    }
    assert!(open("variable_utf8").read(&Slab::new([20, 0], [1, 1])).is_err());
    assert!(Hdf5Strings::open(path("h5py_others.h5"), Some("sequences_i4")).is_err());
}

#[test]
fn text_is_appended_to_unless_it_is_padded_with_spaces() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("x.h5");
    std::fs::copy(path("h5py_others.h5"), &copy).unwrap();
    for name in ["padded_terminated_1_growing", "padded_zeros_1_growing"] {
        let mut appender = Hdf5Appender::open(&copy, Some(name), 0).unwrap();
        appender.append_bytes("größe".as_bytes().get(..6).unwrap()).unwrap();
        appender.append_bytes(b"x\0\0\0\0\0").unwrap();
        appender.finish().unwrap();
        let read = Hdf5Strings::open(&copy, Some(name)).unwrap().read_bytes(&Slab::new([5], [3])).unwrap();
        assert_eq!(read, ["grü".as_bytes(), &"größe".as_bytes()[..6], b"x"], "{name}");
    }
    let error = Hdf5Appender::open(&copy, Some("padded_spaces_1_growing"), 0).unwrap_err();
    assert!(error.to_string().contains("padded with spaces"), "{error}");
}

#[test]
fn sequences_and_references_have_readers() {
    let open = |name: &str| Hdf5Sequences::open(path("h5py_others.h5"), Some(name)).unwrap();
    let sequences = open("sequences_i4").read::<i32>(&Slab::new([1], [6])).unwrap();
    let lengths: Vec<usize> = sequences.iter().map(Vec::len).collect();
    assert_eq!(lengths, [1, 4, 9, 16, 25, 0]);
    assert_eq!(sequences[2], (0..9).collect::<Vec<_>>());
    assert!(open("sequences_i4").read::<i64>(&Slab::new([0], [1])).is_err());
    assert_eq!(open("sequences_u1").dtype(), &DType::U8);

    let references = Hdf5References::open(path("references.h5"), Some("links")).unwrap();
    let names = references.read(&Slab::new([0], [3])).unwrap();
    assert_eq!(names, [Some("/group/data".to_owned()), None, Some("/group".to_owned())]);
    assert!(Hdf5References::open(path("references.h5"), Some("group/data")).is_err());
}
