//! Files that a dead writer left.

use std::fs;

use chunk_core::{Backend, Error};
use chunk_npy::{Npy, NpyAppender, NpyFile, Recovery, needs_recovery, recover};

use crate::common::{length, numbers, place, raw, rows};

fn recovered(file: &[u8], recovery: Recovery) -> (Vec<u8>, Vec<String>) {
    let (_folder, path) = place();
    fs::write(&path, file).unwrap();
    let done = recover(&path, recovery).unwrap();
    assert!(!needs_recovery(&path).unwrap());
    (fs::read(&path).unwrap(), done)
}

#[test]
fn files_that_are_longer_than_their_header_says() {
    let longer = [&rows(1, 128, 3)[..], &numbers(3..5), &[9; 5]].concat();
    assert_eq!(recovered(&longer, Recovery::Committed).0, rows(1, 128, 3));
    assert_eq!(recovered(&longer, Recovery::WholeItems).0, rows(1, 128, 5));
    let (filled, done) = recovered(&longer, Recovery::ZeroFilled);
    assert_eq!((filled.len(), &filled[208..]), (128 + 6 * 16, &[9, 9, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..]));
    assert!(done.iter().any(|line| line.contains("11 zero bytes")) && done.iter().any(|line| line.contains("(6, 2)")));
}

#[test]
fn files_that_are_shorter_than_their_header_says() {
    let whole = rows(1, 128, 12);
    let shorter = &whole[..128 + 16 * 7 + 3];
    for recovery in [Recovery::Committed, Recovery::WholeItems] {
        assert_eq!(recovered(shorter, recovery).0, rows(1, 128, 7));
    }
    assert_eq!(recovered(shorter, Recovery::ZeroFilled).0.len(), 128 + 16 * 8);
    let (_folder, path) = place();
    fs::write(&path, shorter).unwrap();
    assert!(matches!(NpyAppender::open(&path), Err(Error::NeedsRecovery { .. })));
    assert!(matches!(NpyFile::open(&path), Err(Error::Corrupt { .. })));
}

#[test]
fn a_column_major_file_grows_along_its_last_axis() {
    let text = |items| format!("{{'descr': '<f8', 'fortran_order': True, 'shape': (2, {items}), }}");
    let longer = raw(1, 128, &text(3), &numbers(0..5));
    assert_eq!(recovered(&longer, Recovery::WholeItems).0, raw(1, 128, &text(5), &numbers(0..5)));
}

#[test]
fn a_sound_file_is_left_alone_and_a_missing_header_is_an_error() {
    assert_eq!(recovered(&rows(1, 128, 3), Recovery::ZeroFilled), (rows(1, 128, 3), Vec::new()));
    let (_folder, path) = place();
    for cut in [0, 5, 9, 70] {
        fs::write(&path, &rows(1, 128, 3)[..cut]).unwrap();
        assert!(recover(&path, Recovery::Committed).is_err());
        assert_eq!(length(&path), cut as u64);
    }
}

#[test]
fn no_room_for_the_extent_is_said_before_anything_changes() {
    let (_folder, path) = place();
    let file = [rows(1, 70, 9), numbers(9..11)].concat();
    fs::write(&path, &file).unwrap();
    let error = recover(&path, Recovery::WholeItems).unwrap_err();
    assert!(error.to_string().contains("make_appendable"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), file);
}

#[test]
fn a_program_sees_the_problems_and_mends_them() {
    let (_folder, path) = place();
    fs::write(&path, [rows(1, 128, 3), numbers(3..4)].concat()).unwrap();
    let backend = Npy::default();
    let growing = backend.growing().unwrap();
    let problems = growing.problems(&path).unwrap();
    assert!(problems.len() == 1 && problems[0].contains("16 bytes"), "{problems:?}");
    assert!(!growing.recover(&path).unwrap().is_empty());
    assert!(growing.problems(&path).unwrap().is_empty());
    assert_eq!(fs::read(&path).unwrap(), rows(1, 128, 3));
}
