//! The suite that every lazy node passes.

use std::ops::Range;
use std::sync::Arc;

use chunk_core::{
    ChunkSource, ChunkSourceExt, DType, DatasetInfo, Identity, Location, MemoryBackend, MemorySource, Registry, Slab,
};
use chunk_testkit::{PeakAlloc, SourceCase, alone, source_conformance};
use chunk_virtual::{
    Fill, FilledMask, Indices, Selected, SourcePool, VirtualLayout, VirtualSource, VirtualStack, select,
};

chunk_testkit::measure_memory!();

const ROWS: u64 = 150;
const COLUMNS: u64 = 170;

fn numbers() -> MemorySource {
    let numbers: Vec<f64> = (0..ROWS * COLUMNS).map(|i| i as f64).collect();
    MemorySource::new([ROWS, COLUMNS], &numbers).unwrap()
}

fn bytes(elements: impl Iterator<Item = (u64, u64)>) -> Vec<u8> {
    elements.flat_map(|(row, column)| ((row * COLUMNS + column) as f64).to_ne_bytes()).collect()
}

fn selected(chunked: bool, text: &'static str, oracle: Vec<u8>) -> SourceCase {
    let input = if chunked { numbers().with_chunk_shape([32, 20]).unwrap() } else { numbers() };
    let indices: Indices = text.parse().unwrap();
    SourceCase::node(input, move |x| Selected::new(x, &indices), oracle)
}

source_conformance!(a_reversed_selection, || {
    let rows = (0..ROWS).rev().step_by(2);
    let oracle = bytes(rows.flat_map(|row| (10..COLUMNS).step_by(3).map(move |column| (row, column))));
    selected(true, "::-2, 10::3", oracle)
});

source_conformance!(a_selection_by_a_list, || {
    let rows = [140, 3, 3, 77, 0];
    let oracle = bytes(rows.into_iter().flat_map(|row| (0..COLUMNS).map(move |column| (row, column))));
    selected(true, "[[140, 3, 3, 77, 0]]", oracle)
});

source_conformance!(a_selection_of_unit_steps, || {
    let oracle = bytes((20..ROWS).flat_map(|row| (5..160).map(move |column| (row, column))));
    selected(true, "20:, 5:160", oracle)
});

source_conformance!(a_selection_without_chunks, || {
    let oracle = bytes((0..ROWS).flat_map(|row| (0..COLUMNS).step_by(2).map(move |column| (row, column))));
    selected(false, "newaxis, :, newaxis, ::2", oracle)
});

source_conformance!(a_selection_that_moves_an_axis, || {
    let columns = [9, 2, 9];
    let oracle = bytes(columns.into_iter().map(|column| (7, column)));
    selected(true, "7, newaxis, [9, 2, 9]", oracle)
});

source_conformance!(an_empty_selection, || selected(true, "10:5", Vec::new()));

/// The first rows of the input on top of all of it, upside down.
fn stacked(axis: isize, oracle: Vec<u8>) -> SourceCase {
    let input = numbers().with_chunk_shape([32, 20]).unwrap();
    let build = move |x: Arc<dyn ChunkSource>| {
        let flipped: Arc<dyn ChunkSource> = Arc::new(Selected::new(x.clone(), &select![..; -1])?);
        VirtualStack::new([x, flipped], axis)
    };
    SourceCase::node(input, build, oracle)
}

source_conformance!(a_stack_along_the_first_axis, || {
    let rows = (0..ROWS).chain((0..ROWS).rev());
    stacked(0, bytes(rows.flat_map(|row| (0..COLUMNS).map(move |column| (row, column)))))
});

source_conformance!(a_stack_along_the_last_axis, || {
    let rows = (0..ROWS).map(|row| (row, ROWS - 1 - row));
    let columns = rows.flat_map(|(a, b)| [a, b].map(|row| (0..COLUMNS).map(move |column| (row, column))));
    stacked(-1, bytes(columns.flatten()))
});

source_conformance!(a_stack_that_promotes, || {
    let build = |x: Arc<dyn ChunkSource>| {
        let half: Arc<dyn ChunkSource> = Arc::new(MemorySource::new([1, COLUMNS], &[0.5; COLUMNS as usize])?);
        VirtualStack::promoting([half, x], 0)
    };
    let input = MemorySource::new([2, COLUMNS], &[7_i16; 2 * COLUMNS as usize]).unwrap();
    let oracle = [0.5, 7.0, 7.0].map(|value: f64| value.to_ne_bytes().repeat(COLUMNS as usize)).concat();
    SourceCase::node(input, build, oracle)
});

source_conformance!(a_stack_of_files, || {
    let memory = MemoryBackend::new();
    let pool = Arc::new(SourcePool::new(Registry::new().with(memory.clone())).with_most_open(2));
    let part = |row: u64| {
        let name = format!("row-{row}");
        let row = numbers().read_vec::<f64>(&Slab::new([row, 0], [1, COLUMNS])).unwrap();
        memory.insert(&name, MemorySource::new([1, COLUMNS], &row).unwrap());
        VirtualSource::open(&pool, Location::new(name).with_scheme("memory")).unwrap()
    };
    let stack = VirtualStack::new((0..ROWS).map(part), 0).unwrap();
    SourceCase::new(stack, numbers().bytes().to_vec())
});

/// A file of `rows` of the numbers, in memory.
fn file(pool: &Arc<SourcePool>, memory: &MemoryBackend, name: &str, rows: Range<u64>) -> VirtualSource {
    let (start, count) = (rows.start, rows.end - rows.start);
    let part = numbers().read_vec::<f64>(&Slab::new([start, 0], [count, COLUMNS])).unwrap();
    memory.insert(name, MemorySource::new([count, COLUMNS], &part).unwrap());
    VirtualSource::open(pool, Location::new(name).with_scheme("memory")).unwrap()
}

// Files, what is computed of the input, and an array in memory.
source_conformance!(a_stack_of_files_and_computed_sources, || {
    let build = |x: Arc<dyn ChunkSource>| {
        let memory = MemoryBackend::new();
        let pool = Arc::new(SourcePool::new(Registry::new().with(memory.clone())));
        // From the first row down to the one after the last.
        let rows = |(first, last): (u64, u64)| Selected::new(x.clone(), &select![first..last; -1]).map(Arc::new);
        let mut stack = VirtualStack::new([file(&pool, &memory, "a", 0..3), file(&pool, &memory, "b", 3..9)], 0)?;
        stack.append(rows((29, 8))?)?;
        stack.extend((30..90).map(|row| file(&pool, &memory, &format!("row-{row}"), row..row + 1)))?;
        stack.append(Arc::new(numbers()))?;
        stack.append(rows((149, 89))?)?;
        Ok(stack)
    };
    let rows = (0..9).chain((9..30).rev()).chain(30..90).chain(0..ROWS).chain((90..ROWS).rev());
    let oracle = bytes(rows.flat_map(|row| (0..COLUMNS).map(move |column| (row, column))));
    SourceCase::node(numbers().with_chunk_shape([32, 20]).unwrap(), build, oracle)
});

// Inputs that are cast: the dtype of the stack comes with its last source.
source_conformance!(a_stack_that_promotes_what_is_computed, || {
    let build = |x: Arc<dyn ChunkSource>| {
        let flipped: Arc<dyn ChunkSource> = Arc::new(Selected::new(x.clone(), &select![..; -1])?);
        let mut stack = VirtualStack::promoting([flipped, x], 0)?;
        stack.append(Arc::new(MemorySource::new([1, COLUMNS], &[0.5; COLUMNS as usize])?))?;
        Ok(stack)
    };
    let rows: Vec<i16> = [7, 8].into_iter().flat_map(|row| [row; COLUMNS as usize]).collect();
    let oracle = [8.0, 7.0, 7.0, 8.0, 0.5].map(|value: f64| value.to_ne_bytes().repeat(COLUMNS as usize)).concat();
    SourceCase::node(MemorySource::new([2, COLUMNS], &rows).unwrap(), build, oracle)
});

/// The rows of the input, every second one from its upper half.
fn interleaved(x: Arc<dyn ChunkSource>) -> chunk_core::Result<VirtualLayout> {
    let mut layout = VirtualLayout::new([ROWS, COLUMNS], DType::F64);
    let half = ROWS / 2;
    layout.place(&select![..; 2], Arc::new(Selected::new(x.clone(), &select![..half])?))?;
    layout.place(&select![1..; 2], Arc::new(Selected::new(x, &select![half..])?))?;
    Ok(layout)
}

source_conformance!(a_layout_of_interleaved_rows, || {
    let rows = (0..ROWS).map(|row| row / 2 + row % 2 * (ROWS / 2));
    let oracle = bytes(rows.flat_map(|row| (0..COLUMNS).map(move |column| (row, column))));
    SourceCase::node(numbers().with_chunk_shape([32, 20]).unwrap(), interleaved, oracle)
});

source_conformance!(a_layout_of_tiles_with_gaps, || {
    let build = |x: Arc<dyn ChunkSource>| {
        let mut layout = VirtualLayout::new([ROWS, COLUMNS], DType::F64);
        let part =
            |rows: Range<u64>, columns: Range<u64>| Selected::new(x.clone(), &select![rows, columns]).map(Arc::new);
        layout.place(&select![..100, ..90], part(0..100, 0..90)?)?;
        layout.place(&select![50.., 60..], part(50..ROWS, 60..COLUMNS)?)?;
        layout.with_fill(Fill::with(-1.0))
    };
    let element = |(row, column)| {
        let covered = (row < 100 && column < 90) || (row >= 50 && column >= 60);
        if covered { (row * COLUMNS + column) as f64 } else { -1.0 }
    };
    let positions = (0..ROWS).flat_map(|row| (0..COLUMNS).map(move |column| (row, column)));
    let oracle: Vec<u8> = positions.flat_map(|at| element(at).to_ne_bytes()).collect();
    SourceCase::node(numbers().with_chunk_shape([32, 20]).unwrap(), build, oracle)
});

// Files under, between and over what is computed, and a gap that is filled.
source_conformance!(a_layout_of_files_and_computed_sources, || {
    let build = |x: Arc<dyn ChunkSource>| {
        let memory = MemoryBackend::new();
        let pool = Arc::new(SourcePool::new(Registry::new().with(memory.clone())));
        let mut layout = VirtualLayout::new([ROWS, COLUMNS], DType::F64);
        layout.place(&select![10..40], file(&pool, &memory, "low", 0..30))?;
        layout.place(&select![20..120; 2], Arc::new(Selected::new(x.clone(), &select![..50])?))?;
        layout.place(&select![30..34], file(&pool, &memory, "high", 60..64))?;
        layout.place(&select![140..], file(&pool, &memory, "apart", 80..90))?;
        layout.place_selected(&select![145], file(&pool, &memory, "one", 7..9), &select![1])?;
        layout.place(&select![32..36], Arc::new(Selected::new(x, &select![143..139; -1])?))?;
        layout.with_fill(Fill::with(-1.0))
    };
    // Where each row is from, as placed last.
    let row_at = |row: u64| match row {
        32..36 => Some(143 - (row - 32)),
        30..32 => Some(60 + row - 30),
        145 => Some(8),
        140..145 | 146.. => Some(80 + row - 140),
        20..120 if row.is_multiple_of(2) => Some((row - 20) / 2),
        10..40 => Some(row - 10),
        _ => None,
    };
    let element = |(row, column)| row_at(row).map_or(-1.0, |from| (from * COLUMNS + column) as f64);
    let positions = (0..ROWS).flat_map(|row| (0..COLUMNS).map(move |column| (row, column)));
    let oracle: Vec<u8> = positions.flat_map(|at| element(at).to_ne_bytes()).collect();
    SourceCase::node(numbers().with_chunk_shape([32, 20]).unwrap(), build, oracle)
});

source_conformance!(a_mask_of_interleaved_rows, || {
    let mut layout = VirtualLayout::new([300, 400], DType::U8);
    let rows = MemorySource::new([150, 400], &vec![0_u8; 60_000]).unwrap();
    layout.place(&select![1..; 2], Arc::new(rows)).unwrap();
    let oracle: Vec<u8> = (0..300).flat_map(|row| [u8::from(row % 2 == 0); 400]).collect();
    let mask: FilledMask = layout.mask();
    SourceCase::new(mask, oracle)
});

const FILES: u64 = 1_000_000;

#[test]
fn a_million_files_take_less_than_100_bytes_each_beside_their_paths() {
    alone(|| {
        let pool = Arc::new(SourcePool::new(Registry::new()));
        let path = |number: u64| format!("/archive/2026/run-{number:07}.h5");
        let file = |number: u64| {
            let identity = Identity::builder("file").field("number", number.to_le_bytes()).finish();
            // Extents differ, so that there is no shorter way than one end for each.
            let info = DatasetInfo::new([200 + number % 2, 128], DType::F32).with_identity(identity);
            VirtualSource::new(&pool, Location::new(path(number)).with_dataset("/velocity"), info).unwrap()
        };
        let (stack, held) = PeakAlloc::measure(|| VirtualStack::new((0..FILES).map(file), 0).unwrap());
        let names: u64 = (0..FILES).map(|number| path(number).len() as u64).sum();
        assert!(held.left < names + 100 * FILES, "{} bytes each beside the paths", held.left / FILES - names / FILES);
        assert!(held.left <= stack.held_bytes() + (64 << 10), "{} of {}", held.left, stack.held_bytes());
        assert_eq!(stack.info().shape, [200 * FILES + FILES / 2, 128].into());
    });
}

/// What is not virtual is as in chunk-hdf5.
#[cfg(feature = "hdf5")]
mod hdf5 {
    use std::path::Path;
    use std::sync::Arc;

    use chunk_core::{
        Attribute, Backend, ChunkSink, ChunkSource, Cost, CreateOptions, DatasetInfo, Entry, Growing, Location,
        OpenPolicy, Registry, Result, Sharding, Slab, Worker,
    };
    use chunk_testkit::{Description, alone, backend_rules};
    use chunk_virtual::hdf5::VirtualHdf5;
    use chunk_virtual::{ManifestBackend, SourcePool, VirtualSource, VirtualStack};

    chunk_testkit::conformance!(files, || {
        Description::new(VirtualHdf5::default(), "x.h5").with_dataset("/group/data").with_growth_axes([0, 1])
    });

    /// Manifests, made of an HDF5 file beside each, which they are read by.
    #[derive(Debug)]
    struct Saved(ManifestBackend);

    #[derive(Debug)]
    struct SavedSink {
        elements: Box<dyn ChunkSink>,
        file: Location,
        manifest: Location,
        overwrite: bool,
    }

    fn files() -> Registry {
        Registry::new().with(VirtualHdf5::default())
    }

    impl Backend for Saved {
        fn name(&self) -> &str {
            self.0.name()
        }

        fn extensions(&self) -> &[&str] {
            self.0.extensions()
        }

        fn recognises(&self, head: &[u8]) -> bool {
            self.0.recognises(head)
        }

        fn list(&self, path: &Path) -> Result<Vec<Entry>> {
            self.0.list(path)
        }

        fn open(&self, location: &Location) -> Result<Arc<dyn ChunkSource>> {
            self.0.open(location)
        }

        fn create(
            &self,
            location: &Location,
            info: DatasetInfo,
            options: &CreateOptions,
        ) -> Result<Box<dyn ChunkSink>> {
            let file = Location::new(location.path().with_added_extension("h5")).with_dataset("/data");
            let elements = files().create(&file, info, options)?;
            Ok(Box::new(SavedSink { elements, file, manifest: location.clone(), overwrite: options.overwrite }))
        }

        fn attributes(&self, location: &Location) -> Result<Vec<(String, Attribute)>> {
            self.0.attributes(location)
        }

        fn growing(&self) -> Option<&dyn Growing> {
            None
        }

        fn sharding(&self) -> Option<&dyn Sharding> {
            None
        }

        fn opening(&self, policy: &OpenPolicy) -> Option<Arc<dyn Backend>> {
            self.0.opening(policy)
        }
    }

    impl ChunkSink for SavedSink {
        fn info(&self) -> &DatasetInfo {
            self.elements.info()
        }

        fn held_bytes(&self) -> u64 {
            self.elements.held_bytes()
        }

        fn cost(&self, slab: &Slab, threads: usize) -> Cost {
            self.elements.cost(slab, threads)
        }

        fn write_from(&self, slab: &Slab, data: &[u8], worker: &Worker) -> Result<()> {
            self.elements.write_from(slab, data, worker)
        }

        fn prepare(&self) -> Result<()> {
            self.elements.prepare()
        }

        fn finish(self: Box<Self>) -> Result<()> {
            self.elements.finish()?;
            let source = VirtualSource::open(&Arc::new(SourcePool::new(files())), self.file)?;
            VirtualStack::new([source], 0)?.save_manifest(self.manifest.path(), self.overwrite)
        }
    }

    fn manifests() -> Description {
        Description::new(Saved(ManifestBackend::new(files())), "x.chunks").with_ranks(1..=4)
    }

    chunk_testkit::source_conformance!(a_manifest, || manifests().sample());

    /// Those about writing ask for what a manifest is not: a place for elements.
    const RULES_OF_READING: [&str; 12] = [
        "its_name_and_extensions_are_well_formed",
        "is_found_by_the_registry",
        "list_names_what_open_opens",
        "round_trips_every_dtype_it_claims",
        "round_trips_every_rank_it_claims",
        "missing_files_give_errors",
        "missing_datasets_give_errors",
        "truncated_files_give_errors",
        "damaged_files_never_panic",
        "errors_name_the_path_and_keep_their_cause",
        "damaged_files_take_little_memory",
        "opening_holds_no_more_than_it_says",
    ];

    #[test]
    fn manifests_keep_the_rules_of_reading() {
        alone(|| {
            let rules = backend_rules::RULES.iter().filter(|rule| RULES_OF_READING.contains(&rule.name()));
            let broken: Vec<String> = rules
                .clone()
                .filter_map(|rule| rule.check(&manifests()).err())
                .map(|failure| failure.to_string())
                .collect();
            assert!(broken.is_empty(), "{}", broken.join("\n"));
            assert_eq!(rules.count(), RULES_OF_READING.len());
        });
    }
}
