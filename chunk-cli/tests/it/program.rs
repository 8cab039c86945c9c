//! The program as a whole: version, completions, standard output that takes no more.

use std::io::Read;
use std::process::Stdio;

use crate::common::Folder;

#[test]
fn the_version_names_the_libraries() {
    let text = Folder::new().chunk(["--version"]).done();
    assert!(text.starts_with("chunk ") && text.contains("HDF5") && text.contains("Blosc"), "{text}");
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn completes_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(Folder::new().chunk(["completions", shell]).done().contains("recursive"), "{shell}");
    }
}

#[test]
fn without_a_command_it_shows_the_help() {
    let said = Folder::new().chunk::<&str>([]);
    assert_eq!(said.status, 2);
    assert!(said.err.contains("Usage: chunk") && said.out.is_empty(), "{said:?}");
    assert!(Folder::new().chunk(["--help"]).done().contains("Usage: chunk"));
}

#[test]
fn a_reader_that_has_enough_ends_it_quietly() {
    let folder = Folder::with_example();
    let mut program = folder.program();
    let mut child = program.args(["info", "x.h5"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_is_an_error() {
    let folder = Folder::with_example();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = folder.program().args(["ls", "x.h5"]).stdout(full).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(err.starts_with("chunk: cannot write to standard output: "), "{err}");
}
