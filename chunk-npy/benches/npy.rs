//! Appending, and reading of both orders, inside one process: `cargo bench -p chunk-npy`.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use chunk_core::{Buffer, ChunkSource, DType, Slab, Worker};
use chunk_npy::{AppendOptions, Mode, NpyFile, NpySource};
use divan::Bencher;
use divan::counter::BytesCount;
use tempfile::TempDir;

fn main() {
    divan::main();
}

const SIDE: u64 = 2048;
const BYTES: u64 = SIDE * SIDE * 8;

/// A file of 2048 x 2048 `f64`.
fn file(fortran: bool) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.npy");
    let options = AppendOptions::new(Mode::CreateNew).with_fortran_order(fortran);
    let mut appender = options.open(&path, &DType::F64, &[SIDE]).expect("a new file");
    appender.append(&vec![0.5_f64; (SIDE * SIDE) as usize]).expect("space");
    appender.close().expect("space");
    (folder, path)
}

/// Reads the array in slabs of whole rows.
fn read_rows(bencher: Bencher, fortran: bool, rows: u64) {
    let (_folder, path) = file(fortran);
    let (source, worker) = (NpySource::open(path).expect("a file"), Worker::new());
    let mut out = Buffer::zeroed((rows * SIDE * 8) as usize).expect("memory");
    bencher.counter(BytesCount::new(BYTES)).bench_local(|| {
        for start in (0..SIDE).step_by(rows as usize) {
            let slab = Slab::new([start, 0], [rows, SIDE]);
            source.read_into(&slab, &mut out, &worker).expect("it is read");
        }
    });
}

#[divan::bench(args = [16, 256])]
fn read_row_major(bencher: Bencher, rows: u64) {
    read_rows(bencher, false, rows);
}

#[divan::bench(args = [16, 256])]
fn read_column_major(bencher: Bencher, rows: u64) {
    read_rows(bencher, true, rows);
}

/// The same slabs, copied out of a mapped file.
#[divan::bench(args = [16, 256])]
fn copy_mapped(bencher: Bencher, rows: u64) {
    let (_folder, path) = file(false);
    // SAFETY: nobody else knows the file.
    #[allow(unsafe_code, reason = "mapping a file is unsafe")]
    let map = unsafe { NpyFile::open(path).expect("a file").map().expect("it is mapped") };
    let slab = (rows * SIDE * 8) as usize;
    let mut out = vec![0; slab];
    bencher.counter(BytesCount::new(BYTES)).bench_local(|| {
        for piece in map.bytes().chunks_exact(slab) {
            out.copy_from_slice(piece);
            divan::black_box(&mut out);
        }
    });
}

const APPENDS: usize = 2000;

/// Items of 16 x 64 `f64`, each handed to the system at once, as npy-append-array does.
#[divan::bench]
fn append_written_through(bencher: Bencher) {
    let item = vec![0.5_f64; 16 * 64];
    bencher.counter(BytesCount::new(APPENDS * 8192)).bench_local(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let options = AppendOptions::new(Mode::CreateNew).with_buffer(0).with_sync(false);
        let mut appender = options.open(folder.path().join("x.npy"), &DType::F64, &[16, 64]).expect("a new file");
        for _ in 0..APPENDS {
            appender.append(&item).expect("space");
        }
        appender.close().expect("space");
    });
}

/// The same bytes by bare calls.
#[divan::bench]
fn write(bencher: Bencher) {
    let item = vec![0x55_u8; 8192];
    bencher.counter(BytesCount::new(APPENDS * 8192)).bench_local(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut file = fs::File::create(folder.path().join("x")).expect("a new file");
        for _ in 0..APPENDS {
            file.write_all(&item).expect("space");
        }
    });
}
