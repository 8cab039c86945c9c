//! A source whose elements are cast as they are read.

use std::sync::Arc;

use crate::{Casting, ChunkSource, Conversion, Cost, DType, DatasetInfo, Identity, Result, Scalar, Slab, Worker};

/// A source with its elements cast to another dtype: what [`cast`] makes.
#[derive(Clone, Debug)]
pub struct CastSource<S> {
    input: S,
    conversion: Conversion,
    info: DatasetInfo,
}

/// `x` with elements of `dtype`, cast by the rule `casting`. Lazy: nothing is read until the result is.
///
/// The fill value is cast, too, and dropped if `dtype` has no such value. Values follow the rules of [`Conversion`]. A read takes the bytes of its slab in the input's dtype
/// beside its buffer.
///
/// # Errors
/// [`Error::CastRefused`](crate::Error::CastRefused) unless `casting` allows it; when read,
/// [`Error::ValueNotRepresentable`](crate::Error::ValueNotRepresentable).
///
/// # Examples
/// ```
/// use chunk_core::{Casting, ChunkSourceExt, DType, MemorySource, cast};
///
/// let x = cast(MemorySource::new([2], &[1_i16, -2])?, &DType::F32, Casting::Safe)?;
/// assert_eq!(x.read_all::<f32>()?, [1.0, -2.0]);
/// # Ok::<(), chunk_core::Error>(())
/// ```
pub fn cast<S: ChunkSource>(x: S, dtype: &DType, casting: Casting) -> Result<CastSource<S>> {
    let from = x.info();
    let conversion = Conversion::new(&from.dtype, dtype, casting, &from.name)?;
    let name = format!("cast({}, {dtype})", from.name);
    let identity = from
        .identity
        .as_ref()
        .map(|input| Identity::builder("cast").input(input).field("dtype", dtype.to_string()).finish());
    let fill = from.fill.as_ref().and_then(|fill| {
        let mut bytes = vec![0; dtype.size()];
        conversion.apply(fill.bytes(), &mut bytes).ok()?;
        Scalar::from_bytes(dtype.clone(), bytes).ok()
    });
    let info = DatasetInfo { name, dtype: dtype.clone(), fill, identity, ..from.clone() };
    Ok(CastSource { input: x, conversion, info })
}

/// Bytes that a thread converts at a time, so that they stay in its caches.
const PIECE: usize = 256 << 10;

impl<S: ChunkSource> ChunkSource for CastSource<S> {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn held_bytes(&self) -> u64 {
        self.input.held_bytes()
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Cost {
        let input = self.input.cost(slab, threads);
        Cost::new(input.scratch_bytes + slab.bytes(self.conversion.from().size()), input.moved_bytes)
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        slab.check(&self.info, out.len())?;
        let (from, to) = (self.conversion.from().size(), self.conversion.to().size());
        let mut read = worker.scratch(slab.bytes(from) as usize)?;
        self.input.read_into(slab, &mut read, worker)?;
        if from == 0 || to == 0 {
            return self.conversion.apply(&read, out);
        }
        let elements = (PIECE / from.max(to)).max(1);
        let pieces = read.chunks(elements * from).zip(out.chunks_mut(elements * to));
        if worker.threads() == 1 {
            return pieces.into_iter().try_for_each(|(from, to)| self.conversion.apply(from, to));
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
