//! Brackets behind a dataset select what NumPy selects.

use std::collections::BTreeMap;

use crate::{program, python};

#[test]
fn selections_are_numpys() {
    let folder = tempfile::tempdir().unwrap();
    let printed = python::run("selections.py", &[&folder.path().to_string_lossy()]);
    let expected: BTreeMap<String, String> = serde_json::from_str(&printed).expect("a table in JSON");
    assert!(expected.len() > 15);
    for (place, sha256) in &expected {
        for memory in ["1M", "64M"] {
            let found = program::succeed(&["hash", place, "--memory", memory]);
            assert_eq!(found, format!("{sha256}  {place}\n"));
        }
    }
}
