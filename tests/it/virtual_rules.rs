//! What xdas.virtual gets wrong, silently or by breaking down, and what must hold instead: a test for each rule.
//!
//! | rule of the seed | test |
//! | --- | --- |
//! | XV-1: a dataset without axes has one element, and an empty one none | `a_dataset_without_axes_has_one_element` |
//! | XV-2: a size of any magnitude is printed | `sizes_of_any_magnitude_are_printed` |
//! | XV-3: indexing is NumPy's, composed | `selection_texts`, chunk-virtual's `selections` |
//! | XV-4: a source is described whole, and a group is none | `a_source_states_its_dtype_and_a_group_is_no_source` |
//! | XV-5: negative steps are read | `negative_steps_are_read_of_sources_stacks_and_layouts`, chunk-virtual's `any_start_stop_and_step_..` |
//! | XV-6: what was declared is checked, and paths do not follow the working directory | `a_path_is_where_it_was_whatever_the_working_directory`, chunk-virtual's `a_source_that_is_not_what_was_described_is_named` |
//! | XV-7, XV-12: describing and slicing opens nothing | chunk-virtual's `a_stack_of_unread_files_costs_nothing_to_slice` |
//! | XV-8: a virtual dataset of one source, and a name that exists | `one_source_is_a_virtual_dataset_and_what_has_its_name_is_kept` |
//! | XV-9: ranks are compared, a failed append changes nothing, stacks nest | chunk-virtual's `what_does_not_fit_is_named_and_changes_nothing`, `stacks_of_stacks_and_of_selections` |
//! | XV-10: every start, stop and step; no empty source at a bound | `a_stop_on_a_bound_leaves_no_empty_source`, chunk-virtual's `any_start_stop_and_step_..` |
//! | XV-11: an integer before the stacked axis | chunk-virtual's `an_integer_before_the_stacked_axis_keeps_the_others_apart` |
//! | XV-12: a source may be called anything, and a missing one is an error | `a_source_called_vds_is_itself`, `no_data_are_invented_for_what_is_missing` |
//! | XV-13: nothing to map, a name that exists | `one_source_is_a_virtual_dataset_..`, `virtual_datasets::what_a_hyperslab_cannot_say_..` |
//! | XV-14: a sliced layout is written sliced | `virtual_datasets::h5py_reads_layouts_interleaved_and_sliced`, chunk-virtual's `a_layout_is_sliced_like_any_source` |
//! | XV-15: filled unsigned integers are no zeros, and a mask tells | chunk-virtual's `values_that_fill_by_dtype`, `a_missing_source_is_filled_when_asked_and_the_mask_says_so` |
//! | XV-16: missing, moved, shrunk, retyped, too many | `no_data_are_invented_for_what_is_missing`, `virtual_datasets::missing_shrunk_and_retyped_sources_..`, `virtual_datasets::a_moved_folder_..`, `virtual_many` |
//! | XV-17: relative names, nested virtual datasets, few open files | `virtual_datasets::a_moved_folder_..`, `a_virtual_dataset_of_virtual_datasets_has_relative_names`, `virtual_many` |
//! | XV-20: any number of files; layouts and stacks are virtual in others | `virtual_many`, `virtual_mixed` |
//! | XV-21: a virtual dataset that was opened can be changed and written | `an_opened_virtual_dataset_can_be_added_to_and_written` |
//! | XV-22: chunks longer than the axis | `steps_longer_than_the_axis_are_one` |
//! | TA-1, TA-6: an index that is relocated and read without its maker | `a_manifest_moves_and_says_what_it_is_of`, `virtual_commands` |
//! | TA-2: ints, steps, ellipsis and new axes stay lazy | `selection_texts`, `selections::selections_are_numpys` |
//! | TA-4: sums are wide enough | `stats::` (of any source), `statistics_of_a_stack_are_numpys` |
//! | TA-5: shape and dtype are verified, a missing file is an error | `no_data_are_invented_for_what_is_missing`, `virtual_datasets::missing_shrunk_..` |
//! | files of xdas itself | `reads_what_xdas_wrote` |

use std::fs;
use std::path::Path;
use std::sync::Arc;

use chunk_core::{
    ChunkSource, ChunkSourceExt, CreateOptions, DType, DatasetInfo, Error, Location, MemorySource, Run, Slab,
};
use chunk_virtual::hdf5::Pieces;
use chunk_virtual::{Selected, SourcePool, VirtualLayout, VirtualSource, VirtualStack, select};

use crate::virtual_datasets::{SCRIPT, opened, read_by_h5py, registry, stack_of_theirs, text, theirs, values};
use crate::{program, python};

fn pool() -> Arc<SourcePool> {
    Arc::new(SourcePool::new(registry()))
}

/// Writes `elements` as the dataset `/data` of a new HDF5 file.
fn write(path: &Path, shape: &[u64], elements: &[i32]) {
    let source = MemorySource::new(shape, elements).unwrap();
    let location = Location::new(path).with_dataset("/data");
    let sink = registry().create(&location, source.info().clone(), &CreateOptions::default()).unwrap();
    Run::new().copy(&source, sink).unwrap();
}

#[test]
fn a_dataset_without_axes_has_one_element() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.h5");
    write(&path, &[], &[42]);
    let file = VirtualSource::open(&pool(), Location::new(&path)).unwrap();
    assert_eq!((file.info().shape.elements(), file.info().bytes()), (1, 4));
    assert!(file.to_string().ends_with("() int32, 1 elements, 4 B"), "{file}");
    let empty = DatasetInfo::new([0, 7], DType::I32);
    assert_eq!((empty.shape.elements(), empty.bytes()), (0, 0));
    let mut layout = VirtualLayout::new([], DType::I32);
    layout.place(&select![], file).unwrap();
    assert_eq!(layout.read_all::<i32>().unwrap(), [42]);
    let out = folder.path().join("v.h5");
    Pieces::of_layout(&layout).unwrap().write(&out, "v", false).unwrap();
    let told = read_by_h5py(&out, "v");
    assert_eq!((values(&told), &told["shape"]), (vec![42], &serde_json::json!([])));
    assert_eq!(opened(&out).unwrap().read_all::<i32>().unwrap(), [42]);
    let error = VirtualStack::new([opened(&out).unwrap()], 0).unwrap_err();
    assert!(matches!(error, Error::AxisOutOfRange { .. }), "{error}");
}

#[test]
fn sizes_of_any_magnitude_are_printed() {
    for (extent, printed) in
        [(1024, "1 KiB"), (1 << 40, "1 TiB"), (1 << 50, "1 PiB"), (1 << 60, "1 EiB"), (u64::MAX, "16 EiB")]
    {
        let layout = VirtualLayout::new([extent], DType::U8);
        assert!(layout.to_string().ends_with(printed), "{layout}");
    }
    let stack = VirtualStack::new([Arc::new(MemorySource::new([2, 3], &[0_i64; 6]).unwrap())], 0).unwrap();
    assert!(stack.to_string().ends_with("(2, 3) int64, 6 elements, 48 B"), "{stack}");
    assert!(format!("{stack:?}").contains("sources: 1"), "{stack:?}");
}

#[test]
fn a_source_states_its_dtype_and_a_group_is_no_source() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("x.h5"), &[2], &[1, 2]);
    let group = Location::new(folder.path().join("x.h5")).with_dataset("/");
    let error = VirtualSource::open(&pool(), group).unwrap_err();
    assert!(matches!(error, Error::NotADataset { kind: "a group", .. }), "{error}");
    // Nothing need be there to describe it.
    let info = DatasetInfo::new([3], DType::F32);
    let later = VirtualSource::new(&pool(), Location::new(folder.path().join("later.h5")), info).unwrap();
    assert_eq!(later.info().bytes(), 12);
    assert!("datetime64[fortnight]".parse::<DType>().is_err());
}

#[test]
fn negative_steps_are_read_of_sources_stacks_and_layouts() {
    let folder = tempfile::tempdir().unwrap();
    theirs(folder.path());
    let stack = stack_of_theirs(folder.path());
    let whole = stack.read_all::<i32>().unwrap();
    let file = VirtualSource::open(&pool(), Location::new(folder.path().join("source-3.h5"))).unwrap();
    let layout = opened(&folder.path().join("interleaved.h5")).unwrap();
    let sources: [Arc<dyn ChunkSource>; 3] = [Arc::new(stack), Arc::new(file), layout];
    for source in sources {
        let rows = source.info().shape[0] as usize;
        let all = source.read_all::<i32>().unwrap();
        let reversed = Selected::new(source, &select![..; -1, ..; -2]).unwrap();
        let expected: Vec<i32> =
            (0..rows).rev().flat_map(|row| [5, 3, 1].map(|column| all[row * 6 + column])).collect();
        assert_eq!(reversed.read_all::<i32>().unwrap(), expected);
        // Twice is forwards again.
        let again = reversed.select(&select![..; -1, 0]).unwrap();
        assert_eq!(again.read_all::<i32>().unwrap(), (0..rows).map(|row| all[row * 6 + 5]).collect::<Vec<_>>());
    }
    assert_eq!(whole.len(), 120);
}

#[test]
fn a_path_is_where_it_was_whatever_the_working_directory() {
    let info = DatasetInfo::new([1], DType::I32);
    let source = VirtualSource::new(&pool(), Location::new("relative.h5"), info).unwrap();
    assert_eq!(source.location().path(), std::env::current_dir().unwrap().join("relative.h5"));
}

#[test]
fn one_source_is_a_virtual_dataset_and_what_has_its_name_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.h5");
    write(&path, &[2, 2], &[1, 2, 3, 4]);
    let file = VirtualSource::open(&pool(), Location::new(&path)).unwrap();
    let stack = VirtualStack::new([file], 1).unwrap();
    let out = folder.path().join("v.h5");
    Pieces::of_stack(&stack).unwrap().write(&out, "group/v", false).unwrap();
    assert_eq!(values(&read_by_h5py(&out, "group/v")), [1, 2, 3, 4]);
    let before = fs::read(&out).unwrap();
    let error = Pieces::of_stack(&stack).unwrap().write(&out, "group/v", false).unwrap_err();
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
    assert_eq!(fs::read(&out).unwrap(), before);
    Pieces::of_stack(&stack).unwrap().write(&out, "other", false).unwrap();
    assert_eq!(values(&read_by_h5py(&out, "other")), [1, 2, 3, 4]);
    assert_eq!(values(&read_by_h5py(&out, "group/v")), [1, 2, 3, 4]);
    let nothing: [VirtualSource; 0] = [];
    assert!(VirtualStack::new(nothing, 0).unwrap_err().to_string().contains("needs a source"));
}

#[test]
fn a_virtual_dataset_of_its_own_file_goes_where_the_file_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.h5");
    write(&path, &[2, 2], &[1, 2, 3, 4]);
    let name = chunk_cli::formats().list(&Location::new(&path)).unwrap().into_iter().next_back().unwrap().name;
    let data = format!("{}::{name}", path.display());
    program::succeed(&["stack", "--virtual", &format!("{}::/twice", path.display()), &data, &data]);
    let moved = folder.path().join("elsewhere");
    fs::create_dir(&moved).unwrap();
    fs::rename(&path, moved.join("y.h5")).unwrap();
    assert_eq!(values(&read_by_h5py(&moved.join("y.h5"), "twice")), [1, 2, 3, 4, 1, 2, 3, 4]);
    let twice = format!("{}::/twice", moved.join("y.h5").display());
    assert_eq!(program::succeed(&["show", &twice]), "[[1 2]\n [3 4]\n [1 2]\n [3 4]]\n");
}

#[test]
fn a_stop_on_a_bound_leaves_no_empty_source() {
    let folder = tempfile::tempdir().unwrap();
    theirs(folder.path());
    let stack = stack_of_theirs(folder.path());
    for (rows, mappings) in [(0..4, 1), (4..8, 1), (0..8, 2), (3..5, 2), (16..20, 1)] {
        let out = folder.path().join(format!("v-{}-{}.h5", rows.start, rows.end));
        let pieces = Pieces::of_stack(&stack).unwrap().select(&select![rows.clone()]).unwrap();
        pieces.write(&out, "v", false).unwrap();
        // h5py fails to list empty mappings.
        let told = read_by_h5py(&out, "v");
        assert_eq!(told["mappings"].as_array().unwrap().len(), mappings, "{rows:?}");
        let slab = Slab::new([rows.start, 0], [rows.end - rows.start, 6]);
        assert_eq!(values(&told), stack.read_vec::<i32>(&slab).unwrap());
    }
}

#[test]
fn a_source_called_vds_is_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vds.h5");
    write(&path, &[3, 1], &[7, 8, 9]);
    let stack = || program::command(&["show", "vds.h5[1:]"]).current_dir(folder.path()).output().unwrap();
    assert_eq!(String::from_utf8(stack().stdout).unwrap(), "[[8]\n [9]]\n");
    let file = VirtualSource::open(&pool(), Location::new(&path)).unwrap();
    let stacked = VirtualStack::new([file.clone(), file], 0).unwrap();
    assert_eq!(stacked.read_all::<i32>().unwrap(), [7, 8, 9, 7, 8, 9]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn no_data_are_invented_for_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    theirs(folder.path());
    let stack = stack_of_theirs(folder.path());
    let virtual_path = folder.path().join("v.h5");
    Pieces::of_stack(&stack).unwrap().write(&virtual_path, "v", false).unwrap();
    fs::remove_file(folder.path().join("source-2.h5")).unwrap();
    // HDF5 reads on: 24 elements that nobody measured.
    let invented = values(&read_by_h5py(&virtual_path, "v"));
    assert_eq!(invented.iter().filter(|value| **value == i32::MIN).count(), 24);
    for source in [Arc::new(stack) as Arc<dyn ChunkSource>, opened(&virtual_path).unwrap()] {
        let error = source.read_all::<i32>().unwrap_err();
        assert!(matches!(&error, Error::FileNotFound { path } if path.ends_with("source-2.h5")), "{error}");
        assert!(source.read_vec::<i32>(&Slab::new([0, 0], [8, 6])).is_ok());
    }
}

#[test]
fn a_virtual_dataset_of_virtual_datasets_has_relative_names() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("a");
    fs::create_dir(&folder).unwrap();
    theirs(&folder);
    let pool = pool();
    let inner = ["end-to-end.h5", "interleaved.h5"];
    let files = inner.map(|name| VirtualSource::open(&pool, Location::new(folder.join(name))).unwrap());
    let stack = VirtualStack::new(files, 0).unwrap();
    let before = stack.read_all::<i32>().unwrap();
    Pieces::of_stack(&stack).unwrap().write(folder.join("outer.h5"), "v", false).unwrap();
    let moved = root.path().join("b");
    fs::rename(&folder, &moved).unwrap();
    assert_eq!(values(&read_by_h5py(&moved.join("outer.h5"), "v")), before);
    assert_eq!(opened(&moved.join("outer.h5")).unwrap().read_all::<i32>().unwrap(), before);
}

#[test]
fn an_opened_virtual_dataset_can_be_added_to_and_written() {
    let folder = tempfile::tempdir().unwrap();
    theirs(folder.path());
    let path = folder.path().join("end-to-end.h5");
    let chunk_hdf5::Opened::Virtual(described) =
        chunk_hdf5::Opened::open(&path, Some("/v"), chunk_hdf5::ReadOptions::default()).unwrap()
    else {
        panic!("it is virtual")
    };
    let pool = pool();
    let mut layout =
        chunk_virtual::hdf5::open(&path, &described, &pool, &chunk_virtual::hdf5::OpenOptions::default()).unwrap();
    let file = VirtualSource::open(&pool, Location::new(folder.path().join("source-4.h5"))).unwrap();
    layout.place_selected(&select![2..4], file, &select![..2]).unwrap();
    let out = folder.path().join("changed.h5");
    Pieces::of_layout(&layout).unwrap().write(&out, "v", false).unwrap();
    let mut expected = values(&read_by_h5py(&path, "v"));
    expected[12..24].copy_from_slice(&(4000..4012).collect::<Vec<_>>());
    assert_eq!(values(&read_by_h5py(&out, "v")), expected);
    assert_eq!(opened(&out).unwrap().read_all::<i32>().unwrap(), expected);
}

#[test]
fn steps_longer_than_the_axis_are_one() {
    let folder = tempfile::tempdir().unwrap();
    theirs(folder.path());
    let stack = stack_of_theirs(folder.path());
    let whole = stack.read_all::<i32>().unwrap();
    for rows in [1, 7, 20, 1000] {
        let slabs = chunk_core::steps(&[&stack], Some(rows)).unwrap();
        let pieces: Vec<Vec<i32>> = slabs.map(|slabs| stack.read_vec(&slabs[0]).unwrap()).collect();
        assert_eq!((pieces.len() as u64, pieces.concat()), (20_u64.div_ceil(rows), whole.clone()));
    }
}

#[test]
fn a_manifest_moves_and_says_what_it_is_of() {
    let root = tempfile::tempdir().unwrap();
    let (old, new) = (root.path().join("old"), root.path().join("new"));
    fs::create_dir(&old).unwrap();
    theirs(&old);
    let stack = stack_of_theirs(&old);
    stack.save_manifest(old.join("all.chunks"), false).unwrap();
    let expected = stack.read_all::<i32>().unwrap();
    fs::rename(&old, &new).unwrap();
    let manifest = fs::read_to_string(new.join("all.chunks")).unwrap();
    assert!(manifest.starts_with("chunk manifest 1\nroot .\naxis 0\n") && manifest.contains("dtype int32\n"));
    assert_eq!(manifest.lines().filter(|line| line.contains(" source-")).count(), 5);
    let shown = program::succeed(&["hash", text(&new.join("all.chunks"))]);
    let bytes: Vec<u8> = expected.iter().flat_map(|value| value.to_le_bytes()).collect();
    assert!(shown.starts_with(&crate::virtual_many::sha256(&bytes)), "{shown}");
}

#[test]
fn statistics_of_a_stack_are_numpys() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..3 {
        let path = folder.path().join(format!("x-{number}.h5"));
        let source = MemorySource::new([100], &[127_i8; 100]).unwrap();
        let sink = registry().create(&Location::new(path), source.info().clone(), &CreateOptions::default()).unwrap();
        Run::new().copy(&source, sink).unwrap();
    }
    let manifest = folder.path().join("all.chunks");
    let pattern = folder.path().join("x-*.h5");
    program::succeed(&["stack", text(&manifest), text(&pattern), "--progress", "never"]);
    let stats = program::succeed(&["stats", "--json", text(&manifest)]);
    let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
    // In int8 the sum of 300 times 127 is negative.
    assert_eq!(stats["mean"].as_f64(), Some(127.0), "{stats}");
}

/// Files that `tests/testdata/xdas/write.py` wrote with xdas 0.2.10.
#[test]
fn reads_what_xdas_wrote() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/xdas");
    let row = |day: i32, row: i32| (0..5).map(move |column| 1000 * day + 10 * row + column);
    let days = [(0, 3), (1, 2), (2, 4)];
    let all: Vec<i32> = days.iter().flat_map(|(day, rows)| (0..*rows).flat_map(|at| row(*day, at))).collect();
    for (name, dataset) in [("stack.h5", "velocity"), ("sliced.h5", "velocity"), ("array.nc", "__values__")] {
        let location = Location::new(folder.join(name)).with_dataset(dataset);
        let ours = registry().open(&location).unwrap().read_all::<i32>().unwrap();
        assert_eq!(ours, values(&read_by_h5py(&folder.join(name), dataset)), "{name}");
        match name {
            "sliced.h5" => assert_eq!(ours[..3], [10, 12, 14]),
            _ => assert_eq!(ours, all),
        }
    }
    // What xdas left out of its layout is filled by it; we ask.
    let layout = folder.join("layout.h5");
    let gap = registry().open(&Location::new(&layout)).unwrap().read_all::<i32>().unwrap_err();
    assert!(matches!(gap, Error::NotCovered { .. }), "{gap}");
    let shown = program::command(&["show", text(&layout), "--missing", "fill"]).output().unwrap();
    assert!(String::from_utf8_lossy(&shown.stdout).contains("[-2147483648 -2147483648"), "{shown:?}");
    assert_eq!(program::stderr(&shown), "chunk: 5 elements were filled: they have no source, or a missing one\n");
    assert_eq!(python::run(SCRIPT, &["partial", text(&layout), "velocity"]), "2\n");
}
