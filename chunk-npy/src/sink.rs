//! A new .npy file as a sink.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use chunk_core::{ChunkSink, Cost, DatasetInfo, Error, LazyFile, Result, Slab, Work, Worker};

use crate::error::Place;
use crate::header::Header;
use crate::layout::Layout;
use crate::locked;

/// A new .npy file being written, in row-major order: slabs in any order, from many threads at once.
///
/// Made under a temporary name with its full size by the first write, synced and renamed by `finish`. Elements that are
/// never written are zero. Its header is the one that NumPy writes, so the array can be appended to later.
#[derive(Debug)]
pub struct NpySink {
    info: DatasetInfo,
    place: Place,
    /// Says the shape of `info`; as long as that of any longer array.
    header: Header,
    layout: Layout,
    /// Extent along the growth axis so far.
    extent: AtomicU64,
    output: LazyFile,
}

impl NpySink {
    /// A sink for the array that `info` describes, in a new file at `path`. Creates nothing yet.
    ///
    /// The file has neither chunks nor a fill value; along axis 0 it may grow while it is written, if `info` wishes.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`], unless `overwrite`; [`Error::Locked`] while somebody appends to what is there; a missing
    /// directory; [`Error::UnsupportedDType`] for dtypes that NumPy does not have.
    pub fn create(path: impl AsRef<Path>, info: DatasetInfo, overwrite: bool) -> Result<Self> {
        let path = path.as_ref();
        let place = Place::new(path, "");
        info.check()?;
        if overwrite {
            locked::check_unlocked(path)?;
        }
        let header = Header::new(&info.shape, &info.dtype, false, &place)?;
        let mut kept = DatasetInfo::new(info.shape.clone(), info.dtype.clone()).with_name(place.name());
        kept.max_shape = info.max_shape.filter(|most| most.first().is_some_and(|most| *most != Some(info.shape[0])));
        if let Some(most) = &mut kept.max_shape {
            most.iter_mut().zip(info.shape.iter()).skip(1).for_each(|(most, extent)| *most = Some(*extent));
        }
        let extent = AtomicU64::new(header.shape.first().copied().unwrap_or(0));
        let layout = Layout::new(&header);
        let output = LazyFile::new(path, header.length() + header.data_bytes(), overwrite)?;
        Ok(NpySink { info: kept, place, header, layout, extent, output })
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The path that the file is to have.
    pub(crate) fn path(&self) -> &Path {
        self.output.path()
    }

    /// Bytes of the file, where the array does not grow.
    pub(crate) fn file_length(&self) -> u64 {
        self.header.length() + self.header.data_bytes()
    }

    pub(crate) fn header_bytes(&self) -> Vec<u8> {
        self.header.bytes()
    }

    /// The header of the array grown to `extent` along axis 0.
    fn grown(&self, extent: u64) -> Result<Header> {
        if self.info.shape.is_empty() {
            return Ok(self.header.clone());
        }
        let grown = self.header.with_growth(extent, &self.place)?;
        grown.ok_or_else(|| self.place.unsupported(format!("an extent of {extent}: that is larger than any file")))
    }

    /// The shape that holds `slab` too, if it may.
    fn check(&self, slab: &Slab, length: usize) -> Result<DatasetInfo> {
        let mut info = self.info.clone();
        if let (Some(most), true) = (&info.max_shape, slab.ndim() == info.shape.len()) {
            let end = slab.end(0).min(most[0].unwrap_or(u64::MAX)).max(info.shape[0]);
            info.shape = info.shape.with_axis(0, end);
        }
        slab.check(&info, length)?;
        Ok(info)
    }
}

impl ChunkSink for NpySink {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn cost(&self, slab: &Slab, _threads: usize) -> Cost {
        Cost::new(self.layout.write_scratch(slab), Work::writing(slab.bytes(self.info.dtype.size())))
    }

    fn write_from(&self, slab: &Slab, data: &[u8], worker: &Worker) -> Result<()> {
        let info = self.check(slab, data.len())?;
        if info.shape != self.info.shape {
            self.grown(info.shape[0])?;
        }
        self.layout.write(self.output.get()?, &info.shape, slab, data, worker)?;
        if let Some(extent) = info.shape.first() {
            self.extent.fetch_max(*extent, Ordering::Relaxed);
        }
        Ok(())
    }

    fn prepare(&self) -> Result<()> {
        let header = self.grown(self.extent.load(Ordering::Relaxed))?;
        let file = self.output.get()?;
        file.set_length(header.length() + header.data_bytes())?;
        file.write_at(&header.bytes(), 0)?;
        file.file().sync_all().map_err(|cause| Error::io(self.output.path(), "finish", cause))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.prepare()?;
        self.output.publish()
    }
}

/// A place for elements that a header has no room for.
pub(crate) fn no_room(place: &Place, extent: u64) -> Error {
    let what = format!("its header has no room for an extent of {extent}: `make_appendable` gives it room");
    place.unsupported(what)
}
