//! Headers and files that are wrong on purpose, or by chance.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use chunk_core::{Backend, ChunkSourceExt, DType, Error, Location, Slab};
use chunk_npy::{Npy, NpyFile, NpySource};
use chunk_testkit::PeakAlloc;
use proptest::prelude::*;

use crate::common::{place, raw, rows};

chunk_testkit::measure_memory!();

/// Opens and looks at it in every way; gives the memory that took.
fn look(bytes: &[u8]) -> usize {
    let (_folder, path) = place();
    fs::write(&path, bytes).unwrap();
    let location = Location::new(&path);
    let all = || {
        let backend = Npy::default();
        let _ = backend.list(&path);
        if let Ok(file) = NpyFile::open(&path) {
            let (shape, source) = (file.shape().clone(), file.source());
            let last: Vec<u64> = shape.iter().map(|extent| extent.saturating_sub(1)).collect();
            let ones: Vec<u64> = shape.iter().map(|extent| (*extent).min(1)).collect();
            if *file.dtype() == DType::F64 {
                let _ = source.read_vec::<f64>(&Slab::new(last, ones));
            }
        }
        let growing = backend.growing().unwrap();
        let _ = growing.problems(&path);
        let _ = growing.append(&location, 0).map(drop);
        let _ = growing.recover(&path);
    };
    let (caught, held) = PeakAlloc::measure(|| catch_unwind(AssertUnwindSafe(all)));
    assert!(caught.is_ok(), "{bytes:?}");
    held.peak as usize
}

#[test]
fn bombs_take_no_memory() {
    let huge =
        |shape: &str| raw(1, 128, &format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"), &[]);
    for bomb in [
        huge("(1000000000000000,)"),
        huge("(4611686018427387904, 2)"),
        huge("(0, 4611686018427387904, 4611686018427387904)"),
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(),
        [b"\x93NUMPY\x02\x00\xf0\x0f\x00\x00".to_vec(), vec![b'['; 0xff0]].concat(),
    ] {
        assert!(look(&bomb) < 1 << 20);
        let (_folder, path) = place();
        fs::write(&path, &bomb).unwrap();
        assert!(NpyFile::open(&path).is_err());
    }
}

#[test]
fn every_cut_and_every_changed_byte_of_a_header_is_an_error_or_another_array() {
    let file = rows(1, 128, 4);
    for cut in 0..file.len() {
        let (_folder, path) = place();
        fs::write(&path, &file[..cut]).unwrap();
        assert!(NpyFile::open(&path).is_err(), "cut to {cut} bytes");
        look(&file[..cut]);
    }
    for at in 0..128 {
        for bits in [0xff, 0x01, 0x20, 0x08] {
            let mut damaged = file.clone();
            damaged[at] ^= bits;
            look(&damaged);
        }
    }
}

#[test]
fn files_of_other_kinds_are_told_apart() {
    let (_folder, path) = place();
    let kind = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        NpyFile::open(&path).unwrap_err()
    };
    assert!(matches!(kind(b""), Error::WrongFormat { .. }));
    assert!(matches!(kind(b"\x89HDF\r\n\x1a\nxxxxxxxx"), Error::WrongFormat { .. }));
    assert!(matches!(kind(b"\x93NUMPY"), Error::Corrupt { .. }));
    assert!(matches!(kind(b"\x93NUMPY\x09\x00\x10\x00"), Error::Unsupported { .. }));
    let objects = raw(1, 128, "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", b"\x80\x04K\x01.");
    let error = kind(&objects).to_string();
    assert!(error.contains("pickle"), "{error}");
}

/// Texts near those of headers: what a grammar would choose, with slips.
fn texts() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("'<f8'".to_owned()),
        Just("'descr'".to_owned()),
        Just("'shape'".to_owned()),
        Just("[('a', '>i2', (2,)), ('', '|V3')]".to_owned()),
        Just("True".to_owned()),
        "[0-9]{1,22}L?",
        r"'\\(x[0-9a-f]{0,3}|u[0-9a-f]{0,5}|.)'",
        "[\\[\\](){},:'\" \n]{1,4}",
        "\\PC{0,4}",
    ];
    let slips = proptest::collection::vec(word, 0..12).prop_map(|words| words.concat());
    let shape = "\\((-?[0-9]{1,20}L?, ?){0,4}\\)";
    let descr = prop_oneof![
        r"'[<>=|]?[a-zA-Z?][0-9]{0,11}(\[[0-9]{0,3}[a-zA-Z]{0,2}\])?'",
        r"\[(\('[a-c]{0,2}', '[<>|][ifuVSU][0-9]{1,2}'(, \([0-9]{1,3},\))?\),? ?){0,4}\]",
    ];
    let header = (descr, any::<bool>(), shape).prop_map(|(descr, order, shape)| {
        let order = if order { "True" } else { "False" };
        format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}")
    });
    prop_oneof![slips, header]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_header_makes_it_panic(version in 0_u8..5, text in texts(), data in proptest::collection::vec(any::<u8>(), 0..64), lie in 0_u64..10) {
        let text: Vec<u8> = if version == 3 { text.into_bytes() } else { text.chars().map(|letter| letter as u8).collect() };
        let length = (text.len() as u64 + lie.saturating_sub(5)).to_le_bytes();
        let length = if version == 1 { &length[..2] } else { &length[..4] };
        let file = [b"\x93NUMPY", &[version, 0][..], length, &text, &data].concat();
        prop_assert!(look(&file) < 4 << 20);
    }

    #[test]
    fn slabs_of_column_major_files_are_the_naive_formula(
        shape in proptest::collection::vec(1_u64..9, 1..5),
        cut in proptest::collection::vec((0_u64..9, 0_u64..9), 4),
    ) {
        let text = format!("{{'descr': '<u4', 'fortran_order': True, 'shape': {}, }}", chunk_core::Shape::from(shape.as_slice()));
        let elements: u64 = shape.iter().product();
        let data: Vec<u8> = (0..elements as u32).flat_map(u32::to_le_bytes).collect();
        let (_folder, path) = place();
        fs::write(&path, raw(1, 128, &text, &data)).unwrap();
        let (start, count): (Vec<u64>, Vec<u64>) = shape.iter().zip(&cut).map(|(extent, (start, count))| {
            let start = start % (extent + 1);
            (start, count % (extent - start + 1))
        }).unzip();
        let slab = Slab::new(start, count);
        let found = NpySource::open(&path).unwrap().read_vec::<u32>(&slab).unwrap();
        let number = |position: &Vec<u64>| position.iter().zip(&shape).rev().fold(0, |sum, (at, extent)| sum * extent + at) as u32;
        let expected: Vec<u32> = slab.positions().map(|position| number(&position)).collect();
        prop_assert_eq!(found, expected);
    }
}
