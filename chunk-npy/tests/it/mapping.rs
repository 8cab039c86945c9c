//! Views of mapped files.
#![allow(unsafe_code, reason = "mapping a file is unsafe")]
#![cfg(feature = "ndarray")]

use std::fs;

use chunk_core::{Backend, Error, Location};
use chunk_npy::{Npy, NpyAppender, NpyFile, NpyMap};

use crate::common::{place, raw};

fn map(file: &[u8]) -> NpyMap {
    let (_folder, path) = place();
    fs::write(&path, file).unwrap();
    // SAFETY: nobody else knows the file.
    unsafe { NpyFile::open(&path).unwrap().map().unwrap() }
}

fn header(descr: &str, order: &str, shape: &str) -> String {
    format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}")
}

#[test]
fn a_view_has_the_files_shape_and_order() {
    let data: Vec<u8> = (0..6_i32).flat_map(i32::to_le_bytes).collect();
    if cfg!(target_endian = "little") {
        let map_c = map(&raw(1, 128, &header("'<i4'", "False", "(2, 3)"), &data));
        assert_eq!(map_c.view::<i32>().unwrap(), ndarray::arr2(&[[0, 1, 2], [3, 4, 5]]).into_dyn());
        let map_f = map(&raw(1, 128, &header("'<i4'", "True", "(2, 3)"), &data));
        assert_eq!(map_f.view::<i32>().unwrap(), ndarray::arr2(&[[0, 2, 4], [1, 3, 5]]).into_dyn());
        assert_eq!(map_f.elements::<i32>().unwrap(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(map_f.bytes(), data);
    }
}

#[test]
fn nothing_is_seen_as_what_it_is_not() {
    let bytes: Vec<u8> = (0..8).collect();
    let swapped = map(&raw(
        1,
        128,
        &header(if cfg!(target_endian = "little") { "'>i4'" } else { "'<i4'" }, "False", "(2,)"),
        &bytes,
    ));
    assert!(matches!(swapped.view::<i32>(), Err(Error::Unsupported { .. })));
    assert!(matches!(swapped.view::<f32>(), Err(Error::DTypeMismatch { .. })));
    let bools = map(&raw(1, 128, &header("'|b1'", "False", "(8,)"), &bytes));
    assert!(matches!(bools.view::<bool>(), Err(Error::InvalidArgument(_))));
    let misaligned = map(&raw(1, 99, &header("'=i4'", "False", "(2,)"), &bytes));
    assert!(matches!(misaligned.view::<i32>(), Err(Error::InvalidArgument(_))));
}

#[test]
fn no_elements_and_no_axes() {
    assert_eq!(map(&raw(1, 128, &header("'|u1'", "False", "(0, 3)"), &[])).view::<u8>().unwrap().shape(), [0, 3]);
    assert_eq!(map(&raw(1, 128, &header("'|u1'", "False", "()"), &[7])).view::<u8>().unwrap()[[]], 7);
}

#[test]
fn a_map_stays_while_the_file_grows_and_a_new_one_sees_more() {
    let (_folder, path) = place();
    let mut appender = NpyAppender::create::<u64>(&path, &[]).unwrap();
    appender.append(&[1_u64, 2]).unwrap();
    appender.commit().unwrap();
    let mut file = NpyFile::open(&path).unwrap();
    // SAFETY: the file is only appended to.
    let before = unsafe { file.map().unwrap() };
    appender.append(&vec![3_u64; 100_000]).unwrap();
    appender.commit().unwrap();
    assert!(file.refresh().unwrap() && !file.refresh().unwrap());
    // SAFETY: the file is only appended to.
    let after = unsafe { file.map().unwrap() };
    assert_eq!(before.elements::<u64>().unwrap(), [1, 2]);
    assert_eq!(after.elements::<u64>().unwrap().len(), 100_002);
}

#[test]
fn members_are_mapped_where_they_are_stored() {
    let archive = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/members.npz");
    assert!(Npy::default().open(&Location::new(archive).with_dataset("stored")).is_ok());
    let (_folder, path) = place();
    fs::write(&path, fs::read(archive).unwrap()).unwrap();
    assert!(matches!(NpyFile::open(&path), Err(Error::WrongFormat { .. })), "an archive is not one array");
}
