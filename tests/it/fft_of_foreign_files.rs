//! What PyTables and h5py wrote, transformed by us, is read by both and is what NumPy computes.

use crate::{files, program, python};

/// Transforms each foreign dataset that `wanted` takes along each axis with these options, and compares.
fn compare(options: &[&str], wanted: impl Fn(&files::Foreign) -> bool) {
    let folder = tempfile::tempdir().unwrap();
    let mut commands = Vec::new();
    for file in files::foreign().iter().filter(|file| wanted(file)) {
        for axis in (0..file.shape.len()).filter(|axis| file.shape[*axis] > 0) {
            let axis = axis.to_string();
            let out = folder.path().join(format!("{}-{axis}.h5", file.stem())).to_string_lossy().into_owned();
            let target = format!("{out}::/out/data");
            let location = file.location();
            let arguments = ["fft", &location, &target, "--axis", &axis, "--progress", "never", "--memory", "64M"];
            program::succeed(&[&arguments, options].concat());
            let path = file.path.to_string_lossy().into_owned();
            let command =
                ["compare-fft", &path, &file.dataset, &out, "/out/data", "--axis", &axis, "--rtol", &file.tolerance];
            commands.push([&command, options].concat().into_iter().map(str::to_owned).collect());
        }
    }
    assert!(!commands.is_empty());
    python::batch(&commands);
}

#[test]
fn the_transform_of_every_file_is_numpys() {
    compare(&[], |_| true);
}

#[test]
fn the_inverse_transform_is_numpys() {
    compare(&["--inverse"], |file| file.stem().contains("type") || file.stem().contains("axes"));
}

#[test]
fn the_real_transform_is_numpys() {
    compare(&["--real"], |file| file.stem().contains("type") && !file.dtype.starts_with("complex"));
    compare(&["--real", "--inverse"], |file| file.stem().contains("type") && file.dtype.starts_with("complex"));
}

#[test]
fn hashes_are_h5pys() {
    let files = files::foreign();
    let locations: Vec<String> = files.iter().map(files::Foreign::location).collect();
    let printed =
        program::succeed(&[&["hash"], &locations.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat());
    let hashes: Vec<&str> = printed.lines().map(|line| line.split_once(' ').map_or(line, |(hash, _)| hash)).collect();
    assert_eq!(hashes.len(), files.len());
    for (file, hash) in files.iter().zip(hashes) {
        assert_eq!(hash, file.sha256, "{}", file.location());
    }
}
