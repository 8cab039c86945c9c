//! Sizes in bytes, as people write and read them.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// A number of bytes; prints with a binary unit.
///
/// ```
/// use chunk_core::Bytes;
///
/// assert_eq!(Bytes(3 << 19).to_string(), "1.5 MiB");
/// assert_eq!("1.5M".parse::<Bytes>()?, Bytes(3 << 19));
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let mut unit = 0;
        let mut value = self.0 as f64 / 1024.0;
        while value >= 1024.0 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        // One digit after the point, unless it is a zero.
        let text = format!("{value:.1}");
        write!(f, "{} {}", text.strip_suffix(".0").unwrap_or(&text), UNITS[unit])
    }
}

impl FromStr for Bytes {
    type Err = Error;

    /// Reads `"4096"`, `"250M"`, `"1.5GiB"`: `K M G T P` and `KiB ..` are both 1024-based, in either case.
    fn from_str(text: &str) -> Result<Self> {
        let fail = |reason| Error::InvalidBytes { text: text.to_owned(), reason };
        let trimmed = text.trim();
        if trimmed.starts_with('-') {
            return Err(fail("it is negative"));
        }
        let digits = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(digits);
        let scale = unit_scale(unit.trim()).map_err(fail)?;
        if number.is_empty() {
            return Err(fail("there is no number"));
        }
        if let Ok(whole) = number.parse::<u64>() {
            return whole.checked_mul(scale).map(Bytes).ok_or_else(|| fail("it is too large"));
        }
        let value = number.parse::<f64>().map_err(|_| fail("the number is malformed"))? * scale as f64;
        if value >= u64::MAX as f64 {
            return Err(fail("it is too large"));
        }
        #[expect(clippy::cast_sign_loss, reason = "digits and a point are never negative")]
        let bytes = value as u64;
        Ok(Bytes(bytes))
    }
}

fn unit_scale(unit: &str) -> std::result::Result<u64, &'static str> {
    if unit.is_empty() || unit.eq_ignore_ascii_case("B") {
        return Ok(1);
    }
    let power = UNITS.iter().position(|name| unit.eq_ignore_ascii_case(name) || unit.eq_ignore_ascii_case(&name[..1]));
    match power {
        Some(power) => Ok(1 << (10 * (power + 1))),
        None => Err("the unit is unknown; there are K, M, G, T and KiB, MiB, GiB, TiB, all 1024-based"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_binary_units_in_either_spelling() {
        let cases = [("0", 0), ("17", 17), ("1K", 1024), ("250M", 250 << 20), ("1.5GiB", 3 << 29), ("2 tib", 2 << 40)];
        for (text, bytes) in cases {
            assert_eq!(text.parse::<Bytes>().unwrap(), Bytes(bytes), "{text}");
        }
    }

    #[test]
    fn refuses_nonsense_and_says_why() {
        for text in ["12Q", "", "M", "-3M", "1.2.3M", "10MB", "99999999999G", "1e3"] {
            let message = text.parse::<Bytes>().unwrap_err().to_string();
            assert!(message.contains("is not a byte size"), "{text}: {message}");
        }
    }

    #[test]
    fn prints_with_a_binary_unit() {
        let cases = [
            (5, "5 B"),
            (1024, "1 KiB"),
            (512 << 20, "512 MiB"),
            (1_500_000, "1.4 MiB"),
            ((64 << 20) + 5, "64 MiB"),
            (u64::MAX, "16 EiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
    }
}
