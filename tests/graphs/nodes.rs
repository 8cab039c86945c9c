//! Two nodes that the library does not have: a sum of two arrays, and a reduction that rounds.

use std::sync::Arc;

use chunk_core::{
    ChunkSource, Complex, Cost, DatasetInfo, Element, Need, Number, Operation, Packed, Reduction, Result, Slab,
    Stepper, Work, Worker, inputs_of, read_node,
};

/// The sum of two arrays of complex128.
#[derive(Debug)]
pub(crate) struct Add {
    inputs: [Arc<dyn ChunkSource>; 2],
    info: DatasetInfo,
}

impl Add {
    pub(crate) fn new(a: Arc<dyn ChunkSource>, b: Arc<dyn ChunkSource>) -> Result<Self> {
        let (x, y) = (a.info(), b.info());
        if x.shape != y.shape {
            return Err(chunk_core::Error::InvalidArgument("shapes differ".to_owned()));
        }
        let info = x.derived(format!("({} + {})", x.name, y.name));
        Ok(Add { inputs: [a, b], info })
    }
}

impl ChunkSource for Add {
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

fn add(inputs: &[Packed], out: &mut [u8]) -> Result<()> {
    let (a, b) = (Complex::<f64>::from_bytes(inputs[0].data)?, Complex::<f64>::from_bytes(inputs[1].data)?);
    for (sum, (a, b)) in Complex::<f64>::from_bytes_mut(out)?.iter_mut().zip(a.iter().zip(b)) {
        *sum = a + b;
    }
    Ok(())
}

impl Operation for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn inputs(&self) -> &[Arc<dyn ChunkSource>] {
        &self.inputs
    }

    fn over(&self, inputs: Vec<Arc<dyn ChunkSource>>) -> Result<Arc<dyn ChunkSource>> {
        let [a, b] = inputs_of(self, inputs)?;
        Ok(Arc::new(Add::new(a, b)?))
    }

    fn reduction(&self) -> Option<&dyn Reduction> {
        None
    }

    fn compute(&self, slab: &Slab, _threads: usize, stepper: &mut dyn Stepper) -> Result<()> {
        let needs = [Need::apart(0, slab.clone()), Need::apart(1, slab.clone())];
        stepper.step(&needs, &mut |inputs, out, _| add(inputs, out))
    }
}

/// The naive sum of float64 along some axes of a matrix, which keep one element: its last bits depend on
/// the order in which it is added up.
#[derive(Debug)]
pub(crate) struct Sum {
    input: [Arc<dyn ChunkSource>; 1],
    axes: Vec<usize>,
    info: DatasetInfo,
}

impl Sum {
    pub(crate) fn new(input: Arc<dyn ChunkSource>, axes: Vec<usize>) -> Self {
        let from = input.info();
        let shape = axes.iter().fold(from.shape.clone(), |shape, axis| shape.with_axis(*axis, 1));
        let info = DatasetInfo::new(shape, from.dtype.clone()).with_name(format!("sum({})", from.name));
        Sum { input: [input], axes, info }
    }
}

impl ChunkSource for Sum {
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
        Ok(Cost::new(0, Work::computing(slab.elements() * self.input[0].info().shape.elements())))
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        read_node(self, slab, out, worker)
    }
}

impl Operation for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn inputs(&self) -> &[Arc<dyn ChunkSource>] {
        &self.input
    }

    fn over(&self, inputs: Vec<Arc<dyn ChunkSource>>) -> Result<Arc<dyn ChunkSource>> {
        let [input] = inputs_of(self, inputs)?;
        Ok(Arc::new(Sum::new(input, self.axes.clone())))
    }

    fn reduction(&self) -> Option<&dyn Reduction> {
        Some(self)
    }

    fn compute(&self, _slab: &Slab, _threads: usize, _stepper: &mut dyn Stepper) -> Result<()> {
        unreachable!("it is reduced")
    }
}

impl Reduction for Sum {
    fn axes(&self) -> &[usize] {
        &self.axes
    }

    fn accumulator_bytes(&self, elements: u64) -> u64 {
        elements * 8
    }

    fn start(&self, accumulators: &mut [u8]) {
        accumulators.fill(0);
    }

    fn update(&self, accumulators: &mut [u8], piece: &Slab, data: &[u8], _worker: &Worker) -> Result<()> {
        let columns = piece.count()[1] as usize;
        let (keeps_rows, keeps_columns) = (!self.axes.contains(&0), !self.axes.contains(&1));
        let sums = f64::from_bytes_mut(accumulators)?;
        for (number, x) in f64::from_bytes(data)?.iter().enumerate() {
            let place = match (keeps_rows, keeps_columns) {
                (true, _) => number / columns,
                (false, true) => number % columns,
                (false, false) => 0,
            };
            sums[place] += x;
        }
        Ok(())
    }

    fn merge(&self, accumulators: &mut [u8], later: &[u8]) -> Result<()> {
        let later = f64::from_bytes(later)?;
        f64::from_bytes_mut(accumulators)?.iter_mut().zip(later).for_each(|(sum, more)| *sum += more);
        Ok(())
    }

    fn finish(&self, accumulators: &[u8], _slab: &Slab, out: &mut [u8]) -> Result<()> {
        out.copy_from_slice(&accumulators[..out.len()]);
        Ok(())
    }
}
