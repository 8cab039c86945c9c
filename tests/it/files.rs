//! The files that other software writes for the tests, made once a run of the tests.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::python;

/// A dataset that PyTables or h5py wrote.
#[derive(Debug)]
pub(crate) struct Foreign {
    pub(crate) path: PathBuf,
    pub(crate) dataset: String,
    pub(crate) dtype: String,
    pub(crate) shape: Vec<u64>,
    pub(crate) tolerance: String,
    pub(crate) sha256: String,
}

impl Foreign {
    pub(crate) fn location(&self) -> String {
        format!("{}::{}", self.path.display(), self.dataset)
    }

    /// A name for outputs made from it.
    pub(crate) fn stem(&self) -> String {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        format!("{stem}{}", self.dataset.replace('/', "-"))
    }
}

/// All of them.
pub(crate) fn foreign() -> &'static [Foreign] {
    static FILES: OnceLock<(TempDir, Vec<Foreign>)> = OnceLock::new();
    &FILES.get_or_init(make).1
}

fn make() -> (TempDir, Vec<Foreign>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    python::run("interop.py", &["make", &folder.path().to_string_lossy()]);
    let manifest = std::fs::read_to_string(folder.path().join("manifest.json")).expect("the manifest");
    let entries: Vec<Value> = serde_json::from_str(&manifest).expect("the manifest is a list");
    assert!(entries.len() > 50, "the matrix of files is there");
    let files = entries.iter().map(|entry| read(entry, folder.path())).collect();
    (folder, files)
}

fn read(entry: &Value, folder: &Path) -> Foreign {
    let text = |key: &str| entry[key].as_str().unwrap_or_else(|| panic!("{key} of {entry}")).to_owned();
    let shape = entry["shape"].as_array().expect("a list").iter().map(|extent| extent.as_u64().expect("an extent"));
    Foreign {
        path: folder.join(text("file")),
        dataset: text("dataset"),
        dtype: text("dtype"),
        shape: shape.collect(),
        tolerance: entry["tolerance"].to_string(),
        sha256: text("sha256"),
    }
}
