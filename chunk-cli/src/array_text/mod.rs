//! An array as NumPy prints it: `numpy.array2string` with NumPy's default options.
//!
//! # Source
//! `numpy/_core/arrayprint.py` of NumPy 2.4, against which the interoperability tests hold it.

mod floats;
mod times;
mod words;

pub(crate) use words::{json, text_literal, word, words};

/// Arrays of more elements are abbreviated.
const THRESHOLD: u64 = 1000;
/// Elements that are kept at each end of an axis that is abbreviated.
pub(crate) const EDGE: u64 = 3;
const LINE_WIDTH: usize = 75;
const GAP: &str = "...";

/// Which elements along each axis are printed: all, or so many at either end.
#[derive(Clone, Debug)]
pub(crate) struct Abbreviation {
    abbreviated: bool,
    shape: Vec<u64>,
}

impl Abbreviation {
    /// What is printed of an array of `shape`.
    pub(crate) fn new(shape: &[u64]) -> Self {
        let elements = shape.iter().fold(1_u64, |product, extent| product.saturating_mul(*extent));
        Abbreviation { abbreviated: elements > THRESHOLD, shape: shape.to_vec() }
    }

    /// Whether the middle of `axis` is left out.
    fn leaves_out(&self, axis: usize) -> bool {
        self.abbreviated && self.shape[axis] > 2 * EDGE
    }

    /// The pieces of `axis` that are printed, as first element and count.
    pub(crate) fn pieces(&self, axis: usize) -> Vec<(u64, u64)> {
        let extent = self.shape[axis];
        if self.leaves_out(axis) { vec![(0, EDGE), (extent - EDGE, EDGE)] } else { vec![(0, extent)] }
    }

    /// How many elements are printed along each axis.
    pub(crate) fn shown_shape(&self) -> Vec<u64> {
        (0..self.shape.len()).map(|axis| self.pieces(axis).iter().map(|(_, count)| count).sum()).collect()
    }

    /// The text of an array of which `words` are the elements that are printed, row-major.
    pub(crate) fn text(&self, words: &[String]) -> String {
        if self.shape.contains(&0) {
            return "[]".to_owned();
        }
        let mut layout = Layout { abbreviation: self, shown: self.shown_shape(), words: words.iter() };
        layout.axis(0, " ", LINE_WIDTH)
    }
}

struct Layout<'a> {
    abbreviation: &'a Abbreviation,
    shown: Vec<u64>,
    words: std::slice::Iter<'a, String>,
}

impl Layout<'_> {
    /// The text of what is left from `axis` on, whose lines after the first begin with `indent`.
    fn axis(&mut self, axis: usize, indent: &str, width: usize) -> String {
        let left = self.shown.len() - axis;
        if left == 0 {
            return self.words.next().cloned().unwrap_or_default();
        }
        let count = self.shown[axis];
        let gap_before = self.abbreviation.leaves_out(axis).then_some(EDGE);
        let inner = if left == 1 {
            self.row(count, gap_before, indent, width)
        } else {
            let between = format!("{}{indent}", "\n".repeat(left - 1));
            let mut parts = Vec::new();
            for number in 0..count {
                if gap_before == Some(number) {
                    parts.push(GAP.to_owned());
                }
                parts.push(self.axis(axis + 1, &format!("{indent} "), width - 1));
            }
            parts.join(&between)
        };
        format!("[{inner}]")
    }

    /// Elements side by side, wrapped where the line is full.
    fn row(&mut self, count: u64, gap_before: Option<u64>, indent: &str, width: usize) -> String {
        let mut row =
            Row { done: String::new(), line: indent.to_owned(), length: indent.len(), indent, most: width - 1 };
        for number in 0..count {
            if gap_before == Some(number) {
                row.push(GAP);
                row.push_space();
            }
            row.push(self.words.next().map_or("", String::as_str));
            if number + 1 < count {
                row.push_space();
            }
        }
        (row.done + &row.line).split_off(indent.len())
    }
}

/// Lines being filled with words.
struct Row<'a> {
    done: String,
    line: String,
    /// Characters of the line.
    length: usize,
    indent: &'a str,
    most: usize,
}

impl Row<'_> {
    fn push(&mut self, word: &str) {
        let length = word.chars().count();
        if self.length + length > self.most && self.length > self.indent.len() {
            self.done.push_str(self.line.trim_end());
            self.done.push('\n');
            self.line = self.indent.to_owned();
            self.length = self.indent.len();
        }
        self.line.push_str(word);
        self.length += length;
    }

    fn push_space(&mut self) {
        self.line.push(' ');
        self.length += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(shape: &[u64]) -> String {
        let abbreviation = Abbreviation::new(shape);
        let count = abbreviation.shown_shape().iter().product::<u64>();
        abbreviation.text(&(0..count).map(|number| number.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn brackets_and_blank_lines_follow_the_axes() {
        assert_eq!(numbered(&[]), "0");
        assert_eq!(numbered(&[3]), "[0 1 2]");
        assert_eq!(numbered(&[0, 3]), "[]");
        assert_eq!(numbered(&[2, 2]), "[[0 1]\n [2 3]]");
        assert_eq!(numbered(&[2, 1, 2]), "[[[0 1]]\n\n [[2 3]]]");
    }

    #[test]
    fn long_axes_keep_their_ends() {
        assert_eq!(numbered(&[1001]), "[0 1 2 ... 3 4 5]");
        assert_eq!(numbered(&[501, 2]).lines().nth(3), Some(" ..."));
        assert_eq!(Abbreviation::new(&[2, 501]).shown_shape(), [2, 6]);
        assert_eq!(Abbreviation::new(&[10, 100]).shown_shape(), [10, 100]);
    }

    #[test]
    fn lines_are_wrapped_before_they_are_too_long() {
        let text = numbered(&[100]);
        assert!(text.lines().all(|line| line.len() <= LINE_WIDTH), "{text}");
        assert_eq!(text.lines().nth(1).unwrap().split_whitespace().next(), Some("28"), "{text}");
    }
}
