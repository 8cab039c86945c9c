//! The header of a file: read, written as NumPy writes it, and changed in place.

use std::ops::Range;

use chunk_core::{DType, Result, Shape};

use crate::data::Data;
use crate::dtype::{self, FileType};
use crate::error::Place;
use crate::literal::{self, Literal, Value};

/// What every file begins with; a version of two bytes follows, then the length of the text.
pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";
/// NumPy's limit on the letters of a header, which keeps parsing cheap.
pub(crate) const MAX_HEADER: usize = 10_000;
/// NumPy's limit.
const MAX_AXES: usize = 64;
/// The data begin at a multiple of this.
const ALIGN: usize = 64;
/// NumPy leaves room for the growth axis to become so many digits long.
const GROWTH_DIGITS: usize = 21;
/// Digits of the largest extent.
const MOST_DIGITS: usize = 20;

/// A header, as it stands in a file.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) version: u8,
    pub(crate) shape: Shape,
    pub(crate) fortran: bool,
    pub(crate) kind: FileType,
    /// The literal with the space and the newline after it.
    text: String,
    /// Where each extent stands in the text.
    extents: Vec<Range<usize>>,
    /// Where `descr` stands in the text.
    descr: Range<usize>,
}

impl Header {
    /// Reads the header of `data`, of at most `limit` letters.
    pub(crate) fn read(data: &Data, place: &Place, limit: usize) -> Result<Self> {
        // A writer may be changing it: two equal reads are not torn.
        let mut bytes = read_bytes(data, place, limit)?;
        for _ in 0..100 {
            let again = read_bytes(data, place, limit)?;
            if again == bytes {
                break;
            }
            bytes = again;
        }
        let version = bytes[MAGIC.len()];
        let start = prefix_length(version);
        let text = match version {
            3 => String::from_utf8(bytes.split_off(start)).map_err(|_| place.corrupt("its header is not UTF-8"))?,
            _ => bytes[start..].iter().map(|byte| char::from(*byte)).collect(),
        };
        let letters = text.chars().count();
        if letters > limit {
            return Err(too_long(place, letters, limit));
        }
        Header::parse(version, text, place)
    }

    fn parse(version: u8, text: String, place: &Place) -> Result<Self> {
        let corrupt = |what: String| place.corrupt(format!("header: {what}"));
        let literal = literal::parse(&text).map_err(corrupt)?;
        let Value::Dict(mut entries) = literal.value else { return Err(corrupt("it is not a dictionary".to_owned())) };
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        let keys: Vec<&str> = entries.iter().map(|(key, _)| key.as_str()).collect();
        let [(_, descr), (_, order), (_, shape)] = entries.as_slice() else {
            return Err(corrupt(format!("its keys are {keys:?}, not descr, fortran_order and shape")));
        };
        if keys != ["descr", "fortran_order", "shape"] {
            return Err(corrupt(format!("its keys are {keys:?}, not descr, fortran_order and shape")));
        }
        let Value::Bool(fortran) = order.value else { return Err(corrupt("fortran_order is not a bool".to_owned())) };
        let kind = dtype::parse(descr).map_err(|refusal| place.refused(refusal))?;
        let (shape, extents) = parse_shape(shape).map_err(corrupt)?;
        check_size(&shape, &kind.dtype).map_err(corrupt)?;
        let descr = descr.span.clone();
        Ok(Header { version, shape, fortran, kind, text, extents, descr })
    }

    /// The header that NumPy writes for such an array, room to grow included.
    pub(crate) fn new(shape: &Shape, dtype: &DType, fortran: bool, place: &Place) -> Result<Self> {
        let descr = dtype::describe(dtype).map_err(|refusal| place.refused(refusal))?;
        if shape.len() > MAX_AXES {
            return Err(place.unsupported(format!("{} axes: NumPy takes at most {MAX_AXES}", shape.len())));
        }
        check_size(shape, dtype).map_err(|what| place.unsupported(what))?;
        Header::with_descr(shape, &descr, fortran, place)
    }

    /// As [`Header::new`], with the text of `descr` as it is given.
    fn with_descr(shape: &Shape, descr: &str, fortran: bool, place: &Place) -> Result<Self> {
        let order = if fortran { "True" } else { "False" };
        let mut text = format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}");
        let growth = if fortran { shape.last() } else { shape.first() };
        if let Some(extent) = growth {
            text.push_str(&" ".repeat(GROWTH_DIGITS.saturating_sub(extent.to_string().len())));
        }
        let latin = text.chars().all(|letter| u32::from(letter) < 0x100);
        let short = padded(&text, 1).is_some_and(|text| u16::try_from(text.chars().count()).is_ok());
        let version = match (latin, short) {
            (true, true) => 1,
            (true, false) => 2,
            (false, _) => 3,
        };
        let text = padded(&text, version).ok_or_else(|| place.unsupported("a header of more than 4 GiB"))?;
        Header::parse(version, text, place)
    }

    /// Bytes before the elements.
    pub(crate) fn length(&self) -> u64 {
        let text = if self.version == 3 { self.text.len() } else { self.text.chars().count() };
        (prefix_length(self.version) + text) as u64
    }

    /// The bytes of the header.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let text = encoded(&self.text, self.version);
        let mut bytes = MAGIC.to_vec();
        bytes.extend([self.version, 0]);
        let length = (text.len() as u32).to_le_bytes();
        bytes.extend_from_slice(if self.version == 1 { &length[..2] } else { &length });
        bytes.extend(text);
        bytes
    }

    /// Bytes of all elements.
    pub(crate) fn data_bytes(&self) -> u64 {
        self.shape.elements() * self.kind.dtype.size() as u64
    }

    /// The axis along which elements that are added come last in the file.
    pub(crate) fn growth_axis(&self) -> Option<usize> {
        let last = self.shape.len().checked_sub(1)?;
        Some(if self.fortran { last } else { 0 })
    }

    /// Elements of one step along the growth axis.
    pub(crate) fn item_elements(&self) -> u64 {
        let Some(axis) = self.growth_axis() else { return 1 };
        self.shape.clone().with_axis(axis, 1).elements()
    }

    /// Bytes of them.
    pub(crate) fn item_bytes(&self) -> u64 {
        self.item_elements() * self.kind.dtype.size() as u64
    }

    /// The same header, byte by byte as long, with another extent along the growth axis; `None` if that is too long.
    pub(crate) fn with_growth(&self, extent: u64, place: &Place) -> Result<Option<Self>> {
        let Some(axis) = self.growth_axis() else { return Ok(None) };
        let span = self.extents[axis].clone();
        let body = self.text.trim_end_matches([' ', '\n']);
        let text = format!("{}{extent}{}", &body[..span.start], &body[span.end..]);
        let shape = self.shape.clone().with_axis(axis, extent);
        if check_size(&shape, &self.kind.dtype).is_err() {
            return Ok(None);
        }
        let Some(spaces) = (self.text.len() - 1).checked_sub(text.len()) else { return Ok(None) };
        Header::parse(self.version, text + &" ".repeat(spaces) + "\n", place).map(Some)
    }

    /// Whether any extent fits in place.
    pub(crate) fn has_room(&self) -> bool {
        let Some(axis) = self.growth_axis() else { return false };
        let spare = self.text.len() - self.text.trim_end_matches([' ', '\n']).len();
        self.extents[axis].len() + spare > MOST_DIGITS
    }

    /// A header for the same array with room for any extent.
    pub(crate) fn with_room(&self, place: &Place) -> Result<Self> {
        Header::with_descr(&self.shape, &self.text[self.descr.clone()], self.fortran, place)
    }
}

fn too_long(place: &Place, letters: usize, limit: usize) -> chunk_core::Error {
    place.unsupported(format!("its header has {letters} letters, more than {limit}: `max_header` raises the limit"))
}

fn prefix_length(version: u8) -> usize {
    MAGIC.len() + 2 + if version == 1 { 2 } else { 4 }
}

/// The header with what precedes its text.
fn read_bytes(data: &Data, place: &Place, limit: usize) -> Result<Vec<u8>> {
    let length = data.length()?;
    let mut start = [0; 8];
    if length < 8 {
        data.read_at(&mut start[..length as usize], 0)?;
        let begun = !start.starts_with(&MAGIC[..MAGIC.len().min(length as usize)]);
        return Err(if begun || length == 0 {
            wrong_format(place)
        } else {
            place.corrupt("it ends within its header")
        });
    }
    data.read_at(&mut start, 0)?;
    if !start.starts_with(MAGIC) {
        return Err(wrong_format(place));
    }
    let [.., major, minor] = start;
    if !(1..=3).contains(&major) || minor != 0 {
        return Err(place.unsupported(format!("version {major}.{minor} of the format: 1.0, 2.0 and 3.0 are known")));
    }
    let prefix = prefix_length(major);
    let mut stated = [0; 4];
    if length < prefix as u64 {
        return Err(place.corrupt("it ends within its header"));
    }
    data.read_at(&mut stated[..prefix - 8], 8)?;
    let text = u32::from_le_bytes(stated) as usize;
    // A letter has up to four bytes.
    let most = if major == 3 { limit.saturating_mul(4) } else { limit };
    if text > most {
        return Err(too_long(place, text, limit));
    }
    if (prefix + text) as u64 > length {
        return Err(place.corrupt(format!("its header has {text} bytes, but the file ends before: it is truncated")));
    }
    let mut bytes = vec![0; prefix + text];
    data.read_at(&mut bytes, 0)?;
    if !bytes.starts_with(&start) {
        return Err(place.corrupt("its header changes while it is read"));
    }
    Ok(bytes)
}

fn wrong_format(place: &Place) -> chunk_core::Error {
    if place.dataset.is_empty() {
        return chunk_core::Error::WrongFormat { path: place.path.clone(), format: "a .npy" };
    }
    place.corrupt("it is not a .npy file")
}

fn parse_shape(shape: &Literal) -> std::result::Result<(Shape, Vec<Range<usize>>), String> {
    let Value::Tuple(items) = &shape.value else { return Err("shape is not a tuple".to_owned()) };
    if items.len() > MAX_AXES {
        return Err(format!("{} axes, of which NumPy takes at most {MAX_AXES}", items.len()));
    }
    let mut extents = Vec::new();
    for item in items {
        let Value::Int(extent) = item.value else { return Err("an extent of the shape is not an integer".to_owned()) };
        extents.push(u64::try_from(extent).map_err(|_| format!("the extent {extent} of the shape is not a size"))?);
    }
    Ok((extents.into(), items.iter().map(|item| item.span.clone()).collect()))
}

/// Checks that an array can be addressed, whichever axes of it are empty.
fn check_size(shape: &Shape, dtype: &DType) -> std::result::Result<(), String> {
    let most = isize::MAX as u64;
    let size = (dtype.size() as u64).max(1);
    let bytes = shape.iter().try_fold(size, |bytes, extent| bytes.checked_mul((*extent).max(1)));
    match bytes {
        Some(bytes) if bytes <= most => Ok(()),
        _ => Err(format!("shape {shape} of elements of {} bytes is larger than any file", dtype.size())),
    }
}

/// The text with the spaces and the newline that NumPy puts after it; `None` if its length cannot be stated.
fn padded(text: &str, version: u8) -> Option<String> {
    let bytes = if version == 3 { text.len() } else { text.chars().count() };
    let spaces = ALIGN - (prefix_length(version) + bytes + 1) % ALIGN;
    u32::try_from(bytes + spaces + 1).ok()?;
    Some(format!("{text}{}\n", " ".repeat(spaces)))
}

fn encoded(text: &str, version: u8) -> Vec<u8> {
    if version == 3 {
        return text.as_bytes().to_vec();
    }
    // Decoded from Latin-1, or checked to be: each letter is a byte.
    text.chars().map(|letter| u32::from(letter) as u8).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn place() -> Place {
        Place::new(Path::new("x.npy"), "")
    }

    fn read(bytes: &[u8]) -> Result<Header> {
        Header::read(&Data::from_bytes(bytes), &place(), MAX_HEADER)
    }

    fn version_1(text: &str) -> Vec<u8> {
        let length = u16::try_from(text.len()).unwrap().to_le_bytes();
        [MAGIC, &[1, 0], &length, text.as_bytes()].concat()
    }

    #[test]
    fn is_numpys_for_the_documented_case() {
        let header = Header::new(&[2, 3].into(), &DType::I64, false, &place()).unwrap();
        let text = "{'descr': '<i8', 'fortran_order': False, 'shape': (2, 3), }";
        let expected = version_1(&format!("{text}{}\n", " ".repeat(58)));
        if cfg!(target_endian = "little") {
            assert_eq!(header.bytes(), expected);
        }
        assert_eq!((header.length(), header.growth_axis(), header.item_bytes()), (128, Some(0), 24));
    }

    #[test]
    fn any_extent_fits_what_we_write_and_keeps_its_length() {
        for shape in [vec![0], vec![7, 2], vec![u64::MAX / 1024, 3, 1]] {
            for fortran in [false, true] {
                let shape = Shape::from(if fortran { shape.iter().rev().copied().collect() } else { shape.clone() });
                let header = Header::new(&shape, &DType::U8, fortran, &place()).unwrap();
                assert!(header.has_room());
                for extent in [0, 9, 10, 123_456, 1 << 61] {
                    let grown = header.with_growth(extent, &place()).unwrap().unwrap();
                    assert_eq!(grown.bytes().len(), header.bytes().len());
                    let axis = grown.growth_axis().unwrap();
                    assert_eq!(read(&grown.bytes()).unwrap().shape, shape.clone().with_axis(axis, extent));
                }
            }
        }
    }

    #[test]
    fn the_rest_of_a_foreign_header_stays() {
        let text = "{'shape': (10L, 2L), 'fortran_order': False, 'descr': [(('title', 'x'), '<i2')]}       \n";
        let header = read(&version_1(text)).unwrap();
        let grown = header.with_growth(123, &place()).unwrap().unwrap();
        let expected = text.replace("10L", "123");
        assert_eq!(grown.bytes(), version_1(&expected));
        assert!(!header.has_room());
        assert!(header.with_growth(1_000_000_000, &place()).unwrap().is_some());
        assert!(header.with_growth(10_000_000_000, &place()).unwrap().is_none());
        let roomy = header.with_room(&place()).unwrap();
        assert!(roomy.has_room() && String::from_utf8_lossy(&roomy.bytes()).contains("(('title', 'x'), '<i2')"));
    }

    #[test]
    fn names_choose_the_version() {
        let version = |name: &str| {
            let kind = chunk_core::StructType::packed([(name.to_owned(), DType::U8)]);
            let header = Header::new(&[1].into(), &DType::Struct(kind.into()), false, &place()).unwrap();
            assert_eq!(read(&header.bytes()).unwrap().kind, header.kind);
            header.version
        };
        assert_eq!([version("x"), version("é"), version("→")], [1, 1, 3]);
        let fields = (0..5000).map(|number| (format!("field{number}"), DType::U8));
        let kind = DType::Struct(chunk_core::StructType::packed(fields).into());
        let long = Header::new(&[1].into(), &kind, false, &place()).unwrap();
        assert_eq!((long.version, long.length() % 64), (2, 0));
        assert!(read(&long.bytes()).unwrap_err().to_string().contains("max_header"));
        assert!(Header::read(&Data::from_bytes(&long.bytes()), &place(), 1 << 20).is_ok());
    }

    #[test]
    fn refuses_what_is_no_header() {
        let good = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n";
        assert!(read(&version_1(good)).is_ok());
        for (from, to) in [
            ("(2,)", "[2]"),
            ("(2,)", "(-2,)"),
            ("(2,)", "(True,)"),
            ("(2,)", "(4611686018427387904, 4)"),
            ("(2,)", "(0, 4611686018427387904, 4)"),
            ("(2,)", "(99999999999999999999999999999999999999999,)"),
            ("False", "0"),
            ("'shape'", "'shapes'"),
            (", }", ", 'more': 1}"),
            ("'<f8'", "'<f8"),
            ("}\n", "} 1\n"),
        ] {
            let error = read(&version_1(&good.replace(from, to))).unwrap_err();
            assert!(error.to_string().contains("x.npy"), "{error}");
        }
        let axes = version_1(&good.replace("(2,)", &format!("({})", "1,".repeat(65))));
        assert!(read(&axes).is_err());
        for bytes in [
            &b""[..],
            b"\x93NUM",
            b"PK\x03\x04aaaaaaa",
            b"\x93NUMPY\x04\x00\x00\x00",
            b"\x93NUMPY\x02\x00\xff\xff\xff\xff",
        ] {
            assert!(read(bytes).is_err());
        }
    }
}
