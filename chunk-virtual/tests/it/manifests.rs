//! Manifests: what comes back, what has changed, what is refused.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use chunk_core::{ChunkSource, ChunkSourceExt, Error, Location, MemorySource, Registry, Slab};
use chunk_virtual::{AnySource, ManifestOptions, SourcePool, VirtualSource, VirtualStack};

use crate::flat::{self, Flat};
use crate::stacks::counting;

fn pool() -> Arc<SourcePool> {
    Arc::new(SourcePool::new(Registry::new().with(Flat)))
}

/// Files of 1, 2, 3 .. rows in two folders below `folder`, stacked.
fn stack_in(folder: &Path) -> VirtualStack {
    let pool = pool();
    let mut first = 0;
    let sources = (0..6_u64).map(|number| {
        let below = folder.join(["even", "odd"][number as usize % 2]);
        fs::create_dir_all(&below).unwrap();
        let path = below.join(format!("part {number}.flat"));
        flat::write(&path, number + 1, first);
        first += 3 * (number + 1);
        VirtualSource::open(&pool, Location::new(path)).unwrap()
    });
    VirtualStack::new(sources, 0).unwrap()
}

fn open(path: &Path) -> chunk_core::Result<VirtualStack> {
    VirtualStack::open_manifest(path, &pool(), &ManifestOptions::default())
}

#[test]
fn opens_what_was_saved_without_touching_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let stack = stack_in(folder.path());
    let path = folder.path().join("all.chunks");
    stack.save_manifest(&path, false).unwrap();
    assert!(matches!(stack.save_manifest(&path, false), Err(Error::AlreadyExists { .. })));
    stack.save_manifest(&path, true).unwrap();
    let pool = pool();
    let opened = VirtualStack::open_manifest(&path, &pool, &ManifestOptions::default()).unwrap();
    assert_eq!(pool.open_sources(), 0);
    assert_eq!((opened.len(), &opened.info().shape, &opened.info().dtype), (6, &[21, 3].into(), &stack.info().dtype));
    assert_eq!(opened.read_all::<u64>().unwrap(), (0..63).collect::<Vec<_>>());
    assert!(opened.changed_files().is_empty() && stack.changed_files().is_empty());
    assert_eq!(opened.info().identity, open(&path).unwrap().info().identity);
}

#[test]
fn moves_with_its_files_and_can_be_told_where_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    fs::create_dir(&old).unwrap();
    stack_in(&old).save_manifest(old.join("all.chunks"), false).unwrap();
    fs::rename(&old, &new).unwrap();
    assert_eq!(open(&new.join("all.chunks")).unwrap().read_all::<u64>().unwrap(), (0..63).collect::<Vec<_>>());
    fs::rename(new.join("all.chunks"), folder.path().join("elsewhere")).unwrap();
    let lost = open(&folder.path().join("elsewhere")).unwrap();
    assert!(matches!(lost.read_all::<u64>(), Err(Error::FileNotFound { .. })));
    let options = ManifestOptions::default().with_root(&new);
    let found = VirtualStack::open_manifest(folder.path().join("elsewhere"), &pool(), &options).unwrap();
    assert_eq!(found.read_all::<u64>().unwrap(), (0..63).collect::<Vec<_>>());
}

#[test]
fn tells_which_files_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.chunks");
    let stack = stack_in(folder.path());
    stack.save_manifest(&path, false).unwrap();
    let opened = open(&path).unwrap();
    flat::write(&folder.path().join("odd/part 1.flat"), 2, 500);
    flat::write(&folder.path().join("even/part 4.flat"), 1, 0);
    fs::remove_file(folder.path().join("odd/part 5.flat")).unwrap();
    for stack in [&opened, &stack] {
        let changes: Vec<String> = stack.changed_files().iter().map(Error::report).collect();
        assert_eq!(changes.len(), 3, "{changes:?}");
        for (change, words) in
            changes.iter().zip([["part 1", "written to"], ["part 4", "120 bytes"], ["part 5", "no such"]])
        {
            assert!(words.iter().all(|word| change.contains(word)), "{change}");
        }
    }
    // What is read of others is right, what is read of these is refused.
    let rows = |start: u64, count: u64| opened.read_vec::<u64>(&Slab::new([start, 0], [count, 3]));
    assert_eq!(rows(0, 1).unwrap(), [0, 1, 2]);
    assert!(matches!(rows(0, 3), Err(Error::SourceChanged { .. })));
    assert!(matches!(rows(12, 1), Err(Error::SourceChanged { .. })));
    assert!(matches!(rows(20, 1), Err(Error::FileNotFound { .. })));
}

#[test]
fn a_manifest_of_files_elsewhere_must_be_allowed_to_lead_there() {
    let (data, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = other.path().join("all.chunks");
    stack_in(data.path()).save_manifest(&path, false).unwrap();
    let error = open(&path).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }) && error.to_string().contains("outside"), "{error}");
    let options = ManifestOptions::default().with_outside(true);
    let opened = VirtualStack::open_manifest(&path, &pool(), &options).unwrap();
    assert_eq!(opened.read_all::<u64>().unwrap(), (0..63).collect::<Vec<_>>());
}

#[test]
fn what_was_cut_or_changed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.chunks");
    stack_in(folder.path()).save_manifest(&path, false).unwrap();
    let whole = fs::read(&path).unwrap();
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = open(&path).expect_err("a damaged manifest is refused");
        assert!(matches!(error, Error::Corrupt { .. } | Error::WrongFormat { .. }), "{error}");
    };
    for length in 0..whole.len() {
        refused(&whole[..length]);
    }
    for at in 0..whole.len() {
        for mask in [0x01, 0x20, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= mask;
            refused(&bytes);
        }
    }
}

#[test]
fn what_no_manifest_can_say_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.chunks");
    let refused = |stack: &VirtualStack, word: &str| {
        let error = stack.save_manifest(&path, false).unwrap_err().to_string();
        assert!(error.contains(word) && !path.exists(), "{error}");
    };
    let memory: Arc<MemorySource> = Arc::new(counting(&[1, 3], 0));
    refused(&VirtualStack::new([AnySource::from(memory)], 0).unwrap(), "no file");
    let odd = folder.path().join("two\nlines.flat");
    flat::write(&odd, 1, 0);
    let source = VirtualSource::open(&pool(), Location::new(odd)).unwrap();
    refused(&VirtualStack::new([source], 0).unwrap(), "two\nlines");
    assert!(stack_in(folder.path()).save_manifest(folder.path().join("none/x"), false).is_err());
}

/// Manifests whose check sum is right and whose paths are wrong.
#[test]
fn paths_that_leave_the_folder_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.chunks");
    for bad in ["../x.flat", "/etc/passwd", "a/../../x.flat", "", ".."] {
        let body = format!(
            "chunk manifest 1\nroot .\naxis 0\npromote false\nkinds 1\nscheme \ndataset \ndtype uint64\nshape 1 3\n\
             chunks \nfiles 1\n0 1 24 0 {bad}\n"
        );
        let sum = chunk_core::Identity::builder("manifest").field("text", &body).finish();
        fs::write(&path, format!("{body}sum {sum}\n")).unwrap();
        let error = open(&path).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }) && error.to_string().contains("leaves"), "{bad:?}: {error}");
    }
}
