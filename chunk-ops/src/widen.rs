//! Widening packed numbers in place.
//!
//! Narrow numbers lie at the end of a buffer that their wide successors will fill. What lies before them is free, so
//! as many wide numbers as fit there are written at once, by all threads; then the same is done with the rest, which
//! is by then a fraction of the buffer.

use bytemuck::Pod;
use chunk_core::{DType, Result, Worker};

use crate::real::{Real, elements_mut};

/// Elements that one thread converts at a time.
const PIECE: usize = 1 << 15;

/// Turns the elements of `dtype` at the end of `buffer` into elements that `wrap` makes of their values, which fill
/// it.
pub(crate) fn widen<T: Real, E: Pod + Send>(
    dtype: &DType,
    buffer: &mut [u8],
    worker: &Worker,
    wrap: impl Fn(T) -> E + Copy + Sync,
) -> Result<()> {
    let (narrow, wide) = (dtype.size(), size_of::<E>());
    let mut rest = buffer;
    while !rest.is_empty() {
        let input = rest.len() / wide * narrow;
        let ready = (rest.len() - input) / wide;
        if ready == 0 {
            return convert_each(dtype, rest, wrap);
        }
        let (front, tail) = rest.split_at_mut(rest.len() - input);
        convert(dtype, &tail[..ready * narrow], elements_mut(&mut front[..ready * wide])?, worker, wrap)?;
        rest = &mut rest[ready * wide..];
    }
    Ok(())
}

fn convert<T: Real, E: Send>(
    dtype: &DType,
    input: &[u8],
    out: &mut [E],
    worker: &Worker,
    wrap: impl Fn(T) -> E + Copy + Sync,
) -> Result<()> {
    if out.len() <= PIECE {
        T::read(dtype, input, out, wrap);
        return Ok(());
    }
    let piece = PIECE.max(out.len().div_ceil(4 * worker.threads()));
    let pieces = out.chunks_mut(piece).zip(input.chunks(piece * dtype.size()));
    worker.for_each(pieces.collect(), |(out, input), _| {
        T::read(dtype, input, out, wrap);
        Ok(())
    })
}

/// Converts one element after the other: the last one, or all where both are of one size.
fn convert_each<T: Real, E: Pod>(dtype: &DType, buffer: &mut [u8], wrap: impl Fn(T) -> E + Copy) -> Result<()> {
    let (narrow, wide) = (dtype.size(), size_of::<E>());
    for place in buffer.chunks_exact_mut(wide) {
        let mut number = [0; 8];
        let number = &mut number[..narrow];
        number.copy_from_slice(&place[wide - narrow..]);
        T::read(dtype, number, elements_mut(place)?, wrap);
    }
    Ok(())
}
