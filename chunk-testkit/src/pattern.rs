//! Test data for every dtype: edges first, then noise.

use std::sync::Arc;

use chunk_core::{DType, EnumType, Shape, StructType, TimeStep, TimeUnit};

use crate::random::Random;

/// So many elements of `dtype`, packed, in native byte order; the same for the same arguments.
///
/// Numbers begin with their edges (extremes, negative zero, infinities, the least subnormal, quiet and signalling
/// NaNs with payloads) and go on with noise, so that every pattern of bytes is likely. Bools are 0 and 1, texts are
/// valid, enumerations hold their members, padding inside structures is zero.
///
/// ```
/// use chunk_core::DType;
/// use chunk_testkit::pattern;
///
/// let bytes = pattern(&DType::F32, 100);
/// assert_eq!(bytes.len(), 400);
/// assert!(bytes.chunks(4).any(|x| f32::from_ne_bytes(x.try_into().unwrap()).is_nan()));
/// ```
#[must_use]
pub fn pattern(dtype: &DType, elements: u64) -> Vec<u8> {
    let mut out = vec![0; elements as usize * dtype.size()];
    let mut random = Random::new(dtype.size() as u64);
    if dtype.size() > 0 {
        for (number, element) in out.chunks_exact_mut(dtype.size()).enumerate() {
            fill(dtype, number, element, &mut random);
        }
    }
    out
}

/// Dtypes that are not numbers, one of each kind: what a backend that claims "everything" is tried with.
#[must_use]
pub fn structured_dtypes() -> Vec<DType> {
    let members = vec![("no".to_owned(), -1), ("yes".to_owned(), 300)];
    let choice = DType::Enum(Arc::new(EnumType { base: DType::I16, members }));
    let record = StructType::packed([
        ("x".to_owned(), DType::F32),
        ("label".to_owned(), DType::Bytes(3)),
        ("grid".to_owned(), DType::Array { element: Arc::new(DType::U16), shape: Shape::from([2, 2]) }),
        ("choice".to_owned(), choice.clone()),
    ]);
    vec![
        DType::Bytes(7),
        DType::Utf8(4),
        DType::Ucs4(3),
        DType::DateTime64(TimeUnit { step: Some(TimeStep::Nanosecond), multiple: 1 }),
        DType::TimeDelta64(TimeUnit { step: Some(TimeStep::Second), multiple: 25 }),
        DType::Opaque { size: 5, tag: None },
        choice,
        DType::Struct(Arc::new(record)),
    ]
}

/// Numbers that a filter can shrink: element `i` is the small integer `i % 251`, where the dtype has one.
pub(crate) fn smooth(dtype: &DType, elements: u64) -> Vec<u8> {
    if matches!(dtype, DType::Bool | DType::Utf8(_) | DType::Ucs4(_) | DType::Enum(_) | DType::Struct(_)) {
        return pattern(dtype, elements);
    }
    let size = dtype.size().max(1);
    let low = if cfg!(target_endian = "little") { 0 } else { size - 1 };
    let mut out = vec![0; elements as usize * dtype.size()];
    for (number, element) in out.chunks_exact_mut(size).enumerate() {
        element[low] = (number % 251) as u8;
    }
    out
}

/// Replaces every NaN by the one quiet NaN without a payload.
pub(crate) fn make_nans_canonical(dtype: &DType, bytes: &mut [u8]) {
    match dtype {
        DType::F16 => replace(bytes, |bits: [u8; 2]| is_nan_16(u16::from_ne_bytes(bits)), 0x7e00_u16.to_ne_bytes()),
        DType::F32 | DType::ComplexF32 => {
            replace(bytes, |bits: [u8; 4]| f32::from_ne_bytes(bits).is_nan(), f32::NAN.to_ne_bytes());
        }
        DType::F64 | DType::ComplexF64 => {
            replace(bytes, |bits: [u8; 8]| f64::from_ne_bytes(bits).is_nan(), f64::NAN.to_ne_bytes());
        }
        _ => {}
    }
}

fn is_nan_16(bits: u16) -> bool {
    bits & 0x7fff > 0x7c00
}

fn replace<const N: usize>(bytes: &mut [u8], is_nan: impl Fn([u8; N]) -> bool, canonical: [u8; N]) {
    for number in bytes.as_chunks_mut::<N>().0 {
        if is_nan(*number) {
            *number = canonical;
        }
    }
}

/// Element `number` of the pattern.
fn fill(dtype: &DType, number: usize, out: &mut [u8], random: &mut Random) {
    match dtype {
        DType::Bool => out[0] = random.below(2) as u8,
        DType::F16 => edge_or_noise(&EDGES_16.map(u16::to_ne_bytes), number, out, random),
        DType::F32 => edge_or_noise(&EDGES_32.map(u32::to_ne_bytes), number, out, random),
        DType::F64 => edge_or_noise(&EDGES_64.map(u64::to_ne_bytes), number, out, random),
        DType::ComplexF32 => fill_halves(&DType::F32, number, out, random),
        DType::ComplexF64 => fill_halves(&DType::F64, number, out, random),
        DType::Utf8(_) => fill_text(out, random),
        DType::Ucs4(_) => fill_code_points(out, random),
        DType::Enum(kind) => fill_member(kind, out, random),
        DType::Struct(kind) => {
            for field in &kind.fields {
                fill(&field.dtype, number, &mut out[field.offset..field.offset + field.dtype.size()], random);
            }
        }
        DType::Array { element, .. } if element.size() > 0 => {
            out.chunks_exact_mut(element.size()).for_each(|inner| fill(element, number, inner, random));
        }
        _ => fill_integer(number, out, random),
    }
}

/// All zeros, all ones, the least and the greatest signed number, then noise: also for bytes without meaning.
fn fill_integer(number: usize, out: &mut [u8], random: &mut Random) {
    let (rest, high) = match number {
        0 => (0x00, 0x00),
        1 => (0xff, 0xff),
        2 => (0x00, 0x80),
        3 => (0xff, 0x7f),
        _ => return random.fill(out),
    };
    out.fill(rest);
    let highest = if cfg!(target_endian = "little") { out.len().saturating_sub(1) } else { 0 };
    if let Some(byte) = out.get_mut(highest) {
        *byte = high;
    }
}

/// Zeros, infinities, subnormals, the extremes, NaNs: quiet, signalling, negative, with a payload.
const EDGES_16: [u16; 12] = [0, 0x8000, 0x7c00, 0xfc00, 1, 0x8001, 0x0400, 0x7bff, 0xfbff, 0x7e00, 0xfe2a, 0x7d2a];
const EDGES_32: [u32; 12] = [
    0,
    0x8000_0000,
    0x7f80_0000,
    0xff80_0000,
    1,
    0x8000_0001,
    0x0080_0000,
    0x7f7f_ffff,
    0xff7f_ffff,
    0x7fc0_0000,
    0xffc0_beef,
    0x7fa0_beef,
];
const EDGES_64: [u64; 12] = [
    0,
    0x8000_0000_0000_0000,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    1,
    0x8000_0000_0000_0001,
    0x0010_0000_0000_0000,
    0x7fef_ffff_ffff_ffff,
    0xffef_ffff_ffff_ffff,
    0x7ff8_0000_0000_0000,
    0xfff8_dead_beef_0001,
    0x7ff4_dead_beef_0001,
];

fn edge_or_noise<const N: usize>(edges: &[[u8; N]], number: usize, out: &mut [u8], random: &mut Random) {
    match edges.get(number) {
        Some(edge) => out.copy_from_slice(edge),
        None => random.fill(out),
    }
}

fn fill_halves(part: &DType, number: usize, out: &mut [u8], random: &mut Random) {
    let (real, imaginary) = out.split_at_mut(part.size());
    fill(part, number, real, random);
    // Another edge than the real part's.
    fill(part, number * 5 % 12, imaginary, random);
}

/// Text of one to four bytes a letter, cut where the next letter does not fit, padded with zeros.
fn fill_text(out: &mut [u8], random: &mut Random) {
    const LETTERS: [char; 6] = ['a', 'Z', '0', 'é', '→', '𝄞'];
    let mut at = 0;
    loop {
        let letter = LETTERS[random.below(LETTERS.len() as u64) as usize];
        let end = at + letter.len_utf8();
        if end > out.len() || random.below(8) == 0 {
            return;
        }
        letter.encode_utf8(&mut out[at..end]);
        at = end;
    }
}

fn fill_code_points(out: &mut [u8], random: &mut Random) {
    let length = random.below(out.len() as u64 / 4 + 1) as usize;
    for point in out.as_chunks_mut::<4>().0.iter_mut().take(length) {
        *point = (0x20 + random.below(0xd000) as u32).to_ne_bytes();
    }
}

fn fill_member(kind: &EnumType, out: &mut [u8], random: &mut Random) {
    let Some((_, value)) = kind.members.get(random.below(kind.members.len().max(1) as u64) as usize) else { return };
    let bytes = value.to_le_bytes();
    out.copy_from_slice(&bytes[..out.len()]);
    if cfg!(target_endian = "big") {
        out.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_the_edges_and_every_byte() {
        for dtype in DType::numeric().chain(structured_dtypes()) {
            let bytes = pattern(&dtype, 500);
            assert_eq!(bytes.len(), 500 * dtype.size(), "{dtype}");
            assert_eq!(bytes, pattern(&dtype, 500), "{dtype}");
        }
        let mut seen = [false; 256];
        for byte in pattern(&DType::I64, 500) {
            seen[usize::from(byte)] = true;
        }
        assert!(seen.iter().all(|seen| *seen));
        assert!(pattern(&DType::Bool, 500).iter().all(|byte| *byte < 2));
        assert!(std::str::from_utf8(&pattern(&DType::Utf8(4), 500)).is_ok());
    }

    #[test]
    fn canonical_nans_are_of_one_pattern() {
        for dtype in [DType::F16, DType::F32, DType::ComplexF64] {
            let mut bytes = pattern(&dtype, 100);
            let before = bytes.clone();
            make_nans_canonical(&dtype, &mut bytes);
            assert_ne!(bytes, before, "{dtype}");
        }
    }
}
