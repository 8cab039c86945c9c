//! Files that others wrote, from the folder that `CHUNK_CORPORA` names.

use std::path::PathBuf;

use crate::program;

/// The datasets of valid files that this version reads: numbers in layouts and with filters that it carries.
fn wanted(columns: &[&str]) -> bool {
    let [tier, _, _, dataset, kind, _, dtype, layout, _, filters, _, hash, ..] = columns else { return false };
    let numeric = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "c8", "c16"];
    let carried = filters
        .split(';')
        .all(|filter| filter.is_empty() || ["1(", "2(", "3(", "32001("].iter().any(|known| filter.starts_with(known)));
    *tier == "A-valid"
        && *kind == "fixed"
        && numeric.contains(&dtype.trim_start_matches(['<', '>', '|']))
        && ["contiguous", "chunked", "compact"].contains(layout)
        && carried
        && hash.len() == 64
        && !dataset.is_empty()
}

#[test]
fn valid_datasets_hash_as_h5py_says() {
    let Some(folder) = std::env::var_os("CHUNK_CORPORA").map(PathBuf::from) else {
        eprintln!("CHUNK_CORPORA is not set: nothing is compared");
        return;
    };
    let manifest = std::fs::read_to_string(folder.join("MANIFEST.tsv")).expect("the manifest of the corpora");
    let rows = manifest.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    let rows: Vec<_> = rows.filter(|columns| wanted(columns) && is_hdf5(&folder.join(columns[1]))).collect();
    assert!(rows.len() > 300, "only {} datasets are wanted", rows.len());
    let mut wrong = Vec::new();
    for file in rows.chunk_by(|a, b| a[1] == b[1]) {
        let path = folder.join(file[0][1]);
        let locations: Vec<String> = file.iter().map(|row| format!("hdf5:{}::{}", path.display(), row[3])).collect();
        let arguments: Vec<&str> = ["hash"].into_iter().chain(locations.iter().map(String::as_str)).collect();
        let output = program::command(&arguments).output().expect("the program starts");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        for (row, location) in file.iter().zip(&locations) {
            if !printed.lines().any(|line| line.starts_with(row[11]) && line.ends_with(location.as_str())) {
                wrong.push(format!("{location}: {}", program::stderr(&output).trim_end()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

fn is_hdf5(path: &std::path::Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes.windows(8).any(|window| window == b"\x89HDF\r\n\x1a\n"))
}
