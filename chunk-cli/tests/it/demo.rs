use crate::common::Folder;

const FILES: [&str; 3] = ["chunk-demo-fft-axis-0.h5", "chunk-demo-fft-axis-1.h5", "chunk-demo.h5"];

#[test]
fn makes_transforms_and_verifies() {
    let folder = Folder::new();
    let text = folder.chunk(["demo", ".", "--size", "4M", "--memory", "64M"]).done();
    for part in ["write ", "axis 1 ", "axis 0 ", "within 1e-12", "left in ."] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert_eq!(folder.names(), FILES);
    assert!(folder.chunk(["demo", ".", "--size", "4M"]).complaint(1).contains("already exists"));
    folder.chunk(["demo", ".", "--size", "1M", "--overwrite"]).done();
    assert_eq!(folder.names(), FILES);
}

#[test]
fn makes_its_folder() {
    let folder = Folder::new();
    folder.chunk(["demo", "--size", "1M"]).done();
    assert_eq!(folder.names(), ["chunk-demo"]);
}

#[test]
fn a_dry_run_creates_nothing() {
    let folder = Folder::new();
    let text = folder.chunk(["demo", "d", "--dry-run"]).done();
    assert_eq!(text.lines().filter(|line| line.starts_with("transform along axis")).count(), 2, "{text}");
    assert!(folder.names().is_empty());
}
