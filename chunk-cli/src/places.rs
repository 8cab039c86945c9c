//! A source of places, by which selections work on what is no source.

use chunk_core::{ChunkSource, Cost, DType, DatasetInfo, Grid, Location, Operation, Result, Shape, Slab, Work, Worker};

/// Each element is its own place in row-major order: what is selected of it tells what is selected of a dataset of its
/// shape.
#[derive(Debug)]
pub(crate) struct Places {
    info: DatasetInfo,
}

impl Places {
    pub(crate) fn new(shape: Shape, location: &Location) -> Self {
        Places { info: DatasetInfo::new(shape, DType::U64).with_name(location.to_string()) }
    }
}

impl ChunkSource for Places {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    fn cost(&self, slab: &Slab, _threads: usize) -> Result<Cost> {
        Ok(Cost::new(0, Work::computing(slab.elements())))
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        slab.check(&self.info, out.len())?;
        worker.check()?;
        let inside = Grid::new(slab.count().clone(), vec![1; slab.ndim()]);
        for (number, out) in (0..).zip(out.as_chunks_mut().0) {
            let position = inside.position(number).into_iter().zip(slab.start()).map(|(inside, start)| inside + start);
            let place = position.zip(self.info.shape.iter()).fold(0, |place, (index, extent)| place * extent + index);
            *out = place.to_ne_bytes();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chunk_testkit::SourceCase;

    chunk_testkit::source_conformance!(places, || {
        let bytes: Vec<u8> = (0..60 * 7_u64).flat_map(u64::to_ne_bytes).collect();
        SourceCase::new(Places::new([60, 7].into(), &Location::new("x")), bytes).without_measuring()
    });
}
