//! The suite that every lazy node passes; the oracle of transforms is the O(n²) sum.

use std::f64::consts::TAU;
use std::sync::Arc;

use chunk_core::{
    ChunkSinkExt, ChunkSource, Complex, DType, DatasetInfo, Element, MemorySource, Result, Slab, TileFile, TileSink,
    TileSource,
};
use chunk_ops::{Differs, Fft, Map, Tolerance, fft, ifft, irfft, map, rfft};
use chunk_testkit::{SourceCase, source_conformance};

chunk_testkit::measure_memory!();

const SHAPE: [usize; 2] = [12, 10];

/// An array, row-major, of so many rows and columns.
struct Matrix {
    shape: [usize; 2],
    elements: Vec<Complex<f64>>,
}

impl Matrix {
    fn numbers(part: impl Fn(usize) -> Complex<f64>) -> Self {
        Matrix { shape: SHAPE, elements: (0..SHAPE[0] * SHAPE[1]).map(part).collect() }
    }

    fn real() -> Self {
        Matrix::numbers(|i| Complex::from(f64::from((i * 7 % 31) as u32)))
    }

    fn complex() -> Self {
        Matrix::numbers(|i| Complex::new(f64::from((i * 7 % 31) as u32), f64::from((i * 5 % 17) as u32)))
    }

    /// `line` called with each line along `axis`, of `length` elements afterwards.
    fn map_lines(&self, axis: usize, length: usize, line: impl Fn(&[Complex<f64>]) -> Vec<Complex<f64>>) -> Matrix {
        let mut shape = self.shape;
        shape[axis] = length;
        let mut elements = vec![Complex::default(); shape[0] * shape[1]];
        let index = |shape: [usize; 2], along: usize, across: usize| {
            if axis == 0 { along * shape[1] + across } else { across * shape[1] + along }
        };
        for across in 0..self.shape[1 - axis] {
            let read: Vec<_> = (0..self.shape[axis]).map(|n| self.elements[index(self.shape, n, across)]).collect();
            for (along, value) in line(&read).into_iter().enumerate() {
                elements[index(shape, along, across)] = value;
            }
        }
        Matrix { shape, elements }
    }

    /// Of which a file would have such chunks.
    fn source(&self) -> MemorySource {
        let shape = self.shape.map(|extent| extent as u64);
        MemorySource::new(shape, &self.elements).unwrap().with_chunk_shape([5, 4]).unwrap()
    }

    fn real_source(&self) -> MemorySource {
        let shape = self.shape.map(|extent| extent as u64);
        MemorySource::new(shape, &self.real_parts()).unwrap().with_chunk_shape([5, 4]).unwrap()
    }

    fn real_parts(&self) -> Vec<f64> {
        self.elements.iter().map(|value| value.re).collect()
    }

    fn bytes(&self) -> &[u8] {
        Complex::as_bytes(&self.elements)
    }
}

/// Bin by bin, `sign` times the angle.
fn naive(line: &[Complex<f64>], sign: f64) -> Vec<Complex<f64>> {
    let length = line.len();
    let angle = |n: usize, k: usize| sign * TAU * (n * k % length) as f64 / length as f64;
    let bin = |k: usize| line.iter().enumerate().map(|(n, value)| value * Complex::from_polar(1.0, angle(n, k))).sum();
    (0..length).map(bin).collect()
}

fn naive_inverse(line: &[Complex<f64>]) -> Vec<Complex<f64>> {
    naive(line, 1.0).into_iter().map(|value| value / line.len() as f64).collect()
}

fn forward_case(axis: usize) -> SourceCase {
    let oracle = Matrix::real().map_lines(axis, SHAPE[axis], |line| naive(line, -1.0));
    let build = move |x: Arc<dyn ChunkSource>| -> Result<Fft> { fft(x, axis) };
    SourceCase::node(Matrix::real().real_source(), build, oracle.bytes()).within(1e-13)
}

fn inverse_case(axis: usize) -> SourceCase {
    let oracle = Matrix::complex().map_lines(axis, SHAPE[axis], naive_inverse);
    let build = move |x: Arc<dyn ChunkSource>| ifft(x, axis);
    SourceCase::node(Matrix::complex().source(), build, oracle.bytes()).within(1e-13)
}

fn real_case(axis: usize) -> SourceCase {
    let half = SHAPE[axis] / 2 + 1;
    let oracle = Matrix::real().map_lines(axis, half, |line| naive(line, -1.0)[..half].to_vec());
    let build = move |x: Arc<dyn ChunkSource>| rfft(x, axis);
    SourceCase::node(Matrix::real().real_source(), build, oracle.bytes()).within(1e-13)
}

/// The half of a spectrum that a real line has; the other half mirrors it.
fn real_inverse_case(axis: usize) -> SourceCase {
    let length = SHAPE[axis];
    let half = length / 2 + 1;
    let spectrum = Matrix::real().map_lines(axis, half, |line| naive(line, -1.0)[..half].to_vec());
    let oracle = spectrum.map_lines(axis, length, |line| {
        let mirrored = (half..length).map(|k| line[length - k].conj());
        naive_inverse(&line.iter().copied().chain(mirrored).collect::<Vec<_>>())
    });
    let build = move |x: Arc<dyn ChunkSource>| irfft(x, axis, length as u64);
    SourceCase::node(spectrum.source(), build, f64::as_bytes(&oracle.real_parts())).within(1e-13)
}

source_conformance!(fft_along_the_first_axis, || forward_case(0));
source_conformance!(fft_along_the_last_axis, || forward_case(1));
source_conformance!(ifft_along_the_first_axis, || inverse_case(0));
source_conformance!(ifft_along_the_last_axis, || inverse_case(1));
source_conformance!(rfft_along_the_first_axis, || real_case(0));
source_conformance!(rfft_along_the_last_axis, || real_case(1));
source_conformance!(irfft_along_the_first_axis, || real_inverse_case(0));
source_conformance!(irfft_along_the_last_axis, || real_inverse_case(1));

source_conformance!(tiles, || {
    let (shape, numbers) = ([150, 90], (0..150 * 90).collect::<Vec<u32>>());
    let tiles = TileFile::new(DatasetInfo::new(shape, DType::U32), [64, 40], &std::env::temp_dir()).unwrap();
    let sink: TileSink = tiles.sink();
    for (row, line) in numbers.chunks(90).enumerate() {
        sink.write_slice(&Slab::new([row as u64, 0], [1, 90]), line).unwrap();
    }
    let source: TileSource = tiles.source();
    (source, u32::as_bytes(&numbers).to_vec())
});

source_conformance!(named_maps, || {
    let elements: Vec<i16> = (0..9000).map(|i| (i * 37 % 1000) as i16).collect();
    let oracle: Vec<f32> = elements.iter().map(|x| f32::from(*x) * 0.5 - 1.0).collect();
    let source = MemorySource::new([90, 100], &elements).unwrap().with_chunk_shape([32, 40]).unwrap();
    let halved: fn(i16) -> f32 = |x| f32::from(x) * 0.5 - 1.0;
    let build = move |x: Arc<dyn ChunkSource>| -> Result<Map<i16, f32, _>> { map(x, halved)?.named("halved", 1) };
    SourceCase::node(source, build, f32::as_bytes(&oracle).to_vec())
});

source_conformance!(differs, || {
    let numbers: Vec<i32> = (0..300 * 20).collect();
    let others = numbers.iter().map(|number| number + i32::from(number % 7 == 0)).collect::<Vec<_>>();
    let oracle: Vec<u8> = numbers.iter().map(|number| u8::from(number % 7 == 0)).collect();
    let source = |elements: &[i32]| MemorySource::new([300, 20], elements).unwrap().with_chunk_shape([64, 9]).unwrap();
    let build = move |a: Arc<dyn ChunkSource>| Differs::new(a, Arc::new(source(&others)), Tolerance::default());
    SourceCase::node(source(&numbers), build, oracle)
});
