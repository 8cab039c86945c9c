//! Members of .npz archives.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use chunk_core::{
    Backend, ChunkSourceExt, CreateOptions, DType, DatasetInfo, EntryKind, Error, Location, Registry, Slab,
};
use chunk_npy::Npy;
use chunk_testkit::PeakAlloc;
use tempfile::TempDir;

const ARCHIVE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/members.npz");

fn copy() -> (TempDir, PathBuf, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    let bytes = fs::read(ARCHIVE).unwrap();
    fs::write(&path, &bytes).unwrap();
    (folder, path, bytes)
}

fn member(path: &Path, name: &str) -> chunk_core::Result<Vec<u32>> {
    Npy::default().open(&Location::new(path).with_dataset(name))?.read_all()
}

#[test]
fn names_are_numpys() {
    let entries = Npy::default().list(Path::new(ARCHIVE)).unwrap();
    let listed: Vec<_> = entries
        .iter()
        .map(|entry| match &entry.kind {
            EntryKind::Dataset(dataset) => format!("{} {} {:?}", entry.name, dataset.info.dtype, dataset.filters),
            EntryKind::Unreadable(what) | EntryKind::Other(what) => format!("{}: {what}", entry.name),
            other => panic!("{}: {other:?}", entry.name),
        })
        .collect();
    assert_eq!(listed[0], "stored uint32 []");
    assert_eq!(listed[1], "deflated uint32 [\"deflate\"]");
    assert_eq!(listed[3], "group/names U5 [\"deflate\"]");
    assert!(listed[4].starts_with("objects: ") && listed[4].contains("pickle"), "{}", listed[4]);
    assert_eq!(listed[5], "README: not an array");
    assert!(matches!(entries[4].kind, EntryKind::Unreadable(_)) && matches!(entries[5].kind, EntryKind::Other(_)));
    for name in ["stored", "/stored", "stored.npy"] {
        assert_eq!(member(Path::new(ARCHIVE), name).unwrap()[5], 25);
    }
}

#[test]
fn a_missing_name_is_answered_with_those_that_are_near() {
    let open = |location: &str| Npy::default().open(&format!("{ARCHIVE}{location}").parse().unwrap()).unwrap_err();
    assert!(matches!(open(""), Error::DatasetNotNamed { names, .. } if names.len() == 5));
    assert!(matches!(open("::stoerd"), Error::DatasetNotFound { near, .. } if near[0] == "stored"));
    assert!(matches!(open("::objects"), Error::UnsupportedDType { .. }));
}

#[test]
fn is_recognised_by_its_content_and_read_only() {
    let (folder, path, bytes) = copy();
    let registry = Registry::new().with(Npy::default());
    let odd = folder.path().join("odd.bin");
    fs::write(&odd, &bytes).unwrap();
    assert!(registry.open(&Location::new(&odd).with_dataset("stored")).is_ok());
    let info = DatasetInfo::new([1], DType::U8);
    let new = folder.path().join("new.npz");
    assert!(matches!(
        Npy::default().create(&Location::new(new), info, &CreateOptions::default()),
        Err(Error::Unsupported { .. })
    ));
    let growing = Npy::default();
    let growing = growing.growing().unwrap();
    assert!(growing.append(&Location::new(&path).with_dataset("stored"), 0).is_err());
    assert!(growing.recover(&path).is_err());
}

#[test]
fn damage_in_a_deflated_member_is_seen() {
    let (_folder, path, bytes) = copy();
    let whole = member(&path, "deflated").unwrap();
    let entry = bytes.windows(12).position(|window| window == b"deflated.npy").unwrap();
    let mut wrong = 0;
    for at in (entry + 60..entry + 10_000).step_by(97) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        fs::write(&path, &damaged).unwrap();
        wrong += u32::from(member(&path, "deflated").is_ok_and(|found| found != whole));
    }
    assert_eq!(wrong, 0, "the checksum sees each");
}

#[test]
fn no_damage_makes_it_panic_or_take_memory() {
    let (_folder, path, bytes) = copy();
    let end = bytes.len();
    // The local header of the first member, the directory and what follows it.
    let places = (0..200).chain(end - 700..end);
    let cuts = (0..40).map(|cut| bytes[..end - 1 - cut * cut].to_vec());
    let flips = places.flat_map(|at| [0xff, 0x01].map(|bits| (at, bits))).map(|(at, bits)| {
        let mut damaged = bytes.clone();
        damaged[at] ^= bits;
        damaged
    });
    for damaged in cuts.chain(flips) {
        fs::remove_file(&path).unwrap();
        fs::write(&path, &damaged).unwrap();
        let look = || {
            let backend = Npy::default();
            let entries = backend.list(&path).unwrap_or_default();
            for entry in entries {
                let Ok(source) = backend.open(&Location::new(&path).with_dataset(&entry.name)) else { continue };
                let ones = vec![1; source.info().shape.len()];
                if source.info().dtype == DType::U32 && source.info().bytes() < 1 << 20 {
                    let last: Vec<u64> = source.info().shape.iter().map(|extent| extent.saturating_sub(1)).collect();
                    let _ = source.read_vec::<u32>(&Slab::new(last, ones));
                }
            }
        };
        let (caught, held) = PeakAlloc::measure(|| catch_unwind(AssertUnwindSafe(look)));
        assert!(caught.is_ok());
        assert!(held.peak < 8 << 20, "{} bytes", held.peak);
    }
}

#[test]
fn a_signature_alone_is_no_archive() {
    let (_folder, path, _) = copy();
    for bytes in [&b"PK\x05\x06"[..], b"PK\x03\x04", b"PK\x05\x06aaaaaaaaaaaaaaaaa"] {
        fs::write(&path, bytes).unwrap();
        assert!(Npy::default().list(&path).is_err());
    }
}

#[test]
fn a_bomb_is_refused_by_its_sizes() {
    let (_folder, path, bytes) = copy();
    let directory = bytes.windows(4).rposition(|window| window == b"PK\x05\x06").unwrap();
    let central = u32::from_le_bytes(bytes[directory + 16..directory + 20].try_into().unwrap()) as usize;
    let mut bomb = bytes.clone();
    // The length that the directory states of the first member, which is stored.
    bomb[central + 24..central + 28].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    fs::write(&path, &bomb).unwrap();
    assert!(matches!(member(&path, "stored"), Err(Error::Corrupt { .. })));
    let second = central + bytes[central + 1..].windows(4).position(|window| window == b"PK\x01\x02").unwrap() + 1;
    let mut bomb = bytes.clone();
    bomb[second + 24..second + 28].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    fs::write(&path, &bomb).unwrap();
    assert!(matches!(member(&path, "deflated"), Err(Error::Corrupt { .. })));
}

#[test]
fn reads_in_order_decode_once_and_backwards_is_right_too() {
    let source = Npy::default().open(&Location::new(ARCHIVE).with_dataset("deflated")).unwrap();
    let row = |row: u64| source.read_vec::<u32>(&Slab::new([row, 0], [1, 80])).unwrap();
    let expected =
        |row: u64| (row as u32 * 80..row as u32 * 80 + 80).map(|i| i.wrapping_mul(i) % 10_007).collect::<Vec<_>>();
    for number in (0..120).chain((0..120).rev()) {
        assert_eq!(row(number), expected(number));
    }
}
