//! What the editor makes of files is what h5py makes of them by the same changes.

use std::fs;
use std::path::Path;

use chunk_core::{ChunkSink, ChunkSinkExt, DType, DatasetInfo, EntryKind, Error, Result, Slab};
use chunk_hdf5::{Filter, Hdf5Editor};

use crate::python;

const KINDS: [&str; 9] = ["earliest", "v108", "v110", "latest", "ordered", "persistent", "paged", "user", "tables"];

fn files() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    python::run("editing.py", &["make", &folder.path().to_string_lossy()]);
    folder
}

/// Adds a dataset of 5 x 6 numbers from 0 on, changed by `value`.
fn add(editor: &Hdf5Editor, name: &str, value: impl Fn(i32) -> i32) -> Result<()> {
    let info = DatasetInfo::new([5, 6], DType::I32).with_chunk_shape([2, 3]);
    let sink = editor.create_dataset(name, info, "gzip:4".parse::<Filter>()?)?;
    let numbers: Vec<i32> = (0..30).map(value).collect();
    sink.write_slice(&Slab::new([0, 0], [2, 6]), &numbers[..12])?;
    sink.write_slice(&Slab::new([2, 0], [3, 6]), &numbers[12..])?;
    Box::new(sink).finish()
}

/// The changes of `editing.py`.
fn edit(editor: &Hdf5Editor, other: &Path) -> Result<()> {
    editor.create_group("new/deep")?;
    add(editor, "g/added", |i| i)?;
    add(editor, "/g/added2", |i| i + 1)?;
    editor.rename("g/h", "/moved/there/h")?;
    editor.rename("soft", "moved/soft")?;
    editor.copy("g", "copy")?;
    editor.copy("/g/x", "/g/x2")?;
    editor.remove("g/y")?;
    editor.link("/moved/there/h/z", "to z")?;
    editor.link("x", "g/relative")?;
    editor.link("/g", "ü/数")?;
    editor.copy_from(other, "tree", "from/other")
}

#[test]
fn edited_files_are_what_h5py_makes_of_them() {
    let folder = files();
    for kind in KINDS {
        let path = folder.path().join(format!("{kind}.h5"));
        let editor = Hdf5Editor::open(&path).unwrap();
        edit(&editor, &folder.path().join("other.h5")).unwrap_or_else(|error| panic!("{kind}: {}", error.report()));
        editor.finish().unwrap();
    }
    python::run("editing.py", &[&["check", &folder.path().to_string_lossy()], &KINDS[..]].concat());
}

#[test]
fn what_is_given_up_changes_no_byte() {
    let folder = files();
    for kind in KINDS {
        let path = folder.path().join(format!("{kind}.h5"));
        let before = fs::read(&path).unwrap();
        let editor = Hdf5Editor::open(&path).unwrap();
        edit(&editor, &folder.path().join("other.h5")).unwrap();
        assert_eq!(fs::read(&path).unwrap()[..before.len()], before, "{kind}: others see what was committed");
        drop(editor);
        assert_eq!(fs::read(&path).unwrap(), before, "{kind}");
        assert!(!path.with_added_extension("journal").exists(), "{kind}");
    }
}

#[test]
fn a_new_file_holds_what_was_finished() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.h5");
    let editor = Hdf5Editor::create(&path, false).unwrap();
    editor.create_group("/a").unwrap();
    // Two datasets at once, a third that is given up, one that is removed.
    let info = DatasetInfo::new([5, 6], DType::I32).with_chunk_shape([2, 3]);
    let [x, lost] =
        ["/a/b/x", "/a/b/lost"].map(|name| editor.create_dataset(name, info.clone(), Filter::default()).unwrap());
    let numbers: Vec<i32> = (0..30).collect();
    lost.write_slice(&Slab::whole(&[5, 6]), &numbers).unwrap();
    x.write_slice(&Slab::whole(&[5, 6]), &numbers).unwrap();
    add(&editor, "/a/y", |i| 2 * i).unwrap();
    add(&editor, "/a/z", |i| 3 * i).unwrap();
    Box::new(x).finish().unwrap();
    drop(lost);
    editor.remove("a/z").unwrap();
    editor.link("/a", "l").unwrap();
    assert!(!path.exists());
    editor.finish().unwrap();
    python::run("editing.py", &["new", &path.to_string_lossy()]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn refuses_before_anything_changes() {
    let folder = files();
    let path = folder.path().join("v110.h5");
    let before = fs::read(&path).unwrap();
    let editor = Hdf5Editor::open(&path).unwrap();
    let named = |error: &Error, name: &str| matches!(error, Error::InvalidLocation { text, .. } if text == name);
    for name in ["", "/", "a/../b", "./a", "a\0b"] {
        let results = [
            editor.create_group(name),
            editor.create_dataset(name, DatasetInfo::new([1], DType::U8), Filter::NONE).map(drop),
            editor.rename("g", name),
            editor.rename(name, "new"),
            editor.copy("g", name),
            editor.copy(name, "new"),
            editor.remove(name),
            editor.link("g", name),
        ];
        for result in results {
            let error = result.unwrap_err();
            assert!(named(&error, name), "{name:?}: {error}");
        }
    }
    for name in ["g/x/inside", "g/x/a/b", "kind/inside", "lost/inside", "elsewhere/inside", "soft/inside"] {
        let results = [editor.create_group(name), editor.rename("g/y", name), editor.link("g", name)];
        for result in results {
            assert!(matches!(result, Err(Error::NotAGroup { .. })), "{name}: {result:?}");
        }
    }
    for name in ["g", "g/x", "kind", "lost", "elsewhere", "soft"] {
        let results = [editor.create_group(name), editor.rename("g/y", name), editor.copy("g/y", name)];
        for result in results {
            assert!(matches!(result, Err(Error::AlreadyExists { .. })), "{name}: {result:?}");
        }
    }
    for name in ["grr", "g/xx", "nowhere/at/all", "elsewhere/a", "g/x/y"] {
        for result in [editor.remove(name), editor.rename(name, "new"), editor.copy(name, "new")] {
            assert!(matches!(result, Err(Error::DatasetNotFound { .. })), "{name}: {result:?}");
        }
    }
    let error = editor.remove("g/h/zz").unwrap_err();
    assert!(error.to_string().contains("(there is /g/h/z, "), "{error}");
    editor.link("/g/h", "back").unwrap();
    for target in ["g/new", "g/h/new", "back/new"] {
        assert!(matches!(editor.rename("g", target), Err(Error::InvalidArgument(_))), "{target}");
    }
    assert!(matches!(editor.copy("lost", "new"), Err(Error::DatasetNotFound { .. })));
    assert!(matches!(editor.copy("elsewhere", "new"), Err(Error::Unsupported { .. })));
    assert!(matches!(editor.link("", "new"), Err(Error::InvalidLocation { .. })));
    assert!(matches!(editor.copy_from(&path, "g", "new"), Err(Error::Locked { .. })));

    let sink = editor.create_dataset("new/x", DatasetInfo::new([1], DType::U8), Filter::NONE).unwrap();
    editor.create_group("new/x").unwrap();
    assert!(matches!(Box::new(sink).finish(), Err(Error::NotADataset { .. })));
    let kinds: Vec<_> = editor.entries().unwrap().into_iter().map(|entry| (entry.name, entry.kind)).collect();
    let kind = |wanted: &str| &kinds.iter().find(|(name, _)| name == wanted).unwrap().1;
    assert_eq!(kind("/new/x"), &EntryKind::Group);
    assert_eq!(kind("/lost"), &EntryKind::Link { file: None, target: "/nowhere".into() });
    assert_eq!(kind("/elsewhere"), &EntryKind::Link { file: Some("other.h5".into()), target: "/tree".into() });
    assert_eq!(kind("/kind"), &EntryKind::NamedType);
    let open = editor.create_dataset("late", DatasetInfo::new([1], DType::U8), Filter::NONE).unwrap();
    assert!(matches!(editor.finish(), Err(Error::Unsupported { .. })));
    assert!(matches!(Hdf5Editor::open(&path), Err(Error::Locked { .. })), "the sink still has the file");
    drop(open);
    assert_eq!(fs::read(&path).unwrap(), before);
}
