//! What npy-append-array does wrong without a word, done right: a test for each.

use std::fs;

use chunk_core::{Casting, Complex, DType, Error, StructType};
use chunk_npy::{
    AppendOptions, Mode, NpyAppender, Recovery, Uncommitted, is_appendable, make_appendable, needs_recovery, recover,
};

use crate::common::{all, length, numbers, place, raw, rows};

/// Headers as long as their writer wanted them, two of them those of npy-append-array 0.9.8 and of whole pages.
const HEADERS: [(u8, usize); 6] = [(1, 128), (1, 192), (2, 192), (1, 256), (2, 4096), (3, 192)];

#[test]
fn np4_an_over_long_header_survives_an_append_a_recovery_and_being_opened() {
    for (version, total) in HEADERS {
        let (_folder, path) = place();
        let before = rows(version, total, 3);
        fs::write(&path, &before).unwrap();
        assert!(is_appendable(&path).unwrap());
        drop(NpyAppender::open(&path).unwrap());
        assert_eq!(fs::read(&path).unwrap(), before, "opened and closed");
        let mut appender = NpyAppender::open(&path).unwrap();
        appender.append_bytes(&DType::F64, &numbers(3..10)).unwrap();
        appender.close().unwrap();
        assert_eq!(fs::read(&path).unwrap(), rows(version, total, 10), "version {version}, {total} bytes");
        fs::write(&path, [&before[..], &numbers(3..5)].concat()).unwrap();
        recover(&path, Recovery::WholeItems).unwrap();
        assert_eq!(fs::read(&path).unwrap(), rows(version, total, 5), "recovered");
    }
}

#[test]
fn np6_negative_extents_and_bools_are_no_shape() {
    let (_folder, path) = place();
    for shape in ["(-1, 2)", "(True, 2)", "[3, 2]", "(3.0, 2)"] {
        let text = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
        fs::write(&path, raw(1, 128, &text, &numbers(0..3))).unwrap();
        assert!(matches!(NpyAppender::open(&path), Err(Error::Corrupt { .. })), "{shape}");
        assert!(is_appendable(&path).is_err());
    }
}

#[test]
fn np6_what_is_written_can_be_opened_again() {
    let (_folder, path) = place();
    let fields = (0..5000).map(|number| (format!("field{number}"), DType::U8));
    let dtype = DType::Struct(StructType::packed(fields).into());
    let options = AppendOptions::new(Mode::CreateNew);
    let refused = options.open(&path, &dtype, &[]).unwrap_err();
    assert!(refused.to_string().contains("max_header"), "{refused}");
    let (_folder, path) = place();
    let options = options.with_max_header(1 << 20);
    let mut appender = options.open(&path, &dtype, &[]).unwrap();
    appender.append_bytes(&dtype, &[7; 5000]).unwrap();
    appender.close().unwrap();
    AppendOptions::new(Mode::Append).with_max_header(1 << 20).open(&path, &dtype, &[]).unwrap();
}

#[test]
fn np9_an_empty_array_is_made_appendable_with_its_permissions_behind_its_link() {
    let (folder, path) = place();
    fs::write(&path, raw(1, 80, "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 2), }", &[])).unwrap();
    assert!(!is_appendable(&path).unwrap());
    let link = folder.path().join("link.npy");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
    }
    #[cfg(not(unix))]
    fs::hard_link(&path, &link).unwrap();
    assert!(make_appendable(&link).unwrap());
    assert!(is_appendable(&path).unwrap() && !make_appendable(&path).unwrap());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
    let names = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 2, "no temporary file is left");
}

#[test]
fn np9_making_room_keeps_every_element() {
    for (order, shape) in [("False", "(3, 2)"), ("True", "(2, 3)")] {
        let (_folder, path) = place();
        let text = format!("{{'descr': '<f8', 'fortran_order': {order}, 'shape': {shape}, }}");
        fs::write(&path, raw(1, 72, &text, &numbers(0..3))).unwrap();
        let before: Vec<f64> = all(&path);
        let mut appender = NpyAppender::open(&path).unwrap();
        appender.append_bytes(&DType::F64, &numbers(3..9)).unwrap();
        let refused = appender.append_bytes(&DType::F64, &numbers(9..90_000)).unwrap_err();
        assert!(refused.to_string().contains("make_appendable"), "{refused}");
        appender.discard().unwrap();
        assert!(make_appendable(&path).unwrap());
        assert_eq!((all::<f64>(&path), length(&path) % 64), (before, 48));
        let mut appender = NpyAppender::open(&path).unwrap();
        appender.append_bytes(&DType::F64, &numbers(9..90_000)).unwrap();
        appender.close().unwrap();
    }
}

#[test]
fn np10_recovery_of_no_axes_and_of_items_without_bytes_is_no_crash() {
    let (_folder, path) = place();
    fs::write(&path, raw(1, 128, "{'descr': '<f8', 'fortran_order': False, 'shape': (), }", &[0; 12])).unwrap();
    assert!(needs_recovery(&path).unwrap());
    assert!(matches!(recover(&path, Recovery::WholeItems), Err(Error::Unsupported { .. })));
    assert!(!recover(&path, Recovery::Committed).unwrap().is_empty());
    assert_eq!(all::<f64>(&path).len(), 1);
    assert!(NpyAppender::open(&path).is_err());

    fs::write(&path, raw(1, 128, "{'descr': '<f8', 'fortran_order': False, 'shape': (5, 0), }", &[0; 12])).unwrap();
    recover(&path, Recovery::WholeItems).unwrap();
    assert_eq!(length(&path), 128);
    let mut appender = NpyAppender::open(&path).unwrap();
    appender.append::<f64>(&[]).unwrap();
    assert!(appender.append(&[1.0]).is_err());
    appender.close().unwrap();
}

#[test]
fn np11_no_descriptor_leaks_when_opening_fails() {
    let descriptors = || fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let (_folder, path) = place();
    fs::write(&path, b"neither header nor data").unwrap();
    let before = descriptors();
    for _ in 0..100 {
        assert!(NpyAppender::open(&path).is_err());
    }
    assert!(descriptors() < before + 50, "{before} descriptors before, {} now", descriptors());
}

#[test]
fn np11_a_file_that_is_replaced_is_there_until_the_new_one_is() {
    let (_folder, path) = place();
    fs::write(&path, rows(1, 128, 3)).unwrap();
    let wrong = AppendOptions::new(Mode::Truncate).open(&path, &DType::Utf8(3), &[]);
    assert!(matches!(wrong, Err(Error::UnsupportedDType { .. })));
    assert_eq!(fs::read(&path).unwrap(), rows(1, 128, 3));
    let appender = AppendOptions::new(Mode::Truncate).open(&path, &DType::F64, &[2]).unwrap();
    assert_eq!(*appender.shape(), [0, 2]);
    drop(appender);
    assert_eq!(fs::read(&path).unwrap(), rows(1, 128, 0));
}

#[test]
fn np12_refused_items_leave_no_empty_file() {
    let (_folder, path) = place();
    let mut appender = NpyAppender::create::<f64>(&path, &[2]).unwrap();
    assert!(matches!(appender.append(&[1.0]), Err(Error::BufferLength { .. })));
    drop(appender);
    assert_eq!(fs::read(&path).unwrap(), rows(1, 128, 0));
}

#[test]
fn np13_nothing_is_cast_silently() {
    let (_folder, path) = place();
    let mut appender = NpyAppender::create::<u8>(&path, &[]).unwrap();
    assert!(matches!(appender.append(&[300.9]), Err(Error::CastRefused { .. })));
    assert!(matches!(appender.append(&[Complex::new(1.0, 2.0)]), Err(Error::CastRefused { .. })));
    assert!(matches!(appender.append(&[1_i64 << 40]), Err(Error::CastRefused { .. })));
    drop(appender);
    // Even where it is asked for, a value that has no place is an error.
    let unsafely = AppendOptions::new(Mode::Append).with_casting(Casting::Unsafe);
    let mut appender = unsafely.open(&path, &DType::F64, &[]).unwrap();
    let error = appender.append(&[300.9]).unwrap_err();
    assert!(matches!(error, Error::ValueNotRepresentable { .. }), "{error}");
    appender.append(&[200.9]).unwrap();
    appender.close().unwrap();
    assert_eq!(all::<u8>(&path), [200]);
    let safely = AppendOptions::new(Mode::Append).with_casting(Casting::Safe);
    assert!(matches!(safely.open(&path, &DType::F64, &[]), Err(Error::CastRefused { .. })));
}

#[test]
fn np13_texts_are_not_cut_and_fields_not_matched_by_position() {
    let (_folder, path) = place();
    let options = AppendOptions::new(Mode::CreateOrAppend).with_casting(Casting::Unsafe);
    let mut appender = options.open(&path, &DType::Bytes(3), &[]).unwrap();
    appender.append_bytes(&DType::Bytes(5), b"abc\0\0").unwrap();
    assert!(appender.append_bytes(&DType::Bytes(5), b"abcd\0").is_err());
    assert_eq!(appender.items(), 1);
    drop(appender);

    let (_folder, path) = place();
    let of =
        |names: [&str; 2]| DType::Struct(StructType::packed(names.map(|name| (name.to_owned(), DType::I32))).into());
    let mut appender = options.open(&path, &of(["x", "y"]), &[]).unwrap();
    let refused = appender.append_bytes(&of(["y", "x"]), &[0; 8]);
    assert!(matches!(refused, Err(Error::CastRefused { .. })), "{refused:?}");
}

#[test]
fn np15_the_header_lags_until_a_commit_and_the_file_is_appendable_after_a_death() {
    let (folder, path) = place();
    let mut appender = NpyAppender::create::<f64>(&path, &[2]).unwrap();
    appender.append_bytes(&DType::F64, &numbers(0..3)).unwrap();
    appender.commit().unwrap();
    assert_eq!(fs::read(&path).unwrap(), rows(1, 128, 3), "on the disk, not in a buffer");
    appender.append_bytes(&DType::F64, &numbers(3..5)).unwrap();
    appender.flush().unwrap();
    // What a process that dies now leaves.
    let dead = folder.path().join("dead.npy");
    fs::copy(&path, &dead).unwrap();
    assert_eq!(all::<f64>(&dead).len(), 6);
    let refusing = AppendOptions::new(Mode::Append).with_uncommitted(Uncommitted::Refuse);
    assert!(matches!(refusing.open_existing(&dead), Err(Error::NeedsRecovery { .. })));
    drop(NpyAppender::open(&dead).unwrap());
    assert_eq!(fs::read(&dead).unwrap(), rows(1, 128, 3));
}

#[test]
fn np16_nothing_is_appended_after_a_close_and_nothing_lost_by_opening_again() {
    let (_folder, path) = place();
    let mut appender = NpyAppender::create::<f64>(&path, &[2]).unwrap();
    appender.append_bytes(&DType::F64, &numbers(0..3)).unwrap();
    appender.close().unwrap(); // takes the appender: a second close, or an append, does not compile
    let mut appender = NpyAppender::open(&path).unwrap();
    appender.append_bytes(&DType::F64, &numbers(3..4)).unwrap();
    drop(appender); // commits
    assert_eq!(fs::read(&path).unwrap(), rows(1, 128, 4));
}

#[test]
fn np17_appenders_of_different_files_do_not_wait_for_each_other() {
    let (folder, path) = place();
    let mut first = NpyAppender::create::<f64>(&path, &[2]).unwrap();
    // All on one thread: a lock that they shared would end here.
    let mut second = NpyAppender::create::<f64>(folder.path().join("y.npy"), &[2]).unwrap();
    first.append(&[0.0, 0.0]).unwrap();
    second.append(&[0.0, 0.0]).unwrap();
    drop(first);
    second.commit().unwrap();
}

#[test]
fn np17_threads_that_share_an_appender_lose_nothing() {
    let (_folder, path) = place();
    let appender = std::sync::Mutex::new(NpyAppender::create::<u64>(&path, &[2]).unwrap());
    std::thread::scope(|scope| {
        for thread in 0..50_u64 {
            let appender = &appender;
            scope.spawn(move || appender.lock().unwrap().append(&[thread, thread]).unwrap());
        }
    });
    appender.into_inner().unwrap().close().unwrap();
    let mut rows: Vec<u64> = all(&path).chunks(2).map(|row: &[u64]| row[0]).collect();
    rows.sort_unstable();
    assert_eq!(rows, (0..50).collect::<Vec<_>>());
}

#[test]
fn np18_a_second_writer_is_told_so() {
    let (_folder, path) = place();
    let first = NpyAppender::create::<f64>(&path, &[2]).unwrap();
    let locked = |result: chunk_core::Result<()>| assert!(matches!(result, Err(Error::Locked { .. })), "{result:?}");
    locked(NpyAppender::open(&path).map(drop));
    locked(AppendOptions::new(Mode::Truncate).open(&path, &DType::F64, &[2]).map(drop));
    locked(AppendOptions::new(Mode::CreateOrAppend).open(&path, &DType::F64, &[2]).map(drop));
    locked(recover(&path, Recovery::Committed).map(drop));
    locked(make_appendable(&path).map(drop));
    drop(first);
    drop(NpyAppender::open(&path).unwrap());
}
