//! Input and output are datasets of one file.

use std::fs;

use chunk_core::{ChunkSourceExt, Complex};

use crate::common::{Folder, example, naive};

fn read(folder: &Folder, name: &str) -> Vec<f64> {
    folder.open(&format!("x.h5::{name}")).read_all().unwrap()
}

#[test]
fn a_result_goes_beside_what_it_is_made_of() {
    let folder = Folder::with_example();
    folder.chunk(["fft", "x.h5::/g/data", "x.h5::/spectrum/0", "--axis", "0"]).done();
    folder.chunk(["fft", "x.h5::/g/data", "x.h5::/spectrum/1", "--axis", "1"]).done();
    for axis in [0, 1] {
        let found = folder.open(&format!("x.h5::/spectrum/{axis}")).read_all::<Complex<f64>>().unwrap();
        let expected = naive(&example(), 8, 6, axis);
        assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).norm() < 1e-12) && found.len() == 48);
    }
    folder.chunk(["convert", "x.h5::/g/data[2:4]", "x.h5::/part"]).done();
    folder.chunk(["stack", "x.h5::/all", "x.h5::/part", "x.h5::/part", "x.h5::/g/data"]).done();
    folder.chunk(["append", "x.h5::/all", "x.h5::/part"]).complaint(1); // a fixed size
    folder.chunk(["append", "x.h5::/log", "x.h5::/part", "x.h5::/g/data"]).done();
    folder.chunk(["append", "x.h5::/log", "x.h5::/g/data"]).done();
    let (all, part) = (example(), example()[12..24].to_vec());
    assert_eq!(read(&folder, "/part"), part);
    assert_eq!(read(&folder, "/all"), [&part[..], &part, &all].concat());
    assert_eq!(read(&folder, "/log"), [&part[..], &all, &all].concat());
    assert_eq!(read(&folder, "/g/data"), all);
    assert_eq!(folder.names(), ["x.h5"]);
}

#[test]
fn overwriting_replaces_one_dataset() {
    let folder = Folder::with_example();
    folder.chunk(["convert", "x.h5::/g/data[:2]", "x.h5::/a"]).done();
    folder.chunk(["convert", "x.h5::/g/data[2:4]", "x.h5::/b"]).done();
    let complaint = folder.chunk(["convert", "x.h5::/b", "x.h5::/a"]).complaint(1);
    assert!(complaint.contains("x.h5::/a: already exists; --overwrite replaces it"), "{complaint}");
    folder.chunk(["convert", "x.h5::/b", "x.h5::/a", "--overwrite"]).done();
    assert_eq!([read(&folder, "/a"), read(&folder, "/b")], [example()[12..24].to_vec(), example()[12..24].to_vec()]);
    assert_eq!(read(&folder, "/g/data"), example());
    for (output, part) in [("x.h5::/g", "\"/g\" is a group"), ("x.h5::/a/b", "\"/a\" is a dataset, and nothing")] {
        let complaint = folder.chunk(["convert", "x.h5::/b", output, "--overwrite"]).complaint(1);
        assert!(complaint.contains(part), "{complaint}");
    }
}

#[test]
fn a_dry_run_changes_no_byte() {
    let folder = Folder::with_example();
    folder.chunk(["append", "x.h5::/log", "x.h5::/g/data"]).done();
    let before = fs::read(folder.path("x.h5")).unwrap();
    let commands: [&[&str]; 5] = [
        &["fft", "x.h5::/g/data", "x.h5::/new", "--axis", "0"],
        &["convert", "x.h5::/g/data", "x.h5::/new"],
        &["convert", "x.h5::/g/data", "x.h5::/log", "--overwrite"],
        &["append", "x.h5::/new", "x.h5::/g/data"],
        &["append", "x.h5::/log", "x.h5::/g/data"],
    ];
    for command in commands {
        let plan = folder.chunk([command, &["--dry-run"]].concat()).done();
        assert!(plan.contains("slabs"), "{plan}");
        assert_eq!(fs::read(folder.path("x.h5")).unwrap(), before, "{command:?}");
        assert_eq!(folder.names(), ["x.h5"], "{command:?}");
    }
}
