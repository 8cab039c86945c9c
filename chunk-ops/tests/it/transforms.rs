//! The transforms: the sums that define them, whatever the dtype, the slab, the chunks and the threads.

use std::sync::Arc;

use chunk_core::{
    ChunkSource, ChunkSourceExt, Complex, DType, DatasetInfo, Error, Identity, MemorySource, Shape, Slab,
};
use chunk_ops::{fft, ifft, irfft, rfft};
use proptest::prelude::*;

use crate::common::{C64, Kind, array, difference, numbers, part, read, tolerance};

fn whole_of(kind: Kind, dtype: &DType, shape: &[u64], axis: usize, threads: usize) {
    let (source, input) = array(dtype, shape, None, 7);
    let node = kind.of(source, axis).unwrap();
    let info = node.info().clone();
    let result = numbers(&info.dtype, &read(&node, &Slab::whole(&info.shape), threads));
    let expected = kind.naive(&input, shape, axis, info.shape[axis]);
    let off = difference(&result, &expected);
    assert!(off < tolerance(&info.dtype), "{kind:?} of {dtype} {shape:?} along {axis}: off by {off:e}");
}

#[test]
fn lines_of_any_length_are_the_naive_sum() {
    for n in (1..=20).chain([23, 32, 37, 64, 97, 100, 128, 210]) {
        for dtype in [DType::ComplexF64, DType::F64, DType::ComplexF32, DType::F32] {
            for kind in [Kind::Forward, Kind::Inverse] {
                whole_of(kind, &dtype, &[3, n], 1, 1);
                whole_of(kind, &dtype, &[n, 5], 0, 2);
            }
            for length in [n, 2 * n - 1, (2 * n).saturating_sub(2).max(1), 2 * n + 3] {
                whole_of(Kind::HalfInverse(length), &dtype, &[2, n, 3], 1, 2);
                whole_of(Kind::HalfInverse(length), &dtype, &[3, n], 1, 1);
            }
        }
        whole_of(Kind::Half, &DType::F64, &[2, n, 3], 1, 2);
        whole_of(Kind::Half, &DType::F32, &[5, n], 1, 1);
    }
}

#[test]
fn every_dtype_is_widened_in_place() {
    for dtype in DType::numeric() {
        for (shape, axis) in [([31, 16], 1), ([16, 31], 0), ([1, 9], 1), ([9, 1], 0), ([2, 15], 1)] {
            for threads in 1..=3 {
                whole_of(Kind::Forward, &dtype, &shape, axis, threads);
                whole_of(Kind::Inverse, &dtype, &shape, axis, threads);
                whole_of(Kind::HalfInverse(20), &dtype, &shape, axis, threads);
                if !dtype.is_complex() {
                    whole_of(Kind::Half, &dtype, &shape, axis, threads);
                }
            }
        }
    }
}

#[test]
fn dtypes_are_those_of_numpy() {
    let of = |dtype: &DType| array(dtype, &[2, 4], None, 1).0;
    for dtype in DType::numeric() {
        let single = matches!(dtype, DType::F16 | DType::F32 | DType::ComplexF32);
        let (complex, real) = if single { (DType::ComplexF32, DType::F32) } else { (DType::ComplexF64, DType::F64) };
        assert_eq!(fft(Arc::new(of(&dtype)), 0).unwrap().info().dtype, complex);
        assert_eq!(ifft(Arc::new(of(&dtype)), 1).unwrap().info().dtype, complex);
        assert_eq!(irfft(Arc::new(of(&dtype)), 1, 5).unwrap().info().dtype, real);
        match rfft(Arc::new(of(&dtype)), 1) {
            Ok(half) => assert_eq!((half.info().dtype.clone(), dtype.is_complex()), (complex, false)),
            Err(error) => assert!(matches!(error, Error::UnsupportedDType { .. }) && dtype.is_complex(), "{error}"),
        }
    }
}

#[test]
fn large_slabs_are_shared_by_threads_without_a_trace() {
    let cases: [(&DType, [u64; 3], usize); 6] = [
        (&DType::F32, [1, 300, 256], 2),
        (&DType::I16, [1, 300, 255], 2),
        (&DType::F64, [1, 256, 300], 1),
        (&DType::ComplexF64, [1, 256, 300], 1),
        (&DType::U8, [40, 64, 33], 1),
        (&DType::ComplexF32, [3, 64, 70], 1),
    ];
    for (dtype, shape, axis) in cases {
        let (source, _) = array(dtype, &shape, None, 3);
        let node = fft(Arc::new(source), axis).unwrap();
        let whole = Slab::whole(&shape);
        let one = read(&node, &whole, 1);
        for threads in 2..=4 {
            assert!(read(&node, &whole, threads) == one, "{dtype} {shape:?} on {threads} threads");
        }
        let row = Slab::new([0, 0, 0], [1, shape[1], shape[2]]);
        assert!(read(&node, &row, 1) == part(&one, &shape, &row, node.info().dtype.size()));
    }
}

fn kinds(extent: u64) -> impl Strategy<Value = Kind> {
    let n = 1..2 * extent + 3;
    prop_oneof![
        3 => Just(Kind::Forward),
        2 => Just(Kind::Inverse),
        1 => Just(Kind::Half),
        1 => n.prop_map(Kind::HalfInverse)
    ]
}

/// A shape, an axis that is not empty, chunks, and the operation.
fn cases() -> impl Strategy<Value = (Vec<u64>, usize, Option<Vec<u64>>, Kind)> {
    (1_usize..5).prop_flat_map(|ndim| {
        let shape = prop::collection::vec(0_u64..13, ndim);
        (shape, 0..ndim).prop_flat_map(move |(mut shape, axis)| {
            shape[axis] += 1;
            let chunk_shape = prop::option::of(prop::collection::vec(1_u64..9, ndim));
            let kind = kinds(shape[axis]);
            (Just(shape), Just(axis), chunk_shape, kind)
        })
    })
}

#[expect(clippy::cast_sign_loss, reason = "fractions of an extent are not negative")]
fn slab_of(shape: &[u64], corners: &[(f64, f64)]) -> Slab {
    let cut = |extent: u64, at: f64| ((extent as f64 + 0.999) * at).floor() as u64;
    let ranges: Vec<(u64, u64)> =
        shape.iter().zip(corners).map(|(extent, (a, b))| (cut(*extent, a.min(*b)), cut(*extent, a.max(*b)))).collect();
    let start: Shape = ranges.iter().map(|range| range.0).collect();
    Slab::new(start, ranges.iter().map(|range| range.1 - range.0).collect::<Shape>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn any_slab_has_the_bits_of_the_whole(
        (shape, axis, chunk_shape, kind) in cases(),
        dtype in prop::sample::select(DType::numeric().collect::<Vec<_>>()),
        corners in prop::collection::vec((0.0..1.0, 0.0..1.0), 4),
        full in any::<bool>(), threads in 1_usize..4, seed in 0_u64..1000,
    ) {
        prop_assume!(!(kind == Kind::Half && dtype.is_complex()));
        let (source, input) = array(&dtype, &shape, chunk_shape.as_deref(), seed);
        let node = kind.of(source, axis).unwrap();
        let info = node.info().clone();
        info.check().unwrap();
        let whole = read(&node, &Slab::whole(&info.shape), 1);
        let expected = kind.naive(&input, &shape, axis, info.shape[axis]);
        let off = difference(&numbers(&info.dtype, &whole), &expected);
        prop_assert!(off < tolerance(&info.dtype), "off by {off:e}");
        let mut slab = slab_of(&info.shape, &corners);
        if full {
            slab = slab.with_axis(axis, 0..info.shape[axis]);
        }
        prop_assert_eq!(read(&node, &slab, threads), part(&whole, &info.shape, &slab, info.dtype.size()));
    }
}

#[test]
fn the_inverse_gives_back_the_input() {
    for (dtype, axis) in [(DType::ComplexF64, 0), (DType::ComplexF32, 1), (DType::F64, 2), (DType::I32, 1)] {
        let (source, input) = array(&dtype, &[6, 7, 10], None, 11);
        let node = ifft(Arc::new(fft(Arc::new(source), axis).unwrap()), axis).unwrap();
        let back = numbers(&node.info().dtype, &read(&node, &Slab::whole(&[6, 7, 10]), 2));
        assert!(difference(&back, &input) < tolerance(&node.info().dtype));
    }
    let (source, input) = array(&DType::U16, &[5, 9], None, 12);
    let node = irfft(Arc::new(rfft(Arc::new(source), 1).unwrap()), 1, 9).unwrap();
    let back = numbers(&DType::F64, &read(&node, &Slab::whole(&[5, 9]), 1));
    assert!(difference(&back, &input) < tolerance(&DType::F64));
}

#[test]
fn what_is_not_finite_spoils_its_own_line_only() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for n in [1, 2, 8, 15, 97, 128] {
            let mut x = vec![C64::new(1.0, -1.0); 3 * n];
            x[n + n / 2].re = bad;
            let real: Vec<f64> = x.iter().map(|z| z.re).collect();
            let complex = MemorySource::new([3, n as u64], &x).unwrap();
            let real = MemorySource::new([3, n as u64], &real).unwrap();
            for source in [complex, real] {
                let result = fft(Arc::new(source), 1).unwrap().read_all::<C64>().unwrap();
                for (line, values) in result.chunks(n).enumerate() {
                    let spoilt = values.iter().filter(|z| !z.re.is_finite() || !z.im.is_finite()).count();
                    assert_eq!(spoilt, if line == 1 { n } else { 0 }, "{bad} in a line of {n}");
                }
            }
        }
    }
}

#[test]
fn other_axes_may_be_empty() {
    let source = MemorySource::new::<f32>([0, 3, 4], &[]).unwrap();
    let node = fft(Arc::new(source), 1).unwrap();
    assert_eq!(node.info().shape, Shape::from([0, 3, 4]));
    assert!(node.read_all::<Complex<f32>>().unwrap().is_empty());
}

#[test]
fn refuses_what_has_no_transform() {
    let of = |dtype: DType| MemorySource::from_bytes(DatasetInfo::new([2], dtype.clone()), vec![0; 2 * dtype.size()]);
    for dtype in ["S3", "U2", "V4", "datetime64[s]", "timedelta64[ms]"] {
        let error = fft(Arc::new(of(dtype.parse().unwrap()).unwrap()), 0).unwrap_err();
        assert!(matches!(error, Error::UnsupportedDType { .. }), "{error}");
    }
    let source = || Arc::new(MemorySource::new([2, 0], &[0_u8; 0]).unwrap());
    assert!(matches!(fft(source(), 2).unwrap_err(), Error::AxisOutOfRange { axis: 2, ndim: 2, .. }));
    let error = fft(source(), 1).unwrap_err();
    assert_eq!(error.to_string(), "fft of memory along axis 1: a line has no elements");
    assert!(irfft(Arc::new(MemorySource::new([2], &[1.0, 2.0]).unwrap()), 0, 0).is_err());
    assert!(irfft(Arc::new(MemorySource::new([2], &[1.0, 2.0]).unwrap()), 0, u64::MAX / 2).is_err());
    let scalar = MemorySource::new([], &[1.0]).unwrap();
    assert!(matches!(fft(Arc::new(scalar), 0).unwrap_err(), Error::AxisOutOfRange { ndim: 0, .. }));
}

#[test]
fn checks_the_slab_before_anything_else() {
    let node = fft(Arc::new(MemorySource::new([2, 2], &[1.0; 4]).unwrap()), 0).unwrap();
    let worker = chunk_core::Worker::new();
    let error = node.read_into(&Slab::new([0, 1], [2, 2]), &mut [0; 64], &worker).unwrap_err();
    assert!(matches!(error, Error::SlabOutOfBounds { .. }));
    let error = node.read_into(&Slab::new([0, 1], [2, 1]), &mut [0; 31], &worker).unwrap_err();
    assert!(matches!(error, Error::BufferLength { expected: 32, actual: 31, .. }));
}

#[test]
fn says_what_it_is() {
    let plain = MemorySource::new([6, 8], &[0.0; 48]).unwrap().with_chunk_shape([2, 4]).unwrap();
    let node = fft(Arc::new(plain), 0).unwrap();
    assert_eq!(node.info().name, "fft(memory, axis 0)");
    assert_eq!(node.info().chunk_shape, Some(Shape::from([6, 4])));
    assert_eq!(node.info().identity, None);

    let identity = Identity::builder("test").finish();
    let info = DatasetInfo::new([6, 8], DType::F64).with_identity(identity);
    let source = || Arc::new(MemorySource::from_bytes(info.clone(), vec![0; 384]).unwrap());
    let nodes = [
        fft(source(), 0),
        fft(source(), 1),
        ifft(source(), 1),
        rfft(source(), 1),
        irfft(source(), 1, 8),
        irfft(source(), 1, 9),
    ];
    let identities: Vec<Identity> = nodes.into_iter().map(|node| node.unwrap().info().identity.unwrap()).collect();
    for (index, one) in identities.iter().enumerate() {
        assert!(!identities[..index].contains(one));
    }
    assert_eq!(identities[0], fft(source(), 0).unwrap().info().identity.unwrap());
}
