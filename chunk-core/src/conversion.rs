//! Elements of one dtype converted to elements of another.

use std::marker::PhantomData;

use crate::{Casting, DType, Element, Error, Number, NumberVisitor, Result};

/// The conversion of packed, native-order elements of one dtype to elements of another.
///
/// Numbers become floats by rounding, floats integers by dropping what is behind the point. Real
/// numbers become complex with a zero imaginary part, complex numbers lose it. Anything but zero is
/// true. Text is padded with zeros.
///
/// A value that nothing in the target stands for is an error, never another value: a number outside
/// an integer's range, a NaN as an integer, a finite number beyond the largest of a float type, text
/// too long for its target, letters beyond ASCII as bytes.
///
/// [`Number::cast`] does the same for one number.
///
/// ```
/// use chunk_core::{Casting, Conversion, DType, Element};
///
/// let narrow = Conversion::new(&DType::F64, &DType::F32, Casting::SameKind, "x.npy")?;
/// let mut out = [0; 8];
/// narrow.apply(f64::as_bytes(&[0.1, 2.0]), &mut out)?;
/// assert_eq!(out, f32::as_bytes(&[0.1, 2.0]));
/// assert!(Conversion::new(&DType::F64, &DType::I32, Casting::SameKind, "x.npy").is_err());
/// # Ok::<(), chunk_core::Error>(())
/// ```
///
/// # Source
/// `numpy.ndarray.astype`, against which the interoperability tests hold it.
#[derive(Clone, Debug)]
pub struct Conversion {
    from: DType,
    to: DType,
    dataset: String,
    way: Way,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Copy,
    Numbers(Convert),
    Text { from: Text, to: Text },
}

/// Converts elements, up to the first that has no value in the target, whose number is the error.
type Convert = fn(&[u8], &mut [u8]) -> std::result::Result<(), usize>;

/// Text of fixed size: what a letter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Bytes,
    Utf8,
    Ucs4,
}

impl Conversion {
    /// Creates the conversion of elements of `from` to elements of `to`; errors name `dataset`.
    ///
    /// # Errors
    /// [`Error::CastRefused`] unless `casting` allows it.
    pub fn new(from: &DType, to: &DType, casting: Casting, dataset: &str) -> Result<Self> {
        let way = if casting.allows(from, to) { way(from, to) } else { None };
        let refused =
            || Error::CastRefused { dataset: dataset.to_owned(), from: from.to_string(), to: to.to_string(), casting };
        let way = way.ok_or_else(refused)?;
        Ok(Conversion { from: from.clone(), to: to.clone(), dataset: dataset.to_owned(), way })
    }

    /// Returns the dtype of what goes in.
    #[must_use]
    pub fn from(&self) -> &DType {
        &self.from
    }

    /// Returns the dtype of what comes out.
    #[must_use]
    pub fn to(&self) -> &DType {
        &self.to
    }

    /// Converts all elements of `from` into `to`.
    ///
    /// # Errors
    /// [`Error::ValueNotRepresentable`] for the first value that the target does not have; what follows it is not
    /// written.
    ///
    /// # Panics
    /// If the buffers do not hold equally many whole elements.
    pub fn apply(&self, from: &[u8], to: &mut [u8]) -> Result<()> {
        let (from_size, to_size) = (self.from.size(), self.to.size());
        assert_eq!(from.len() * to_size, to.len() * from_size, "as many elements go in as come out");
        let converted = match self.way {
            Way::Copy => {
                to.copy_from_slice(from);
                Ok(())
            }
            Way::Numbers(convert) => convert(from, to),
            Way::Text { .. } if from_size == 0 || to_size == 0 => {
                to.fill(0);
                Ok(())
            }
            Way::Text { from: from_text, to: to_text } => {
                let elements = from.chunks_exact(from_size).zip(to.chunks_exact_mut(to_size)).enumerate();
                elements.into_iter().try_for_each(|(number, (from, to))| {
                    recode(from, from_text, to, to_text).then_some(()).ok_or(number)
                })
            }
        };
        converted.map_err(|number| Error::ValueNotRepresentable {
            dataset: self.dataset.clone(),
            value: self.shown(&from[number * from_size..][..from_size]),
            dtype: self.to.to_string(),
        })
    }

    fn shown(&self, element: &[u8]) -> String {
        crate::Scalar::from_bytes(self.from.clone(), element)
            .map_or_else(|error| error.to_string(), |scalar| scalar.to_string())
    }
}

fn way(from: &DType, to: &DType) -> Option<Way> {
    if from == to {
        return Some(Way::Copy);
    }
    match (text(from), text(to)) {
        (Some(from), Some(to)) => Some(Way::Text { from, to }),
        _ => numbers(from, to).map(Way::Numbers),
    }
}

fn text(dtype: &DType) -> Option<Text> {
    match dtype {
        DType::Bytes(_) => Some(Text::Bytes),
        DType::Utf8(_) => Some(Text::Utf8),
        DType::Ucs4(_) => Some(Text::Ucs4),
        _ => None,
    }
}

fn numbers(from: &DType, to: &DType) -> Option<Convert> {
    match (from, to) {
        (DType::Bool, to) => to.dispatch_number(FindFromBool),
        (from, DType::Bool) => from.dispatch_number(FindToBool),
        (from, to) => from.dispatch_number(FindFrom { to }).flatten(),
    }
}

/// Finds the conversion of bools to the visited number type.
struct FindFromBool;

impl NumberVisitor for FindFromBool {
    type Output = Convert;

    fn visit<B: Number>(self) -> Convert {
        |from, to| convert_each(from, to, |x: bool| u8::from(x).cast::<B>())
    }
}

/// Finds the conversion of the visited number type to bools.
struct FindToBool;

impl NumberVisitor for FindToBool {
    type Output = Convert;

    fn visit<A: Number>(self) -> Convert {
        |from, to| convert_each(from, to, |x: A| Some(x != A::default()))
    }
}

/// Finds the conversion of the visited number type to the numbers of a dtype.
struct FindFrom<'a> {
    to: &'a DType,
}

impl NumberVisitor for FindFrom<'_> {
    type Output = Option<Convert>;

    fn visit<A: Number>(self) -> Option<Convert> {
        self.to.dispatch_number(FindFromTo(PhantomData::<A>))
    }
}

/// Finds the conversion of `A` to the visited number type.
struct FindFromTo<A>(PhantomData<A>);

impl<A: Number> NumberVisitor for FindFromTo<A> {
    type Output = Convert;

    fn visit<B: Number>(self) -> Convert {
        |from, to| convert_each(from, to, A::cast::<B>)
    }
}

fn convert_each<A: Element, B: Element>(
    from: &[u8],
    to: &mut [u8],
    cast: impl Fn(A) -> Option<B>,
) -> std::result::Result<(), usize> {
    let elements = A::iter_unaligned(from).zip(to.chunks_exact_mut(size_of::<B>()));
    for (number, (from, to)) in elements.enumerate() {
        let value = cast(from).ok_or(number)?;
        to.copy_from_slice(B::as_bytes(&[value]));
    }
    Ok(())
}

/// Whether the text fits; it is written if it does.
fn recode(from: &[u8], from_text: Text, to: &mut [u8], to_text: Text) -> bool {
    to.fill(0);
    if from_text == to_text {
        let common = from.len().min(to.len());
        to[..common].copy_from_slice(&from[..common]);
        return from[common..].iter().all(|byte| *byte == 0);
    }
    let mut place = 0;
    let mut put = |letter: u32| {
        let (mut utf8, native) = ([0; 4], letter.to_ne_bytes());
        let encoded = match to_text {
            Text::Ucs4 => Some(&native[..]),
            Text::Bytes | Text::Utf8 => char::from_u32(letter)
                .filter(|letter| to_text == Text::Utf8 || letter.is_ascii())
                .map(|letter| letter.encode_utf8(&mut utf8).as_bytes()),
        };
        let room = encoded.and_then(|encoded| Some((to.get_mut(place..place + encoded.len())?, encoded)));
        room.is_some_and(|(room, encoded)| {
            room.copy_from_slice(encoded);
            place += encoded.len();
            true
        })
    };
    let bytes = &from[..from.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)];
    match from_text {
        Text::Bytes => bytes.iter().all(|byte| byte.is_ascii() && put(u32::from(*byte))),
        Text::Utf8 => std::str::from_utf8(bytes).is_ok_and(|text| text.chars().all(|letter| put(u32::from(letter)))),
        Text::Ucs4 => {
            let letters = from.as_chunks::<4>().0[..bytes.len().div_ceil(4)].iter();
            letters.into_iter().all(|letter| put(u32::from_ne_bytes(*letter)))
        }
    }
}

#[cfg(test)]
mod tests {
    use half::f16;
    use num_complex::Complex;

    use super::*;

    fn cast<A: Element, B: Element>(value: A) -> Result<B> {
        let conversion = Conversion::new(&A::DTYPE, &B::DTYPE, Casting::Unsafe, "x")?;
        let mut out = vec![0xee; size_of::<B>()];
        conversion.apply(A::as_bytes(&[value]), &mut out)?;
        let mut elements = [B::default()];
        B::fill_bytes(&mut elements, |bytes| {
            bytes.copy_from_slice(&out);
            Ok(())
        })?;
        Ok(elements[0])
    }

    #[test]
    fn numbers_must_fit() {
        assert_eq!(cast::<i32, u8>(255).unwrap(), 255);
        assert!(cast::<i32, u8>(-1).is_err() && cast::<u64, i64>(u64::MAX).is_err() && cast::<i64, i8>(300).is_err());
        assert!(
            cast::<f64, f32>(1e300).is_err() && cast::<f32, f16>(65520.0).is_err() && cast::<i32, f16>(70_000).is_err()
        );
        assert!(cast::<f64, f32>(f64::INFINITY).unwrap().is_infinite());
        assert!(cast::<Complex<f64>, Complex<f32>>(Complex::new(0.0, 1e300)).is_err());
        assert_eq!(cast::<f64, i8>(-128.9).unwrap(), -128);
        assert_eq!(cast::<f64, u64>(18_446_744_073_709_549_568.0).unwrap(), 18_446_744_073_709_549_568);
        for value in [128.0, -129.0, f64::NAN, f64::INFINITY] {
            let error = cast::<f64, i8>(value).unwrap_err();
            assert!(matches!(&error, Error::ValueNotRepresentable { dtype, .. } if dtype == "int8"), "{error}");
        }
        assert!(cast::<f64, i64>(9.223_372_036_854_776e18).is_err());
        assert!(cast::<f32, u8>(-1.0).is_err());
        assert_eq!(cast::<f32, u8>(-0.9).unwrap(), 0);
    }

    #[test]
    fn bools_and_complex_numbers() {
        assert!(cast::<f64, bool>(f64::NAN).unwrap());
        assert!(cast::<Complex<f32>, bool>(Complex::new(0.0, 1.0)).unwrap());
        assert!(!cast::<f64, bool>(-0.0).unwrap());
        assert_eq!(cast::<bool, Complex<f64>>(true).unwrap(), Complex::new(1.0, 0.0));
        assert_eq!(cast::<Complex<f64>, i16>(Complex::new(-7.5, 3.0)).unwrap(), -7);
        let mut out = [0; 2];
        Conversion::new(&DType::Bool, &DType::U8, Casting::Safe, "x").unwrap().apply(&[0, 7], &mut out).unwrap();
        assert_eq!(out, [0, 1]);
    }

    #[test]
    fn text_is_padded_and_never_cut() {
        let recode = |from: &str, to: &str, bytes: &[u8]| -> Result<Vec<u8>> {
            let conversion = Conversion::new(&from.parse()?, &to.parse()?, Casting::Unsafe, "x")?;
            let count = bytes.len() / conversion.from().size();
            let mut out = vec![0xee; count * conversion.to().size()];
            conversion.apply(bytes, &mut out).map(|()| out)
        };
        assert_eq!(recode("S2", "S4", b"abc\0").unwrap(), b"ab\0\0c\0\0\0");
        assert_eq!(recode("S4", "S2", b"ab\0\0").unwrap(), b"ab");
        assert!(recode("S4", "S2", b"abc\0").unwrap_err().to_string().contains("abc"));
        let wide: Vec<u8> = "ab".chars().flat_map(|c| u32::from(c).to_ne_bytes()).collect();
        assert_eq!(recode("S2", "U2", b"ab").unwrap(), wide);
        assert_eq!(recode("U2", "S3", &wide).unwrap(), b"ab\0");
        assert!(recode("S2", "U2", b"\xe4b").is_err());
        assert!(recode("U1", "S3", &u32::from('ä').to_ne_bytes()).is_err());
        assert_eq!(recode("S3", "S0", &[]).unwrap(), b"");

        let wide: Vec<u8> = "aß日".chars().flat_map(|letter| u32::from(letter).to_ne_bytes()).collect();
        assert_eq!(recode("U3", "utf8[7]", &wide).unwrap(), "aß日\0".as_bytes());
        assert_eq!(recode("utf8[6]", "U3", "aß日".as_bytes()).unwrap(), wide);
        assert_eq!(recode("utf8[3]", "S2", b"ab\0").unwrap(), b"ab");
        assert!(recode("U3", "utf8[5]", &wide).is_err() && recode("utf8[6]", "S6", "aß日".as_bytes()).is_err());
        assert!(recode("U1", "utf8[4]", &0xd800_u32.to_ne_bytes()).is_err(), "a surrogate is no letter");
        assert!(recode("utf8[1]", "U1", b"\xc3").is_err());
    }

    #[test]
    fn the_casting_rule_is_asked_first() {
        for (from, to) in [(DType::F64, DType::I64), (DType::ComplexF32, DType::F32), (DType::I8, DType::Bool)] {
            let refused = Conversion::new(&from, &to, Casting::SameKind, "x.npy").unwrap_err();
            assert!(matches!(refused, Error::CastRefused { .. }) && refused.to_string().contains("x.npy"), "{refused}");
        }
        assert!(Conversion::new(&DType::F64, &"S3".parse().unwrap(), Casting::Unsafe, "x").is_err());
        assert!(Conversion::new(&DType::F64, &DType::F64, Casting::No, "x").is_ok());
    }
}
