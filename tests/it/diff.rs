//! `chunk diff` finds what NumPy finds.

use serde_json::Value;

use crate::{program, python};

#[test]
fn differences_are_those_of_numpy() {
    let folder = tempfile::tempdir().unwrap();
    let printed = python::run("diff_cases.py", &[&folder.path().to_string_lossy()]);
    let cases: Vec<Value> = serde_json::from_str(&printed).expect("a list in JSON");
    assert!(cases.len() > 60);
    for case in &cases {
        let text = |key: &str| case[key].as_str().unwrap();
        let (rtol, atol) = (case["rtol"].to_string(), case["atol"].to_string());
        let arguments = ["diff", "--json", text("a"), text("b"), "--rtol", &rtol, "--atol", &atol, "--memory", "1M"];
        let output = program::command(&arguments).output().unwrap();
        let printed = String::from_utf8(output.stdout.clone()).unwrap();
        let mut objects: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let last = objects.pop().unwrap_or_else(|| panic!("{case}: {}", program::stderr(&output)));
        assert_eq!(last["differences"], case["differences"], "{case}: {printed}");
        let first: Vec<Value> = objects.iter().map(|object| object["index"].clone()).collect();
        assert_eq!(Value::from(first), case["first"], "{case}: {printed}");
        let equal = case["differences"] == 0 && last["dtypes"][0] == last["dtypes"][1];
        assert_eq!(output.status.code(), Some(i32::from(!equal)), "{case}: {printed}");
        assert_eq!(last["equal"], equal);
    }
}
