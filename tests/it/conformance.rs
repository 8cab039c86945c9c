//! Whatever reads or writes runs the suite of chunk-testkit: none is forgotten.

use std::fs;
use std::path::{Path, PathBuf};

/// The testkit's own sources wrap others, and its own tests look at them.
const EXEMPT: &[&str] = &["chunk-testkit"];

#[test]
fn every_source_sink_and_backend_runs_the_suite() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let crates = folders(&root).into_iter().filter(|path| name(path).starts_with("chunk-"));
    let crates: Vec<PathBuf> = crates.filter(|path| !EXEMPT.contains(&name(path).as_str())).collect();
    let testkit = root.join("chunk-testkit");
    let suites = crates.iter().chain([&testkit]).flat_map(|path| rust_files(&path.join("tests")));
    let suites: Vec<String> = suites.map(|path| read(&path)).filter(|text| text.contains("conformance!(")).collect();
    let mut found = 0;
    let mut forgotten = Vec::new();
    let sources = crates.iter().flat_map(|path| rust_files(&path.join("src")));
    for path in sources.filter(|path| name(path) != "testing.rs") {
        let text = read(&path);
        for implementor in implementors(&text) {
            found += 1;
            let tested_here = text.contains("conformance!(");
            if !tested_here && !suites.iter().any(|suite| mentions(suite, implementor)) {
                forgotten.push(format!("{}: {implementor}", path.display()));
            }
        }
    }
    assert!(found > 10, "only {found} implementations were found");
    assert!(forgotten.is_empty(), "not in any conformance test:\n{}", forgotten.join("\n"));
}

/// The public types that a file implements one of the three traits for; what is private is part of one of them.
fn implementors(text: &str) -> impl Iterator<Item = &str> {
    let traits = ["ChunkSource for ", "ChunkSink for ", "Backend for "];
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    let lines = code.lines().filter(|line| line.trim_start().starts_with("impl"));
    let named =
        lines.filter_map(move |line| traits.iter().find_map(|name| line.split_once(name)).map(|(_, rest)| rest));
    let words = named.filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next());
    words.filter(move |word| text.contains(&format!("pub struct {word}")))
}

/// Whether the suite names the type, or the backend that makes it: `Hdf5` for `Hdf5Source`.
fn mentions(suite: &str, implementor: &str) -> bool {
    let stem = implementor.strip_suffix("Source").or_else(|| implementor.strip_suffix("Sink")).unwrap_or(implementor);
    suite.split(|c: char| !c.is_alphanumeric()).any(|word| word.starts_with(stem))
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).expect("a folder of the workspace");
    entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir()).collect()
}

/// All Rust files below a folder, which may be missing.
fn rust_files(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let below = |path: PathBuf| if path.is_dir() { rust_files(&path) } else { vec![path] };
    paths.flat_map(below).filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}
