//! `chunk show` prints what NumPy prints.

use std::collections::BTreeMap;

use crate::{program, python};

#[test]
fn arrays_look_as_numpy_prints_them() {
    let folder = tempfile::tempdir().unwrap();
    let printed = python::run("show_cases.py", &[&folder.path().to_string_lossy()]);
    let expected: BTreeMap<String, String> = serde_json::from_str(&printed).expect("a table in JSON");
    assert!(expected.len() > 300, "{}", expected.len());
    let shown = |location: &String| program::succeed(&["show", location, "--progress", "never"]);
    let different: Vec<String> = expected
        .iter()
        .map(|(location, numpy)| (location, format!("{numpy}\n"), shown(location)))
        .filter(|(_, numpy, ours)| numpy != ours)
        .map(|(location, numpy, ours)| format!("{location}\nNumPy:\n{numpy}ours:\n{ours}"))
        .collect();
    assert!(different.is_empty(), "{} of {} differ\n{}", different.len(), expected.len(), different.join("\n"));
}
