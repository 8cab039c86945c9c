//! Reading.

use std::fs;
use std::path::Path;

use chunk_core::{
    ChunkSource, Cost, DType, DataFile, DatasetInfo, Error, Identity, Operation, Result, Slab, Spans, Work, Worker,
};
use serde::{Deserialize, Serialize};

/// What `x.raw.json` says of `x.raw`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Sidecar {
    pub(crate) dtype: String,
    pub(crate) shape: Vec<u64>,
}

#[derive(Debug)]
pub(crate) struct RawSource {
    info: DatasetInfo,
    file: DataFile,
}

impl RawSource {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = DataFile::open(path)?;
        let length = file.length()?;
        let json = path.with_added_extension("json");
        let text = fs::read(&json).map_err(|cause| Error::io(&json, "open", cause))?;
        let sidecar: Sidecar =
            serde_json::from_slice(&text).map_err(|cause| Error::io(&json, "understand", cause.into()))?;
        let dtype: DType = sidecar.dtype.parse().map_err(|error: Error| Error::corrupt(&json, error.to_string()))?;
        let info = DatasetInfo::new(sidecar.shape, dtype).with_name(path.display().to_string());
        if length != info.bytes() {
            let what = format!("it has {length} bytes, not the {} that its sidecar says", info.bytes());
            return Err(Error::corrupt(path, what));
        }
        let identity = Identity::builder("raw").file(path)?.file(&json)?.finish();
        Ok(RawSource { info: info.with_identity(identity), file })
    }
}

impl ChunkSource for RawSource {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None // it is read, not computed
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn cost(&self, slab: &Slab, _threads: usize) -> Result<Cost> {
        let scratch = DataFile::spans_scratch(self.info.bytes());
        Ok(Cost::new(scratch, Work::reading(slab.bytes(self.info.dtype.size()))))
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        slab.check(&self.info, out.len())?;
        let whole = Slab::whole(&self.info.shape);
        let spans = Spans::new(slab, &whole, slab, self.info.dtype.size());
        self.file.read_spans((0, self.info.bytes()), spans, out, worker)
    }
}
