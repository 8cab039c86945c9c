//! What one pass over a source will do: which slabs, by how many workers, holding how much.

use std::fmt::Write as _;

use crate::cost::{Cost, Work};
use crate::{Budget, Bytes, Calibration, ChunkSource, DType, DatasetInfo, Error, Grid, Identity, Result, Shape, Slab};

/// Slabs are chosen for so many threads, whatever a machine has, so that all choose the same.
pub(crate) const NOMINAL_THREADS: usize = 4;

/// A pass over a source: its slabs, in order, with the workers and the memory that they take.
///
/// A plan has two halves. Its [`Tiling`] is portable: it says which slabs there are, so that slab *i of
/// n* means the same in every process. The rest is the schedule of this machine: workers, threads and
/// memory.
///
/// ```
/// use chunk_core::{MemorySource, Planner};
///
/// let source = MemorySource::new([100, 8], &[0.0; 800])?.with_chunk_shape([10, 8])?;
/// let plan = Planner::new("1M".parse()?).threads(2).read(&source)?;
/// assert_eq!(plan.slabs().map(|slab| slab.elements()).sum::<u64>(), 800);
/// println!("{}", plan.describe());
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub(crate) tiling: Tiling,
    pub(crate) schedule: Schedule,
}

/// How an array is cut into slabs, and which array that is.
///
/// It follows from the source, the target and the byte budget, and from nothing of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiling {
    pub(crate) source: String,
    pub(crate) dtype: DType,
    pub(crate) identity: Option<Identity>,
    pub(crate) grid: Grid,
    pub(crate) shape: Shape,
    /// Axes in the order in which slabs are numbered, outermost first.
    pub(crate) order: Vec<usize>,
}

/// What a pass takes on this machine.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Schedule {
    pub(crate) workers: usize,
    pub(crate) threads: usize,
    pub(crate) budget: Budget,
    pub(crate) held: u64,
    pub(crate) share: Share,
    /// What each worker may take beyond its share.
    pub(crate) granted: u64,
    /// The work of reading and of writing.
    pub(crate) reading: Work,
    pub(crate) writing: Work,
    /// Bytes of native elements that are handled, and those that one read of everything would.
    pub(crate) read_bytes: u64,
    pub(crate) least_bytes: u64,
    pub(crate) seconds: f64,
    pub(crate) stack: usize,
}

/// What one worker holds at its heaviest slab.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) slab: u64,
    pub(crate) reading: u64,
    pub(crate) writing: u64,
}

impl Share {
    pub(crate) fn total(self) -> u64 {
        self.slab.saturating_add(self.reading).saturating_add(self.writing)
    }

    /// The sum that every message about memory shows.
    pub(crate) fn arithmetic(self, workers: usize, held: u64) -> String {
        let Share { slab, reading, writing } = self;
        let mut text =
            format!("{workers} x ({} slab + {} reading + {} writing)", Bytes(slab), Bytes(reading), Bytes(writing));
        if held > 0 {
            let _ = write!(text, " + {} index", Bytes(held));
        }
        text
    }
}

impl Tiling {
    pub(crate) fn new(source: &DatasetInfo, slab_shape: Shape) -> Self {
        Tiling {
            source: source.name.clone(),
            dtype: source.dtype.clone(),
            identity: source.identity,
            grid: Grid::new(source.shape.clone(), slab_shape),
            shape: source.shape.clone(),
            order: (0..source.shape.len()).collect(),
        }
    }

    /// With slabs numbered so that these axes run fastest.
    pub(crate) fn innermost(mut self, axes: &[usize]) -> Self {
        self.order.sort_by_key(|axis| (axes.contains(axis), *axis));
        self
    }

    /// Number of slabs.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.grid.len()
    }

    /// Whether there is nothing to do: an axis has no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Slab `number`, counted in row-major order; where axes are reduced, these run fastest.
    ///
    /// # Panics
    /// If there are not so many.
    #[must_use]
    pub fn slab(&self, mut number: u64) -> Slab {
        assert!(number < self.len(), "slab {number} of {}", self.len());
        let counts = self.grid.counts();
        let mut position = vec![0; counts.len()];
        for axis in self.order.iter().rev() {
            position[*axis] = number % counts[*axis];
            number /= counts[*axis];
        }
        self.grid.slab(&position)
    }

    /// Shape of a slab; the last one along an axis may be smaller.
    #[must_use]
    pub fn slab_shape(&self) -> &Shape {
        self.grid.chunk_shape()
    }

    /// The numbers of the slabs that have something of `slab`.
    pub(crate) fn touched(&self, slab: &Slab) -> impl Iterator<Item = u64> {
        let counts = self.grid.counts();
        let order = self.order.clone();
        let number =
            move |position: Vec<u64>| order.iter().fold(0, |number, axis| number * counts[*axis] + position[*axis]);
        self.grid.touched(slab).positions().map(number)
    }

    /// Bytes of all slabs.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shape.elements().saturating_mul(self.dtype.size() as u64)
    }

    /// Checks that this is a tiling of `source`: of its shape, dtype and, where both are known,
    /// identity.
    ///
    /// # Errors
    /// [`Error::PlanMismatch`] with the difference.
    pub fn check(&self, source: &DatasetInfo) -> Result<()> {
        let difference = if self.shape != source.shape {
            format!("shape {}, not {}", source.shape, self.shape)
        } else if self.dtype != source.dtype {
            format!("dtype {}, not {}", source.dtype, self.dtype)
        } else {
            match (self.identity, source.identity) {
                (Some(planned), Some(found)) if planned != found => "other contents: its identity changed".to_owned(),
                _ => return Ok(()),
            }
        };
        Err(Error::PlanMismatch { dataset: source.name.clone(), difference })
    }
}

impl Plan {
    /// The portable half: which slabs there are.
    #[must_use]
    pub fn tiling(&self) -> &Tiling {
        &self.tiling
    }

    /// Number of slabs.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.tiling.len()
    }

    /// Whether there is nothing to do: an axis has no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tiling.is_empty()
    }

    /// Slab `number`, counted in row-major order.
    ///
    /// # Panics
    /// If there are not so many.
    #[must_use]
    pub fn slab(&self, number: u64) -> Slab {
        self.tiling.slab(number)
    }

    /// All slabs, in row-major order.
    pub fn slabs(&self) -> impl Iterator<Item = Slab> + '_ {
        (0..self.len()).map(|number| self.slab(number))
    }

    /// Shape of a slab; the last one along an axis may be smaller.
    #[must_use]
    pub fn slab_shape(&self) -> &Shape {
        self.tiling.slab_shape()
    }

    /// Slabs in flight at once.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.schedule.workers
    }

    /// Threads that share the work inside a slab.
    #[must_use]
    pub fn threads_per_worker(&self) -> usize {
        self.schedule.threads
    }

    /// The most bytes that the run holds at once.
    #[must_use]
    pub fn peak_bytes(&self) -> u64 {
        self.schedule.peak()
    }

    /// Bytes of the result.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.tiling.bytes()
    }

    /// Bytes of elements that sources handle, estimated where the slabs are very many.
    #[must_use]
    pub fn read_bytes(&self) -> u64 {
        self.schedule.read_bytes
    }

    /// How many times the source's data are read: the bytes that its datasets handle over those that
    /// they would handle if all were read at once.
    #[must_use]
    pub fn amplification(&self) -> f64 {
        let Schedule { read_bytes, least_bytes, .. } = self.schedule;
        if least_bytes == 0 { 1.0 } else { read_bytes as f64 / least_bytes as f64 }
    }

    /// Seconds that the pass is expected to take, by the calibration that it was planned with.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.schedule.seconds
    }

    /// Seconds that the work would take at least on the machine that all plans are made for: shared out
    /// among its threads without a loss.
    pub(crate) fn least_seconds(&self) -> f64 {
        let Schedule { reading, writing, .. } = &self.schedule;
        seconds_of(&Calibration::default(), &(*reading + *writing), NOMINAL_THREADS as f64)
    }

    /// The plan for people: slabs, workers, peak memory, read amplification, seconds.
    #[must_use]
    pub fn describe(&self) -> String {
        let Schedule { workers, threads, held, share, budget, .. } = &self.schedule;
        let slab = Bytes(share.slab);
        let each = match threads {
            1 => "1 thread each".to_owned(),
            threads => format!("{threads} threads each"),
        };
        format!(
            "source   {}: {} {}, {}\n\
             slabs    {} of {}, {slab} each\n\
             workers  {workers} of {each}\n\
             memory   peak {} of {budget}: {}\n\
             reading  {} decoded, {:.2} times the data\n\
             time     {} expected",
            self.tiling.source,
            self.tiling.shape,
            self.tiling.dtype,
            Bytes(self.bytes()),
            self.len(),
            self.slab_shape(),
            Bytes(self.peak_bytes()),
            share.arithmetic(*workers, *held),
            Bytes(self.read_bytes()),
            self.amplification(),
            seconds_text(self.seconds()),
        )
    }

    /// Checks that the plan was made for `source`.
    ///
    /// # Errors
    /// [`Error::PlanMismatch`] with the difference.
    pub fn check(&self, source: &dyn ChunkSource) -> Result<()> {
        self.tiling.check(source.info())
    }
}

impl Schedule {
    pub(crate) fn peak(&self) -> u64 {
        let each = self.share.total().saturating_add(self.granted);
        each.saturating_mul(self.workers as u64).saturating_add(self.held)
    }
}

/// Seconds for people.
pub(crate) fn seconds_text(seconds: f64) -> String {
    if seconds < 0.1 { format!("{:.0} ms", seconds * 1e3) } else { format!("{seconds:.1} s") }
}

/// The seconds that work takes on so many threads: what they share, and what they do not.
pub(crate) fn seconds_of(calibration: &Calibration, work: &Work, busy: f64) -> f64 {
    let written = Work { written: work.written, ..Work::default() };
    calibration.shared_seconds(work) / busy + calibration.seconds(&written)
}

/// What a slab takes, summed up by phase.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SlabCost {
    pub(crate) share: Share,
    pub(crate) wanted: u64,
    pub(crate) reading: Work,
    pub(crate) writing: Work,
    pub(crate) moved: u64,
}

impl SlabCost {
    pub(crate) fn new(slab: u64, reading: Cost, writing: Cost, moved: u64) -> Self {
        let share = Share { slab, reading: reading.scratch_bytes, writing: writing.scratch_bytes };
        SlabCost { share, wanted: reading.wanted_bytes, reading: reading.work, writing: writing.work, moved }
    }
}
