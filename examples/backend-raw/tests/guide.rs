//! The guide's code is this crate's, and the crate stays small enough to copy.

use std::fs;
use std::path::Path;

const GUIDE: &str = include_str!("../../../docs/writing-a-backend.md");

#[test]
fn every_block_of_the_guide_is_code_of_this_crate() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut blocks = 0;
    for block in GUIDE.split("```rust\n").skip(1) {
        let code = block.split("```").next().unwrap();
        let (first, quoted) = code.split_once('\n').unwrap();
        let file = first.strip_prefix("// from ").expect("a block begins with the file that it is from");
        let source = fs::read_to_string(folder.join(file)).unwrap();
        assert!(source.contains(quoted), "{file} does not hold:\n{quoted}");
        blocks += 1;
    }
    assert!(blocks > 5);
}

#[test]
fn the_backend_has_under_150_lines_of_code() {
    let sources = ["lib", "backend", "source", "sink"];
    let read = |name| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/{name}.rs"))).unwrap();
    let lines: usize = sources.map(|name| lines_of_code(&read(name))).into_iter().sum();
    assert!(lines < 150, "{lines}");
}

/// Lines but for imports, comments and blank ones.
fn lines_of_code(source: &str) -> usize {
    let body = source.split("\n\n").filter(|part| !part.starts_with("use ")).flat_map(str::lines);
    body.filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//")).count()
}
