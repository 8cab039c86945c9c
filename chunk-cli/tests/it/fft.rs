use chunk_core::{ChunkSourceExt, Complex};

use crate::common::{Folder, example, naive};

fn largest_difference(a: &[Complex<f64>], b: &[Complex<f64>]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).norm()).fold(0.0, f64::max)
}

#[test]
fn transforms_along_either_axis() {
    for (axis, number) in [(0, "0"), (1, "1"), (0, "-2"), (1, "-1")] {
        let folder = Folder::with_example();
        let said = folder.chunk(["fft", "x.h5::/g/data", "y.h5", "--axis", number]);
        assert!(said.err.starts_with("chunk: x.h5::/g/data -> y.h5::/g/data: 768 B in "), "{said:?}");
        assert_eq!(said.done(), "");
        let found = folder.open("y.h5::/g/data").read_all::<Complex<f64>>().unwrap();
        assert!(largest_difference(&found, &naive(&example(), 8, 6, axis)) < 1e-12);
        assert_eq!(folder.names(), ["x.h5", "y.h5"]);
    }
}

#[test]
fn there_and_back() {
    let folder = Folder::with_example();
    folder.chunk(["fft", "x.h5", "y.h5::/spectrum", "--axis", "0"]).done();
    folder.chunk(["fft", "y.h5", "z.h5::/back", "--axis", "0", "--inverse"]).done();
    let back = folder.open("z.h5::/back").read_all::<Complex<f64>>().unwrap();
    let there: Vec<_> = example().into_iter().map(Complex::from).collect();
    assert!(largest_difference(&back, &there) < 1e-12);
}

#[test]
fn half_the_spectrum_is_enough_for_real_input() {
    let folder = Folder::with_example();
    folder.chunk(["fft", "x.h5", "half.h5::/d", "--axis", "1", "--real"]).done();
    let half = folder.open("half.h5::/d").read_all::<Complex<f64>>().unwrap();
    let whole = naive(&example(), 8, 6, 1);
    let expected: Vec<_> = whole.chunks(6).flat_map(|row| row[..4].to_vec()).collect();
    assert!(largest_difference(&half, &expected) < 1e-12);
    folder.chunk(["fft", "half.h5", "back.h5::/d", "--axis", "1", "--real", "--inverse"]).done();
    let back = folder.open("back.h5::/d").read_all::<f64>().unwrap();
    assert!(back.iter().zip(example()).all(|(a, b)| (a - b).abs() < 1e-12));
}

#[test]
fn the_output_has_the_chunks_and_the_filter_asked_for() {
    let folder = Folder::with_example();
    let args = ["fft", "x.h5", "y.h5", "--axis", "1", "--chunks", "2,3", "--filter", "none", "--progress", "never"];
    let said = folder.chunk(args);
    assert_eq!(said.err, "");
    said.done();
    assert_eq!(folder.open("y.h5::/g/data").info().chunk_shape, Some([2, 3].into()));
}

#[test]
fn replaces_an_output_when_asked() {
    let folder = Folder::with_example();
    folder.write("y.h5::/g/data", &[1], &[1], &[1.0]);
    folder.chunk(["fft", "x.h5", "y.h5", "--axis", "1", "--overwrite"]).done();
    assert_eq!(folder.open("y.h5::/g/data").info().shape.to_string(), "(8, 6)");
    assert_eq!(folder.names(), ["x.h5", "y.h5"]);
}

#[test]
fn a_dry_run_creates_nothing() {
    let folder = Folder::with_example();
    let plan = folder.chunk(["fft", "x.h5", "y.h5", "--axis", "1", "--dry-run"]).done();
    assert!(plan.contains("memory"), "{plan}");
    assert_eq!(folder.names(), ["x.h5"]);
}

#[test]
fn prints_an_object() {
    let folder = Folder::with_example();
    let text = folder.chunk(["fft", "x.h5", "y.h5", "--axis", "1", "--json"]).done();
    let object: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(object["bytes"], 768);
    assert_eq!(object["output"], "y.h5::/g/data");
}
