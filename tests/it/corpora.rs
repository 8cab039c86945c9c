//! Files that others wrote, from the folder that `CHUNK_CORPORA` names.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use chunk_core::Slab;
use chunk_hdf5::{Hdf5Sequences, Hdf5Strings};
use sha2::{Digest, Sha256};

use crate::program;

/// Filters that valid files of the corpora have and that are not carried: an error names each.
const NOT_CARRIED: [&str; 8] = [
    "4 (szip)",
    "307 (bzip2)",
    "32002 (MAFISC)",
    "32013 (ZFP)",
    "32017 (SZ)",
    "32018 (FCIDECOMP)",
    "32024 (SZ3)",
    "32028 (SPERR)",
];
/// How many datasets have them.
const DATASETS_NOT_CARRIED: usize = 32;
/// Numbers of 80 bits, which no dtype holds without loss: an error.
const LONG_DOUBLE: &str = "/longdouble";
/// Big-endian sequences, whose bytes h5py 3.16 gives as if they were native: the manifest has the hash of those.
const NOT_SWAPPED_BY_H5PY: &str = "/vlunicode_big";
/// More elements than can be hashed in a test: only planned.
const TOO_LARGE: &str = "jhdf/tiny_huge_1d_over_maxint.hdf5";
/// A child that takes longer hangs.
const LIMIT: Duration = Duration::from_mins(1);

/// A line of the manifest.
struct Row {
    tier: String,
    file: String,
    dataset: String,
    kind: String,
    shape: String,
    sha256: String,
}

impl Row {
    fn parse(line: &str) -> Option<Self> {
        let columns: Vec<&str> = line.split('\t').collect();
        let [tier, file, _, dataset, kind, shape, _, _, _, _, _, sha256, ..] = columns.as_slice() else { return None };
        let owned = |text: &&str| (*text).to_owned();
        let [tier, file, dataset] = [tier, file, dataset].map(owned);
        let [kind, shape, sha256] = [kind, shape, sha256].map(owned);
        Some(Row { tier, file, dataset, kind, shape, sha256 })
    }

    fn has_hash(&self) -> bool {
        self.sha256.len() == 64
    }
}

/// The folder and its manifest, or nothing where the variable is not set.
fn corpora() -> Option<(PathBuf, Vec<Row>)> {
    let Some(folder) = std::env::var_os("CHUNK_CORPORA").map(PathBuf::from) else {
        eprintln!("CHUNK_CORPORA is not set: nothing is compared");
        return None;
    };
    let manifest = std::fs::read_to_string(folder.join("MANIFEST.tsv")).expect("the manifest of the corpora");
    let rows = manifest.lines().skip(1).map(|line| Row::parse(line).expect("a line of the manifest")).collect();
    Some((folder, rows))
}

#[test]
fn valid_datasets_hash_as_h5py_says() {
    let Some((folder, rows)) = corpora() else { return };
    let wanted = |row: &Row| row.tier == "A-valid" && row.has_hash() && is_hdf5(&folder.join(&row.file));
    let rows: Vec<Row> = rows.into_iter().filter(wanted).collect();
    assert!(rows.len() > 1900, "only {} datasets are wanted", rows.len());
    let (mut wrong, mut refused) = (String::new(), 0);
    for file in rows.chunk_by(|a, b| a.file == b.file) {
        let path = folder.join(&file[0].file);
        let locations: Vec<String> =
            file.iter().map(|row| format!("hdf5:{}::{}", path.display(), row.dataset)).collect();
        let arguments: Vec<&str> = ["hash", "--json"].into_iter().chain(locations.iter().map(String::as_str)).collect();
        let output = run(&arguments).unwrap_or_else(|what| panic!("{}: {what}", path.display()));
        let records: Vec<serde_json::Value> =
            String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for (row, location) in file.iter().zip(&locations) {
            let Some(record) = records.iter().find(|record| record["dataset"] == location.as_str()) else {
                let _ = writeln!(wrong, "{location}: nothing was printed");
                continue;
            };
            let error = record["error"].as_str().unwrap_or_default();
            if NOT_CARRIED.iter().any(|filter| error.ends_with(&format!("filter {filter} is not carried"))) {
                refused += 1;
            } else if record["sha256"] != row.sha256.as_str() && !is_known(&path, row, error) {
                let _ = writeln!(wrong, "{record}");
            }
        }
    }
    assert!(wrong.is_empty(), "of {}:\n{wrong}", rows.len());
    assert_eq!(refused, DATASETS_NOT_CARRIED, "datasets whose filters are not carried");
}

/// Whether a dataset is one that the manifest's rule for hashes does not fit, and right all the same.
fn is_known(path: &Path, row: &Row, error: &str) -> bool {
    let hexadecimal = |mut text: String, byte: &u8| {
        let _ = write!(text, "{byte:02x}");
        text
    };
    let digest = |bytes: &[u8]| Sha256::digest(bytes).iter().fold(String::new(), hexadecimal);
    let scalar = Slab::whole(&[]);
    if row.kind == "fixed" && row.shape == "[]" {
        // A lone element of variable length is hashed without its length.
        let text = Hdf5Strings::open(path, Some(&row.dataset)).and_then(|strings| strings.read_bytes(&scalar));
        let sequence = || Hdf5Sequences::open(path, Some(&row.dataset)).and_then(|found| found.read_bytes(&scalar));
        return text.or_else(|_| sequence()).is_ok_and(|elements| digest(&elements[0]) == row.sha256);
    }
    if row.dataset == NOT_SWAPPED_BY_H5PY {
        let sequences = Hdf5Sequences::open(path, Some(&row.dataset)).unwrap();
        let mut bytes = sequences.read_bytes(&Slab::whole(sequences.shape())).unwrap().remove(0);
        let mut hashed = (bytes.len() as u64 / 4).to_le_bytes().to_vec();
        sequences.dtype().swap_bytes(&mut bytes);
        hashed.extend_from_slice(&bytes);
        return digest(&hashed) == row.sha256;
    }
    row.dataset == LONG_DOUBLE && error.contains("no dtype holds without loss")
}

#[test]
fn damaged_and_strange_files_give_the_right_value_or_an_error() {
    let Some((folder, rows)) = corpora() else { return };
    let rows: Vec<Row> = rows.into_iter().filter(|row| row.tier != "A-valid").collect();
    let mut files: Vec<&str> = rows.iter().map(|row| row.file.as_str()).collect();
    files.sort_unstable();
    files.dedup();
    let mut read = 0;
    let mut wrong = String::new();
    for file in files {
        let path = folder.join(file);
        if !path.is_file() {
            continue;
        }
        read += 1;
        let location = format!("hdf5:{}", path.display());
        let mut arguments = vec!["hash", "--recursive", &location];
        arguments.extend((file == TOO_LARGE).then_some("--dry-run"));
        let output = match run(&arguments) {
            Ok(output) => output,
            Err(what) => {
                let _ = writeln!(wrong, "{file}: {what}");
                continue;
            }
        };
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        for row in rows.iter().filter(|row| row.file == file && row.has_hash() && file != TOO_LARGE) {
            let name = format!("  {location}::{}", row.dataset);
            let line = printed.lines().find(|line| line.ends_with(&name) && !line.starts_with("error"));
            if line.is_some_and(|line| !line.starts_with(&row.sha256)) {
                let _ = writeln!(wrong, "{line:?} differs");
            }
        }
    }
    assert!(read > 50, "only {read} files were read");
    assert!(wrong.is_empty(), "of {read} files:\n{wrong}");
}

/// Runs the program within [`LIMIT`]: it ends by itself, in success or in an error.
pub(crate) fn run(arguments: &[&str]) -> Result<Output, String> {
    let mut command = program::command(arguments);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let output = finish(child)?;
    match output.status.code() {
        Some(0..=2) => Ok(output),
        _ => Err(format!("ended with {}: {}", output.status, program::stderr(&output).trim_end())),
    }
}

/// What the child printed, read while it runs; a child that hangs is ended.
fn finish(child: Child) -> Result<Output, String> {
    let id = child.id();
    let began = Instant::now();
    let waiting = std::thread::spawn(move || child.wait_with_output());
    while !waiting.is_finished() {
        if began.elapsed() > LIMIT {
            let _ = std::process::Command::new("kill").args(["-9", &id.to_string()]).status();
            let _ = waiting.join();
            return Err(format!("did not end within {LIMIT:?}"));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    waiting.join().expect("waiting does not panic").map_err(|error| error.to_string())
}

fn is_hdf5(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes.windows(8).any(|window| window == b"\x89HDF\r\n\x1a\n"))
}
