//! `chunk verify` finds every chunk that was damaged, and no other.

use serde_json::Value;

use crate::{files, program, python};

#[test]
fn every_damaged_chunk_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let printed = python::run("damaged.py", &[&folder.path().to_string_lossy()]);
    let cases: Vec<Value> = serde_json::from_str(&printed).expect("a list in JSON");
    assert!(cases.len() >= 4);
    for case in &cases {
        let file = case["file"].as_str().unwrap();
        for memory in ["400K", "1M", "64M"] {
            let arguments = ["verify", "--json", file, "--memory", memory, "--threads", "2"];
            let output = program::command(&arguments).output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{file}: {}", program::stderr(&output));
            assert_eq!(program::stderr(&output), "chunk: 3 problems in 3 datasets\n");
            let text = String::from_utf8(output.stdout).unwrap();
            let problems: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let mut chunks: Vec<Value> = problems.iter().map(|problem| problem["chunk"].clone()).collect();
            chunks.sort_by_key(ToString::to_string);
            assert_eq!(Value::from(chunks), case["chunks"], "{file} in {memory}");
            let place = format!("{file}::/g/data");
            assert!(problems.iter().all(|problem| problem["place"] == place.as_str()), "{text}");
        }
        let output = program::command(&["verify", file]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.lines().all(|line| line.starts_with(&format!("{file}::/g/data: chunk ["))), "{text}");
    }
}

#[test]
fn what_others_wrote_is_sound() {
    for file in files::foreign().iter().step_by(3) {
        let text = program::succeed(&["verify", &file.path.to_string_lossy(), "--progress", "never"]);
        assert!(text.starts_with("no problems: 1 dataset, "), "{text}");
    }
}
