//! Noise that is computed where it is read.

use chunk_core::{ChunkSource, Complex, Cost, DType, DatasetInfo, Number, Operation, Result, Slab, Work, Worker};

/// Complex noise, nearly normal, each part a multiple of 1/1024 as a digitiser would give: it compresses about as
/// measurements do. Any element can be had alone, so neither the dataset nor a check of it needs memory.
#[derive(Debug)]
pub(crate) struct Noise {
    info: DatasetInfo,
    seed: u64,
}

const STEPS: f64 = 1024.0;
const ELEMENT: usize = size_of::<Complex<f64>>();

impl Noise {
    pub(crate) fn new(rows: u64, columns: u64, chunk_rows: u64, seed: u64) -> Self {
        let info = DatasetInfo::new([rows, columns], DType::ComplexF64).with_name("noise");
        Noise { info: info.with_chunk_shape([chunk_rows, columns]), seed }
    }

    pub(crate) fn value(&self, row: u64, column: u64) -> Complex<f64> {
        let number = 2 * (row * self.info.shape[1] + column);
        Complex::new(self.part(number), self.part(number + 1))
    }

    /// The sum of four uniform numbers, of variance 1.
    fn part(&self, number: u64) -> f64 {
        const MEAN: f64 = 2.0 * 65_535.0;
        const DEVIATION: f64 = 37_837.2;
        let bits = mixed(self.seed.wrapping_add(number));
        let sum = (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
        ((sum as f64 - MEAN) * (STEPS / DEVIATION)).round() / STEPS
    }
}

/// # Source
/// SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
fn mixed(number: u64) -> u64 {
    let z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl ChunkSource for Noise {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    fn cost(&self, slab: &Slab, _threads: usize) -> Result<Cost> {
        Ok(Cost::new(0, Work::computing(slab.elements().saturating_mul(16))))
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        slab.check(&self.info, out.len())?;
        if slab.is_empty() {
            return Ok(());
        }
        worker.for_each_part(slab, out, ELEMENT, 1, |part, bytes, worker| {
            let columns = part.start()[1]..part.end(1);
            let rows = part.start()[0]..part.end(0);
            let elements = Complex::<f64>::from_bytes_mut(bytes)?;
            for (row, line) in rows.zip(elements.chunks_exact_mut(part.count()[1] as usize)) {
                worker.check()?;
                line.iter_mut().zip(columns.clone()).for_each(|(element, column)| *element = self.value(row, column));
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use chunk_core::{ChunkSourceExt, Element};
    use chunk_testkit::SourceCase;

    use super::*;

    chunk_testkit::source_conformance!(noise, || {
        let noise = Noise::new(20, 30, 4, 1);
        let all: Vec<_> = (0..20 * 30).map(|i| noise.value(i / 30, i % 30)).collect();
        SourceCase::new(noise, Complex::as_bytes(&all)).without_measuring()
    });

    #[test]
    fn is_quantised_and_of_mean_zero_and_variance_one() {
        let noise = Noise::new(100, 1000, 100, 7);
        let values = noise.read_all::<Complex<f64>>().unwrap();
        let parts: Vec<f64> = values.iter().flat_map(|value| [value.re, value.im]).collect();
        assert!(parts.iter().all(|part| (part * STEPS).fract() == 0.0));
        let mean = parts.iter().sum::<f64>() / parts.len() as f64;
        let variance = parts.iter().map(|part| part * part).sum::<f64>() / parts.len() as f64;
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.01, "{mean} {variance}");
    }
}
