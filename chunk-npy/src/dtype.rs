//! The dtypes of files: `descr` of a header to a dtype and its byte order, and back.

use std::fmt::Write as _;
use std::sync::Arc;

use chunk_core::{DType, Field, Shape, StructType};

use crate::literal::{self, Literal, Value};

/// The type of a file's elements: what they are in memory, and how their bytes are turned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileType {
    pub(crate) dtype: DType,
    pub(crate) order: Order,
}

/// The byte order of a file's elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// There is none: single bytes.
    Any,
    Native,
    Swapped,
    /// A structure whose fields differ.
    Fields(Vec<Order>),
    /// Arrays of such structures.
    Each(Box<Order>),
}

/// Why a dtype is not read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Malformed(String),
    Unsupported {
        dtype: String,
        /// What does not take it.
        operation: &'static str,
    },
}

type Taken<T> = Result<T, Refusal>;

const NATIVE: char = if cfg!(target_endian = "little") { '<' } else { '>' };
/// No element is longer: far beyond sense, far below overflow.
const LONGEST_ELEMENT: u64 = 1 << 40;

const READ: &str = "reading .npy";
const WRITE: &str = "the .npy format";
const UNPICKLE: &str = "reading .npy, which never executes pickles,";

impl Order {
    /// Turns packed elements from the file's order to the native one, or back.
    pub(crate) fn swap(&self, dtype: &DType, bytes: &mut [u8]) {
        match (self, dtype) {
            (Order::Swapped, _) => dtype.swap_bytes(bytes),
            (Order::Each(order), DType::Array { element, .. }) => order.swap(element, bytes),
            (Order::Fields(orders), DType::Struct(kind)) => {
                for element in bytes.chunks_exact_mut(kind.size) {
                    for (order, field) in orders.iter().zip(&kind.fields) {
                        order.swap(&field.dtype, &mut element[field.offset..field.offset + field.dtype.size()]);
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether the file's bytes are those in memory.
    pub(crate) fn is_native(&self) -> bool {
        matches!(self, Order::Any | Order::Native)
    }

    fn of_fields(orders: Vec<Order>) -> Order {
        let all = |wanted: &Order| orders.iter().all(|order| *order == Order::Any || order == wanted);
        match () {
            () if all(&Order::Any) => Order::Any,
            () if all(&Order::Native) => Order::Native,
            () if all(&Order::Swapped) => Order::Swapped,
            () => Order::Fields(orders),
        }
    }
}

/// The dtype that `descr` describes.
pub(crate) fn parse(descr: &Literal) -> Taken<FileType> {
    match &descr.value {
        Value::Text(code) => parse_code(code),
        Value::List(fields) => parse_fields(fields),
        Value::Tuple(parts) => match parts.as_slice() {
            [element, shape] => array(parse(element)?, &parse_shape(shape)?),
            _ => Err(malformed(format!("a tuple of {} parts is no dtype", parts.len()))),
        },
        other => Err(malformed(format!("{other:?} is no dtype"))),
    }
}

fn malformed(what: impl Into<String>) -> Refusal {
    Refusal::Malformed(what.into())
}

fn parse_code(code: &str) -> Taken<FileType> {
    let (mark, name) = match code.split_at_checked(1) {
        Some((mark @ ("<" | ">" | "=" | "|"), name)) => (mark, name),
        _ => ("=", code),
    };
    if matches!(name, "O" | "O4" | "O8" | "object") {
        return Err(Refusal::Unsupported { dtype: "Python objects".to_owned(), operation: UNPICKLE });
    }
    if matches!(name, "f10" | "f12" | "f16" | "g" | "c20" | "c24" | "c32" | "G") {
        return Err(Refusal::Unsupported { dtype: format!("{code} (long double)"), operation: READ });
    }
    let dtype = match name {
        "?" => DType::Bool,
        _ if has_long_text(name) => return Err(malformed(format!("{code:?} is too long for an element"))),
        _ => name.parse().map_err(|_| malformed(format!("{code:?} is not a dtype")))?,
    };
    let swapped = matches!(mark, "<" | ">") && !mark.starts_with(NATIVE);
    let order = match &dtype {
        DType::Bool | DType::I8 | DType::U8 | DType::Bytes(_) | DType::Opaque { .. } => Order::Any,
        _ if swapped => Order::Swapped,
        _ => Order::Native,
    };
    Ok(FileType { dtype, order })
}

/// Whether the length in `S12`, `U12`, `V12` is one that cannot be counted in bytes.
fn has_long_text(name: &str) -> bool {
    let length = name.strip_prefix(['S', 'U', 'V']).filter(|digits| !digits.is_empty());
    let digits = length.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
    digits.is_some_and(|digits| digits.parse::<u64>().map_or(true, |length| length > LONGEST_ELEMENT / 4))
}

fn parse_fields(fields: &[Literal]) -> Taken<FileType> {
    let mut made: Vec<Field> = Vec::new();
    let (mut orders, mut size) = (Vec::new(), 0_usize);
    for field in fields {
        let Value::Tuple(parts) = &field.value else { return Err(malformed("a field is not a tuple")) };
        let (name, mut kind, shape) = match parts.as_slice() {
            [name, descr] => (name, parse(descr)?, None),
            [name, descr, shape] => (name, parse(descr)?, Some(parse_shape(shape)?)),
            _ => return Err(malformed(format!("a field of {} parts", parts.len()))),
        };
        if let Some(shape) = shape {
            kind = array(kind, &shape)?;
        }
        let name = field_name(name)?;
        let offset = size;
        size =
            size.checked_add(kind.dtype.size()).filter(|size| *size as u64 <= LONGEST_ELEMENT).ok_or_else(too_long)?;
        // NumPy leaves bytes out so: unnamed, and without a meaning.
        if name.is_empty() && matches!(kind.dtype, DType::Opaque { .. } | DType::Array { .. }) {
            continue;
        }
        // As NumPy names fields without a name.
        let name = if name.is_empty() { format!("f{}", made.len()) } else { name.to_owned() };
        if made.iter().any(|field| field.name == name) {
            return Err(malformed(format!("the field {name:?} is there twice")));
        }
        made.push(Field { name, dtype: kind.dtype, offset });
        orders.push(kind.order);
    }
    let dtype = DType::Struct(Arc::new(StructType { fields: made, size }));
    Ok(FileType { dtype, order: Order::of_fields(orders) })
}

fn too_long() -> Refusal {
    malformed("an element is longer than any can be")
}

/// A name, or a title and a name: titles are other names for the same, and left out.
fn field_name(name: &Literal) -> Taken<&str> {
    match &name.value {
        Value::Text(name) => Ok(name),
        Value::Tuple(parts) => match parts.as_slice() {
            [_, Literal { value: Value::Text(name), .. }] => Ok(name),
            _ => Err(malformed("a field's name is neither a text nor a title and a text")),
        },
        _ => Err(malformed("a field's name is not a text")),
    }
}

fn parse_shape(shape: &Literal) -> Taken<Vec<u64>> {
    let extent = |literal: &Literal| match literal.value {
        Value::Int(extent) => u64::try_from(extent).ok(),
        _ => None,
    };
    let extents = match &shape.value {
        Value::Tuple(items) => items.iter().map(extent).collect(),
        _ => extent(shape).map(|extent| vec![extent]),
    };
    extents.ok_or_else(|| malformed("the shape of a field is not a tuple of sizes"))
}

fn array(element: FileType, shape: &[u64]) -> Taken<FileType> {
    if shape.is_empty() {
        return Ok(element);
    }
    let size = element.dtype.size() as u64;
    let bytes = shape.iter().try_fold(size.max(1), |bytes, extent| bytes.checked_mul((*extent).max(1)));
    if bytes.is_none_or(|bytes| bytes > LONGEST_ELEMENT) {
        return Err(too_long());
    }
    let FileType { dtype, order } = element;
    // As in NumPy, an array of arrays is one of more axes.
    let (inner, extents, order) = match (dtype, order) {
        (DType::Array { element, shape: inner }, order) => (element, [shape, &inner].concat(), order),
        (dtype, order @ (Order::Fields(_) | Order::Each(_))) => {
            (Arc::new(dtype), shape.to_vec(), Order::Each(Box::new(order)))
        }
        (dtype, order) => (Arc::new(dtype), shape.to_vec(), order),
    };
    Ok(FileType { dtype: DType::Array { element: inner, shape: extents.into() }, order })
}

/// `descr` for elements of `dtype` in native order, as NumPy writes it.
pub(crate) fn describe(dtype: &DType) -> Taken<String> {
    match dtype {
        DType::Array { .. } => {
            Err(unsupported(dtype, "the .npy format, whose arrays of arrays are arrays of more axes,"))
        }
        _ => describe_element(dtype),
    }
}

fn describe_element(dtype: &DType) -> Taken<String> {
    match dtype {
        DType::Struct(kind) => describe_fields(dtype, kind),
        DType::Utf8(_) => Err(unsupported(dtype, "the .npy format, whose text is of type S or U,")),
        DType::Enum(_) => Err(unsupported(dtype, "the .npy format, which has no enumerations,")),
        DType::Opaque { tag: Some(_), .. } => {
            Err(unsupported(dtype, "the .npy format, whose opaque bytes have no tag,"))
        }
        DType::Array { .. } => Err(unsupported(dtype, WRITE)),
        _ => Ok(format!("'{}'", code(dtype).ok_or_else(|| unsupported(dtype, WRITE))?)),
    }
}

fn unsupported(dtype: &DType, operation: &'static str) -> Refusal {
    Refusal::Unsupported { dtype: dtype.to_string(), operation }
}

/// NumPy's `dtype.str` of a dtype that is no structure.
pub(crate) fn code(dtype: &DType) -> Option<String> {
    let size = dtype.size();
    Some(match dtype {
        DType::Bool => "|b1".to_owned(),
        DType::I8 => "|i1".to_owned(),
        DType::U8 => "|u1".to_owned(),
        DType::I16 | DType::I32 | DType::I64 => format!("{NATIVE}i{size}"),
        DType::U16 | DType::U32 | DType::U64 => format!("{NATIVE}u{size}"),
        DType::F16 | DType::F32 | DType::F64 => format!("{NATIVE}f{size}"),
        DType::ComplexF32 | DType::ComplexF64 => format!("{NATIVE}c{size}"),
        DType::Bytes(length) => format!("|S{length}"),
        DType::Ucs4(length) => format!("{NATIVE}U{length}"),
        DType::Opaque { size, .. } => format!("|V{size}"),
        DType::DateTime64(unit) => format!("{NATIVE}M8{unit}"),
        DType::TimeDelta64(unit) => format!("{NATIVE}m8{unit}"),
        _ => return None,
    })
}

fn describe_fields(dtype: &DType, kind: &StructType) -> Taken<String> {
    let mut fields = Vec::new();
    let mut end = 0;
    for field in &kind.fields {
        fields.extend(padding(end, field.offset).map_err(|()| overlapping(dtype))?);
        end = field.offset + field.dtype.size();
        fields.push(describe_field(field)?);
    }
    fields.extend(padding(end, kind.size).map_err(|()| overlapping(dtype))?);
    Ok(format!("[{}]", fields.join(", ")))
}

fn overlapping(dtype: &DType) -> Refusal {
    unsupported(dtype, "the .npy format, whose fields follow each other and do not overlap,")
}

/// The unnamed bytes from `end` to `offset`, if any.
fn padding(end: usize, offset: usize) -> Result<Option<String>, ()> {
    let gap = offset.checked_sub(end).ok_or(())?;
    Ok((gap > 0).then(|| format!("('', '|V{gap}')")))
}

fn describe_field(field: &Field) -> Taken<String> {
    let (element, shape) = match &field.dtype {
        DType::Array { element, shape } if !shape.is_empty() => (&**element, Some(shape)),
        other => (other, None),
    };
    if field.name.is_empty() {
        return Err(unsupported(&field.dtype, "the .npy format, whose fields have names,"));
    }
    let mut text = format!("({}, {}", literal::repr(&field.name), describe_element(element)?);
    if let Some(shape) = shape {
        let _ = write!(text, ", {}", Shape::from(&**shape));
    }
    Ok(text + ")")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(descr: &str) -> Taken<FileType> {
        parse(&literal::parse(descr).unwrap())
    }

    #[test]
    fn reads_what_it_writes() {
        for descr in [
            "'<f8'",
            "'|b1'",
            "'<c16'",
            "'<M8[ns]'",
            "'<m8[25s]'",
            "'|S7'",
            "'<U3'",
            "'|V5'",
            "[]",
            "[('a', '|i1'), ('', '|V3'), ('b', '<i4')]",
            "[('grid', '<u2', (2, 2)), ('n', [('x', '<f4', (3,))], (2,)), ('it\\'s', '|S1')]"
                .replace("'it\\'s'", "\"it's\"")
                .as_str(),
        ] {
            let kind = read(descr).unwrap();
            if cfg!(target_endian = "little") {
                assert_eq!(describe(&kind.dtype).unwrap(), descr);
            }
        }
    }

    #[test]
    fn padding_and_titles_are_not_fields() {
        let DType::Struct(kind) = read("[(('title', 'x'), '<i2'), ('', '|V6'), ('', '<i8')]").unwrap().dtype else {
            panic!("a structure")
        };
        let fields: Vec<_> = kind.fields.iter().map(|field| (field.name.as_str(), field.offset)).collect();
        assert_eq!((fields, kind.size), (vec![("x", 0), ("f1", 8)], 16));
    }

    #[test]
    fn orders_may_differ_by_field() {
        let kind = read("[('a', '>i2'), ('b', '<i2'), ('c', '|u1'), ('d', [('e', '>u2'), ('f', '<u2')], 2)]").unwrap();
        let mut bytes: Vec<u8> = (0..26).collect();
        kind.order.swap(&kind.dtype, &mut bytes);
        let expected = |at: u8| {
            [at + 1, at, at + 2, at + 3, at + 4, at + 6, at + 5, at + 7, at + 8, at + 10, at + 9, at + 11, at + 12]
        };
        if cfg!(target_endian = "little") {
            assert_eq!(bytes, [expected(0), expected(13)].concat());
        }
        assert_eq!(read("[('a', '>i2'), ('c', '|u1')]").unwrap().order.is_native(), cfg!(target_endian = "big"));
    }

    #[test]
    fn refuses_what_it_cannot_hold() {
        let unsupported = |descr| matches!(read(descr), Err(Refusal::Unsupported { .. }));
        for descr in ["'|O'", "'O'", "[('a', 'O')]", "'<f16'", "'>c32'"] {
            assert!(unsupported(descr), "{descr}");
        }
        for descr in [
            "'f3'",
            "'S99999999999999999999'",
            "'<U4611686018427387905'",
            "[('a', '<i4', (4294967296, 4294967296))]",
            "[('a', '<i4'), ('a', '<i4')]",
            "[('a',)]",
            "[3]",
            "5",
            "[('a', '<i4', (-1,))]",
            "''",
        ] {
            assert!(matches!(read(descr), Err(Refusal::Malformed(_))), "{descr}");
        }
        let array = DType::Array { element: Arc::new(DType::F32), shape: [2].into() };
        for dtype in [DType::Utf8(3), array, DType::Opaque { size: 3, tag: Some("x".into()) }] {
            assert!(describe(&dtype).is_err(), "{dtype}");
        }
    }
}
