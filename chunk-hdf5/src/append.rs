//! A dataset that exists as a sink, to add to it along an axis.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chunk_core::{ChunkSink, Cost, DatasetInfo, Error, Result, Shape, Slab, Worker};
use hdf5::Dataset;

use crate::changing::Changing;
use crate::codec::Pipeline;
use crate::conversion::Conversion;
use crate::error::Place;
use crate::file;
use crate::journal::{Journal, PAGE};
use crate::library;
use crate::links;
use crate::locks::Locks;
use crate::source::Statement;
use crate::writer::ChunkWriter;

/// A dataset being added to. What is not committed is dropped with it.
#[derive(Debug)]
pub(crate) struct AppendSink {
    info: DatasetInfo,
    axis: usize,
    writer: ChunkWriter,
    conversion: Conversion,
    /// `None` once it is finished.
    open: Mutex<Option<Open>>,
}

/// The dataset while it is open. Fields are dropped in order.
#[derive(Debug)]
struct Open {
    dataset: Dataset,
    file: Changing,
    /// The extents now.
    shape: Shape,
}

impl AppendSink {
    /// Opens the dataset. Changes nothing.
    pub(crate) fn open(path: &Path, name: Option<&str>, axis: usize, locks: &Locks) -> Result<Self> {
        let file = Changing::open(path, locks)?;
        let (dataset, place) = match name {
            Some(name) => links::dataset(file.library(), path, name)?,
            None => file::only_dataset(file.library(), path)?,
        };
        let Statement { info, conversion, fill, filters, .. } = Statement::read(&dataset, &place)?;
        info.check_axis(axis)?;
        let fail = |error: hdf5::Error| place.library("read the description", &error);
        let grows = info.max_shape.as_ref().is_some_and(|most| most[axis] != Some(info.shape[axis]));
        let Some(chunk) = info.chunk_shape.clone().filter(|_| grows) else {
            return Err(place.unsupported(format!("axis {axis} cannot grow")));
        };
        if library::leaves_edges_unfiltered(&dataset).map_err(fail)? {
            return Err(place.unsupported("its chunks at the edges skip the filters, which is not written"));
        }
        let pipeline = Pipeline::new(&filters).map_err(|filter| Error::UnsupportedFilter {
            path: place.path.clone(),
            dataset: place.dataset.clone(),
            id: filter.id,
            name: filter.name.unwrap_or_else(|| "unknown".to_owned()),
        })?;
        pipeline.check_encodes().map_err(|cause| place.unsupported(format!("cannot be appended to: {cause}")))?;
        if !conversion.is_its_inverse() {
            return Err(Error::UnsupportedDType {
                dataset: place.name(),
                dtype: info.dtype.to_string(),
                operation: "appending to numbers that only libhdf5 converts, or to text that is padded with spaces,"
                    .to_owned(),
            });
        }
        let element_size = info.dtype.size();
        let shape = info.shape.clone();
        let writer = ChunkWriter::new(place, chunk, pipeline, element_size, fill);
        let open = Open { dataset, file, shape };
        Ok(AppendSink { info, axis, writer, conversion, open: Mutex::new(Some(open)) })
    }

    fn place(&self) -> &Place {
        &self.writer.place
    }

    fn opened(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The dataset, of at least the extent `end`, and its shape.
    fn grown(&self, end: u64) -> Result<(Dataset, Shape)> {
        let mut opened = self.opened();
        let Some(open) = &mut *opened else { unreachable!("only `finish` takes it") };
        if end > open.shape[self.axis] {
            let shape = open.shape.clone().with_axis(self.axis, end);
            let set = library::set_extents(&open.dataset, &shape);
            set.map_err(|error| open.file.fail(self.place().library("grow", &error)))?;
            open.shape = shape;
        }
        Ok((open.dataset.clone(), open.shape.clone()))
    }

    /// Makes all that was written durable; readers that open the file then see it.
    pub(crate) fn commit(&self) -> Result<()> {
        let opened = self.opened();
        let Some(open) = &*opened else { unreachable!("only `finish` takes it") };
        open.file.commit()
    }
}

impl ChunkSink for AppendSink {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn held_bytes(&self) -> u64 {
        // The chunks at the end are changed through the journal.
        let end = self.info.shape.clone().with_axis(self.axis, self.writer.chunk[self.axis]);
        let pages = end.elements().saturating_mul(self.info.dtype.size() as u64) / PAGE;
        let index = self.writer.index_bytes(self.writer.grid(&self.info.shape).len());
        index.saturating_add(Journal::held_bytes(pages))
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Cost {
        let end = slab.end(self.axis).max(self.info.shape[self.axis]);
        let mut cost = self.writer.cost(&self.info.shape.clone().with_axis(self.axis, end), slab, threads);
        if !self.conversion.is_plain() {
            cost.scratch_bytes += slab.bytes(self.info.dtype.size());
        }
        cost
    }

    fn write_from(&self, slab: &Slab, data: &[u8], worker: &Worker) -> Result<()> {
        slab.check_appended(&self.info, self.axis, data.len())?;
        let (dataset, shape) = self.grown(slab.end(self.axis))?;
        if slab.is_empty() {
            return Ok(());
        }
        let written = if self.conversion.is_plain() {
            self.writer.write(&dataset, &shape, slab, data, worker)
        } else {
            let mut stored = worker.scratch(data.len())?;
            stored.copy_from_slice(data);
            self.conversion.apply_in_place(&mut stored); // it is its own inverse
            self.writer.write(&dataset, &shape, slab, &stored, worker)
        };
        written.map_err(|error| match &*self.opened() {
            Some(open) => open.file.fail(error),
            None => error,
        })
    }

    fn prepare(&self) -> Result<()> {
        match &*self.opened() {
            Some(open) => open.file.sync(),
            None => Ok(()),
        }
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let Some(open) = self.opened().take() else { unreachable!("nothing else takes it") };
        let Open { dataset, file, .. } = open;
        drop(dataset);
        file.finish()
    }
}
