//! What we write, of every dtype, in every layout and under every filter, others read with the same values, dtypes,
//! filters and chunk shapes: h5py, PyTables, and the tools of an older libhdf5.

use std::path::{Path, PathBuf};

use chunk_core::{DType, DatasetInfo, EnumType, Field, MemorySource, Run, Shape, StructType};
use chunk_hdf5::{Filter, Hdf5Appender, Hdf5Sink};
use serde_json::json;
use tempfile::TempDir;

use crate::{hdf5_tools, program, python};

const DATASET: &str = "/group/data";
const CHECKSUM: &str = "+fletcher32";
const FILTERS: [&str; 12] = [
    "none",
    "none:shuffle",
    "gzip:4",
    "gzip:4:noshuffle",
    "lzf",
    "lzf:noshuffle",
    "zstd:3",
    "zstd:3:noshuffle",
    "blosc:lz4:5:shuffle",
    "blosc:zstd:5:bitshuffle",
    "blosc:blosclz:5:noshuffle",
    "blosc:zlib:5:shuffle",
];

/// Each dtype that a dataset can have, by the name that `written.py` knows it by.
fn dtypes() -> Vec<(String, DType)> {
    let numbers = DType::numeric().map(|dtype| (dtype.to_string(), dtype));
    let field = |name: &str, dtype, offset| Field { name: name.to_owned(), dtype, offset };
    let members = |members: &[(&str, i128)]| members.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    let levels = EnumType { base: DType::I16, members: members(&[("LOW", -1), ("MID", 0), ("HIGH", 300)]) };
    let states = EnumType { base: DType::U8, members: members(&[("OFF", 0), ("ON", 255)]) };
    let place = StructType::packed([("x".to_owned(), DType::F64), ("y".to_owned(), DType::F32)]);
    let nested = StructType::packed([
        ("id".to_owned(), DType::I32),
        ("where".to_owned(), DType::Struct(place.clone().into())),
        ("tag".to_owned(), DType::Bytes(3)),
    ]);
    let small = DType::Array { element: DType::I16.into(), shape: [2, 3].into() };
    let padded = StructType {
        fields: vec![field("a", DType::U8, 0), field("b", DType::F64, 8), field("c", small, 16)],
        size: 32,
    };
    let mixed = StructType::packed([
        ("flag".to_owned(), DType::Bool),
        ("level".to_owned(), DType::Enum(levels.clone().into())),
        ("z".to_owned(), DType::ComplexF32),
        ("half".to_owned(), DType::F16),
        ("when".to_owned(), "datetime64[ms]".parse().unwrap()),
    ]);
    let others = [
        ("bytes", DType::Bytes(7)),
        ("utf8", DType::Utf8(9)),
        ("levels", DType::Enum(levels.into())),
        ("states", DType::Enum(states.into())),
        ("opaque", DType::Opaque { size: 5, tag: None }),
        ("tagged", DType::Opaque { size: 3, tag: Some("chunk's".into()) }),
        ("moment", "datetime64[ns]".parse().unwrap()),
        ("duration", "timedelta64[10us]".parse().unwrap()),
        ("nested", DType::Struct(nested.into())),
        ("padded", DType::Struct(padded.into())),
        ("mixed", DType::Struct(mixed.into())),
        ("matrix", DType::Array { element: DType::F32.into(), shape: [2, 3].into() }),
        ("places", DType::Array { element: DType::Struct(place.into()).into(), shape: [2].into() }),
    ];
    numbers.chain(others.map(|(name, dtype)| (name.to_owned(), dtype))).collect()
}

/// Values of a dtype: every pattern of bits where it allows that; half of them compress.
struct Values {
    state: u64,
    left: usize,
}

impl Values {
    fn of(dtype: &DType, elements: usize) -> Vec<u8> {
        let mut values = Values { state: 0x2545_f491_4f6c_dd1d, left: elements * dtype.size() / 2 };
        let mut bytes = vec![0; elements * dtype.size()];
        bytes.chunks_exact_mut(dtype.size()).for_each(|element| values.fill(dtype, element));
        bytes
    }

    fn next(&mut self) -> u8 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.left = self.left.saturating_sub(1);
        if self.left > 0 { (self.left / 64) as u8 } else { (self.state >> 32) as u8 }
    }

    fn fill(&mut self, dtype: &DType, element: &mut [u8]) {
        match dtype {
            DType::Bool => element[0] = self.next() & 1,
            DType::Utf8(size) => {
                let text = ["", "größe", "x", "日本語"][usize::from(self.next() % 4)];
                assert!(text.len() <= *size);
                element[..text.len()].copy_from_slice(text.as_bytes());
            }
            DType::Enum(kind) => {
                let (_, value) = kind.members[usize::from(self.next()) % kind.members.len()];
                element.copy_from_slice(&value.to_ne_bytes()[..element.len()]);
            }
            DType::Struct(kind) => {
                for Field { dtype, offset, .. } in &kind.fields {
                    self.fill(dtype, &mut element[*offset..offset + dtype.size()]);
                }
            }
            DType::Array { element: inner, .. } => {
                element.chunks_exact_mut(inner.size()).for_each(|element| self.fill(inner, element));
            }
            _ => element.fill_with(|| self.next()),
        }
    }
}

/// How a dataset is laid out in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Scalar,
    /// All in one chunk.
    Whole,
    Chunked,
    /// With axes that may grow.
    Growing,
    /// Grown by an appender, in steps that end within chunks.
    Appended,
}

/// A file that was written, and what others must find in it.
struct Written {
    path: PathBuf,
    dtype: String,
    info: DatasetInfo,
    layout: Layout,
    filter: String,
    bytes: Vec<u8>,
}

impl Written {
    fn new(folder: &Path, (name, dtype): &(String, DType), layout: Layout, filter: &str) -> Self {
        let (shape, chunk): (&[u64], &[u64]) = match layout {
            Layout::Scalar => (&[], &[]),
            Layout::Whole => (&[43, 3], &[43, 3]),
            Layout::Chunked => (&[43, 3], &[16, 2]),
            Layout::Growing | Layout::Appended => (&[61], &[16]),
        };
        let path = folder.join(format!("{name}-{layout:?}-{}.h5", filter.replace(':', "_")));
        let info = DatasetInfo::new(shape, dtype.clone()).with_chunk_shape(chunk);
        let info = if shape.len() == 1 { info.with_max_shape([None]) } else { info };
        let bytes = Values::of(dtype, Shape::from(shape).elements() as usize);
        let (name, filter) = (name.clone(), filter.to_owned());
        Written { path, dtype: name, info, layout, filter, bytes }
    }

    fn write(self) -> Self {
        let filter: Filter = self.filter.parse().unwrap();
        let size = self.info.dtype.size();
        let rows = if self.layout == Layout::Appended { 5 } else { *self.info.shape.first().unwrap_or(&1) as usize };
        let mut first = self.info.clone();
        if self.layout == Layout::Appended {
            first.shape = [5].into();
        }
        let length = rows * self.bytes.len() / self.info.shape.first().map_or(1, |&rows| rows as usize);
        let source = MemorySource::from_bytes(first.clone(), &self.bytes[..length]).unwrap();
        let sink = Hdf5Sink::create(&self.path, Some(DATASET), first, filter).unwrap();
        Run::new().copy(&source, Box::new(sink)).unwrap();
        if self.layout == Layout::Appended {
            for rows in [5..6, 6..40, 40..61] {
                let mut appender = Hdf5Appender::open(&self.path, Some(DATASET), 0).unwrap();
                appender.append_bytes(&self.bytes[rows.start * size..rows.end * size]).unwrap();
                appender.finish().unwrap();
            }
        }
        self
    }

    /// What `written.py` is told.
    fn record(&self) -> serde_json::Value {
        let raw = self.path.with_extension("raw");
        std::fs::write(&raw, &self.bytes).unwrap();
        json!({
            "file": self.path, "dataset": DATASET, "raw": raw, "dtype": self.dtype, "filter": self.filter,
            "shape": self.info.shape.to_vec(), "max_shape": self.info.max_shape,
            "chunks": (self.layout != Layout::Scalar).then(|| self.info.chunk_shape.clone().unwrap().to_vec()),
        })
    }
}

/// Every dtype in every layout, and every dtype under every filter with a checksum and without.
fn matrix() -> (TempDir, Vec<Written>) {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (number, dtype) in dtypes().iter().enumerate() {
        files.push(Written::new(folder.path(), dtype, Layout::Scalar, "none"));
        for (step, layout) in [Layout::Whole, Layout::Growing, Layout::Appended].into_iter().enumerate() {
            let checksum = if (number + step).is_multiple_of(2) { CHECKSUM } else { "" };
            let filter = FILTERS[(5 * number + step) % FILTERS.len()];
            files.push(Written::new(folder.path(), dtype, layout, &format!("{filter}{checksum}")));
        }
        for filter in FILTERS.iter().flat_map(|filter| [(*filter).to_owned(), format!("{filter}{CHECKSUM}")]) {
            files.push(Written::new(folder.path(), dtype, Layout::Chunked, &filter));
        }
    }
    (folder, files.into_iter().map(Written::write).collect())
}

/// Runs `written.py` on a list of the files. Gives what it printed.
fn script(command: &str, folder: &Path, files: &[&Written]) -> String {
    let list = folder.join("files.json");
    let records: Vec<_> = files.iter().map(|file| file.record()).collect();
    std::fs::write(&list, serde_json::to_vec(&records).unwrap()).unwrap();
    python::run("written.py", &[command, &list.to_string_lossy()])
}

#[test]
fn h5py_and_pytables_read_every_dtype_layout_and_filter() {
    let (folder, files) = matrix();
    let printed = script("check", folder.path(), &files.iter().collect::<Vec<_>>());
    assert_eq!(
        printed.lines().last(),
        Some(format!("{} files are as they must be", files.len()).as_str()),
        "{printed}"
    );
}

#[test]
fn h5dump_prints_what_it_prints_of_a_file_of_h5pys() {
    if !hdf5_tools::are_here() {
        return;
    }
    let (folder, files) = matrix();
    // LZF is h5py's own. Each dtype under some of the filters: the tools start anew for each file.
    let some = |(number, file): (usize, Written)| {
        let kept = !file.filter.contains("lzf") && (file.layout != Layout::Chunked || number.is_multiple_of(7));
        kept.then_some(file)
    };
    let files: Vec<Written> = files.into_iter().enumerate().filter_map(some).collect();
    script("references", folder.path(), &files.iter().collect::<Vec<_>>());
    for file in &files {
        let (ours, h5pys) = (dump(&file.path), dump(&file.path.with_added_extension("reference")));
        assert_eq!(ours, h5pys, "{}", file.path.display());
        let listed = hdf5_tools::run("h5ls", &["-v", &format!("{}{DATASET}", file.path.display())]);
        if file.layout != Layout::Scalar {
            let chunk: Vec<String> = file.info.chunk_shape.iter().flat_map(|c| c.iter().map(u64::to_string)).collect();
            assert!(listed.contains(&format!("Chunks:    {{{}}}", chunk.join(", "))), "{listed}");
        }
        assert_eq!(listed.contains("fletcher32"), file.filter.ends_with(CHECKSUM), "{listed}");
    }
}

#[test]
fn text_of_code_points_is_written_once_it_is_cast_to_utf8() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (npy, h5) = (place("names.npy"), place("names.h5"));
    python::run("written.py", &["make-text", &npy]);
    let line = program::fail(&["convert", &npy, &h5], 1);
    assert!(line.contains("names.h5") && line.contains("U5 (cast it to utf8[20]"), "{line}");
    assert!(!Path::new(&h5).exists());
    program::succeed(&["convert", &npy, &h5, "--dtype", "utf8[20]"]);
    python::run("written.py", &["check-text", &npy, &h5]);
    let line = program::fail(&["convert", &npy, &place("short.h5"), "--dtype", "utf8[3]"], 1);
    assert!(line.contains("größe"), "{line}");
}

/// What h5dump prints of a dataset: its datatype and dataspace, line by line in some order, and its values.
fn dump(path: &Path) -> (Vec<String>, String) {
    let printed = hdf5_tools::run("h5dump", &["-w", "0", "-m", "%.17g", "-d", DATASET, &path.to_string_lossy()]);
    let (head, data) = printed.split_once("   DATA {").expect("values are printed");
    // h5py sorts the members of enumerations.
    let mut head: Vec<String> = head.lines().skip(1).map(str::to_owned).collect();
    head.sort_unstable();
    (head, data.to_owned())
}
