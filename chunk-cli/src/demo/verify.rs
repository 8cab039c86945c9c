//! Samples of a transform beside the sum that defines it.

use std::f64::consts::TAU;
use std::fmt;

use chunk_core::{ChunkSource, ChunkSourceExt, Complex, Result, Slab};

use super::noise::Noise;

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Finding {
    values: usize,
    /// The largest error, relative to the root mean square of the spectrum.
    worst: f64,
}

const TOLERANCE: f64 = 1e-12;
const SAMPLED_ROWS: u64 = 5;
const SAMPLED_COLUMNS: u64 = 9;

impl Finding {
    pub(crate) fn holds(&self) -> bool {
        self.worst <= TOLERANCE
    }

    pub(crate) fn and(self, other: Finding) -> Finding {
        // `f64::max` would lose a NaN.
        let worst = if self.worst.is_nan() || self.worst > other.worst { self.worst } else { other.worst };
        Finding { values: self.values + other.values, worst }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.holds() { "within" } else { "beyond" };
        write!(
            f,
            "{} values beside the defining sum: largest relative error {:.1e}, {verdict} {TOLERANCE:.0e}",
            self.values, self.worst
        )
    }
}

/// Compares rows of the file with the noise that was written: they are equal, or all is wrong.
pub(crate) fn input(noise: &Noise, file: &dyn ChunkSource) -> Result<Finding> {
    compare(noise, file, |row, column| (noise.value(row, column), 1.0))
}

/// Compares samples of the transform of `noise` along `axis` with the naive sum over a line.
pub(crate) fn transform(noise: &Noise, output: &dyn ChunkSource, axis: usize) -> Result<Finding> {
    let shape = noise.info().shape.clone();
    compare(noise, output, |row, column| {
        let line = |n: u64| if axis == 0 { noise.value(n, column) } else { noise.value(row, n) };
        naive(line, shape[axis], if axis == 0 { row } else { column })
    })
}

fn compare(
    noise: &Noise,
    file: &dyn ChunkSource,
    expected: impl Fn(u64, u64) -> (Complex<f64>, f64),
) -> Result<Finding> {
    let shape = &noise.info().shape;
    let mut finding = Finding { values: 0, worst: 0.0 };
    for row in spread(shape[0], SAMPLED_ROWS) {
        let line = file.read_vec::<Complex<f64>>(&Slab::new([row, 0], [1, shape[1]]))?;
        for column in spread(shape[1], SAMPLED_COLUMNS) {
            let (value, scale) = expected(row, column);
            let worst = (line[column as usize] - value).norm() / scale;
            finding = finding.and(Finding { values: 1, worst });
        }
    }
    Ok(finding)
}

/// Frequency `k` of a line of `length` values, and the root mean square of all its frequencies.
fn naive(value: impl Fn(u64) -> Complex<f64>, length: u64, k: u64) -> (Complex<f64>, f64) {
    let (mut sum, mut power) = (Complex::new(0.0, 0.0), 0.0);
    for n in 0..length {
        let turns = (u128::from(k) * u128::from(n) % u128::from(length)) as f64 / length as f64;
        sum += value(n) * Complex::cis(-TAU * turns);
        power += value(n).norm_sqr();
    }
    (sum, power.sqrt())
}

/// `count` numbers below `extent`, the first and the last among them.
fn spread(extent: u64, count: u64) -> impl Iterator<Item = u64> {
    (0..count.min(extent)).map(move |number| number * (extent - 1) / (count.min(extent) - 1).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chunk_core::MemorySource;

    #[test]
    fn samples_reach_from_end_to_end() {
        assert_eq!(spread(100, 4).collect::<Vec<_>>(), [0, 33, 66, 99]);
        assert_eq!(spread(2, 4).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(spread(1, 4).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn the_sum_is_the_transform() {
        let (impulse, scale) = naive(|n| Complex::new(f64::from(u8::from(n == 1)), 0.0), 8, 3);
        assert!((impulse - Complex::cis(-TAU * 3.0 / 8.0)).norm() < 1e-15);
        assert!((scale - 1.0).abs() < 1e-15);
    }

    #[test]
    fn finds_what_is_wrong() {
        let noise = Noise::new(6, 16, 2, 3);
        let all = noise.read_all::<Complex<f64>>().unwrap();
        let file = |values: &[Complex<f64>]| MemorySource::new([6, 16], values).unwrap();
        assert!(input(&noise, &file(&all)).unwrap().holds());
        for wrong in [1e-9, f64::NAN] {
            let mut altered = all.clone();
            altered[0].re += wrong;
            let finding = input(&noise, &file(&altered)).unwrap();
            assert!(!finding.holds() && finding.to_string().contains("beyond"), "{finding}");
        }
        assert!(!transform(&noise, &file(&all), 0).unwrap().holds());
    }
}
