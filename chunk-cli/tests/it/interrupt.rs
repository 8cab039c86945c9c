//! Signals: the first ends the work cleanly.
#![cfg(unix)]

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Folder, Said};

const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until the program has begun to write into the folder, beside the files that were there.
fn wait_for_output(folder: &Folder, child: &mut Child, files: usize) {
    let begun = Instant::now();
    while folder.names().len() == files {
        assert!(child.try_wait().unwrap().is_none(), "the program ended before it wrote");
        assert!(begun.elapsed() < PATIENCE, "the program does not begin to write");
        thread::sleep(Duration::from_millis(1));
    }
}

fn send(signal: &str, child: &Child) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

fn interrupted(folder: &Folder, signal: &str, args: &[&str]) {
    let before = folder.names();
    let mut program = folder.program();
    let mut child = program.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_output(folder, &mut child, before.len());
    send(signal, &child);
    let said = Said::from(child.wait_with_output().unwrap());
    assert_eq!(said.status, 130, "{said:?}");
    assert_eq!(said.err, "chunk: interrupted; nothing unfinished is left\n");
    assert_eq!(folder.names(), before);
}

#[test]
fn a_demo_leaves_nothing() {
    for signal in ["-INT", "-TERM", "-HUP"] {
        interrupted(&Folder::new(), signal, &["demo", ".", "--size", "4G", "--memory", "1G", "--threads", "1"]);
    }
}

#[test]
fn a_transform_leaves_its_input_alone() {
    let folder = Folder::new();
    let elements = vec![1.0_f32; 32 << 20];
    folder.write("x.h5::/d", &[1 << 14, 1 << 11], &[1 << 10, 1 << 11], &elements);
    for axis in ["0", "1"] {
        let args = ["fft", "x.h5", "y.h5", "--axis", axis, "--memory", "256M", "--threads", "1"];
        interrupted(&folder, "-INT", &args);
    }
}

#[test]
fn a_copy_leaves_nothing() {
    let folder = Folder::new();
    let elements: Vec<u32> = (0..32 << 20).map(|number: u32| number.wrapping_mul(0x9e37_79b9) >> 12).collect();
    folder.write("x.h5::/d", &[1 << 14, 1 << 11], &[1 << 10, 1 << 11], &elements);
    let options = ["--filter", "gzip:9", "--memory", "256M", "--threads", "1"];
    for command in [&["convert", "x.h5", "y.h5"][..], &["append", "y.h5", "x.h5"], &["stack", "y.h5", "x.h5", "x.h5"]] {
        interrupted(&folder, "-INT", &[command, &options].concat());
    }
}

#[test]
fn nohup_is_trusted() {
    let folder = Folder::new();
    let mut program = Command::new("nohup");
    program.arg(env!("CARGO_BIN_EXE_chunk")).args(["demo", "--size", "64M"]).arg(folder.path("d"));
    let mut child = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_output(&folder, &mut child, 0);
    send("-HUP", &child);
    Said::from(child.wait_with_output().unwrap()).done();
}
