//! `chunk show` prints what NumPy prints.

use std::collections::BTreeMap;

use crate::{program, python};

/// Compares what the program shows with what the script says that NumPy prints; gives what differs, and how many are
/// alike.
fn compare(script: &str, commands: &[&str], folder: &str) -> (Vec<String>, usize) {
    let expected: BTreeMap<String, String> =
        serde_json::from_str(&python::run(script, &[commands, &[folder]].concat())).expect("a table");
    let shown = |place: &String| {
        let output = program::command(&["show", place, "--progress", "never"]).output().expect("the program starts");
        String::from_utf8_lossy(&output.stdout).into_owned() + &program::stderr(&output)
    };
    let compared = expected.iter().map(|(place, numpy)| (place, format!("{numpy}\n"), shown(place)));
    let different = compared.filter(|(_, numpy, ours)| numpy != ours);
    let different: Vec<String> =
        different.map(|(place, numpy, ours)| format!("{place}\nNumPy:\n{numpy}ours:\n{ours}")).collect();
    let alike = expected.len() - different.len();
    (different, alike)
}

#[test]
fn arrays_look_as_numpy_prints_them() {
    let folder = tempfile::tempdir().unwrap();
    let (different, alike) = compare("show_cases.py", &[], &folder.path().to_string_lossy());
    assert!(different.is_empty(), "{} differ\n{}", different.len(), different.join("\n"));
    assert!(alike > 300, "{alike}");
}

#[test]
fn text_of_variable_length_looks_as_numpy_prints_arrays_of_str() {
    let folder = tempfile::tempdir().unwrap();
    let (different, alike) = compare("variable.py", &["make"], &folder.path().to_string_lossy());
    assert!(different.is_empty(), "{} differ\n{}", different.len(), different.join("\n"));
    assert!(alike > 9, "{alike}");
    let long = format!("{}::/long", folder.path().join("texts.h5").display());
    for part in ["", "[::2]"] {
        let line = program::fail(&["show", &format!("{long}{part}"), "--memory", "1000"], 1);
        assert!(line.contains("/long") && line.contains("more than 1000 B"), "{line}");
    }
    let line = program::fail(&["stats", &long], 1);
    assert!(line.contains("stats does not take text of variable length"), "{line}");
}

#[test]
fn so_do_arrays_that_others_wrote() {
    let Some(folder) = std::env::var_os("CHUNK_CORPORA") else {
        eprintln!("CHUNK_CORPORA is not set: nothing is compared");
        return;
    };
    let (mut different, alike) = compare("show_corpora.py", &[], &folder.to_string_lossy());
    // Filters that this program does not have are told as such.
    different.retain(|text| !text.contains("is not carried"));
    assert!(different.is_empty(), "{} differ\n{}", different.len(), different.join("\n"));
    assert!(alike > 250, "{alike}");
}
