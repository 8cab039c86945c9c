//! Each bad input is one clear line; nothing is created and nothing is lost.

use std::fs;

use crate::common::Folder;

/// Runs the program on bad input and returns its one line. What was in the folder is there as it was.
#[track_caller]
fn refused(folder: &Folder, status: i32, args: &[&str]) -> String {
    let contents = |folder: &Folder| -> Vec<(String, Option<Vec<u8>>)> {
        folder.names().into_iter().map(|name| (name.clone(), fs::read(folder.path(&name)).ok())).collect()
    };
    let before = contents(folder);
    let complaint = folder.chunk(args).complaint(status);
    assert!(before == contents(folder), "{args:?} changed the folder to {:?}", folder.names());
    complaint
}

#[track_caller]
fn assert_names(complaint: &str, parts: &[&str]) {
    for part in parts {
        assert!(complaint.contains(part), "{part:?} is missing: {complaint}");
    }
}

#[test]
fn missing_file() {
    let folder = Folder::new();
    for command in [&["ls", "no.h5"][..], &["info", "no.h5"], &["hash", "no.h5"], &["hash", "no-*.h5"]] {
        assert_names(&refused(&folder, 1, command), &["no", ".h5: no such file"]);
    }
    let others: [&[&str]; 7] = [
        &["fft", "no.h5", "y.h5", "--axis", "0"],
        &["show", "no.h5"],
        &["stats", "no.h5"],
        &["diff", "no.h5", "no.h5"],
        &["convert", "no.h5", "y.h5"],
        &["append", "y.h5", "no.h5"],
        &["recover", "no.h5"],
    ];
    for command in others {
        assert_names(&refused(&folder, 1, command), &["no.h5: no such file"]);
    }
}

#[test]
fn not_an_hdf5_file() {
    let folder = Folder::new();
    fs::write(folder.path("text.h5"), "Dear reader").unwrap();
    fs::write(folder.path("empty.h5"), "").unwrap();
    fs::write(folder.path("text.txt"), "Dear reader").unwrap();
    for command in ["ls", "info", "hash", "show", "stats"] {
        assert_names(&refused(&folder, 1, &[command, "text.h5"]), &["text.h5: not an HDF5 file"]);
        assert_names(&refused(&folder, 1, &[command, "empty.h5"]), &["empty.h5"]);
        assert_names(&refused(&folder, 1, &[command, "text.txt"]), &["text.txt", "no backend", "hdf5"]);
    }
    assert_names(&refused(&folder, 1, &["fft", "text.h5", "y.h5", "--axis", "0"]), &["text.h5: not an HDF5 file"]);
}

#[test]
fn truncated_file() {
    let folder = Folder::with_example();
    let bytes = fs::read(folder.path("x.h5")).unwrap();
    fs::write(folder.path("x.h5"), &bytes[..bytes.len() / 2]).unwrap();
    assert_names(&refused(&folder, 1, &["fft", "x.h5", "y.h5", "--axis", "0"]), &["x.h5"]);
    assert_names(&refused(&folder, 1, &["hash", "x.h5"]), &["x.h5"]);
}

#[test]
fn missing_dataset() {
    let folder = Folder::with_example();
    for command in ["info", "hash", "show", "stats"] {
        assert_names(&refused(&folder, 1, &[command, "x.h5::/g/dada"]), &["x.h5", "/g/dada", "/g/data"]);
    }
    assert_names(&refused(&folder, 1, &["ls", "x.h5::/h"]), &["x.h5", "/h"]);
    assert_names(&refused(&folder, 1, &["fft", "x.h5::/g/dada", "y.h5", "--axis", "0"]), &["/g/dada", "/g/data"]);
}

#[test]
fn a_group_where_a_dataset_is_meant() {
    let folder = Folder::with_example();
    for command in ["info", "hash", "show", "stats"] {
        assert_names(&refused(&folder, 1, &[command, "x.h5::/g"]), &["x.h5", "is a group, not a dataset"]);
    }
    assert_names(&refused(&folder, 1, &["fft", "x.h5::/g", "y.h5", "--axis", "0"]), &["is a group, not a dataset"]);
}

#[test]
fn a_folder_where_a_file_is_meant() {
    let folder = Folder::new();
    fs::create_dir(folder.path("d.h5")).unwrap();
    for command in ["ls", "info", "hash"] {
        assert_names(&refused(&folder, 1, &[command, "d.h5"]), &["d.h5"]);
    }
}

#[test]
fn unknown_scheme() {
    let folder = Folder::with_example();
    for command in ["ls", "info", "hash"] {
        assert_names(&refused(&folder, 1, &[command, "zarr:x.h5"]), &["zarr:x.h5", "no backend", "hdf5"]);
    }
    let output = refused(&folder, 1, &["fft", "x.h5", "zarr:y", "--axis", "0"]);
    assert_names(&output, &["zarr:y", "no backend", "hdf5"]);
    assert_names(&refused(&folder, 1, &["fft", "x.h5", "y.png", "--axis", "0"]), &["y.png", "no backend", "hdf5"]);
}

#[test]
fn malformed_location() {
    let folder = Folder::with_example();
    for location in ["", "hdf5:", "::/d", "x.h5::"] {
        for command in ["ls", "info", "hash", "show", "stats", "verify", "recover"] {
            assert_names(&refused(&folder, 2, &[command, location]), &["not a dataset location"]);
        }
    }
}

#[test]
fn axis_out_of_range() {
    let folder = Folder::with_example();
    for axis in ["2", "-3", "9223372036854775807", "-9223372036854775808"] {
        let complaint = refused(&folder, 1, &["fft", "x.h5", "y.h5", "--axis", axis]);
        assert_names(&complaint, &[&format!("axis {axis} is out of range"), "x.h5", "2 axes"]);
    }
    for axis in ["", "x", "0.5", "99999999999999999999"] {
        assert_names(&refused(&folder, 2, &["fft", "x.h5", "y.h5", "--axis", axis]), &["--axis"]);
    }
}

#[test]
fn output_exists() {
    let folder = Folder::with_example();
    folder.write("y.h5::/g/data", &[1], &[1], &[1.0]);
    let complaint = refused(&folder, 1, &["fft", "x.h5", "y.h5", "--axis", "0"]);
    assert_names(&complaint, &["y.h5", "already exists", "--overwrite"]);
    assert_names(&refused(&folder, 1, &["convert", "x.h5", "y.h5"]), &["y.h5", "already exists", "--overwrite"]);
    fs::write(folder.path("chunk-demo-fft-axis-0.h5"), "theirs").unwrap();
    assert_names(&refused(&folder, 1, &["demo", ".", "--size", "1M"]), &["axis-0.h5", "already exists", "--overwrite"]);
}

#[test]
fn output_is_input() {
    let folder = Folder::with_example();
    fs::create_dir(folder.path("sub")).unwrap();
    for output in ["x.h5", "./x.h5", "sub/../x.h5", "hdf5:x.h5", "x.h5::g//data"] {
        for more in [&[][..], &["--overwrite"]] {
            let commands: [&[&str]; 3] = [
                &["fft", "x.h5::/g/data", output, "--axis", "0"],
                &["convert", "x.h5::/g/data", output],
                &["append", output, "x.h5::/g/data"],
            ];
            for command in commands {
                let complaint = refused(&folder, 1, &[command, more].concat());
                assert_names(&complaint, &["x.h5: is the input as well as the output"]);
            }
        }
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("x.h5", folder.path("link.h5")).unwrap();
        let args = ["fft", "x.h5", "link.h5", "--axis", "0", "--overwrite"];
        assert_names(&refused(&folder, 1, &args), &["is the input as well as the output"]);
    }
}

#[test]
fn budget_nonsense() {
    let folder = Folder::with_example();
    for budget in ["12Q", "0", "0M", "-5", "-5M", "", "M", "1e3", "99999999999G"] {
        for command in [&["hash", "x.h5"][..], &["fft", "x.h5", "y.h5", "--axis", "0"], &["demo", "d"]] {
            let complaint = refused(&folder, 2, &[command, &["--memory", budget]].concat());
            assert_names(&complaint, &["--memory", "byte size"]);
        }
    }
    for threads in ["0", "-1", "x", "1000000"] {
        assert_names(&refused(&folder, 2, &["hash", "x.h5", "--threads", threads]), &["--threads"]);
    }
    for size in ["0", "12Q", "-1G", "1K"] {
        assert_names(&refused(&folder, 2, &["demo", "d", "--size", size]), &["--size", "byte size"]);
    }
}

#[test]
fn budget_too_small() {
    let folder = Folder::with_example();
    let complaint = refused(&folder, 1, &["fft", "x.h5", "y.h5", "--axis", "0", "--memory", "100"]);
    assert_names(&complaint, &["budget of 100 B is too small", "x.h5", "needs"]);
    let others: [&[&str]; 5] = [
        &["stats", "x.h5"],
        &["show", "x.h5"],
        &["diff", "x.h5", "x.h5"],
        &["convert", "x.h5", "y.h5"],
        &["verify", "x.h5"],
    ];
    for command in others {
        let complaint = refused(&folder, 1, &[command, &["--memory", "100"]].concat());
        assert_names(&complaint, &["budget of 100 B is too small", "x.h5", "needs"]);
    }
    assert_names(&refused(&folder, 1, &["demo", "d", "--memory", "100K"]), &["budget of 100 KiB is too small"]);
}

#[test]
fn chunks_and_filters_that_make_no_sense() {
    let folder = Folder::with_example();
    let fft = ["fft", "x.h5", "y.h5", "--axis", "0"];
    for chunks in ["", "0,6", "3x6", "-1,6"] {
        let chunks = format!("--chunks={chunks}");
        let args = [&fft[..], &[&chunks]].concat();
        assert_names(&refused(&folder, 2, &args), &["--chunks"]);
    }
    assert_names(&refused(&folder, 1, &[&fft[..], &["--chunks", "3"]].concat()), &["(3,)", "axes"]);
    assert_names(&refused(&folder, 1, &[&fft[..], &["--filter", "zip:9"]].concat()), &["zip:9"]);
    assert_names(&refused(&folder, 2, &[&fft[..], &["--length", "5"]].concat()), &["--inverse", "--real"]);
}

#[test]
fn a_folder_that_is_not_there_or_takes_nothing() {
    let folder = Folder::with_example();
    assert_names(&refused(&folder, 1, &["fft", "x.h5", "none/y.h5", "--axis", "0"]), &["none"]);
    if cfg!(target_os = "linux") {
        assert_names(&refused(&folder, 1, &["fft", "x.h5", "/proc/y.h5", "--axis", "0"]), &["/proc"]);
        assert_names(&refused(&folder, 1, &["demo", "/proc/d"]), &["/proc/d: cannot create"]);
    }
}

#[test]
fn unknown_commands_and_options() {
    let folder = Folder::new();
    assert_names(&refused(&folder, 2, &["hsah", "x.h5"]), &["hsah", "hash"]);
    assert_names(&refused(&folder, 2, &["ls", "x.h5", "--jsno"]), &["--jsno", "--json"]);
    assert_names(&refused(&folder, 2, &["fft", "x.h5", "y.h5"]), &["--axis"]);
    assert_names(&refused(&folder, 2, &["completions", "tcsh"]), &["tcsh", "bash"]);
    assert_names(&refused(&folder, 2, &["hash", "x.h5", "--overwrite"]), &["--overwrite"]);
    assert_names(&refused(&folder, 2, &["append", "x.h5"]), &["<IN>"]);
}
