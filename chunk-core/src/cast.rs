//! A source whose elements are cast as they are read.

use std::sync::Arc;

use crate::operation::inputs_of;
use crate::{
    Casting, ChunkSource, Conversion, Cost, DType, DatasetInfo, Identity, Need, Operation, Reduction, Result, Scalar,
    Slab, Stepper, Work, Worker, read_node,
};

/// A source with its elements cast to another dtype: what [`cast`] makes.
#[derive(Clone, Debug)]
pub struct CastSource {
    input: [Arc<dyn ChunkSource>; 1],
    conversion: Conversion,
    casting: Casting,
    info: DatasetInfo,
}

/// Casts the elements of `x` to `dtype`, by the rule `casting`. Lazy: nothing is read until the result
/// is.
///
/// The fill value is cast too, and dropped if `dtype` has no such value. Values follow the rules of
/// [`Conversion`]. A read takes the bytes of its slab in the input's dtype beside its buffer.
///
/// # Errors
/// [`Error::CastRefused`](crate::Error::CastRefused) unless `casting` allows it; when read,
/// [`Error::ValueNotRepresentable`](crate::Error::ValueNotRepresentable).
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use chunk_core::{Casting, ChunkSourceExt, DType, MemorySource, cast};
///
/// let x = cast(Arc::new(MemorySource::new([2], &[1_i16, -2])?), &DType::F32, Casting::Safe)?;
/// assert_eq!(x.read_all::<f32>()?, [1.0, -2.0]);
/// # Ok::<(), chunk_core::Error>(())
/// ```
pub fn cast(x: Arc<dyn ChunkSource>, dtype: &DType, casting: Casting) -> Result<CastSource> {
    let from = x.info();
    let conversion = Conversion::new(&from.dtype, dtype, casting, &from.name)?;
    let identity = from
        .identity
        .as_ref()
        .map(|input| Identity::builder("cast").input(input).field("dtype", dtype.to_string()).finish());
    let fill = from.fill.as_ref().and_then(|fill| {
        let mut bytes = vec![0; dtype.size()];
        conversion.apply(fill.bytes(), &mut bytes).ok()?;
        Scalar::from_bytes(dtype.clone(), bytes).ok()
    });
    let derived = from.derived(format!("cast({}, {dtype})", from.name));
    let info = DatasetInfo { dtype: dtype.clone(), fill, identity, max_shape: from.max_shape.clone(), ..derived };
    Ok(CastSource { input: [x], conversion, casting, info })
}

/// Bytes that a thread converts at a time, so that they stay in its caches.
const PIECE: usize = 256 << 10;

impl ChunkSource for CastSource {
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
        Ok(Cost::new(0, Work::copying(slab.bytes(self.conversion.from().size().max(self.conversion.to().size())))))
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        read_node(self, slab, out, worker)
    }
}

impl Operation for CastSource {
    fn name(&self) -> &'static str {
        "astype"
    }

    fn inputs(&self) -> &[Arc<dyn ChunkSource>] {
        &self.input
    }

    fn over(&self, inputs: Vec<Arc<dyn ChunkSource>>) -> Result<Arc<dyn ChunkSource>> {
        let [input] = inputs_of(self, inputs)?;
        Ok(Arc::new(cast(input, &self.info.dtype, self.casting)?))
    }

    fn reduction(&self) -> Option<&dyn Reduction> {
        None
    }

    fn compute(&self, slab: &Slab, _threads: usize, steps: &mut dyn Stepper) -> Result<()> {
        steps
            .step(&[Need::apart(0, slab.clone())], &mut |inputs, out, worker| self.convert(inputs[0].data, out, worker))
    }
}

impl CastSource {
    fn convert(&self, read: &[u8], out: &mut [u8], worker: &Worker) -> Result<()> {
        let (from, to) = (self.conversion.from().size(), self.conversion.to().size());
        if from == 0 || to == 0 {
            return self.conversion.apply(read, out);
        }
        let elements = (PIECE / from.max(to)).max(1);
        let mut pieces = read.chunks(elements * from).zip(out.chunks_mut(elements * to));
        if worker.threads() == 1 {
            return pieces.try_for_each(|(from, to)| self.conversion.apply(from, to));
        }
        worker.for_each(pieces.collect(), |(from, to), _| self.conversion.apply(from, to))
    }
}

/// The source itself if it is of `dtype`, else cast to it: see [`cast`].
///
/// # Errors
/// As [`cast`].
pub fn cast_if_needed(x: Arc<dyn ChunkSource>, dtype: &DType, casting: Casting) -> Result<Arc<dyn ChunkSource>> {
    if x.info().dtype == *dtype { Ok(x) } else { Ok(Arc::new(cast(x, dtype, casting)?)) }
}
