//! The program `chunk` works on raw files.

use std::path::Path;
use std::process::Command;

use backend_raw::Raw;
use chunk_core::{Backend, ChunkSinkExt, CreateOptions, DType, DatasetInfo, Location, Slab};

fn chunk(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_chunk-raw")).args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn transforms_from_raw_to_hdf5_and_back() {
    let folder = std::env::temp_dir().join(format!("backend-raw-program-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let info = DatasetInfo::new([4, 2], DType::F64);
    let sink = Raw.create(&Location::new(folder.join("x.raw")), info, &CreateOptions::default()).unwrap();
    sink.write_slice(&Slab::whole(&[4, 2]), &[1.0, 0.0, 2.0, 0.0, 3.0, 0.0, 4.0, 8.0]).unwrap();
    sink.finish().unwrap();

    chunk(&folder, &["fft", "x.raw", "y.h5", "--axis", "0"]);
    chunk(&folder, &["fft", "y.h5", "z.raw", "--axis", "0", "--inverse"]);
    let info: serde_json::Value = serde_json::from_str(&chunk(&folder, &["info", "z.raw", "--json"])).unwrap();
    assert_eq!((info["shape"].to_string(), info["dtype"].as_str()), ("[4,2]".to_owned(), Some("complex128")));
    let back = std::fs::read(folder.join("z.raw")).unwrap();
    let last_row: Vec<f64> = back[96..].chunks(8).map(|bits| f64::from_le_bytes(bits.try_into().unwrap())).collect();
    assert!(last_row.iter().zip([4.0, 0.0, 8.0, 0.0]).all(|(x, y)| (x - y).abs() < 1e-14), "{last_row:?}");
    std::fs::remove_dir_all(folder).unwrap();
}
