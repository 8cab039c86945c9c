//! Where two datasets differ, as a source.

use std::sync::Arc;

use chunk_core::{
    ChunkSource, Cost, DType, DatasetInfo, Need, Operation, Reduction, Result, Slab, Stepper, Work, Worker, inputs_of,
    read_node,
};

use super::compare::Comparison;

/// An array of bools: true where two sources of one shape differ.
#[derive(Debug)]
pub(super) struct Differs {
    inputs: [Arc<dyn ChunkSource>; 2],
    comparison: Comparison,
    info: DatasetInfo,
}

impl Differs {
    pub(super) fn new(a: Arc<dyn ChunkSource>, b: Arc<dyn ChunkSource>, comparison: Comparison) -> Self {
        let name = format!("diff({}, {})", a.info().name, b.info().name);
        let mut info = DatasetInfo::new(a.info().shape.clone(), DType::Bool).with_name(name);
        info.chunk_shape = a.info().chunk_shape.clone().or_else(|| b.info().chunk_shape.clone());
        Differs { inputs: [a, b], comparison, info }
    }
}

impl ChunkSource for Differs {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn operation(&self) -> Option<&dyn Operation> {
        Some(self)
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn cost(&self, slab: &Slab, _threads: usize) -> Result<Cost> {
        Ok(Cost::new(0, Work::computing(slab.elements())))
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        read_node(self, slab, out, worker)
    }
}

impl Operation for Differs {
    fn name(&self) -> &str {
        "not_equal"
    }

    fn inputs(&self) -> &[Arc<dyn ChunkSource>] {
        &self.inputs
    }

    fn over(&self, inputs: Vec<Arc<dyn ChunkSource>>) -> Result<Arc<dyn ChunkSource>> {
        let [a, b] = inputs_of(self, inputs)?;
        Ok(Arc::new(Differs::new(a, b, self.comparison.clone())))
    }

    fn reduction(&self) -> Option<&dyn Reduction> {
        None
    }

    fn compute(&self, slab: &Slab, _threads: usize, stepper: &mut dyn Stepper) -> Result<()> {
        let needs = [Need::apart(0, slab.clone()), Need::apart(1, slab.clone())];
        stepper.step(&needs, &mut |inputs, out, _| {
            self.comparison.mark(inputs[0].data, inputs[1].data, out);
            Ok(())
        })
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
