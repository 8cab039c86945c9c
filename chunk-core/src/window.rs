//! A dense piece of a source, as a source of its own.

use crate::{ChunkSource, Cost, DatasetInfo, Error, Identity, Result, Shape, Slab, Worker};

/// A dense piece of a source.
///
/// It keeps the chunk shape of the source: chunks begin at its origin only if the piece begins at one of the source's,
/// but reading by whole chunks is still the cheapest.
///
/// ```
/// use chunk_core::{ChunkSourceExt, MemorySource, Slab, Window};
///
/// let source = MemorySource::new([2, 3], &[1, 2, 3, 4, 5, 6])?;
/// let window = Window::new(source, Slab::new([0, 1], [2, 2]))?;
/// assert_eq!(window.read_all::<i32>()?, [2, 3, 5, 6]);
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Window<S> {
    source: S,
    start: Shape,
    info: DatasetInfo,
}

impl<S: ChunkSource> Window<S> {
    /// The piece `slab` of `source`.
    ///
    /// # Errors
    /// [`Error::SlabOutOfBounds`].
    pub fn new(source: S, slab: Slab) -> Result<Self> {
        let whole = source.info();
        if !slab.is_within(&whole.shape) {
            let (shape, dataset) = (whole.shape.clone(), whole.name.clone());
            return Err(Error::SlabOutOfBounds { slab, shape, dataset });
        }
        let identity =
            |whole: &Identity| Identity::builder("window").input(whole).field("slab", slab.to_string()).finish();
        let info = DatasetInfo {
            name: format!("{}{slab}", whole.name),
            shape: slab.count().clone(),
            max_shape: None,
            identity: whole.identity.as_ref().map(identity),
            ..whole.clone()
        };
        Ok(Window { start: slab.start().into(), source, info })
    }

    /// Where a slab of the window is in the source.
    fn outer(&self, slab: &Slab) -> Slab {
        slab.shifted(&self.start)
    }
}

impl<S: ChunkSource> ChunkSource for Window<S> {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn held_bytes(&self) -> u64 {
        self.source.held_bytes()
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Cost {
        self.source.cost(&self.outer(slab), threads)
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        slab.check(&self.info, out.len())?;
        self.source.read_into(&self.outer(slab), out, worker)
    }
}
