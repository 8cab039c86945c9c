//! A result of a stage that is kept in memory for the stages after it.

use std::sync::{Arc, Mutex, OnceLock};

use crate::worker::lock;
use crate::{
    Buffer, ChunkSink, ChunkSource, Cost, DatasetInfo, Error, Operation, Result, Slab, Work, Worker, copy_region,
};

/// An array in memory that one stage writes and later ones read.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    info: DatasetInfo,
    writing: Mutex<Option<Buffer>>,
    done: OnceLock<Buffer>,
}

impl Slot {
    /// The array that `info` describes. Its memory is taken when it is written.
    pub(crate) fn new(info: DatasetInfo) -> Self {
        Slot { shared: Arc::new(Shared { info, writing: Mutex::default(), done: OnceLock::new() }) }
    }

    fn bytes(&self) -> u64 {
        self.shared.info.bytes()
    }
}

impl ChunkSink for Slot {
    fn info(&self) -> &DatasetInfo {
        &self.shared.info
    }

    fn held_bytes(&self) -> u64 {
        self.bytes()
    }

    fn cost(&self, slab: &Slab, _threads: usize) -> Cost {
        Cost::new(0, Work::copying(slab.bytes(self.shared.info.dtype.size())))
    }

    fn write_from(&self, slab: &Slab, data: &[u8], _worker: &Worker) -> Result<()> {
        slab.check(&self.shared.info, data.len())?;
        let mut writing = lock(&self.shared.writing);
        let array = match &mut *writing {
            Some(array) => array,
            none => none.insert(Buffer::zeroed(self.bytes() as usize)?),
        };
        let whole = Slab::whole(&self.shared.info.shape);
        copy_region(slab, data, slab, array, &whole, self.shared.info.dtype.size());
        Ok(())
    }

    fn prepare(&self) -> Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let array = lock(&self.shared.writing).take();
        let array = array.map_or_else(|| Buffer::zeroed(self.bytes() as usize), Ok)?;
        // A job writes it once.
        let _ = self.shared.done.set(array);
        Ok(())
    }
}

impl ChunkSource for Slot {
    fn info(&self) -> &DatasetInfo {
        &self.shared.info
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    fn held_bytes(&self) -> u64 {
        self.bytes()
    }

    fn cost(&self, slab: &Slab, _threads: usize) -> Result<Cost> {
        Ok(Cost::new(0, Work::copying(slab.bytes(self.shared.info.dtype.size()))))
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], _worker: &Worker) -> Result<()> {
        slab.check(&self.shared.info, out.len())?;
        let Some(array) = self.shared.done.get() else {
            let name = &self.shared.info.name;
            return Err(Error::InvalidArgument(format!("{name}: the stage that computes it has not run")));
        };
        let whole = Slab::whole(&self.shared.info.shape);
        copy_region(slab, array, &whole, out, slab, self.shared.info.dtype.size());
        Ok(())
    }
}
