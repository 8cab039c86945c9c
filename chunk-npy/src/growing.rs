//! Appending by slabs, as runs do.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use chunk_core::{ChunkSink, Cost, DataFile, DatasetInfo, Result, Slab, Work, Worker};

use crate::error::Place;
use crate::header::Header;
use crate::layout::Layout;
use crate::locked::LockedFile;
use crate::recover::{self, Ending};
use crate::sink::no_room;

/// Adds slabs past the end of an array, in any order, and commits them all by `finish`.
#[derive(Debug)]
pub(crate) struct GrowingSink {
    info: DatasetInfo,
    place: Place,
    file: LockedFile,
    /// What is committed.
    header: Header,
    layout: Layout,
    axis: usize,
    /// End of what was written along the axis.
    end: AtomicU64,
    /// Whether something was written, and by whom it is to be undone.
    begun: Mutex<bool>,
}

impl GrowingSink {
    pub(crate) fn open(path: &Path, axis: usize, max_header: usize) -> Result<Self> {
        let place = Place::new(path, "");
        let file = LockedFile::open(path)?;
        let header = recover::read_header(file.file(), &place, max_header)?;
        let shape = header.shape.clone();
        let info = DatasetInfo::new(shape.clone(), header.kind.dtype.clone()).with_name(place.name());
        info.check_axis(axis)?;
        if header.growth_axis() != Some(axis) {
            let order = if header.fortran { "column-major" } else { "row-major" };
            return Err(place.unsupported(format!("an array in {order} order does not grow along axis {axis}")));
        }
        recover::check_not_shorter(file.file(), &header, &place)?;
        let most = (0..shape.len()).map(|other| (other != axis).then(|| shape[other])).collect::<Vec<_>>();
        let (layout, end) = (Layout::new(&header), AtomicU64::new(shape[axis]));
        Ok(GrowingSink {
            info: info.with_max_shape(most),
            place,
            file,
            header,
            layout,
            axis,
            end,
            begun: Mutex::default(),
        })
    }

    fn committed(&self) -> u64 {
        self.info.shape[self.axis]
    }

    /// Cuts off what a dead writer left, once.
    fn begin(&self) -> Result<()> {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if !*begun {
            self.file.file().set_length(self.header.length() + self.header.data_bytes())?;
            *begun = true;
        }
        Ok(())
    }

    fn grown(&self, extent: u64) -> Result<Header> {
        self.header.with_growth(extent, &self.place)?.ok_or_else(|| no_room(&self.place, extent))
    }
}

impl ChunkSink for GrowingSink {
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
        slab.check_appended(&self.info, self.axis, data.len())?;
        if slab.count()[self.axis] == 0 {
            return Ok(());
        }
        self.grown(slab.end(self.axis))?;
        self.begin()?;
        let shape = self.info.shape.clone().with_axis(self.axis, slab.end(self.axis));
        self.layout.write(self.file.file(), &shape, slab, data, worker)?;
        self.end.fetch_max(slab.end(self.axis), Ordering::Relaxed);
        Ok(())
    }

    fn prepare(&self) -> Result<()> {
        self.file.sync()
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let end = self.end.load(Ordering::Relaxed);
        if end == self.committed() {
            return Ok(());
        }
        let header = self.grown(end)?;
        self.file.file().set_length(header.length() + header.data_bytes())?;
        self.file.sync()?;
        self.file.replace_header(&self.header, &header)?;
        // From here on readers see it; `drop` must not cut it off.
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.file.sync()
    }
}

impl Drop for GrowingSink {
    fn drop(&mut self) {
        if *self.begun.get_mut().unwrap_or_else(PoisonError::into_inner) {
            let _ = self.file.file().set_length(self.header.length() + self.header.data_bytes());
        }
    }
}

/// What is wrong with a file, a line each.
pub(crate) fn problems(path: &Path, max_header: usize) -> Result<Vec<String>> {
    let place = Place::new(path, "");
    let file = DataFile::open(path)?;
    let header = recover::read_header(&file, &place, max_header)?;
    let ending = Ending::of(&file, &header)?;
    Ok(ending.problem(&header).into_iter().collect())
}
