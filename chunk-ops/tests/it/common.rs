//! Arrays of any dtype, and the sums that transforms are defined by.

use std::f64::consts::TAU;
use std::sync::Arc;

use chunk_core::{
    ChunkSource, Complex, DType, DatasetInfo, Element, MemorySource, Result, Shape, Slab, Worker, copy_region, f16,
};
use chunk_ops::{Fft, fft, ifft, irfft, rfft};

pub(crate) type C64 = Complex<f64>;

/// Numbers that look random and are the same every time.
pub(crate) fn noise(seed: u64) -> impl Iterator<Item = i16> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 57) as i16 - 64
    })
}

/// The bytes of one element of `dtype` near `re` and `im`, and the number that it is.
fn element(dtype: &DType, re: i16, im: i16) -> (Vec<u8>, C64) {
    fn of<T: Element>(element: T, value: f64) -> (Vec<u8>, C64) {
        (T::as_bytes(&[element]).to_vec(), C64::new(value, 0.0))
    }
    let (small, magnitude) = (f32::from(re) / 8.0, re.unsigned_abs());
    match dtype {
        DType::Bool => of(re > 0, f64::from(u8::from(re > 0))),
        DType::I8 => of(re as i8, re.into()),
        DType::I16 => of(re, re.into()),
        DType::I32 => of(i32::from(re) * 1000, f64::from(re) * 1000.0),
        DType::I64 => of(i64::from(re) << 40, f64::from(re) * 2_f64.powi(40)),
        DType::U8 => of(magnitude as u8, magnitude.into()),
        DType::U16 => of(magnitude, magnitude.into()),
        DType::U32 => of(u32::from(magnitude), magnitude.into()),
        DType::U64 => of(u64::from(magnitude), magnitude.into()),
        DType::F16 => of(f16::from_f32(small), small.into()),
        DType::F32 => of(small, small.into()),
        DType::F64 => of(f64::from(re) / 3.0, f64::from(re) / 3.0),
        DType::ComplexF32 => {
            let value = Complex::new(small, f32::from(im) / 8.0);
            (Complex::<f32>::as_bytes(&[value]).to_vec(), C64::new(value.re.into(), value.im.into()))
        }
        DType::ComplexF64 => {
            let value = C64::new(f64::from(re) / 3.0, f64::from(im) / 7.0);
            (C64::as_bytes(&[value]).to_vec(), value)
        }
        other => unreachable!("{other} is no number"),
    }
}

/// An array of noise, and its numbers.
pub(crate) fn array(dtype: &DType, shape: &[u64], chunk_shape: Option<&[u64]>, seed: u64) -> (MemorySource, Vec<C64>) {
    let count = Shape::from(shape).elements() as usize;
    let (bytes, numbers): (Vec<Vec<u8>>, Vec<C64>) =
        noise(seed).zip(noise(seed + 1)).take(count).map(|(re, im)| element(dtype, re, im)).unzip();
    let mut info = DatasetInfo::new(shape, dtype.clone()).with_name("x");
    info.chunk_shape = chunk_shape.map(Shape::from);
    (MemorySource::from_bytes(info, bytes.concat()).unwrap(), numbers)
}

/// What is done along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Forward,
    Inverse,
    Half,
    HalfInverse(u64),
}

impl Kind {
    pub(crate) fn of(self, source: MemorySource, axis: usize) -> Result<Fft> {
        let source = Arc::new(source);
        match self {
            Kind::Forward => fft(source, axis),
            Kind::Inverse => ifft(source, axis),
            Kind::Half => rfft(source, axis),
            Kind::HalfInverse(n) => irfft(source, axis, n),
        }
    }

    /// The sum that defines it, for one line.
    fn line(self, line: &[C64]) -> Vec<C64> {
        let n = line.len();
        match self {
            Kind::Forward => (0..n).map(|k| sum(line, k, -1.0)).collect(),
            Kind::Inverse => (0..n).map(|k| sum(line, k, 1.0) / n as f64).collect(),
            Kind::Half => (0..=n / 2).map(|k| sum(line, k, -1.0)).collect(),
            Kind::HalfInverse(n) => {
                let n = n as usize;
                let bin = |k: usize| line.get(k).copied().unwrap_or_default();
                let whole = (0..n).map(|k| if k > n / 2 { bin(n - k).conj() } else { bin(k) }).collect::<Vec<_>>();
                // Of the first and the middle bin, the real part alone.
                let mirrored = |k: usize| (whole[k] + whole[(n - k) % n].conj()) / 2.0;
                let whole: Vec<C64> = (0..n).map(mirrored).collect();
                (0..n).map(|k| sum(&whole, k, 1.0) / n as f64).collect()
            }
        }
    }

    /// The same for all lines of an array along `axis`.
    pub(crate) fn naive(self, numbers: &[C64], shape: &[u64], axis: usize, extent: u64) -> Vec<C64> {
        let inner = Shape::from(&shape[axis + 1..]).elements() as usize;
        let (n, m) = (shape[axis] as usize, extent as usize);
        let outer = Shape::from(&shape[..axis]).elements() as usize;
        let mut out = vec![C64::default(); outer * m * inner];
        for column in 0..outer * inner {
            let (block, column) = (column / inner, column % inner);
            let line: Vec<C64> = (0..n).map(|i| numbers[(block * n + i) * inner + column]).collect();
            for (k, value) in self.line(&line).into_iter().enumerate() {
                out[(block * m + k) * inner + column] = value;
            }
        }
        out
    }
}

fn sum(line: &[C64], k: usize, sign: f64) -> C64 {
    let n = line.len();
    let term = |(j, x): (usize, &C64)| x * C64::from_polar(1.0, sign * TAU * ((j * k) % n) as f64 / n as f64);
    line.iter().enumerate().map(term).sum()
}

/// The numbers of a buffer of real or complex floats.
pub(crate) fn numbers(dtype: &DType, bytes: &[u8]) -> Vec<C64> {
    fn all<T: Element>(bytes: &[u8], number: impl Fn(T) -> C64) -> Vec<C64> {
        let mut aligned = chunk_core::Buffer::zeroed(bytes.len()).unwrap();
        aligned.copy_from_slice(bytes);
        aligned.elements::<T>().unwrap().iter().copied().map(number).collect()
    }
    match dtype {
        DType::F32 => all::<f32>(bytes, |x| C64::new(x.into(), 0.0)),
        DType::F64 => all::<f64>(bytes, |x| C64::new(x, 0.0)),
        DType::ComplexF32 => all::<Complex<f32>>(bytes, |z| C64::new(z.re.into(), z.im.into())),
        DType::ComplexF64 => all::<C64>(bytes, |z| z),
        other => unreachable!("{other} is no transform's"),
    }
}

/// The bytes of `slab`, read into a buffer that holds something else before.
pub(crate) fn read(source: &dyn ChunkSource, slab: &Slab, threads: usize) -> Vec<u8> {
    let size = source.info().dtype.size();
    let mut buffer = chunk_core::Buffer::zeroed(slab.bytes(size) as usize).unwrap();
    buffer.fill(0xA5);
    source.read_into(slab, &mut buffer, &Worker::with_threads(threads)).unwrap();
    buffer.to_vec()
}

/// The bytes that `slab` has of `whole`.
pub(crate) fn part(whole: &[u8], shape: &[u64], slab: &Slab, size: usize) -> Vec<u8> {
    let mut out = vec![0; slab.bytes(size) as usize];
    copy_region(slab, whole, &Slab::whole(shape), &mut out, slab, size);
    out
}

/// The largest difference, relative to the largest number.
pub(crate) fn difference(a: &[C64], b: &[C64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let largest = b.iter().map(|z| z.norm()).fold(1e-300, f64::max);
    a.iter().zip(b).map(|(a, b)| (a - b).norm()).fold(0.0, f64::max) / largest
}

/// How close a result of this dtype must be.
pub(crate) fn tolerance(dtype: &DType) -> f64 {
    if matches!(dtype, DType::F32 | DType::ComplexF32) { 2e-6 } else { 2e-15 * 8.0 }
}
