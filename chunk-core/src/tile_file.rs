//! An intermediate array on disk: raw tiles in a file without a name.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use crate::worker::lock;
use crate::{
    ChunkSink, ChunkSource, Cost, DataFile, DatasetInfo, Error, Grid, Operation, Result, Shape, Slab, Spans, Work,
    Worker, copy_region,
};

/// Bytes that are gathered before they are written.
const PIECE: u64 = 1 << 20;
/// A run of so many bytes is written from where it lies.
const LONG_RUN: usize = 64 << 10;

/// An array on disk between two passes over it: written in slabs of one shape, read in tiles of another.
///
/// The file has no name from the start, so nothing is left behind however the program ends. Tiles lie one after
/// another, each packed, in native byte order and uncompressed; those that the array's end clips leave a gap. The
/// file is made when something is first written to it; what is never written reads as zero.
///
/// ```
/// use chunk_core::{ChunkSinkExt, ChunkSourceExt, DType, DatasetInfo, Slab, TileFile};
///
/// let info = DatasetInfo::new([4, 6], DType::I32);
/// let tiles = TileFile::new(info, [4, 2], &std::env::temp_dir())?;
/// let sink = tiles.sink();
/// for row in 0..4 {
///     sink.write_slice(&Slab::new([row, 0], [1, 6]), &[row as i32; 6])?;
/// }
/// assert_eq!(tiles.source().read_vec::<i32>(&Slab::new([0, 2], [4, 2]))?, [0, 0, 1, 1, 2, 2, 3, 3]);
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TileFile {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    info: DatasetInfo,
    /// Settled when it is first asked for: [`TileFile::retile`] may come before.
    grid: OnceLock<Grid>,
    place: Place,
    file: Mutex<Option<Arc<DataFile>>>,
}

/// Where the file is.
#[derive(Debug)]
enum Place {
    /// In this folder, without a name.
    Nameless(PathBuf),
    /// Of this name, and left when it is dropped.
    Named(PathBuf),
}

impl TileFile {
    /// The array that `info` describes, without its chunks, in tiles of `tile_shape`, to be put in `directory`.
    /// Nothing is created yet.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a tile shape that is no chunk shape of the array, or more bytes than a file
    /// has.
    pub fn new(info: DatasetInfo, tile_shape: impl Into<Shape>, directory: &Path) -> Result<Self> {
        TileFile::at(info, tile_shape, Place::Nameless(directory.to_owned()))
    }

    /// The same in the file `path`, which stays: what is in it already is kept.
    pub(crate) fn named(info: DatasetInfo, tile_shape: impl Into<Shape>, path: &Path) -> Result<Self> {
        TileFile::at(info, tile_shape, Place::Named(path.to_owned()))
    }

    fn at(info: DatasetInfo, tile_shape: impl Into<Shape>, place: Place) -> Result<Self> {
        let info = info.with_chunk_shape(tile_shape);
        info.check()?;
        let shared = Shared { info, grid: OnceLock::new(), place, file: Mutex::default() };
        shared.check_length(&shared.stated_grid())?;
        Ok(TileFile { shared: Arc::new(shared) })
    }

    /// Lays the array out in tiles of another shape than its description states. Comes before anything
    /// else is asked of it: plans were made for the stated shape, and tiles follow from the plans.
    pub(crate) fn retile(&self, tile_shape: Shape) -> Result<()> {
        let grid = Grid::new(self.shared.info.shape.clone(), tile_shape);
        self.shared.check_length(&grid)?;
        // Already settled tiles stay: they are as right, only not as quick.
        let _ = self.shared.grid.set(grid);
        Ok(())
    }

    /// Shape of a tile.
    #[must_use]
    pub fn tile_shape(&self) -> &Shape {
        self.shared.grid().chunk_shape()
    }

    /// Bytes that the file takes when all is written, gaps included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shared.bytes()
    }

    /// What writes the array: slabs of any shape, those that share no element from many threads at once.
    #[must_use]
    pub fn sink(&self) -> TileSink {
        let mut info = self.shared.info.clone();
        // Any two slabs may be written at once, so to a plan there are no chunks.
        info.chunk_shape = None;
        TileSink { shared: self.shared.clone(), info }
    }

    /// What reads the array, once it is written. Its chunks are the tiles.
    #[must_use]
    pub fn source(&self) -> TileSource {
        TileSource { shared: self.shared.clone() }
    }
}

impl Shared {
    fn element_size(&self) -> usize {
        self.info.dtype.size()
    }

    fn grid(&self) -> &Grid {
        self.grid.get_or_init(|| self.stated_grid())
    }

    fn stated_grid(&self) -> Grid {
        let Some(tile_shape) = &self.info.chunk_shape else { unreachable!("tiles were given when it was made") };
        Grid::new(self.info.shape.clone(), tile_shape.clone())
    }

    fn check_length(&self, grid: &Grid) -> Result<()> {
        let tile = grid.chunk_shape().elements().saturating_mul(self.element_size() as u64);
        if i64::try_from(grid.len().saturating_mul(tile)).is_ok() {
            return Ok(());
        }
        Err(Error::InvalidArgument(format!("{} of shape {} does not fit a file", self.info.name, self.info.shape)))
    }

    fn tile_bytes(&self) -> u64 {
        self.grid().chunk_shape().elements().saturating_mul(self.element_size() as u64)
    }

    fn bytes(&self) -> u64 {
        self.grid().len().saturating_mul(self.tile_bytes())
    }

    /// Where the tile at `position` begins.
    fn offset(&self, position: &[u64]) -> u64 {
        self.grid().number(position) * self.tile_bytes()
    }

    /// The file, made now if it is not there yet.
    fn file(&self) -> Result<Arc<DataFile>> {
        let mut file = lock(&self.file);
        if let Some(file) = &*file {
            return Ok(file.clone());
        }
        let made = match &self.place {
            Place::Nameless(folder) => {
                let fail = |cause| Error::io(folder, "create an intermediate in it", cause);
                DataFile::new(tempfile::tempfile_in(folder).map_err(fail)?, folder.join("(intermediate)"))
            }
            Place::Named(path) => {
                let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
                DataFile::new(opened.map_err(|cause| Error::io(path, "create", cause))?, path)
            }
        };
        if made.length()? != self.bytes() {
            made.set_length(self.bytes())?;
        }
        let made = Arc::new(made);
        *file = Some(made.clone());
        Ok(made)
    }
}

/// Writes a [`TileFile`].
#[derive(Debug)]
pub struct TileSink {
    shared: Arc<Shared>,
    info: DatasetInfo,
}

impl TileSink {
    /// Makes what was written durable.
    pub(crate) fn sync(&self) -> Result<()> {
        let file = self.shared.file()?;
        file.file().sync_data().map_err(|cause| Error::io(file.path(), "sync", cause))
    }

    /// Writes what `slab`, whose bytes are `data`, has of the tile at `position`.
    fn write_tile(&self, position: &[u64], slab: &Slab, data: &[u8], worker: &Worker) -> Result<()> {
        let tile = self.shared.grid().slab(position);
        let offset = self.shared.offset(position);
        let file = self.shared.file()?;
        let Some(region) = slab.intersection(&tile) else { return Ok(()) };
        for_each_piece(&region, self.shared.element_size(), &mut |piece| {
            worker.check()?;
            self.write_piece(&file, piece, &tile, offset, slab, data, worker)
        })
    }

    #[expect(clippy::too_many_arguments, reason = "where from and where to")]
    fn write_piece(
        &self,
        file: &DataFile,
        piece: &Slab,
        tile: &Slab,
        offset: u64,
        slab: &Slab,
        data: &[u8],
        worker: &Worker,
    ) -> Result<()> {
        let size = self.shared.element_size();
        let write = |from: &[u8], spans: Spans| -> Result<()> {
            for span in spans {
                file.write_at(&from[span.from..span.from + span.length], offset + span.to as u64)?;
            }
            Ok(())
        };
        let mut runs = Spans::new(piece, slab, tile, size);
        let bytes = piece.bytes(size) as usize;
        if runs.next().is_none_or(|run| run.length >= LONG_RUN.min(bytes)) {
            return write(data, Spans::new(piece, slab, tile, size));
        }
        let mut gathered = worker.scratch(bytes)?;
        copy_region(piece, data, slab, &mut gathered, piece, size);
        write(&gathered, Spans::new(piece, piece, tile, size))
    }
}

/// Cuts `region` into pieces of at most [`PIECE`] bytes, in the order of its elements.
fn for_each_piece(region: &Slab, size: usize, work: &mut dyn FnMut(&Slab) -> Result<()>) -> Result<()> {
    let bytes = region.bytes(size);
    if bytes <= PIECE || region.outermost_axis().is_none() {
        return work(region);
    }
    region.split(bytes.div_ceil(PIECE), 1).iter().try_for_each(|part| for_each_piece(part, size, work))
}

impl ChunkSink for TileSink {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Cost {
        let bytes = slab.bytes(self.shared.element_size());
        let piece = bytes.min(PIECE.max(self.shared.element_size() as u64)).next_multiple_of(16);
        Cost::new(piece * threads as u64, Work::writing(bytes))
    }

    fn write_from(&self, slab: &Slab, data: &[u8], worker: &Worker) -> Result<()> {
        slab.check(&self.info, data.len())?;
        let touched = self.shared.grid().touched(slab);
        if touched.is_empty() {
            return Ok(());
        }
        worker.for_each(touched.split(worker.threads() as u64, 1), |part, worker| {
            part.positions().try_for_each(|position| self.write_tile(&position, slab, data, worker))
        })
    }

    fn prepare(&self) -> Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// Reads a [`TileFile`].
#[derive(Debug)]
pub struct TileSource {
    shared: Arc<Shared>,
}

impl TileSource {
    fn read_part(&self, file: &DataFile, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        for position in self.shared.grid().touched(slab).positions() {
            let tile = self.shared.grid().slab(&position);
            let offset = self.shared.offset(&position);
            let Some(region) = slab.intersection(&tile) else { continue };
            for span in Spans::new(&region, &tile, slab, self.shared.element_size()) {
                worker.check()?;
                file.read_at(&mut out[span.to..span.to + span.length], offset + span.from as u64)?;
            }
        }
        Ok(())
    }
}

impl ChunkSource for TileSource {
    fn info(&self) -> &DatasetInfo {
        &self.shared.info
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    fn cost(&self, slab: &Slab, _threads: usize) -> Result<Cost> {
        Ok(Cost::new(0, Work::reading(slab.bytes(self.shared.element_size()))))
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        slab.check(&self.shared.info, out.len())?;
        let file = self.shared.file()?;
        worker.for_each_part(slab, out, self.shared.element_size(), 1, |part, out, worker| {
            self.read_part(&file, part, out, worker)
        })
    }
}
