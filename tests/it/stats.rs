//! `chunk stats` finds what NumPy and exact fractions find.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{program, python};

fn close(found: &Value, expected: &Value) -> bool {
    match (found.as_f64(), expected.as_f64()) {
        (Some(found), Some(expected)) => (found - expected).abs() <= 1e-12 * expected.abs(),
        _ => match (found.as_array(), expected.as_array()) {
            (Some(found), Some(expected)) => found.iter().zip(expected).all(|(found, expected)| close(found, expected)),
            _ => found == expected,
        },
    }
}

#[test]
fn statistics_are_those_of_numpy() {
    let folder = tempfile::tempdir().unwrap();
    let printed = python::run("stats_cases.py", &[&folder.path().to_string_lossy()]);
    let cases: BTreeMap<String, Value> = serde_json::from_str(&printed).expect("a table in JSON");
    assert!(cases.len() > 60, "{}", cases.len());
    for (location, expected) in &cases {
        let printed = program::succeed(&["stats", "--json", location, "--memory", "2M"]);
        let found: Value = serde_json::from_str(&printed).expect("an object");
        for key in ["count", "nan", "min", "max"] {
            assert_eq!(found[key], expected[key], "{key} of {location}: {found} {expected}");
        }
        for key in ["mean", "std"] {
            assert!(close(&found[key], &expected[key]), "{key} of {location}: {found} {expected}");
        }
    }
}
