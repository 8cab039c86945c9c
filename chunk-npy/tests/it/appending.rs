//! Appending in all modes, orders and dtypes; readers beside the writer; races of writers.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use chunk_core::{Backend, ChunkSourceExt, DType, Error, Location, Slab, Worker};
use chunk_npy::{AppendOptions, Mode, Npy, NpyAppender, NpyFile, NpySource};

use crate::common::{all, length, numbers, place, raw, rows};

#[test]
fn modes_are_what_they_say() {
    let (_folder, path) = place();
    let open = |mode| AppendOptions::new(mode).open(&path, &DType::F64, &[2]);
    assert!(matches!(open(Mode::Append), Err(Error::FileNotFound { .. })));
    open(Mode::CreateOrAppend).unwrap().append(&[0.0, 0.0]).unwrap();
    assert!(matches!(open(Mode::CreateNew), Err(Error::AlreadyExists { .. })));
    open(Mode::Append).unwrap().append(&[1.0, 1.0]).unwrap();
    open(Mode::CreateOrAppend).unwrap().append(&[2.0, 2.0]).unwrap();
    assert_eq!(fs::read(&path).unwrap(), rows(1, 128, 3));
    drop(open(Mode::Truncate).unwrap());
    assert_eq!(fs::read(&path).unwrap(), rows(1, 128, 0));
    let other = AppendOptions::new(Mode::Append).open(&path, &DType::F64, &[3]);
    assert!(matches!(other, Err(Error::InvalidArgument(_))));
}

#[test]
fn any_buffer_makes_the_same_file() {
    let items = 777;
    for buffer in [0, 1, 16, 100, 4096, 1 << 20] {
        let (_folder, path) = place();
        let options = AppendOptions::new(Mode::CreateNew).with_buffer(buffer);
        let mut appender = options.open(&path, &DType::F64, &[2]).unwrap();
        let mut next = 0;
        for step in [1, 3, 1, 50, 1, 1, 300, 2].into_iter().cycle() {
            let end = items.min(next + step);
            appender.append_bytes(&DType::F64, &numbers(next..end)).unwrap();
            next = end;
            if step == 50 {
                appender.commit().unwrap();
                assert_eq!((appender.committed(), appender.items()), (end, end));
            }
            if next == items {
                break;
            }
        }
        appender.close().unwrap();
        assert_eq!(fs::read(&path).unwrap(), rows(1, 128, items), "a buffer of {buffer} bytes");
    }
}

#[test]
fn swapped_and_column_major_files_keep_their_order() {
    let (_folder, path) = place();
    let text = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3, 0), }";
    fs::write(&path, raw(1, 128, text, &[])).unwrap();
    for buffer in [0, 1000] {
        let options = AppendOptions::new(Mode::Append).with_buffer(buffer);
        let mut appender = options.open(&path, &DType::I16, &[2, 3]).unwrap();
        // Row-major, the items last: element [i, j, k] is 100 i + 10 j + k.
        let part = |items: std::ops::Range<i16>| -> Vec<i16> {
            let rows = (0..2).flat_map(|i| (0..3).map(move |j| 100 * i + 10 * j));
            rows.flat_map(|row| items.clone().map(move |k| row + k)).collect()
        };
        let first = appender.items() as i16;
        appender.append(&part(first..first + 1)).unwrap();
        appender.append(&part(first + 1..first + 4)).unwrap();
        appender.close().unwrap();
    }
    let bytes = fs::read(&path).unwrap();
    let stored: Vec<i16> = bytes[128..].as_chunks::<2>().0.iter().map(|pair| i16::from_be_bytes(*pair)).collect();
    let expected: Vec<i16> =
        (0..8).flat_map(|k| (0..3).flat_map(move |j| (0..2).map(move |i| 100 * i + 10 * j + k))).collect();
    assert_eq!(stored, expected);
    assert_eq!(*NpyFile::open(&path).unwrap().shape(), [2, 3, 8].into());
}

#[cfg(feature = "ndarray")]
#[test]
fn arrays_are_appended_whatever_their_strides() {
    use ndarray::{Array2, Array3, s};
    let (_folder, path) = place();
    let mut appender = NpyAppender::create::<i32>(&path, &[3]).unwrap();
    let array = Array2::from_shape_fn((3, 4), |(i, j)| i32::try_from(10 * i + j).unwrap());
    appender.append_array(&array.t().slice(s![..;2, ..])).unwrap();
    assert!(appender.append_array(&array.view()).is_err());
    assert!(appender.append_array(&Array3::<i32>::zeros((1, 1, 3)).view()).is_err());
    appender.close().unwrap();
    assert_eq!(all::<i32>(&path), [0, 10, 20, 2, 12, 22]);
}

#[test]
fn a_reader_sees_committed_prefixes_only() {
    let (_folder, path) = place();
    let mut appender = NpyAppender::create::<u64>(&path, &[4]).unwrap();
    let (done, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for reader in 0..2 {
            let (path, done, reads) = (&path, &done, &reads);
            scope.spawn(move || {
                let mut file = NpyFile::open(path).unwrap();
                let mut before = 0;
                while !done.load(Ordering::Relaxed) {
                    if reader == 0 {
                        file = NpyFile::open(path).unwrap();
                    } else {
                        file.refresh().unwrap();
                    }
                    let items = file.shape()[0];
                    assert!(items >= before && (items == 5000 || items.is_multiple_of(3)), "{items} after {before}");
                    before = items;
                    let last = Slab::new([items.saturating_sub(2), 0], [items.min(2), 4]);
                    let found = file.source().read_vec::<u64>(&last).unwrap();
                    let expected: Vec<u64> = (last.start()[0]..items).flat_map(|item| [item; 4]).collect();
                    assert_eq!(found, expected);
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for item in 0..5000_u64 {
            appender.append(&[item; 4]).unwrap();
            if item % 3 == 2 {
                appender.commit().unwrap();
            }
        }
        appender.commit().unwrap();
        done.store(true, Ordering::Relaxed);
    });
    assert!(reads.into_inner() > 100);
}

#[test]
fn of_many_writers_that_race_each_item_is_there_once() {
    let (_folder, path) = place();
    let options = AppendOptions::new(Mode::CreateOrAppend).with_sync(false);
    let locked = AtomicU64::new(0);
    thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (path, options, locked) = (&path, &options, &locked);
            scope.spawn(move || {
                let mut next = 0;
                while next < 250 {
                    match options.open(path, &DType::U64, &[]) {
                        Ok(mut appender) => {
                            appender.append(&[thread * 1000 + next]).unwrap();
                            appender.close().unwrap();
                            next += 1;
                        }
                        Err(Error::Locked { .. }) => {
                            locked.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => panic!("{}", error.report()),
                    }
                }
            });
        }
    });
    let mut items: Vec<u64> = all(&path);
    items.sort_unstable();
    let expected: Vec<u64> = (0..4).flat_map(|thread| (0..250).map(move |next| thread * 1000 + next)).collect();
    assert_eq!(items, expected);
    assert!(locked.into_inner() > 0, "they met");
}

#[test]
fn a_file_that_is_replaced_while_a_writer_waits_is_the_one_appended_to() {
    let (_folder, path) = place();
    let options = AppendOptions::new(Mode::Truncate).with_sync(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..100 {
                    // Whoever holds the lock must find its own item under the name.
                    if let Ok(mut appender) = options.open(&path, &DType::U64, &[]) {
                        appender.append(&[1_u64]).unwrap();
                        appender.commit().unwrap();
                        assert_eq!(all::<u64>(&path).len(), 1);
                    }
                }
            });
        }
    });
}

#[test]
fn the_growing_sink_writes_column_major_files_too() {
    let (_folder, path) = place();
    let text = "{'descr': '<i4', 'fortran_order': True, 'shape': (2, 1), }";
    fs::write(&path, raw(1, 128, text, &[[0_u8, 0, 0, 0], [10, 0, 0, 0]].concat())).unwrap();
    let backend = Npy::default();
    let growing = backend.growing().unwrap();
    let location = Location::new(&path);
    assert!(growing.append(&location, 0).is_err());
    let sink = growing.append(&location, 1).unwrap();
    let bytes: Vec<u8> = [2_i32, 3, 12, 13].iter().flat_map(|x| x.to_ne_bytes()).collect();
    sink.write_from(&Slab::new([0, 2], [2, 2]), &bytes, &Worker::new()).unwrap();
    sink.finish().unwrap();
    assert_eq!(all::<i32>(&path), [0, 0, 2, 3, 10, 0, 12, 13]);
    assert!(growing.problems(&path).unwrap().is_empty());
}

#[test]
fn a_header_without_room_is_said_before_anything_is_written() {
    let (_folder, path) = place();
    let before = rows(1, 70, 9);
    fs::write(&path, &before).unwrap();
    let backend = Npy::default();
    let sink = backend.growing().unwrap().append(&Location::new(&path), 0).unwrap();
    let error = sink.write_from(&Slab::new([9, 0], [1, 2]), &numbers(9..10), &Worker::new()).unwrap_err();
    assert!(error.to_string().contains("make_appendable"), "{error}");
    drop(sink);
    let mut appender = NpyAppender::open(&path).unwrap();
    assert!(appender.append_bytes(&DType::F64, &numbers(9..10)).is_err());
    drop(appender);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_source_stays_what_it_was_when_the_file_grows_and_an_error_when_it_is_cut() {
    let (_folder, path) = place();
    let mut appender = NpyAppender::create::<f64>(&path, &[2]).unwrap();
    appender.append_bytes(&DType::F64, &numbers(0..5)).unwrap();
    appender.commit().unwrap();
    let source = NpySource::open(&path).unwrap();
    appender.append_bytes(&DType::F64, &numbers(5..9)).unwrap();
    appender.close().unwrap();
    assert_eq!(source.read_all::<f64>().unwrap().len(), 10);
    fs::File::options().write(true).open(&path).unwrap().set_len(length(&path) - 80).unwrap();
    assert!(matches!(source.read_all::<f64>(), Err(Error::Corrupt { .. })));
    assert!(matches!(NpyFile::open(&path), Err(Error::Corrupt { .. })));
}
