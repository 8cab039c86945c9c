//! The transform of one line.

use std::sync::Arc;

use num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::{FftDirection, FftPlanner};

use crate::real::{Number, Real};

/// Bytes of a plan apart from its tables.
const PLAN: usize = 8 << 10;

/// Transforms one line in a slot of memory.
///
/// A slot is [`Kernel::slot`] complex numbers, whose meaning differs from step to step; the kernel alone
/// knows it. What is done to a line does not depend on its neighbours nor on where its slot lies:
/// so results are the same to the last bit however lines are grouped.
pub(crate) struct Kernel<T> {
    step: Step<T>,
    /// Numbers of the longer of input and output.
    pub(crate) length: usize,
    scale: Option<T>,
    conjugate: bool,
}

enum Step<T> {
    /// `length` complex numbers to as many, in place.
    Complex(Arc<dyn rustfft::Fft<T>>),
    /// `length` real numbers, behind the half spectrum that they become. The other half is its mirror image.
    Forward(Arc<dyn RealToComplex<T>>),
    /// A half spectrum to the `length` real numbers behind it.
    Backward(Arc<dyn ComplexToReal<T>>),
}

impl<T: Real> Kernel<T> {
    /// Complex lines to complex lines.
    pub(crate) fn complex(length: usize, direction: FftDirection) -> Self {
        let step = Step::Complex(FftPlanner::new().plan_fft(length, direction));
        Kernel { step, length, scale: scale(length, direction), conjugate: false }
    }

    /// Real lines to complex lines. The inverse of real data is the conjugate of the forward transform, scaled.
    pub(crate) fn forward(length: usize, direction: FftDirection) -> Self {
        let step = Step::Forward(RealFftPlanner::new().plan_fft_forward(length));
        let conjugate = direction == FftDirection::Inverse;
        Kernel { step, length, scale: scale(length, direction), conjugate }
    }

    /// Half spectra to real lines, scaled.
    pub(crate) fn backward(length: usize) -> Self {
        let step = Step::Backward(RealFftPlanner::new().plan_fft_inverse(length));
        Kernel { step, length, scale: scale(length, FftDirection::Inverse), conjugate: false }
    }

    /// Operations that transforming a line takes: `5 n log2 n` for complex numbers, half of it for real
    /// ones.
    pub(crate) fn operations(&self) -> u64 {
        let complex = 5.0 * self.length as f64 * (self.length.max(2) as f64).log2();
        #[expect(clippy::cast_sign_loss, reason = "a count")]
        match self.step {
            Step::Complex(_) => complex as u64,
            Step::Forward(_) | Step::Backward(_) => (complex / 2.0) as u64,
        }
    }

    /// Complex numbers that a line takes while it is transformed.
    pub(crate) fn slot(&self) -> usize {
        match self.step {
            Step::Complex(_) => self.length,
            Step::Forward(_) | Step::Backward(_) => self.half() + self.length.div_ceil(2),
        }
    }

    /// Complex numbers that the algorithm takes besides.
    pub(crate) fn workspace(&self) -> usize {
        match &self.step {
            Step::Complex(plan) => plan.get_inplace_scratch_len(),
            Step::Forward(plan) => plan.get_scratch_len(),
            Step::Backward(plan) => plan.get_scratch_len(),
        }
    }

    /// The most bytes that a plan keeps as tables: measured once, 1 complex number for each of a line where its
    /// length has small factors only, 2.5 by Rader's algorithm, 1 and its workspace by Bluestein's.
    pub(crate) fn tables(&self) -> usize {
        (2 * self.length + self.workspace()) * size_of::<Complex<T>>() + PLAN
    }

    /// Numbers of a half spectrum.
    fn half(&self) -> usize {
        self.length / 2 + 1
    }

    /// Where number `index` of a line goes in its slot.
    pub(crate) fn input_place(&self, index: usize) -> Place {
        match self.step {
            Step::Complex(_) | Step::Backward(_) => Place::Complex(index),
            Step::Forward(_) => Place::Real(2 * self.half() + index),
        }
    }

    /// Where number `index` of the result is in its slot.
    pub(crate) fn output_place(&self, index: usize) -> Place {
        match self.step {
            Step::Forward(_) if index >= self.half() => Place::Mirror(self.length - index),
            Step::Complex(_) | Step::Forward(_) => Place::Complex(index),
            Step::Backward(_) => Place::Real(2 * self.half() + index),
        }
    }

    /// Puts the numbers of a line into its slot.
    pub(crate) fn put<E: Number<T>>(&self, line: &[E], slot: &mut [Complex<T>]) {
        match self.step {
            Step::Complex(_) | Step::Backward(_) => copy(line, slot, E::complex),
            Step::Forward(_) => copy(line, self.reals(slot), E::re),
        }
    }

    /// Where the real numbers of a line go, if it is made of such.
    pub(crate) fn reals<'a>(&self, slot: &'a mut [Complex<T>]) -> &'a mut [T] {
        self.split(slot).1
    }

    /// Sets the numbers of a half spectrum from `first` on to zero: the input has no more.
    pub(crate) fn pad(&self, slot: &mut [Complex<T>], first: usize) {
        if let Step::Backward(_) = self.step {
            slot[first.min(self.half())..self.half()].fill(Complex::new(T::zero(), T::zero()));
        }
    }

    /// The half spectrum and the real numbers of a slot.
    fn split<'a>(&self, slot: &'a mut [Complex<T>]) -> (&'a mut [Complex<T>], &'a mut [T]) {
        let (spectrum, reals) = slot[..self.slot()].split_at_mut(self.half());
        (spectrum, &mut bytemuck::cast_slice_mut(reals)[..self.length])
    }

    /// Transforms the line in `slot`, with `workspace` of any content.
    pub(crate) fn transform(&self, slot: &mut [Complex<T>], workspace: &mut [Complex<T>]) {
        match &self.step {
            Step::Complex(plan) => {
                plan.process_with_scratch(slot, workspace);
                self.finish(slot);
            }
            Step::Forward(plan) => {
                let (spectrum, reals) = self.split(slot);
                plan.process_with_scratch(reals, spectrum, workspace).expect("a slot has the lengths of its plan");
                self.finish(spectrum);
            }
            Step::Backward(plan) => {
                let (spectrum, reals) = self.split(slot);
                // Real lines have no imaginary part there; NumPy ignores one, too.
                spectrum[0].im = T::zero();
                if self.length.is_multiple_of(2) {
                    spectrum[self.length / 2].im = T::zero();
                }
                plan.process_with_scratch(spectrum, reals, workspace).expect("a slot has the lengths of its plan");
                if let Some(scale) = self.scale {
                    for value in reals {
                        *value = *value * scale;
                    }
                }
            }
        }
    }

    fn finish(&self, spectrum: &mut [Complex<T>]) {
        if let Some(scale) = self.scale {
            for value in spectrum.iter_mut() {
                *value = *value * scale;
            }
        }
        if self.conjugate {
            for value in spectrum.iter_mut() {
                *value = value.conj();
            }
        }
    }

    /// Copies the numbers of the result in `slot`, from number `first` on, to `out`.
    pub(crate) fn copy_to<E: Number<T>>(&self, slot: &[Complex<T>], first: usize, out: &mut [E]) {
        let last = first + out.len();
        match self.step {
            Step::Complex(_) => copy(&slot[first..last], out, E::from_complex),
            Step::Backward(_) => {
                let reals = bytemuck::cast_slice::<_, T>(&slot[self.half()..]);
                copy(&reals[first..last], out, E::from_re);
            }
            Step::Forward(_) => {
                let stored = slot.get(first..last.min(self.half())).unwrap_or_default();
                let (front, mirrored) = out.split_at_mut(stored.len());
                copy(stored, front, E::from_complex);
                let mirror = (first + stored.len()..last).map(|index| slot[self.length - index].conj());
                mirrored.iter_mut().zip(mirror).for_each(|(place, value)| *place = E::from_complex(value));
            }
        }
    }
}

/// The inverse transform is scaled by the length, as NumPy's default.
fn scale<T: Real>(length: usize, direction: FftDirection) -> Option<T> {
    (direction == FftDirection::Inverse).then(|| T::reciprocal(length))
}

/// Where in a slot a number is.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// The complex number there.
    Complex(usize),
    /// The conjugate of the complex number there.
    Mirror(usize),
    /// The real number there, counted in real numbers.
    Real(usize),
}

fn copy<S: Copy, E>(from: &[S], to: &mut [E], convert: impl Fn(S) -> E) {
    to.iter_mut().zip(from).for_each(|(place, value)| *place = convert(*value));
}
