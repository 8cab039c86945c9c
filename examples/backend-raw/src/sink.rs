//! Writing.

use std::fs;
use std::path::Path;

use chunk_core::{ChunkSink, Cost, DType, DatasetInfo, Error, LazyFile, Result, Slab, Spans, Work, Worker};

use crate::source::Sidecar;

#[derive(Debug)]
pub(crate) struct RawSink {
    info: DatasetInfo,
    overwrite: bool,
    data: LazyFile,
    description: String,
    sidecar: LazyFile,
}

impl RawSink {
    pub(crate) fn new(path: &Path, info: DatasetInfo, overwrite: bool) -> Result<Self> {
        // What its own name does not say, such as the fields of a structure, the sidecar cannot hold.
        let dtype: DType = info.dtype.to_string().parse()?;
        // This format has no chunks, no fill value and no room to grow: they are not in the sink's `info`.
        let info = DatasetInfo::new(info.shape, dtype).with_name(path.display().to_string());
        let data = LazyFile::new(path, info.bytes(), overwrite)?;
        let said = Sidecar { dtype: info.dtype.to_string(), shape: info.shape.to_vec() };
        let description = serde_json::to_string(&said).map_err(|cause| Error::io(path, "describe", cause.into()))?;
        let sidecar = LazyFile::new(path.with_added_extension("json"), description.len() as u64, overwrite)?;
        Ok(RawSink { info, overwrite, data, description, sidecar })
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
        Cost::new(0, Work::writing(slab.bytes(self.info.dtype.size())))
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

    fn prepare(&self) -> Result<()> {
        self.sidecar.get()?.write_at(self.description.as_bytes(), 0)?;
        self.data.sync()?;
        self.sidecar.sync()
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.prepare()?;
        if self.overwrite {
            let _ = fs::remove_file(self.sidecar.path()); // of the output that is replaced
        }
        self.data.publish()?;
        self.sidecar.publish()
    }
}
