//! Attributes as text and as JSON.

use std::collections::BTreeMap;

use chunk_core::{Attribute, DType, Result};
use serde_json::Value;

use crate::array_text::{json, word};

/// Longer lists are counted, not shown.
const MOST_SHOWN: usize = 8;

/// The value, for people.
pub(crate) fn attribute_text(value: &Attribute) -> String {
    match value {
        Attribute::Elements(elements) => {
            let size = elements.dtype().size().max(1);
            let words = elements.bytes().chunks_exact(size).map(|element| element_text(elements.dtype(), element));
            list(elements.shape(), words)
        }
        Attribute::Text(text) => format!("{text:?}"),
        Attribute::Texts { shape, texts } => list(shape, texts.iter().map(|text| format!("{text:?}"))),
        Attribute::Empty(_) => "(empty)".to_owned(),
        Attribute::Other(what) => format!("({what})"),
        _ => "(not shown)".to_owned(),
    }
}

fn list(shape: &[u64], elements: impl ExactSizeIterator<Item = String>) -> String {
    let count = elements.len();
    let shown: Vec<_> = elements.take(MOST_SHOWN).collect();
    match (shape.len(), count > MOST_SHOWN) {
        (0, _) => shown.concat(),
        (_, false) => format!("[{}]", shown.join(", ")),
        (_, true) => format!("[{}, .. {count} elements]", shown.join(", ")),
    }
}

fn element_text(dtype: &DType, element: &[u8]) -> String {
    match element_json(dtype, element) {
        Ok(Value::String(text)) if is_text(dtype) => format!("{text:?}"),
        Ok(Value::String(text)) => text,
        Ok(_) => word(dtype, element).unwrap_or_else(|error| error.to_string()),
        Err(error) => error.to_string(),
    }
}

fn is_text(dtype: &DType) -> bool {
    matches!(dtype, DType::Bytes(_) | DType::Utf8(_))
}

/// Attributes as one JSON object: numbers, bools, text and lists of them; `null` where there is no value, and the reason
/// in an object of its own where it is not carried.
pub(crate) fn attributes_json(attributes: &[(String, Attribute)]) -> BTreeMap<&str, Value> {
    attributes.iter().map(|(name, value)| (name.as_str(), attribute_json(value))).collect()
}

fn attribute_json(value: &Attribute) -> Value {
    let read = match value {
        Attribute::Elements(elements) => {
            let size = elements.dtype().size().max(1);
            let elements_json =
                elements.bytes().chunks_exact(size).map(|element| element_json(elements.dtype(), element));
            elements_json.collect::<Result<Vec<_>>>().map(|values| nested(elements.shape(), values))
        }
        Attribute::Text(text) => Ok(Value::String(text.clone())),
        Attribute::Texts { shape, texts } => {
            Ok(nested(shape, texts.iter().map(|text| Value::String(text.clone())).collect()))
        }
        Attribute::Empty(_) => Ok(Value::Null),
        Attribute::Other(what) => Ok(not_carried(what)),
        _ => Ok(not_carried("not shown")),
    };
    read.unwrap_or_else(|error| not_carried(&error.to_string()))
}

fn not_carried(why: &str) -> Value {
    serde_json::json!({ "not_carried": why })
}

/// Row-major values as lists of lists.
fn nested(shape: &[u64], mut values: Vec<Value>) -> Value {
    let Some((_, inner)) = shape.split_first() else { return values.pop().unwrap_or(Value::Null) };
    for extent in inner.iter().rev() {
        let mut values_left = values.into_iter();
        let mut lists = Vec::new();
        loop {
            let list: Vec<Value> = values_left.by_ref().take(*extent as usize).collect();
            if list.is_empty() {
                break;
            }
            lists.push(Value::Array(list));
        }
        values = lists;
    }
    Value::Array(values)
}

/// One element; members of enumerations by name, fields of structures by theirs.
fn element_json(dtype: &DType, element: &[u8]) -> Result<Value> {
    Ok(match dtype {
        DType::Bytes(_) | DType::Utf8(_) => {
            Value::String(String::from_utf8_lossy(element).trim_end_matches('\0').to_owned())
        }
        DType::Enum(kind) => {
            let number = word(&kind.base, element)?;
            let member = kind.members.iter().find(|(_, value)| value.to_string() == number);
            Value::String(member.map_or(number, |(name, _)| name.clone()))
        }
        DType::Struct(kind) => {
            let field = |field: &chunk_core::Field| {
                let part = &element[field.offset..field.offset + field.dtype.size()];
                Ok((field.name.clone(), element_json(&field.dtype, part)?))
            };
            Value::Object(kind.fields.iter().map(field).collect::<Result<_>>()?)
        }
        DType::Array { element: inner, shape } => {
            let parts = element.chunks_exact(inner.size().max(1)).map(|part| element_json(inner, part));
            nested(shape, parts.collect::<Result<_>>()?)
        }
        DType::DateTime64(_) | DType::TimeDelta64(_) => {
            Value::String(word(dtype, element)?.trim_matches('\'').to_owned())
        }
        _ => json(dtype, element)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use chunk_core::{Complex, EnumType, Scalar, StructType};

    fn both(value: impl Into<Attribute>) -> (String, Value) {
        let value = value.into();
        (attribute_text(&value), attribute_json(&value))
    }

    #[test]
    fn numbers_and_text() {
        assert_eq!(both(0.1), ("0.1".to_owned(), serde_json::json!(0.1)));
        assert_eq!(both(f64::NAN), ("nan".to_owned(), serde_json::json!("nan")));
        assert_eq!(both(true), ("True".to_owned(), serde_json::json!(true)));
        assert_eq!(both(Complex::new(1.0, -2.0)), ("(1.0-2.0j)".to_owned(), serde_json::json!([1.0, -2.0])));
        assert_eq!(both("m/s\n"), ("\"m/s\\n\"".to_owned(), serde_json::json!("m/s\n")));
        assert_eq!(both(["x", "y"]), ("[\"x\", \"y\"]".to_owned(), serde_json::json!(["x", "y"])));
        assert_eq!(both([0_u8; 9]).0, "[0, 0, 0, 0, 0, 0, 0, 0, .. 9 elements]");
        assert_eq!(both(Attribute::Empty(None)), ("(empty)".to_owned(), Value::Null));
        let fixed = Attribute::elements(DType::Bytes(4), [1], *b"ab\0\0").unwrap();
        assert_eq!(both(fixed), ("[\"ab\"]".to_owned(), serde_json::json!(["ab"])));
    }

    #[test]
    fn axes_are_lists_of_lists() {
        let value = Attribute::elements(DType::U8, [2, 1, 3], [1, 2, 3, 4, 5, 6]).unwrap();
        assert_eq!(both(value).1, serde_json::json!([[[1, 2, 3]], [[4, 5, 6]]]));
        let none = Attribute::elements(DType::U8, [0], []).unwrap();
        assert_eq!(both(none), ("[]".to_owned(), serde_json::json!([])));
    }

    #[test]
    fn members_and_fields_have_names() {
        let colours = EnumType { base: DType::U8, members: vec![("red".to_owned(), 0), ("blue".to_owned(), 2)] };
        let colour = DType::Enum(colours.into());
        let blue = Scalar::from_bytes(colour.clone(), [2]).unwrap();
        assert_eq!(both(blue), ("blue".to_owned(), serde_json::json!("blue")));
        let pair = StructType::packed([("n".to_owned(), DType::I8), ("colour".to_owned(), colour)]);
        let pair = Scalar::from_bytes(DType::Struct(pair.into()), [255, 0]).unwrap();
        assert_eq!(both(pair).1, serde_json::json!({ "n": -1, "colour": "red" }));
    }
}
