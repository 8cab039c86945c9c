//! Where two datasets differ, as a source.

use std::sync::Arc;

use chunk_core::{ChunkSource, Cost, DType, DatasetInfo, Result, Slab, Worker};

use super::compare::Comparison;

/// An array of bools: true where two sources of one shape differ.
#[derive(Debug)]
pub(super) struct Differs {
    a: Arc<dyn ChunkSource>,
    b: Arc<dyn ChunkSource>,
    comparison: Comparison,
    info: DatasetInfo,
}

impl Differs {
    pub(super) fn new(a: Arc<dyn ChunkSource>, b: Arc<dyn ChunkSource>, comparison: Comparison) -> Self {
        let name = format!("diff({}, {})", a.info().name, b.info().name);
        let mut info = DatasetInfo::new(a.info().shape.clone(), DType::Bool).with_name(name);
        info.chunk_shape = a.info().chunk_shape.clone().or_else(|| b.info().chunk_shape.clone());
        Differs { a, b, comparison, info }
    }

    fn bytes(&self, slab: &Slab) -> (u64, u64) {
        (slab.bytes(self.a.info().dtype.size()), slab.bytes(self.b.info().dtype.size()))
    }
}

impl ChunkSource for Differs {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn held_bytes(&self) -> u64 {
        self.a.held_bytes().saturating_add(self.b.held_bytes())
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Cost {
        let (a, b) = (self.a.cost(slab, threads), self.b.cost(slab, threads));
        let (bytes_a, bytes_b) = self.bytes(slab);
        // One is read after the other, but what the first took may be kept for the next slab.
        let scratch = a.scratch_bytes.saturating_add(b.scratch_bytes).saturating_add(bytes_a).saturating_add(bytes_b);
        Cost::new(scratch, a.moved_bytes.saturating_add(b.moved_bytes))
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        slab.check(&self.info, out.len())?;
        let (bytes_a, bytes_b) = self.bytes(slab);
        let (mut a, mut b) = (worker.scratch(bytes_a as usize)?, worker.scratch(bytes_b as usize)?);
        self.a.read_into(slab, &mut a, worker)?;
        self.b.read_into(slab, &mut b, worker)?;
        self.comparison.mark(&a, &b, out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chunk_core::MemorySource;
    use chunk_testkit::SourceCase;

    use super::super::compare::Tolerance;
    use super::*;

    chunk_testkit::source_conformance!(differs, || {
        let numbers: Vec<i32> = (0..300 * 20).collect();
        let others = numbers.iter().map(|number| number + i32::from(number % 7 == 0)).collect::<Vec<_>>();
        let oracle: Vec<u8> = numbers.iter().map(|number| u8::from(number % 7 == 0)).collect();
        let source =
            |elements: &[i32]| MemorySource::new([300, 20], elements).unwrap().with_chunk_shape([64, 9]).unwrap();
        let build = move |a: Arc<dyn ChunkSource>| {
            let b: Arc<dyn ChunkSource> = Arc::new(source(&others));
            let exact = Tolerance { relative: 0.0, absolute: 0.0, nan_differs: false };
            let comparison = Comparison::new(&DType::I32, &DType::I32, exact).expect("numbers are compared");
            Ok(Differs::new(a, b, comparison))
        };
        SourceCase::node(source(&numbers), build, oracle).without_measuring()
    });
}
