//! What a run will do: which slabs, by how many workers, holding how much.

use std::fmt::Write as _;

use crate::{Budget, Bytes, Grid, Shape, Slab};

/// The slabs of a run, in order, with the memory that they take.
///
/// A plan is a regular grid, so it takes constant memory however many slabs it has, and slab *i of n* means the
/// same in every process that makes the same plan.
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
    pub(crate) source: String,
    pub(crate) dtype: String,
    pub(crate) grid: Grid,
    pub(crate) shape: Shape,
    pub(crate) element_size: usize,
    pub(crate) workers: usize,
    pub(crate) threads: usize,
    pub(crate) budget: Budget,
    pub(crate) held: u64,
    pub(crate) share: Share,
    pub(crate) read_bytes: u64,
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

impl Plan {
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

    /// Slab `number`, counted in row-major order.
    ///
    /// # Panics
    /// If there are not so many.
    #[must_use]
    pub fn slab(&self, number: u64) -> Slab {
        self.grid.slab(&self.grid.position(number))
    }

    /// All slabs, in row-major order.
    pub fn slabs(&self) -> impl Iterator<Item = Slab> + '_ {
        (0..self.len()).map(|number| self.slab(number))
    }

    /// Shape of a slab; the last one along an axis may be smaller.
    #[must_use]
    pub fn slab_shape(&self) -> &Shape {
        self.grid.chunk_shape()
    }

    /// Slabs in flight at once.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Threads that share the work inside a slab.
    #[must_use]
    pub fn threads_per_worker(&self) -> usize {
        self.threads
    }

    /// The most bytes that the run holds at once.
    #[must_use]
    pub fn peak_bytes(&self) -> u64 {
        self.share.total().saturating_mul(self.workers as u64).saturating_add(self.held)
    }

    /// Bytes of the result.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shape.elements().saturating_mul(self.element_size as u64)
    }

    /// Bytes that reading decodes, estimated where the slabs are very many.
    #[must_use]
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// The plan for people: slabs, workers, peak memory, read amplification.
    #[must_use]
    pub fn describe(&self) -> String {
        let slab = Bytes(self.share.slab);
        let threads = match self.threads {
            1 => "1 thread each".to_owned(),
            threads => format!("{threads} threads each"),
        };
        format!(
            "source   {}: {} {}, {}\n\
             slabs    {} of {}, {slab} each\n\
             workers  {} of {threads}\n\
             memory   peak {} of {}: {}\n\
             reading  {} decoded, {:.2} times the data",
            self.source,
            self.shape,
            self.dtype,
            Bytes(self.bytes()),
            self.len(),
            self.slab_shape(),
            self.workers,
            Bytes(self.peak_bytes()),
            self.budget,
            self.share.arithmetic(self.workers, self.held),
            Bytes(self.read_bytes),
            self.amplification(),
        )
    }

    /// How many times the source's data are read: the bytes decoded over the bytes delivered.
    #[must_use]
    pub fn amplification(&self) -> f64 {
        if self.bytes() == 0 { 1.0 } else { self.read_bytes as f64 / self.bytes() as f64 }
    }
}
