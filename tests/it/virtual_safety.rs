//! Virtual datasets, links and manifests that lead where they must not: refused at once, whatever they lead to.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{program, python};

/// The program, which ends by itself.
fn run(arguments: &[&str]) -> Result<Output, String> {
    program::within_limits(&mut program::command(arguments))
}

/// A folder `in` with files that lead to those of the folder `out` beside it.
struct Trap(TempDir);

impl Trap {
    /// With `secret.h5` outside, `good.h5` inside, and ways from here to there.
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let (inside, outside) = (root.path().join("in"), root.path().join("out"));
        fs::create_dir_all(inside.join("sub")).unwrap();
        fs::create_dir(&outside).unwrap();
        python::run_with(SCRIPT, &["make", text(&outside)], &json!([{"file": "secret.h5", "plain": 666}]).to_string());
        let trap = Trap(root);
        trap.make(&json!([{"file": "good.h5", "plain": 1}, {"file": "sub/good.h5", "plain": 4}]));
        let link = |to: &Path, name: &str| symlink(to, inside.join(name)).unwrap();
        link(Path::new("../out/secret.h5"), "final.h5");
        link(&outside.join("secret.h5"), "absolute.h5");
        link(Path::new("final.h5"), "chain.h5");
        link(Path::new("../out"), "linked");
        link(Path::new("../../out"), "sub/linked");
        link(Path::new("/proc/self/root"), "root");
        link(Path::new("/proc/self/cwd"), "cwd");
        link(Path::new("/proc/self/fd/0"), "descriptor.h5");
        link(Path::new("/dev/zero"), "zero.h5");
        link(Path::new("nowhere.h5"), "dangling.h5");
        link(Path::new("loop.h5"), "loop.h5");
        link(Path::new("pipe"), "to-pipe.h5");
        link(Path::new("sub/good.h5"), "inner.h5");
        assert!(Command::new("mkfifo").arg(inside.join("pipe")).status().unwrap().success());
        fs::hard_link(inside.join("good.h5"), inside.join("hard.h5")).unwrap();
        trap
    }

    fn path(&self, name: &str) -> String {
        text(&self.0.path().join("in").join(name)).to_owned()
    }

    fn outside(&self, name: &str) -> String {
        text(&self.0.path().join("out").join(name)).to_owned()
    }

    fn make(&self, files: &Value) {
        python::run_with(SCRIPT, &["make", text(&self.0.path().join("in"))], &files.to_string());
    }

    /// What the program complains about, which it does in one line and soon.
    fn complaint(arguments: &[&str]) -> String {
        let output = run(arguments).unwrap_or_else(|what| panic!("{arguments:?}: {what}"));
        let text = program::stderr(&output);
        assert_eq!((output.status.code(), text.trim_end().lines().count()), (Some(1), 1), "{arguments:?}: {text}");
        assert!(!text.contains("bug"), "{text}");
        text
    }
}

const SCRIPT: &str = "virtual_attacks.py";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Names of sources, and a word of what is said of each.
fn attacks(trap: &Trap) -> Vec<(String, &'static str)> {
    let named = |name: &str, word| (name.to_owned(), word);
    vec![
        (trap.outside("secret.h5"), "outside"),
        named("../out/secret.h5", "outside"),
        named("sub/../../out/secret.h5", "outside"),
        named("./../out/secret.h5", "outside"),
        named("sub/../good.h5", "outside"),
        named("final.h5", "outside"),
        named("absolute.h5", "outside"),
        named("chain.h5", "outside"),
        named("linked/secret.h5", "outside"),
        named("sub/linked/secret.h5", "outside"),
        (format!("root{}", trap.outside("secret.h5")), "outside"),
        named("cwd/Cargo.toml", "outside"),
        named("descriptor.h5", ""),
        named("/proc/self/root/etc/passwd", "outside"),
        named("/proc/self/fd/0", "outside"),
        named("/dev/stdin", "outside"),
        named("/dev/zero", "outside"),
        named("zero.h5", "outside"),
        named("pipe", "a pipe"),
        named("to-pipe.h5", "a pipe"),
        named("dangling.h5", "no such file"),
        named("loop.h5", "cannot open"),
        named("missing.h5", "no such file"),
        named("sub", "not an HDF5 file"),
        named("..", "outside"),
        named("../in", "outside"),
        named("good.h5/", ""),
        named("good.h5\nx", "no such file"),
        (format!("{}.h5", "n".repeat(5000)), "cannot open"),
        (format!("{}good.h5", "./".repeat(3000)), ""),
    ]
}

#[test]
fn sources_links_and_external_files_stay_in_the_folder_and_never_block() {
    let trap = Trap::new();
    let attacks = attacks(&trap);
    let mut files = Vec::new();
    for (number, (name, _)) in attacks.iter().enumerate() {
        files.push(json!({"file": format!("fixed-{number}.h5"), "sources": [["good.h5", "data"], [name, "data"]]}));
        files.push(json!({"file": format!("endless-{number}.h5"), "sources": [[name, "data"]], "endless": true}));
        files.push(json!({"file": format!("link-{number}.h5"), "link": [name, "/data"]}));
    }
    trap.make(&Value::Array(files));
    let mut refused = 0;
    for (number, (name, word)) in attacks.iter().enumerate() {
        for kind in ["fixed", "endless", "link"] {
            let file = trap.path(&format!("{kind}-{number}.h5"));
            let complaint = Trap::complaint(&["hash", &format!("{file}::/v")]);
            assert!(complaint.contains(word) || kind == "link", "{kind} {name:?}: {complaint}");
            // What is missing may be filled, what must not be read may not.
            let filled = run(&["show", &format!("{file}::/v"), "--missing", "fill"]).unwrap();
            let printed = String::from_utf8_lossy(&filled.stdout).into_owned();
            assert!(!printed.contains("666"), "{kind} {name:?}: {printed}");
            assert!(filled.status.code() == Some(1) || *word != "outside", "{kind} {name:?}: {printed}");
            for command in ["ls", "info"] {
                let output = run(&[command, &file]).unwrap_or_else(|what| panic!("{kind} {name:?}: {what}"));
                assert!(matches!(output.status.code(), Some(0 | 1)), "{kind} {name:?}");
            }
            refused += 1;
        }
    }
    assert_eq!(refused, 90);
}

#[test]
fn ways_inside_the_folder_are_followed_and_others_when_they_are_allowed() {
    let trap = Trap::new();
    let secret = trap.outside("secret.h5");
    trap.make(&json!([
        {"file": "v.h5", "sources": [["inner.h5", "data"], ["sub/good.h5", "data"], ["hard.h5", "data"], ["./good.h5", "data"]]},
        {"file": "link.h5", "link": ["sub/good.h5", "/data"]},
        {"file": "out.h5", "sources": [[secret, "data"], ["final.h5", "data"], ["linked/secret.h5", "data"]]},
        {"file": "link-out.h5", "link": ["../out/secret.h5", "/data"]},
        {"file": "raw.h5", "external": "../out/raw"},
    ]));
    fs::write(trap.outside("raw"), [7_i64, 8, 9].map(i64::to_le_bytes).concat()).unwrap();
    let shown = |name: &str, more: &[&str]| {
        let location = format!("{}::/v", trap.path(name));
        program::succeed(&[&["show", &location], more].concat())
    };
    assert_eq!(shown("v.h5", &[]), "[[4 5 6]\n [4 5 6]\n [1 2 3]\n [1 2 3]]\n");
    assert_eq!(shown("link.h5", &[]), "[4 5 6]\n");
    let allowed = ["--unsafe-links"];
    assert_eq!(shown("out.h5", &allowed), "[[666 667 668]\n [666 667 668]\n [666 667 668]]\n");
    assert_eq!(shown("link-out.h5", &allowed), "[666 667 668]\n");
    assert_eq!(shown("raw.h5", &allowed), "[7 8 9]\n");
    assert!(Trap::complaint(&["show", &format!("{}::/v", trap.path("raw.h5"))]).contains("outside"));
}

#[test]
fn cycles_and_deep_nests_end() {
    let trap = Trap::new();
    let next =
        |number: usize| json!({"file": format!("n-{number}.h5"), "sources": [[format!("n-{}.h5", number + 1), "v"]]});
    let mut files: Vec<Value> = (0..100).map(next).collect();
    for endless in [false, true] {
        let kind = if endless { "endless" } else { "fixed" };
        for (own, other) in [("self", "self"), ("a", "b"), ("b", "a")] {
            let source = [format!("{kind}-{other}.h5"), "v".to_owned()];
            files.push(json!({"file": format!("{kind}-{own}.h5"), "sources": [source], "endless": endless}));
        }
        files.push(json!({"file": format!("{kind}-dot.h5"), "sources": [[".", "v"]], "endless": endless}));
    }
    files.push(json!({"file": "deep.h5", "deep": 10_000}));
    trap.make(&Value::Array(files));
    for name in ["self", "a", "dot"] {
        for kind in ["fixed", "endless"] {
            let complaint = Trap::complaint(&["hash", &format!("{}::/v", trap.path(&format!("{kind}-{name}.h5")))]);
            assert!(complaint.contains("source of itself"), "{complaint}");
        }
    }
    // Each has a part of the memory of the one above, so a nest ends.
    assert!(Trap::complaint(&["hash", &format!("{}::/v", trap.path("n-0.h5"))]).contains("n-"));
    let deep = trap.path("deep.h5");
    assert!(program::succeed(&["ls", "-r", &deep]).lines().count() > 1000);
    let name = format!("{deep}::{}/data", "/g".repeat(10_000));
    assert!(Trap::complaint(&["show", &name]).contains("through 1000 groups"));
}

#[test]
fn a_few_bytes_cannot_ask_for_any_number_of_sources() {
    let trap = Trap::new();
    let blocks = 1_000_000_000_000_u64;
    trap.make(&json!([
        {"file": "by-file.h5", "numbered": ["part-%b.h5", "data"], "blocks": blocks},
        {"file": "by-name.h5", "numbered": ["good.h5", "data-%b"], "blocks": blocks},
        {"file": "away.h5", "numbered": ["../out/part-%b.h5", "data"], "blocks": 2},
        {"file": "both.h5", "numbered": ["%%b-%b.h5", "data"], "blocks": 2},
        {"file": "%b-0.h5", "plain": 1},
        {"file": "%b-1.h5", "plain": 4},
        {"file": "%b-2.h5", "plain": 7},
    ]));
    for name in ["by-file.h5", "by-name.h5"] {
        let complaint = Trap::complaint(&["hash", &format!("{}::/v", trap.path(name)), "--memory", "64M"]);
        assert!(complaint.contains("1000000000000 numbered sources"), "{complaint}");
    }
    assert!(Trap::complaint(&["hash", &format!("{}::/v", trap.path("away.h5"))]).contains("outside"));
    // One more than there were when it was made.
    let shown = program::succeed(&["show", &format!("{}::/v", trap.path("both.h5"))]);
    assert_eq!(shown, "[[1 2 3]\n [4 5 6]\n [7 8 9]]\n");
}

#[test]
fn manifests_keep_to_their_folder_too() {
    let trap = Trap::new();
    let manifest = trap.path("all.chunks");
    let stack = |inputs: &[&str]| {
        let inputs: Vec<String> = inputs.iter().map(|input| trap.path(input)).collect();
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        program::succeed(&[&["stack", &manifest][..], &inputs, &["--overwrite", "--progress", "never"]].concat());
    };
    for name in ["final.h5", "absolute.h5", "chain.h5", "linked/secret.h5", "sub/linked/secret.h5"] {
        stack(&["good.h5", name]);
        for command in ["show", "verify"] {
            let output = run(&[command, &manifest]).unwrap();
            let said = program::stderr(&output) + &String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(1), "{name}");
            assert!(said.contains("outside") && !said.contains("666"), "{name}: {said}");
        }
        let shown = program::succeed(&["show", &manifest, "--unsafe-links"]);
        assert_eq!(shown, "[  1   2   3 666 667 668]\n", "{name}");
    }
    stack(&["good.h5", "inner.h5"]);
    assert_eq!(program::succeed(&["show", &manifest]), "[1 2 3 4 5 6]\n");
    // A file that becomes a pipe, or the manifest itself, does not block.
    fs::remove_file(trap.path("good.h5")).unwrap();
    fs::rename(trap.path("pipe"), trap.path("good.h5")).unwrap();
    for command in ["show", "verify"] {
        let output = run(&[command, &manifest]).unwrap();
        assert_eq!(output.status.code(), Some(1));
    }
    fs::remove_file(&manifest).unwrap();
    symlink(trap.path("good.h5"), &manifest).unwrap();
    assert!(Trap::complaint(&["show", &manifest]).contains("a pipe"));
}
