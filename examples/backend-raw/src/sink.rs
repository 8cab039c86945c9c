//! Writing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use chunk_core::{ChunkSink, Cost, DType, DatasetInfo, Error, NewFile, Result, Slab, Spans, Worker};

use crate::source::Sidecar;

#[derive(Debug)]
pub(crate) struct RawSink {
    info: DatasetInfo,
    path: PathBuf,
    overwrite: bool,
    /// The elements under a temporary name, from the first write on.
    data: OnceLock<NewFile>,
}

impl RawSink {
    pub(crate) fn new(path: &Path, info: DatasetInfo, overwrite: bool) -> Result<Self> {
        NewFile::check(path, overwrite)?;
        // What its own name does not say, such as the fields of a structure, the sidecar cannot hold.
        let dtype: DType = info.dtype.to_string().parse()?;
        // This format has no chunks, no fill value and no room to grow: they are not in the sink's `info`.
        let info = DatasetInfo::new(info.shape, dtype).with_name(path.display().to_string());
        Ok(RawSink { info, path: path.to_owned(), overwrite, data: OnceLock::new() })
    }

    /// The temporary file, made by the first call.
    fn data(&self) -> Result<&NewFile> {
        if self.data.get().is_none() {
            let new = NewFile::beside(&self.path)?;
            new.file().set_length(self.info.bytes())?;
            let _ = self.data.set(new); // unless another thread was quicker
        }
        Ok(self.data.wait())
    }
}

impl ChunkSink for RawSink {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn cost(&self, slab: &Slab, _threads: usize) -> Cost {
        Cost::new(0, slab.bytes(self.info.dtype.size()))
    }

    fn write_from(&self, slab: &Slab, data: &[u8], worker: &Worker) -> Result<()> {
        slab.check(&self.info, data.len())?;
        let file = self.data()?.file();
        for span in Spans::new(slab, slab, &Slab::whole(&self.info.shape), self.info.dtype.size()) {
            worker.check()?;
            file.write_at(&data[span.from..span.from + span.length], span.to as u64)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.data()?;
        let Some(data) = self.data.take() else { unreachable!("it was made above") };
        let (dtype, shape) = (self.info.dtype.to_string(), self.info.shape.to_vec());
        let sidecar_path = self.path.with_added_extension("json");
        let sidecar = NewFile::beside(&sidecar_path)?;
        serde_json::to_writer(sidecar.file().file(), &Sidecar { dtype, shape })
            .map_err(|cause| Error::io(&sidecar_path, "write", cause.into()))?;
        if self.overwrite {
            let _ = fs::remove_file(&sidecar_path); // of the output that is replaced
        }
        data.publish(self.overwrite)?;
        sidecar.publish(self.overwrite)
    }
}
