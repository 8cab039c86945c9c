//! Positions of a dataset of which no more is known than where it is.

use std::path::Path;
use std::sync::Arc;

use chunk_core::{
    ChunkSource, Cost, DType, DatasetInfo, Error, Location, Operation, Result, Shape, Slab, Worker, total_cost,
};

use crate::pool::{Expected, Key, Lease};
use crate::selection::{Axis, Pick, Steps};
use crate::source::is_there;
use crate::{Selected, Selection, SourcePool};

/// Evenly spaced positions of a dataset whose shape nobody stated; its dtype was.
///
/// It is opened when it is read: that it reaches as far as the positions, and is of the dtype, is checked then.
#[derive(Debug)]
pub(crate) struct Mapped {
    pool: Arc<SourcePool>,
    key: Key,
    location: Location,
    /// The folder that its file may not be outside of.
    folder: Option<Arc<Path>>,
    /// Along each axis of the dataset; ascending. If `squeezed`, along those of more than one element only.
    steps: Vec<Steps>,
    /// The extents that must be found, apart from those of one element, where all of a dataset was mapped.
    squeezed: Option<Shape>,
    /// Axes of the dataset that are axes of this source.
    kept: Vec<usize>,
    info: DatasetInfo,
}

impl Mapped {
    pub(crate) fn new(
        pool: &Arc<SourcePool>,
        group: u64,
        number: u64,
        (location, folder): (Location, Option<Arc<Path>>),
        (steps, kept): (Vec<Steps>, Vec<usize>),
        squeezed: Option<Shape>,
        dtype: DType,
    ) -> Self {
        let shape: Shape = kept.iter().map(|axis| steps[*axis].count).collect();
        let info = DatasetInfo::new(shape, dtype).with_name(location.to_string());
        Mapped { pool: Arc::clone(pool), key: (group, number), location, folder, steps, squeezed, kept, info }
    }

    pub(crate) fn pool(&self) -> &Arc<SourcePool> {
        &self.pool
    }

    pub(crate) fn location(&self) -> &Location {
        &self.location
    }

    /// Whether it is there, reaches as far, and is of the dtype; an error if that cannot be told.
    pub(crate) fn is_there(&self) -> Result<bool> {
        is_there(self.selected().map(drop))
    }

    /// The dataset's shape, the positions along each of its axes, and those that are kept: it is opened to see.
    pub(crate) fn known(&self) -> Result<(Shape, Vec<Steps>, Vec<usize>)> {
        let (_lease, selected) = self.selected()?;
        let selection = selected.selection();
        let steps = selection.picks().iter().filter_map(|pick| match pick {
            Pick::Range(steps) => Some(*steps),
            Pick::List(_) => None,
        });
        let kept = selection.axes().iter().filter_map(|axis| match axis {
            Axis::Source(axis) => Some(*axis),
            Axis::New(_) => None,
        });
        Ok((selection.source_shape().clone(), steps.collect(), kept.collect()))
    }

    /// What is taken of the dataset, which stays open while the lease is there.
    fn selected(&self) -> Result<(Lease, Selected)> {
        let expected = Expected { folder: self.folder.as_deref(), ..Expected::default() };
        let lease = self.pool.lease(self.key, &self.location, expected)?;
        let found = lease.info();
        let changed = |what: String| Err(Error::SourceChanged { dataset: self.info.name.clone(), what });
        if found.dtype != self.info.dtype {
            return changed(format!("its dtype is {}, not {}", found.dtype, self.info.dtype));
        }
        let (steps, kept) = match &self.squeezed {
            None => (self.steps.clone(), self.kept.clone()),
            Some(expected) => match self.unsqueezed(&found.shape) {
                Some(steps) => steps,
                None => return changed(format!("its shape is {}, not {expected}", found.shape)),
            },
        };
        if found.shape.len() != steps.len() {
            return changed(format!("its shape is {}, not one of {} axes", found.shape, steps.len()));
        }
        let reach = |steps: &Steps| steps.count.checked_sub(1).map_or(0, |last| steps.at(last) + 1);
        let short = steps.iter().zip(found.shape.iter()).any(|(steps, extent)| reach(steps) > *extent);
        if short {
            let least: Shape = steps.iter().map(reach).collect();
            return changed(format!("its shape is {}, not {least} at least", found.shape));
        }
        let selection = Selection::of_steps(&found.shape, &steps, &kept);
        let selected = Selected::with_selection(lease.source(), selection)?;
        Ok((lease, selected))
    }

    /// The steps and the kept axes in a dataset of `shape`, if that is the expected one with axes of one element.
    fn unsqueezed(&self, shape: &Shape) -> Option<(Vec<Steps>, Vec<usize>)> {
        let longer: Vec<usize> = (0..shape.len()).filter(|axis| shape[*axis] != 1).collect();
        let found: Shape = longer.iter().map(|axis| shape[*axis]).collect();
        if self.squeezed.as_ref() != Some(&found) {
            return None;
        }
        let mut steps = vec![Steps { start: 0, step: 1, count: 1 }; shape.len()];
        longer.iter().zip(&self.steps).for_each(|(axis, own)| steps[*axis] = *own);
        Some((steps, self.kept.iter().map(|axis| longer[*axis]).collect()))
    }
}

impl ChunkSource for Mapped {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    /// All sources of the pool together hold no more than this; a layout counts it once.
    fn held_bytes(&self) -> u64 {
        self.pool.held_bytes()
    }

    /// Opens the dataset to ask it.
    fn cost(&self, slab: &Slab, threads: usize) -> Result<Cost> {
        let (_lease, selected) = self.selected()?;
        total_cost(&selected, slab, threads)
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        slab.check(&self.info, out.len())?;
        let (_lease, selected) = self.selected()?;
        selected.read_into(slab, out, worker)
    }
}
