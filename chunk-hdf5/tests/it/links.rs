//! Names that lead elsewhere: followed within the folder if allowed, within bounds always.

use std::fs;
use std::path::Path;

use chunk_core::{ChunkSource, ChunkSourceExt, DType, Error, Slab};
use chunk_hdf5::{Filter, Hdf5Sink, Hdf5Source, ReadOptions};

use crate::common::{doubles, folder, info, write};

const DATA: [u64; 2] = [10, 3];

fn sample(path: &Path, name: &str) {
    let sink = Hdf5Sink::create(path, Some(name), info(&DATA, DType::F64, &[4, 3]), Filter::NONE).unwrap();
    write(sink, &doubles(&DATA), &DATA);
}

fn opened(path: &Path, name: &str, options: ReadOptions) -> Result<Vec<u64>, Error> {
    let source = Hdf5Source::open_with(path, Some(name), options)?;
    Ok(source.read_all::<f64>()?.into_iter().map(f64::to_bits).collect())
}

fn expected() -> Vec<u64> {
    doubles(&DATA).bytes().as_chunks().0.iter().map(|bytes| u64::from_ne_bytes(*bytes)).collect()
}

#[test]
fn soft_links_are_followed_and_circles_end() {
    let folder = folder();
    let path = folder.path().join("x.h5");
    sample(&path, "/group/data");
    let file = hdf5::File::open_rw(&path).unwrap();
    file.link_soft("/group/data", "/absolute").unwrap();
    file.link_soft("data", "/group/relative").unwrap();
    file.link_soft("/group", "/folder").unwrap();
    file.link_soft("/folder/relative", "/twice").unwrap();
    file.link_soft("/round", "/about").unwrap();
    file.link_soft("/about", "/round").unwrap();
    file.link_soft("/nowhere", "/lost").unwrap();
    file.close().unwrap();
    for name in ["/absolute", "/group/relative", "/folder/data", "/folder/relative", "/twice", "./group//data"] {
        assert_eq!(opened(&path, name, ReadOptions::default()).unwrap(), expected(), "{name}");
    }
    let error = opened(&path, "/round", ReadOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }) && error.to_string().contains("circle"), "{error}");
    assert!(matches!(opened(&path, "/lost", ReadOptions::default()), Err(Error::DatasetNotFound { .. })));
}

#[test]
fn links_into_other_files_are_followed_if_allowed_and_not_out_of_the_folder() {
    let outer = folder();
    let inner = outer.path().join("inner");
    fs::create_dir_all(inner.join("below")).unwrap();
    sample(&outer.path().join("secret.h5"), "/data");
    sample(&inner.join("below/other.h5"), "/data");
    let path = inner.join("x.h5");
    sample(&path, "/own");
    std::os::unix::fs::symlink(outer.path().join("secret.h5"), inner.join("innocent.h5")).unwrap();
    let file = hdf5::File::open_rw(&path).unwrap();
    let absolute = outer.path().join("secret.h5").to_string_lossy().into_owned();
    for (name, target) in [
        ("/below", "below/other.h5"),
        ("/up", "../secret.h5"),
        ("/absolute", &absolute),
        ("/symbolic", "innocent.h5"),
        ("/gone", "gone.h5"),
    ] {
        file.link_external(target, "/data", name).unwrap();
    }
    file.link_soft("/below", "/through").unwrap();
    file.close().unwrap();
    let allowed = ReadOptions::default().with_external_links(true);
    for name in ["/below", "/through"] {
        assert_eq!(opened(&path, name, allowed).unwrap(), expected(), "{name}");
        let refused = opened(&path, name, ReadOptions::default()).unwrap_err();
        assert!(matches!(refused, Error::Unsupported { .. }), "{name}: {refused}");
    }
    for name in ["/up", "/absolute", "/symbolic"] {
        let refused = opened(&path, name, allowed).unwrap_err();
        assert!(refused.to_string().contains("outside the folder"), "{name}: {refused}");
    }
    assert!(matches!(opened(&path, "/gone", allowed), Err(Error::FileNotFound { .. })));
}

#[test]
fn external_data_are_read_if_allowed_piece_by_piece() {
    let outer = folder();
    let inner = outer.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let bytes: Vec<u8> = (0..60_u16).flat_map(u16::to_le_bytes).collect();
    fs::write(inner.join("a.raw"), [&[0xff; 7], &bytes[..50]].concat()).unwrap();
    fs::write(inner.join("b.raw"), &bytes[50..]).unwrap();
    fs::write(outer.path().join("c.raw"), &bytes).unwrap();
    let path = inner.join("x.h5");
    let file = hdf5::File::create(&path).unwrap();
    let make = |name: &str, pieces: &[(&str, usize, usize)]| {
        let builder = file.new_dataset::<u16>().shape((20, 3));
        let external = |builder: hdf5::DatasetBuilderEmptyShape, &(file, offset, size): &(&str, usize, usize)| {
            builder.external(file, offset, size)
        };
        pieces.iter().fold(builder, external).create(name).unwrap();
    };
    make("two", &[("a.raw", 7, 50), ("b.raw", 0, 70)]);
    make("ended", &[("a.raw", 8, 50), ("b.raw", 0, 70)]);
    make("up", &[("../c.raw", 0, 120)]);
    make("gone", &[("gone.raw", 0, 120)]);
    file.close().unwrap();
    let open = |name: &str| Hdf5Source::open_with(&path, Some(name), ReadOptions::default().with_external_files(true));
    let two = open("two").unwrap();
    assert_eq!(two.read_all::<u16>().unwrap(), (0..60).collect::<Vec<_>>());
    assert_eq!(two.read_vec::<u16>(&Slab::new([7, 1], [3, 2])).unwrap(), [22, 23, 25, 26, 28, 29]);
    assert!(matches!(Hdf5Source::open(&path, Some("two")), Err(Error::Unsupported { .. })));
    assert!(matches!(open("ended"), Err(Error::Corrupt { .. })));
    assert!(open("up").unwrap_err().to_string().contains("outside the folder"));
    assert!(matches!(open("gone"), Err(Error::FileNotFound { .. })));
    assert_ne!(two.info().identity, None);
}
