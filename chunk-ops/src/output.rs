//! What a dataset that holds a computed array takes from the input.

use chunk_core::{DatasetInfo, Error, Result};

/// The origin of one axis of a computed array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AxisOrigin {
    /// The axis of the input with this number: element `i` along it is computed from elements `i`.
    Kept(usize),
    /// Computed along the axis of the input with this number, from all of its elements. A Fourier
    /// transform has such an axis, or a reduction that keeps its axis with one element.
    Computed(usize),
    /// An axis that the input does not have.
    New,
}

impl AxisOrigin {
    /// Returns the origins for an operation along `axis` of `ndim` axes, which are all kept but this.
    #[must_use]
    pub fn along(ndim: usize, axis: usize) -> Vec<Self> {
        let origin = |number| if number == axis { AxisOrigin::Computed(number) } else { AxisOrigin::Kept(number) };
        (0..ndim).map(origin).collect()
    }

    /// Returns the origins for a reduction over `axis` of `ndim` axes, which is dropped.
    #[must_use]
    pub fn without(ndim: usize, axis: usize) -> Vec<Self> {
        (0..ndim).filter(|number| *number != axis).map(AxisOrigin::Kept).collect()
    }

    /// Returns the axis of the input, if there is one.
    fn axis(self) -> Option<usize> {
        match self {
            AxisOrigin::Kept(axis) | AxisOrigin::Computed(axis) => Some(axis),
            AxisOrigin::New => None,
        }
    }
}

/// Describes the dataset that holds a computed array: its chunks and growth are those of the input,
/// as far as its axes are.
///
/// Shape and dtype are those of `computed`. `origins` has one entry for each of its axes:
///
/// * a kept axis has the chunk extent of the input, and may grow as far;
/// * a computed axis has the chunk extent of the input and does not grow;
/// * a new axis is one chunk and does not grow.
///
/// Along axes that do not grow, chunks are no larger than the array. There are no chunks if the input
/// has none, or if no axis comes from the input. Name, fill value and identity are not taken: they
/// say something about other elements.
///
/// # Errors
/// [`Error::InvalidArgument`] unless there are as many origins as axes; [`Error::AxisOutOfRange`] if
/// one names an axis that the input does not have.
///
/// # Examples
/// ```
/// use chunk_core::{DType, DatasetInfo};
/// use chunk_ops::{AxisOrigin, output_info};
///
/// let input = DatasetInfo::new([1000, 512], DType::F64).with_chunk_shape([100, 512]);
/// let input = input.with_max_shape([None, Some(512)]);
///
/// let spectrum = DatasetInfo::new([1000, 257], DType::ComplexF64);
/// let output = output_info(&input, &spectrum, &AxisOrigin::along(2, 1))?;
/// assert_eq!(output.chunk_shape, Some([100, 257].into()));
/// assert_eq!(output.max_shape, Some(vec![None, Some(257)]));
///
/// let mean = DatasetInfo::new([512], DType::F64);
/// let output = output_info(&input, &mean, &AxisOrigin::without(2, 0))?;
/// assert_eq!((output.chunk_shape, output.max_shape), (Some([512].into()), None));
/// # Ok::<(), chunk_core::Error>(())
/// ```
pub fn output_info(input: &DatasetInfo, computed: &DatasetInfo, origins: &[AxisOrigin]) -> Result<DatasetInfo> {
    let shape = &computed.shape;
    if origins.len() != shape.len() {
        let what = format!("an array with {} axes needs as many origins, not {}", shape.len(), origins.len());
        return Err(Error::InvalidArgument(what));
    }
    origins.iter().filter_map(|origin| origin.axis()).try_for_each(|axis| input.check_axis(axis))?;
    let axes = || origins.iter().zip(shape.iter().copied());
    let most = |origin: AxisOrigin, extent: u64| match (origin, &input.max_shape) {
        (AxisOrigin::Kept(axis), Some(most)) => most[axis],
        _ => Some(extent),
    };
    let grows = |origin: AxisOrigin, extent: u64| most(origin, extent) != Some(extent);
    let mut info = DatasetInfo::new(shape.clone(), computed.dtype.clone());
    if let Some(chunk) = input.chunk_shape.as_ref().filter(|_| axes().any(|(origin, _)| origin.axis().is_some())) {
        let of_axis = |(origin, extent): (&AxisOrigin, u64)| {
            let wanted = origin.axis().map_or(extent, |axis| chunk[axis]);
            if grows(*origin, extent) { wanted } else { wanted.min(extent.max(1)) }
        };
        info.chunk_shape = Some(axes().map(of_axis).collect());
    }
    if axes().any(|(origin, extent)| grows(*origin, extent)) {
        info.max_shape = Some(axes().map(|(origin, extent)| most(*origin, extent)).collect());
    }
    Ok(info)
}

#[cfg(test)]
mod tests {
    use chunk_core::DType;

    use super::*;

    fn growing() -> DatasetInfo {
        let input = DatasetInfo::new([0, 100], DType::F64).with_chunk_shape([1024, 64]);
        input.with_max_shape([None, Some(200)])
    }

    #[test]
    fn chunks_and_growth_are_kept_but_along_the_axis() {
        let transform = DatasetInfo::new([0, 51], DType::ComplexF64);
        let along_1 = output_info(&growing(), &transform, &AxisOrigin::along(2, 1)).unwrap();
        assert_eq!(along_1.dtype, DType::ComplexF64);
        assert_eq!(along_1.chunk_shape, Some([1024, 51].into()));
        assert_eq!(along_1.max_shape, Some(vec![None, Some(51)]));
        let transform = DatasetInfo::new([0, 100], DType::ComplexF64);
        let along_0 = output_info(&growing(), &transform, &AxisOrigin::along(2, 0)).unwrap();
        assert_eq!(along_0.chunk_shape, Some([1, 64].into()));
        assert_eq!(along_0.max_shape, Some(vec![Some(0), Some(200)]));
    }

    #[test]
    fn a_fixed_input_without_chunks_gives_the_same() {
        let input = DatasetInfo::new([7], DType::F64);
        let fixed = output_info(&input, &input, &AxisOrigin::along(1, 0)).unwrap();
        assert_eq!((fixed.chunk_shape, fixed.max_shape), (None, None));
    }

    #[test]
    fn reductions_drop_or_shorten_an_axis() {
        let dropped = output_info(&growing(), &DatasetInfo::new([0], DType::F64), &AxisOrigin::without(2, 1)).unwrap();
        assert_eq!((dropped.chunk_shape, dropped.max_shape), (Some([1024].into()), Some(vec![None])));
        let kept = output_info(&growing(), &DatasetInfo::new([0, 1], DType::F64), &AxisOrigin::along(2, 1)).unwrap();
        assert_eq!((kept.chunk_shape, kept.max_shape), (Some([1024, 1].into()), Some(vec![None, Some(1)])));
        let input = DatasetInfo::new([9], DType::F64).with_chunk_shape([3]);
        let scalar = output_info(&input, &DatasetInfo::new([], DType::F64), &AxisOrigin::without(1, 0)).unwrap();
        assert_eq!((scalar.chunk_shape, scalar.max_shape), (None, None));
    }

    #[test]
    fn axes_may_move_and_be_new() {
        let origins = [AxisOrigin::Kept(1), AxisOrigin::New, AxisOrigin::Kept(0)];
        let output = output_info(&growing(), &DatasetInfo::new([100, 3, 0], DType::F64), &origins).unwrap();
        assert_eq!(output.chunk_shape, Some([64, 3, 1024].into()));
        assert_eq!(output.max_shape, Some(vec![Some(200), Some(3), None]));
        output.check().unwrap();
    }

    #[test]
    fn refuses_origins_that_do_not_fit() {
        let computed = DatasetInfo::new([0, 100], DType::F64);
        assert!(output_info(&growing(), &computed, &AxisOrigin::without(2, 0)).is_err());
        let error = output_info(&growing(), &computed, &[AxisOrigin::Kept(0), AxisOrigin::Computed(2)]).unwrap_err();
        assert!(matches!(error, Error::AxisOutOfRange { axis: 2, .. }), "{error}");
    }
}
