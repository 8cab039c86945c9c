//! An array of a .npy file, or of an archive, as a source.

use std::path::Path;

use chunk_core::{ChunkSource, Cost, DatasetInfo, Operation, Result, Slab, Worker};

use crate::data::Data;
use crate::file::NpyFile;
use crate::inflate;
use crate::layout::Layout;

/// An array of a .npy file, read at positions: nothing is mapped, so that a file which others truncate is an error.
#[derive(Clone, Debug)]
pub struct NpySource {
    info: DatasetInfo,
    data: Data,
    layout: Layout,
}

impl NpySource {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// As [`NpyFile::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        NpyFile::open(path).map(|file| file.source())
    }

    pub(crate) fn new(info: DatasetInfo, data: Data, layout: Layout) -> Self {
        NpySource { info, data, layout }
    }
}

impl ChunkSource for NpySource {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn held_bytes(&self) -> u64 {
        if self.data.is_sequential() { inflate::HELD_BYTES } else { 0 }
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Result<Cost> {
        Ok(self.layout.cost(&self.data, &self.info.shape, slab, threads))
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        slab.check(&self.info, out.len())?;
        self.layout.read(&self.data, &self.info.shape, slab, out, worker)
    }
}
