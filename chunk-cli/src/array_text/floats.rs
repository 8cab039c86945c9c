//! Floats, formatted together: as many digits as the one that needs most, up to eight after the point.

use std::iter::repeat_n;

use chunk_core::{DType, Float, f16};

/// Digits after the point, at most.
const PRECISION: usize = 8;

/// How wide the floats are from which values come: that decides how many digits tell one from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    Half,
    Single,
    Double,
}

impl Width {
    /// Returns the width of `T`.
    pub(super) fn of<T: Float>() -> Self {
        match T::DTYPE {
            DType::F16 => Width::Half,
            DType::F32 => Width::Single,
            _ => Width::Double,
        }
    }

    /// Values as large as this are printed with an exponent.
    fn large(self) -> f64 {
        match self {
            Width::Half => 1e3,
            Width::Single => 1e6,
            Width::Double => 1e8,
        }
    }

    /// `x` rounded to this width.
    fn round(self, x: f64) -> f64 {
        match self {
            Width::Half => f64::from(f16::from_f64(x)),
            Width::Single => f64::from(x as f32),
            Width::Double => x,
        }
    }

    /// The fewest digits that tell `x` from all other floats of this width, those nearest to it, as `d.ddde-5`.
    fn shortest(self, x: f64) -> String {
        let tells = |text: &String| text.parse::<f64>().is_ok_and(|parsed| self.round(parsed).to_bits() == x.to_bits());
        let shortest = match self {
            Width::Double => format!("{x:e}"),
            Width::Single => format!("{:e}", x as f32),
            Width::Half => (0..PRECISION).flat_map(|digits| near(x, digits)).find(tells).unwrap_or_default(),
        };
        // Where two are as near as each other, the even one.
        let digits =
            shortest.find('e').map_or(0, |end| shortest[..end].trim_start_matches('-').len().saturating_sub(2));
        Some(format!("{x:.digits$e}")).filter(tells).unwrap_or(shortest)
    }
}

/// The decimals of so many digits after the point that are next to `x`, as `d.ddde-5`, the nearest first.
fn near(x: f64, digits: usize) -> Vec<String> {
    let nearest = format!("{x:.digits$e}");
    let (mantissa, exponent) = nearest.split_once('e').unwrap_or((&nearest, "0"));
    let mantissa: i64 = mantissa.replace('.', "").parse().unwrap_or(0);
    let exponent = exponent.parse::<i64>().unwrap_or(0) - i64::try_from(digits).unwrap_or(0);
    let neighbours = [mantissa + 1, mantissa - 1].map(|mantissa| format!("{mantissa}e{exponent}"));
    let parsed = neighbours.iter().filter_map(|text| text.parse::<f64>().ok()).map(|x| format!("{x:e}"));
    [nearest.clone()].into_iter().chain(parsed).collect()
}

/// A float in decimal: sign, digits before and after the point, exponent if it has one.
#[derive(Clone, Debug)]
struct Decimal {
    whole: String,
    fraction: String,
    exponent: Option<i32>,
}

/// How the floats of one array are printed.
pub(super) struct FloatFormat {
    width: Width,
    exponents: bool,
    plus: bool,
    /// Characters before the point.
    left: usize,
    /// Characters after it, the exponent included.
    right: usize,
    /// Digits after the point, where there are exponents.
    digits: usize,
    exponent_digits: usize,
}

impl FloatFormat {
    /// The format for `values`, with a sign before positive ones if `plus`.
    pub(super) fn new(values: &[f64], width: Width, plus: bool) -> Self {
        let finite = || values.iter().copied().filter(|x| x.is_finite());
        let exponents = needs_exponents(finite().map(f64::abs).filter(|x| *x != 0.0), width);
        let mut format = FloatFormat { width, exponents, plus, left: 0, right: 0, digits: 0, exponent_digits: 0 };
        for x in finite() {
            let decimal = format.decimal(x);
            format.left = format.left.max(decimal.whole.len());
            format.digits = format.digits.max(decimal.fraction.len());
            let exponent = decimal.exponent.map_or(0, |exponent| exponent.unsigned_abs().to_string().len().max(2));
            format.exponent_digits = format.exponent_digits.max(exponent);
        }
        format.right = if exponents { format.digits + format.exponent_digits + 2 } else { format.digits };
        if values.iter().any(|x| !x.is_finite()) {
            let signed = plus || values.contains(&f64::NEG_INFINITY);
            let widest = 3 + usize::from(signed);
            format.left = format.left.max(widest.saturating_sub(format.right + 1));
        }
        format
    }

    /// The text of one of the values, as wide as that of all others.
    pub(super) fn text(&self, x: f64) -> String {
        if !x.is_finite() {
            let word = if x.is_nan() { "nan" } else { "inf" };
            let sign = if x < 0.0 { "-" } else { self.sign() };
            return format!("{:>1$}", format!("{sign}{word}"), self.left + self.right + 1);
        }
        let decimal = self.decimal(x);
        let left = self.left;
        match decimal.exponent {
            None => format!("{:>left$}.{:<right$}", decimal.whole, decimal.fraction, right = self.right),
            Some(_) if decimal.fraction.len() != self.digits => {
                // Where others need more digits, those of the exact value follow.
                let Decimal { whole, fraction, exponent } = self.split(x, &format!("{x:.*e}", self.digits));
                format!("{whole:>left$}.{fraction}{}", self.exponent_text(exponent))
            }
            exponent => format!("{:>left$}.{}{}", decimal.whole, decimal.fraction, self.exponent_text(exponent)),
        }
    }

    fn exponent_text(&self, exponent: Option<i32>) -> String {
        let exponent = exponent.unwrap_or(0);
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("e{sign}{:0>1$}", exponent.unsigned_abs(), self.exponent_digits)
    }

    fn sign(&self) -> &'static str {
        if self.plus { "+" } else { "" }
    }

    /// `x` with the fewest digits that tell it, or rounded where those are too many; without zeros at the end.
    fn decimal(&self, x: f64) -> Decimal {
        let shortest = self.width.shortest(x);
        let decimal = self.split(x, &shortest);
        if self.exponents {
            if decimal.fraction.len() <= PRECISION {
                return decimal;
            }
            return trimmed(self.split(x, &format!("{x:.PRECISION$e}")));
        }
        let (whole, fraction) = positional(&shortest);
        let (whole, fraction) = if fraction.len() <= PRECISION {
            (whole, fraction)
        } else {
            let rounded = format!("{:.PRECISION$}", x.abs());
            let (whole, fraction) = rounded.split_once('.').unwrap_or((&rounded, ""));
            (whole.to_owned(), fraction.to_owned())
        };
        trimmed(Decimal { whole: self.signed(x, &whole), fraction, exponent: None })
    }

    fn signed(&self, x: f64, digits: &str) -> String {
        let sign = if x.is_sign_negative() { "-" } else { self.sign() };
        format!("{sign}{digits}")
    }

    /// The parts of `-d.ddde-5`.
    fn split(&self, x: f64, scientific: &str) -> Decimal {
        let (digits, exponent) = scientific.trim_start_matches('-').split_once('e').unwrap_or((scientific, "0"));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        Decimal {
            whole: self.signed(x, whole),
            fraction: fraction.to_owned(),
            exponent: Some(exponent.parse().unwrap_or(0)),
        }
    }
}

fn trimmed(mut decimal: Decimal) -> Decimal {
    decimal.fraction.truncate(decimal.fraction.trim_end_matches('0').len());
    decimal
}

/// A float alone, with all the digits that tell it: Python's `repr`.
pub(super) fn alone(x: f64, width: Width) -> String {
    if !x.is_finite() {
        return if x.is_nan() {
            "nan".to_owned()
        } else if x < 0.0 {
            "-inf".to_owned()
        } else {
            "inf".to_owned()
        };
    }
    let shortest = width.shortest(x);
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    match exponent.parse::<i32>().unwrap_or(0) {
        -4..=15 => {
            let (whole, fraction) = positional(&shortest);
            let sign = if x.is_sign_negative() { "-" } else { "" };
            format!("{sign}{whole}.{}", if fraction.is_empty() { "0" } else { &fraction })
        }
        exponent => format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs()),
    }
}

/// Whether very large, very small or very different values are among those, none of them zero.
fn needs_exponents(values: impl Iterator<Item = f64>, width: Width) -> bool {
    let (least, most) = values.fold((f64::INFINITY, 0.0), |(least, most), x| (x.min(least), x.max(most)));
    // NumPy compares and divides in the width of the floats.
    most > 0.0 && (most >= width.large() || least < width.round(0.0001) || width.round(most / least) > 1000.0)
}

/// The digits of `-d.ddde-5` before and after the point, without exponent and sign.
fn positional(scientific: &str) -> (String, String) {
    let (digits, exponent) = scientific.trim_start_matches('-').split_once('e').unwrap_or((scientific, "0"));
    let digits = digits.replace('.', "");
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    let before = usize::try_from(point).unwrap_or(0);
    let zeros = usize::try_from(-point).unwrap_or(0);
    if before == 0 {
        let fraction = repeat_n('0', zeros).chain(digits.chars()).collect::<String>();
        return ("0".to_owned(), if fraction.bytes().all(|digit| digit == b'0') { String::new() } else { fraction });
    }
    let whole = digits.chars().chain(repeat_n('0', before.saturating_sub(digits.len()))).take(before).collect();
    (whole, digits.chars().skip(before).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(values: &[f64], width: Width) -> Vec<String> {
        let format = FloatFormat::new(values, width, false);
        values.iter().map(|x| format.text(*x)).collect()
    }

    #[test]
    fn points_line_up() {
        assert_eq!(texts(&[1.0, 2.5, -10.125], Width::Double), ["  1.   ", "  2.5  ", "-10.125"]);
        assert_eq!(texts(&[0.0, -0.0], Width::Double), [" 0.", "-0."]);
        assert_eq!(texts(&[100_000.0, 1000.0], Width::Double), ["100000.", "  1000."]);
    }

    #[test]
    fn digits_are_those_of_the_width() {
        assert_eq!(texts(&[f64::from(0.1_f32)], Width::Single), ["0.1"]);
        assert_eq!(texts(&[f64::from(f16::from_f64(0.1))], Width::Half), ["0.1"]);
        assert_eq!(texts(&[1.0 / 3.0], Width::Double), ["0.33333333"]);
    }

    #[test]
    fn what_differs_much_gets_exponents() {
        assert_eq!(texts(&[1e-5, 1.5], Width::Double), ["1.0e-05", "1.5e+00"]);
        assert_eq!(texts(&[1e200, -1.0], Width::Double), [" 1.e+200", "-1.e+000"]);
        assert_eq!(texts(&[1000.0], Width::Half), ["1.e+03"]);
    }

    #[test]
    fn alone_it_has_all_its_digits() {
        let cases = [(0.1, "0.1"), (-0.0, "-0.0"), (1e16, "1e+16"), (1e15, "1000000000000000.0"), (0.00012, "0.00012")];
        for (x, text) in cases {
            assert_eq!(alone(x, Width::Double), text);
        }
        assert_eq!(alone(1.25e-5, Width::Double), "1.25e-05");
        assert_eq!(alone(f64::from(0.1_f32), Width::Single), "0.1");
        assert_eq!(alone(f64::NEG_INFINITY, Width::Half), "-inf");
    }

    #[test]
    fn there_is_room_for_what_is_not_finite() {
        assert_eq!(texts(&[1.0, f64::NAN], Width::Double), [" 1.", "nan"]);
        assert_eq!(texts(&[1.0, f64::NEG_INFINITY], Width::Double), ["  1.", "-inf"]);
        assert_eq!(texts(&[f64::NAN], Width::Double), ["nan"]);
    }
}
