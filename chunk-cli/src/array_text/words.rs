//! The text of each element, all of one array together.

use chunk_core::{
    Buffer, ComplexNumber, DType, Element, ElementVisitor, Float, Integer, RealNumber, Result, StructType, TimeUnit,
};
use serde_json::Value;

use super::floats::{FloatFormat, Width, alone};
use super::times::{NAT, moment};
use super::{EDGE, GAP, THRESHOLD};

/// The elements of a packed buffer as NumPy prints them in one array, each as wide as it must be to line up. `scalar` is
/// an array without axes, where nothing has to.
///
/// # Errors
/// An [`Error::InvalidArgument`](chunk_core::Error::InvalidArgument) for bools that are neither 0 nor 1 and for buffers
/// that are not aligned.
pub(crate) fn words(dtype: &DType, bytes: &[u8], scalar: bool) -> Result<Vec<String>> {
    if let Some(words) = dtype.dispatch(Words { bytes, scalar }) {
        return words;
    }
    Ok(match dtype {
        DType::DateTime64(unit) => moments(i64::from_bytes(bytes)?, *unit),
        DType::TimeDelta64(_) => durations(i64::from_bytes(bytes)?),
        DType::Enum(kind) => words(&kind.base, bytes, scalar)?,
        DType::Struct(kind) => structures(kind, bytes, scalar)?,
        DType::Array { element, shape } => {
            let inner = words(element, bytes, false)?;
            inner.chunks(shape.elements().max(1) as usize).map(|words| nested(words, shape)).collect()
        }
        DType::Bytes(_) => each(dtype, bytes, |element| bytes_literal(trimmed(element))),
        DType::Utf8(_) => each(dtype, bytes, |element| text_literal(&String::from_utf8_lossy(trimmed(element)))),
        DType::Ucs4(_) => each(dtype, bytes, |element| text_literal(&code_points(element))),
        // Opaque bytes, and dtypes that came after this program.
        _ => each(dtype, bytes, hexadecimal_literal),
    })
}

/// One element alone, floats with all their digits, as Python's `repr` has it.
///
/// # Errors
/// As [`words`].
pub(crate) fn word(dtype: &DType, bytes: &[u8]) -> Result<String> {
    let mut element = Buffer::zeroed(bytes.len())?;
    element.copy_from_slice(bytes);
    match dtype.dispatch(Alone(&element)).transpose()?.flatten() {
        Some(word) => Ok(word),
        None => Ok(words(dtype, &element, true)?.concat()),
    }
}

/// Formats the numbers of a buffer together.
struct Words<'a> {
    bytes: &'a [u8],
    scalar: bool,
}

impl ElementVisitor for Words<'_> {
    type Output = Result<Vec<String>>;

    fn visit_bool(self) -> Self::Output {
        Ok(bools(bool::from_bytes(self.bytes)?, self.scalar))
    }

    fn visit_integer<T: Integer>(self) -> Self::Output {
        Ok(right_aligned(T::from_bytes(self.bytes)?.iter().map(ToString::to_string).collect()))
    }

    fn visit_float<T: Float>(self) -> Self::Output {
        let values: Vec<f64> = T::from_bytes(self.bytes)?.iter().map(|x| x.to_f64()).collect();
        Ok(float_words(&values, Width::of::<T>(), false))
    }

    fn visit_complex<T: ComplexNumber>(self) -> Self::Output {
        Ok(complex(T::from_bytes(self.bytes)?))
    }
}

/// Formats one float or complex number with all its digits; `None` for other numbers.
struct Alone<'a>(&'a Buffer);

impl ElementVisitor for Alone<'_> {
    type Output = Result<Option<String>>;

    fn visit_bool(self) -> Self::Output {
        Ok(None)
    }

    fn visit_integer<T: Integer>(self) -> Self::Output {
        Ok(None)
    }

    fn visit_float<T: Float>(self) -> Self::Output {
        Ok(Some(alone(self.0.elements::<T>()?[0].to_f64(), Width::of::<T>())))
    }

    fn visit_complex<T: ComplexNumber>(self) -> Self::Output {
        Ok(Some(complex_alone(self.0.elements::<T>()?[0])))
    }
}

fn complex_alone<T: ComplexNumber>(x: T) -> String {
    let width = Width::of::<T::Part>();
    let (real, imaginary) = (alone(x.re().to_f64(), width), alone(x.im().to_f64(), width));
    let plus = if imaginary.starts_with('-') { "" } else { "+" };
    format!("({real}{plus}{imaginary}j)")
}

/// One element as JSON: a number, a pair for a complex one, true or false; else its text, as for NaN and infinity, which
/// JSON does not have.
///
/// # Errors
/// As [`words`].
pub(crate) fn json(dtype: &DType, bytes: &[u8]) -> Result<Value> {
    let part = |dtype: &DType, bytes: &[u8]| -> Result<Value> {
        let text = word(dtype, bytes)?;
        Ok(serde_json::from_str(&text.to_lowercase()).unwrap_or(Value::String(text)))
    };
    match dtype {
        DType::ComplexF32 => Ok(vec![part(&DType::F32, &bytes[..4])?, part(&DType::F32, &bytes[4..])?].into()),
        DType::ComplexF64 => Ok(vec![part(&DType::F64, &bytes[..8])?, part(&DType::F64, &bytes[8..])?].into()),
        dtype if dtype.is_numeric() => part(dtype, bytes),
        dtype => word(dtype, bytes).map(Value::String),
    }
}

fn each(dtype: &DType, bytes: &[u8], word: impl Fn(&[u8]) -> String) -> Vec<String> {
    bytes.chunks_exact(dtype.size().max(1)).map(word).collect()
}

fn right_aligned(words: Vec<String>) -> Vec<String> {
    let width = words.iter().map(|word| word.chars().count()).max().unwrap_or(0);
    words.into_iter().map(|word| format!("{word:>width$}")).collect()
}

fn bools(elements: &[bool], scalar: bool) -> Vec<String> {
    let yes = if scalar { "True" } else { " True" };
    elements.iter().map(|element| if *element { yes } else { "False" }.to_owned()).collect()
}

fn float_words(values: &[f64], width: Width, plus: bool) -> Vec<String> {
    let format = FloatFormat::new(values, width, plus);
    values.iter().map(|x| format.text(*x)).collect()
}

fn complex<T: ComplexNumber>(elements: &[T]) -> Vec<String> {
    let width = Width::of::<T::Part>();
    let real = float_words(&elements.iter().map(|x| x.re().to_f64()).collect::<Vec<_>>(), width, false);
    let imaginary = float_words(&elements.iter().map(|x| x.im().to_f64()).collect::<Vec<_>>(), width, true);
    let joined = real.into_iter().zip(imaginary).map(|(real, imaginary)| {
        let digits = imaginary.trim_end();
        format!("{real}{digits}j{}", &imaginary[digits.len()..])
    });
    joined.collect()
}

fn moments(counts: &[i64], unit: TimeUnit) -> Vec<String> {
    let word = |count: &i64| if *count == NAT { "'NaT'".to_owned() } else { format!("'{}'", moment(*count, unit)) };
    right_aligned(counts.iter().map(word).collect())
}

fn durations(counts: &[i64]) -> Vec<String> {
    let word = |count: &i64| if *count == NAT { "'NaT'".to_owned() } else { count.to_string() };
    right_aligned(counts.iter().map(word).collect())
}

/// Each structure in parentheses; the values of one field are formatted together.
fn structures(kind: &StructType, bytes: &[u8], scalar: bool) -> Result<Vec<String>> {
    let size = kind.size.max(1);
    let mut columns = Vec::new();
    for field in &kind.fields {
        let span = field.offset..field.offset + field.dtype.size();
        let mut column = Buffer::zeroed(bytes.len() / size * span.len())?;
        for (to, element) in column.chunks_exact_mut(span.len().max(1)).zip(bytes.chunks_exact(size)) {
            to.copy_from_slice(&element[span.clone()]);
        }
        columns.push(words(&field.dtype, &column, scalar)?.into_iter());
    }
    let rows = (0..bytes.len() / size).map(|_| {
        let fields: Vec<String> = columns.iter_mut().map(|column| column.next().unwrap_or_default()).collect();
        let comma = if fields.len() == 1 { "," } else { "" };
        format!("({}{comma})", fields.join(", "))
    });
    Ok(rows.collect())
}

/// An array inside an element: `[[a, b], [c, d]]`.
fn nested(words: &[String], shape: &[u64]) -> String {
    nested_axis(words, shape, words.len() as u64 > THRESHOLD)
}

fn nested_axis(words: &[String], shape: &[u64], abbreviated: bool) -> String {
    let Some((extent, inner)) = shape.split_first() else { return words.first().cloned().unwrap_or_default() };
    let step = words.len() / (*extent).max(1) as usize;
    let item = |number: u64| {
        let begin = number as usize * step;
        nested_axis(&words[begin..begin + step], inner, abbreviated)
    };
    let items: Vec<String> = if abbreviated && *extent > 2 * EDGE {
        (0..EDGE).map(item).chain([GAP.to_owned()]).chain((extent - EDGE..*extent).map(item)).collect()
    } else {
        (0..*extent).map(item).collect()
    };
    format!("[{}]", items.join(", "))
}

/// Without the zeros that pad it.
fn trimmed(element: &[u8]) -> &[u8] {
    let end = element.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &element[..end]
}

fn code_points(element: &[u8]) -> String {
    let points = element.as_chunks::<4>().0.iter().map(|bytes| u32::from_ne_bytes(*bytes));
    let text: String = points.map(|point| char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    text.trim_end_matches('\0').to_owned()
}

/// Python's `repr` of bytes.
fn bytes_literal(bytes: &[u8]) -> String {
    let quote = quote_for(bytes.contains(&b'\''), bytes.contains(&b'"'));
    let body: String = bytes
        .iter()
        .map(|byte| match byte {
            b'\\' => "\\\\".to_owned(),
            b'\n' => "\\n".to_owned(),
            b'\r' => "\\r".to_owned(),
            b'\t' => "\\t".to_owned(),
            byte if char::from(*byte) == quote => format!("\\{quote}"),
            b' '..=b'~' => char::from(*byte).to_string(),
            byte => format!("\\x{byte:02x}"),
        })
        .collect();
    format!("b{quote}{body}{quote}")
}

fn hexadecimal_literal(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("\\x{byte:02X}")).collect();
    format!("b'{}'", digits.concat())
}

/// Python's `repr` of text.
pub(crate) fn text_literal(text: &str) -> String {
    let quote = quote_for(text.contains('\''), text.contains('"'));
    let body: String = text
        .chars()
        .map(|c| match c {
            '\\' => "\\\\".to_owned(),
            '\n' => "\\n".to_owned(),
            '\r' => "\\r".to_owned(),
            '\t' => "\\t".to_owned(),
            c if c == quote => format!("\\{quote}"),
            c if is_printable(c) => c.to_string(),
            c if u32::from(c) <= 0xff => format!("\\x{:02x}", u32::from(c)),
            c if u32::from(c) <= 0xffff => format!("\\u{:04x}", u32::from(c)),
            c => format!("\\U{:08x}", u32::from(c)),
        })
        .collect();
    format!("{quote}{body}{quote}")
}

fn quote_for(single: bool, double: bool) -> char {
    if single && !double { '"' } else { '\'' }
}

/// Whether Rust shows the character as it is. An accent that joins the character before is shown after one.
fn is_printable(c: char) -> bool {
    !c.is_control() && (matches!(c, '\'' | '"' | '\\') || format!("a{c}").escape_debug().count() == 2)
}

#[cfg(test)]
mod tests {
    use chunk_core::Complex;

    use super::*;

    fn buffer(bytes: &[u8]) -> Buffer {
        let mut buffer = Buffer::zeroed(bytes.len()).unwrap();
        buffer.copy_from_slice(bytes);
        buffer
    }

    #[test]
    fn structures_have_their_fields_formatted_together() {
        let fields = [("a", DType::I16), ("b", DType::Array { element: DType::U8.into(), shape: [2].into() })];
        let kind = StructType::packed(fields.map(|(name, dtype)| (name.to_owned(), dtype)));
        let bytes = [&5_i16.to_ne_bytes()[..], &[1, 2], &(-300_i16).to_ne_bytes(), &[30, 4]].concat();
        let words = words(&DType::Struct(kind.into()), &buffer(&bytes), false).unwrap();
        assert_eq!(words, ["(   5, [ 1,  2])", "(-300, [30,  4])"]);
    }

    #[test]
    fn text_is_quoted_as_python_does() {
        assert_eq!(bytes_literal(b"it's \x00\n"), "b\"it's \\x00\\n\"");
        assert_eq!(text_literal("a'b\"\u{7f}\u{e9}\u{200b}"), "'a\\'b\"\\x7f\u{e9}\\u200b'");
        assert_eq!(text_literal("e\u{301}"), "'e\u{301}'");
    }

    #[test]
    fn one_element_alone() {
        let x = Complex::new(0.1_f32, -2.0);
        assert_eq!(word(&DType::ComplexF32, Complex::as_bytes(&[x])).unwrap(), "(0.1-2.0j)");
        assert_eq!(json(&DType::ComplexF32, Complex::as_bytes(&[x])).unwrap(), serde_json::json!([0.1, -2.0]));
        assert_eq!(json(&DType::F64, &f64::NAN.to_ne_bytes()).unwrap(), "nan");
        assert_eq!(json(&DType::U64, &u64::MAX.to_ne_bytes()).unwrap(), u64::MAX);
        assert_eq!(json(&DType::Bool, &[1]).unwrap(), true);
        assert_eq!(json(&DType::Bytes(1), b"7").unwrap(), "b'7'");
    }

    #[test]
    fn complex_numbers_keep_their_j_at_the_digits() {
        let elements = [Complex::new(1.0, -2.25), Complex::new(0.5, 3.0)];
        let words = words(&DType::ComplexF64, &buffer(Complex::as_bytes(&elements)), false).unwrap();
        assert_eq!(words, ["1. -2.25j", "0.5+3.j  "]);
    }
}
