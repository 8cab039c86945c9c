//! Writing.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use chunk_core::{ChunkSink, Cost, DType, DatasetInfo, Error, Result, Slab, Spans, Worker};
use tempfile::NamedTempFile;

use crate::source::Sidecar;

#[derive(Debug)]
pub(crate) struct RawSink {
    info: DatasetInfo,
    path: PathBuf,
    /// The elements under a temporary name, from the first write on. Dropping it removes the file.
    data: OnceLock<NamedTempFile>,
}

impl RawSink {
    pub(crate) fn new(path: &Path, info: DatasetInfo, overwrite: bool) -> Result<Self> {
        let path = path.to_owned();
        if path.exists() && !overwrite {
            return Err(Error::AlreadyExists { path, hint: "" });
        }
        // What its own name does not say, such as the fields of a structure, the sidecar cannot hold.
        let dtype: DType = info.dtype.to_string().parse()?;
        // This format has no chunks, no fill value and no room to grow: they are not in the sink's `info`.
        let info = DatasetInfo::new(info.shape, dtype).with_name(path.display().to_string());
        Ok(RawSink { info, path, data: OnceLock::new() })
    }

    /// The temporary file, made by the first call.
    fn data(&self) -> io::Result<&NamedTempFile> {
        if self.data.get().is_none() {
            let made = temporary_beside(&self.path)?;
            made.as_file().set_len(self.info.bytes())?;
            let _ = self.data.set(made); // unless another thread was quicker
        }
        Ok(self.data.wait())
    }

    /// Syncs both files and gives them their names, the sidecar last: without it there is nothing to misread.
    fn publish(mut self) -> io::Result<()> {
        self.data()?.as_file().sync_all()?;
        let Some(data) = self.data.take() else { unreachable!("it was made above") };
        let (dtype, shape) = (self.info.dtype.to_string(), self.info.shape.to_vec());
        let sidecar = temporary_beside(&self.path)?;
        serde_json::to_writer(&sidecar, &Sidecar { dtype, shape })?;
        sidecar.as_file().sync_all()?;
        let sidecar_path = self.path.with_added_extension("json");
        let _ = fs::remove_file(&sidecar_path); // of the output that is replaced
        data.persist(&self.path)?;
        sidecar.persist(sidecar_path)?;
        File::open(folder_of(&self.path))?.sync_all()
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
        let file = self.data().map_err(|cause| Error::io(&self.path, "create", cause))?.as_file();
        for span in Spans::new(slab, slab, &Slab::whole(&self.info.shape), self.info.dtype.size()) {
            worker.check()?;
            let bytes = &data[span.from..span.from + span.length];
            file.write_all_at(bytes, span.to as u64).map_err(|cause| Error::io(&self.path, "write", cause))?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let path = self.path.clone();
        self.publish().map_err(|cause| Error::io(path, "finish", cause))
    }
}

/// A file in the folder of `path`, so that it can be renamed to it.
fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o666)).tempfile_in(folder_of(path))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
