//! Copying chosen elements of a dense piece to where they go.

use crate::along::Places;

/// A loop over one axis of the output, in bytes.
#[derive(Debug)]
pub(crate) enum Level<'a> {
    /// `count` times, so many bytes further each time.
    Even { count: usize, from_step: usize, to_step: isize },
    /// For each pair: position less `start` times `from_step`, number times `to_step`.
    Any { pairs: &'a [(u64, u64)], start: u64, from_step: usize, to_step: usize },
}

/// The copies that a dense piece is wanted for.
#[derive(Debug)]
pub(crate) struct Copies<'a> {
    /// Outermost first; without those that are the same in both buffers.
    levels: Vec<Level<'a>>,
    /// Where the first run goes.
    to: usize,
    /// Bytes of each run.
    run: usize,
}

impl<'a> Copies<'a> {
    /// Copies of elements of `size` bytes, from byte `base` of the output on; axes are added from its innermost on.
    pub(crate) fn new(size: usize, base: usize) -> Self {
        Copies { levels: Vec::new(), to: base, run: size }
    }

    /// Adds the next axis outwards: `places` in a part that begins at `start`, whose elements are `from_step` bytes
    /// apart, and `to_step` in the output.
    pub(crate) fn add(&mut self, places: Places<'a>, start: u64, from_step: usize, to_step: usize) {
        match places {
            Places::Any(pairs) => self.levels.push(Level::Any { pairs, start, from_step, to_step }),
            Places::Even { count, to, from_step: from_elements, to_step: to_elements } => {
                self.to += to as usize * to_step;
                let from_step = from_step * from_elements as usize;
                let signed = to_step.cast_signed() * to_elements as isize;
                if self.levels.is_empty() && from_step == self.run && signed == self.run.cast_signed() {
                    self.run *= count as usize;
                } else if count != 1 {
                    self.levels.push(Level::Even { count: count as usize, from_step, to_step: signed });
                }
            }
        }
    }

    /// Whether the piece of `bytes` bytes lies in the output as it is: it can be read there.
    pub(crate) fn is_straight(&self, bytes: u64) -> bool {
        self.levels.is_empty() && self.run as u64 == bytes
    }

    /// Returns where the first run goes in the output, in bytes: the beginning of a straight piece.
    pub(crate) fn start(&self) -> usize {
        self.to
    }

    /// Copies from the dense piece to the output.
    pub(crate) fn copy(&self, piece: &[u8], out: &mut [u8]) {
        match self.run {
            1 => each(&self.levels, 0, self.to, &mut Fixed::<1> { piece, out }),
            2 => each(&self.levels, 0, self.to, &mut Fixed::<2> { piece, out }),
            4 => each(&self.levels, 0, self.to, &mut Fixed::<4> { piece, out }),
            8 => each(&self.levels, 0, self.to, &mut Fixed::<8> { piece, out }),
            16 => each(&self.levels, 0, self.to, &mut Fixed::<16> { piece, out }),
            run => each(&self.levels, 0, self.to, &mut AnyRun { piece, out, run }),
        }
    }
}

/// Copies one run, whose length the compiler may know.
trait CopyRun {
    fn copy(&mut self, from: usize, to: usize);
}

struct Fixed<'b, const N: usize> {
    piece: &'b [u8],
    out: &'b mut [u8],
}

impl<const N: usize> CopyRun for Fixed<'_, N> {
    fn copy(&mut self, from: usize, to: usize) {
        self.out[to..to + N].copy_from_slice(&self.piece[from..from + N]);
    }
}

struct AnyRun<'b> {
    piece: &'b [u8],
    out: &'b mut [u8],
    run: usize,
}

impl CopyRun for AnyRun<'_> {
    fn copy(&mut self, from: usize, to: usize) {
        self.out[to..to + self.run].copy_from_slice(&self.piece[from..from + self.run]);
    }
}

/// The levels were added from the innermost on: the last is the outermost.
fn each(levels: &[Level], from: usize, to: usize, copy: &mut impl CopyRun) {
    match levels {
        [] => copy.copy(from, to),
        [Level::Even { count, from_step, to_step }] => {
            for number in 0..*count {
                copy.copy(from + number * from_step, to.wrapping_add_signed(number.cast_signed() * to_step));
            }
        }
        [inner @ .., Level::Even { count, from_step, to_step }] => {
            for number in 0..*count {
                let to = to.wrapping_add_signed(number.cast_signed() * to_step);
                each(inner, from + number * from_step, to, copy);
            }
        }
        [inner @ .., Level::Any { pairs, start, from_step, to_step }] => {
            for (position, number) in *pairs {
                let from = from + (position - start) as usize * from_step;
                each(inner, from, to + *number as usize * to_step, copy);
            }
        }
    }
}
