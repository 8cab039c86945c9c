//! Writing.

use std::fs;
use std::path::Path;

use chunk_core::{ChunkSink, Cost, DType, DatasetInfo, Error, LazyFile, NewFile, Result, Slab, Spans, Worker};

use crate::source::Sidecar;

#[derive(Debug)]
pub(crate) struct RawSink {
    info: DatasetInfo,
    overwrite: bool,
    data: LazyFile,
}

impl RawSink {
    pub(crate) fn new(path: &Path, info: DatasetInfo, overwrite: bool) -> Result<Self> {
        // What its own name does not say, such as the fields of a structure, the sidecar cannot hold.
        let dtype: DType = info.dtype.to_string().parse()?;
        // This format has no chunks, no fill value and no room to grow: they are not in the sink's `info`.
        let info = DatasetInfo::new(info.shape, dtype).with_name(path.display().to_string());
        let data = LazyFile::new(path, info.bytes(), overwrite)?;
        Ok(RawSink { info, overwrite, data })
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
        let file = self.data.get()?;
        for span in Spans::new(slab, slab, &Slab::whole(&self.info.shape), self.info.dtype.size()) {
            worker.check()?;
            file.write_at(&data[span.from..span.from + span.length], span.to as u64)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let (dtype, shape) = (self.info.dtype.to_string(), self.info.shape.to_vec());
        let sidecar_path = self.data.path().with_added_extension("json");
        let sidecar = NewFile::beside(&sidecar_path)?;
        serde_json::to_writer(sidecar.file().cursor(0), &Sidecar { dtype, shape })
            .map_err(|cause| Error::io(&sidecar_path, "write", cause.into()))?;
        if self.overwrite {
            let _ = fs::remove_file(&sidecar_path); // of the output that is replaced
        }
        self.data.publish()?;
        sidecar.publish(self.overwrite)
    }
}
