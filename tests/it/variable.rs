//! Text and sequences of variable length: what we write h5py reads, and the program shows what NumPy prints.

use std::path::Path;
use std::time::{Duration, Instant};

use chunk_core::{DType, Error, Slab};
use chunk_hdf5::{Hdf5Editor, Hdf5SequenceWriter, Hdf5StringWriter, Hdf5Strings};

use crate::{hdf5_tools, program, python};

/// The text of element `number`, as `variable.py` makes it.
fn text(number: usize) -> String {
    ["größe", "", "日本", "a"][number % 4].repeat(number % 7)
}

#[test]
fn h5py_reads_the_text_that_was_appended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.h5");
    let texts: Vec<String> = (0..10_000).map(text).collect();
    let mut alone = Hdf5StringWriter::create(&path, Some("/group/texts"), []).unwrap();
    for rows in texts.chunks(333) {
        alone.append(rows).unwrap();
        assert!(!path.exists(), "it appears when it is finished");
    }
    alone.finish().unwrap();
    let editor = Hdf5Editor::open(&path).unwrap();
    let mut rows = Hdf5StringWriter::create_in(&editor, "rows", [2, 5]).unwrap();
    rows.append(&texts[..4500]).unwrap();
    rows.append(&texts[4500..]).unwrap();
    rows.finish().unwrap();
    let mut long = Hdf5StringWriter::create_in(&editor, "long", []).unwrap();
    (0..3).for_each(|number| long.append(&["x".repeat(9 << 20 << number)]).unwrap());
    long.finish().unwrap();
    Hdf5StringWriter::create_in(&editor, "none", []).unwrap().finish().unwrap();
    let mut hits = Hdf5SequenceWriter::create_in(&editor, "hits", [], &DType::I32).unwrap();
    for number in 0..9000 {
        hits.append(&[(0..number % 11).collect::<Vec<i32>>()]).unwrap();
    }
    hits.finish().unwrap();
    let places = DType::Array { element: DType::F64.into(), shape: [2].into() };
    let pairs = Hdf5SequenceWriter::create_in(&editor, "pairs", [], &places).unwrap();
    pairs.finish().unwrap();
    editor.finish().unwrap();
    python::run("variable.py", &["check", &path.to_string_lossy()]);
    let listed = program::succeed(&["ls", "-r", &path.to_string_lossy()]);
    for line in ["/group/texts  text of variable length, (10000,)", "sequences of variable length, (9000,)"] {
        assert!(listed.contains(line), "{listed}");
    }
    if hdf5_tools::are_here() {
        let printed = hdf5_tools::run("h5dump", &["-y", "-w", "0", "-d", "/hits", &path.to_string_lossy()]);
        assert!(printed.contains("(), (0), (0, 1), (0, 1, 2)"), "{}", &printed[..400]);
    }
}

#[test]
fn what_cannot_be_written_is_refused_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.h5");
    let mut names = Hdf5StringWriter::create(&path, None, [2]).unwrap();
    for (texts, part) in [(&["a"][..], "no whole rows"), (&["a", "b\0c"], "zero byte")] {
        let message = names.append(texts).unwrap_err().to_string();
        assert!(message.contains(part) && message.contains("x.h5::/data"), "{message}");
    }
    names.append(&["a", "b"]).unwrap();
    names.finish().unwrap();
    let read = Hdf5Strings::open(&path, None).unwrap().read(&Slab::new([0, 0], [1, 2])).unwrap();
    assert_eq!(read, ["a", "b"]);

    assert!(matches!(Hdf5StringWriter::create(&path, None, []), Err(Error::AlreadyExists { .. })));
    assert!(Hdf5StringWriter::create(&path, Some("y"), [0]).is_err(), "rows of no elements");
    let mut numbers = Hdf5SequenceWriter::create(&path, Some("y"), [], &DType::U16).unwrap();
    assert!(matches!(numbers.append(&[vec![1_i16]]), Err(Error::DTypeMismatch { .. })));
    assert!(Hdf5SequenceWriter::create(&path, Some("y"), [], &DType::Ucs4(3)).is_err());
}

#[test]
fn a_writer_that_is_dropped_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let texts: Vec<String> = (0..10_000).map(text).collect();
    let entries = |folder: &Path| std::fs::read_dir(folder).unwrap().count();
    let mut names = Hdf5StringWriter::create(folder.path().join("x.h5"), None, []).unwrap();
    names.append(&texts).unwrap();
    assert_eq!(entries(folder.path()), 1, "it is being written under another name");
    drop(names);
    assert_eq!(entries(folder.path()), 0);
}

#[test]
fn a_heap_with_any_byte_changed_is_an_error_or_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.h5");
    let printed = python::run("variable.py", &["few", &path.to_string_lossy()]);
    let start: usize = printed.trim().parse().unwrap();
    let sound = std::fs::read(&path).unwrap();
    let texts = ["abc", "größe", "", &"x".repeat(40)].map(|text| text.as_bytes().to_vec());
    let mut outcomes = [0; 3];
    // Four objects, and the head of the free space behind them.
    for at in start..start + 152 {
        for flipped in [0x01, 0x80, 0xFF] {
            let mut bytes = sound.clone();
            bytes[at] ^= flipped;
            std::fs::write(&path, bytes).unwrap();
            let begun = Instant::now();
            let read = Hdf5Strings::open(&path, None).unwrap().read_bytes(&Slab::new([0], [4]));
            assert!(begun.elapsed() < Duration::from_secs(5), "byte {at}");
            let outcome = match read {
                Ok(read) if read == texts => 0,
                // The length of each is in the dataset; only what was changed is another, or ends at a zero.
                Ok(read) => {
                    let other = read.iter().zip(&texts).filter(|(read, text)| read != text).count();
                    assert!(read.len() == 4 && other == 1, "byte {at}: {read:?}");
                    1
                }
                Err(Error::Corrupt { what, .. }) => {
                    assert!(what.contains("heap"), "byte {at}: {what}");
                    2
                }
                Err(other) => panic!("byte {at}: {other}"),
            };
            outcomes[outcome] += 1;
        }
    }
    let text_bytes = 3 + "größe".len() + 40;
    assert_eq!(outcomes[1], 3 * text_bytes, "{outcomes:?}");
    // Signature, version and size of the heap; the numbers of three texts; sizes that are too large.
    assert!(outcomes[2] >= 3 * (4 + 1 + 7 + 3 * 2 + 4 * 6), "{outcomes:?}");
}
