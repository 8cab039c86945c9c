//! Attributes of groups and datasets: read, written, removed.

use chunk_core::{Attribute, DType, Error, Result, Worker};
use hdf5::{Attribute as Stored, Datatype, Location};

use crate::error::Place;
use crate::library::{self, Class};
use crate::{dtype, scales};

/// All attributes of an object, by name; one that cannot be read with the reason.
pub(crate) fn read_all(object: &Location, place: &Place) -> Result<Vec<(String, Attribute)>> {
    let names = object.attr_names().map_err(|error| place.library("list the attributes of", &error))?;
    let read = |name: String| {
        let value = read(object, &name, place).unwrap_or_else(|error| Attribute::Other(error.report()));
        (name, value)
    };
    Ok(names.into_iter().map(read).collect())
}

/// What a copy of a dataset is to have of its attributes: all but those by which PyTables, dimension scales and netCDF say
/// what it is in its own file.
pub(crate) fn read_for_copy(dataset: &Location, place: &Place) -> Result<Vec<(String, Attribute)>> {
    const SCALES: [&str; 6] =
        [scales::SCALES, scales::USERS, scales::LABELS, "_Netcdf4Dimid", "_Netcdf4Coordinates", "_nc3_strict"];
    const SCALE: [&str; 2] = ["CLASS", "NAME"];
    const PYTABLES: [&str; 5] = ["CLASS", "VERSION", "EXTDIM", "FLAVOR", "NROWS"];
    let mut left_out = SCALES.to_vec();
    if is_by_pytables(dataset) {
        left_out.extend(PYTABLES);
    }
    if scales::is_scale(dataset) {
        left_out.extend(SCALE);
    }
    let mut attributes = read_all(dataset, place)?;
    attributes.retain(|(name, _)| !left_out.contains(&name.as_str()));
    Ok(attributes)
}

/// The attribute of this name.
///
/// # Errors
/// [`Error::Unsupported`] if there is none; what is malformed.
pub(crate) fn read(object: &Location, name: &str, place: &Place) -> Result<Attribute> {
    match find(object, name, place)? {
        Some(stored) => value(&stored, is_by_pytables(object), &of_attribute(place, name)),
        None => Err(missing(name, place)),
    }
}

/// The attribute of this name, if there is one that is a single text.
pub(crate) fn read_text(object: &Location, name: &str) -> Option<String> {
    let stored = object.attr(name).ok()?;
    let value = value(&stored, false, &Place::new(std::path::Path::new(""), name)).ok()?;
    value.text().map(std::borrow::Cow::into_owned)
}

/// The attribute of this name as the file has it, if there is one.
pub(crate) fn find(object: &Location, name: &str, place: &Place) -> Result<Option<Stored>> {
    let fail = |error: hdf5::Error| place.library("look up an attribute of", &error);
    if library::has_attribute(object, name).map_err(fail)? {
        let fail = |error: hdf5::Error| of_attribute(place, name).library("open", &error);
        return object.attr(name).map(Some).map_err(fail);
    }
    Ok(None)
}

/// What messages call an attribute: `/group/dataset@name`.
pub(crate) fn of_attribute(place: &Place, name: &str) -> Place {
    Place::new(&place.path, &format!("{}@{name}", place.dataset))
}

/// Whether PyTables wrote the object: it says so in an attribute.
pub(crate) fn is_by_pytables(object: &Location) -> bool {
    const CLASSES: [&str; 6] = ["ARRAY", "CARRAY", "EARRAY", "VLARRAY", "TABLE", "GROUP"];
    read_text(object, "CLASS").is_some_and(|class| CLASSES.contains(&class.as_str()))
}

fn value(stored: &Stored, pytables: bool, place: &Place) -> Result<Attribute> {
    let fail = |error: hdf5::Error| place.library("read", &error);
    let extents = library::attribute_extents(stored).map_err(fail)?;
    let kind = library::attribute_type(stored).map_err(fail)?;
    let class = library::class(&kind).map_err(fail)?;
    match class {
        Class::VariableString { .. } if extents.is_none() => Ok(Attribute::Empty(None)),
        Class::VariableString { utf8 } => {
            let texts = library::attribute_texts(stored, utf8).map_err(fail)?;
            texts_of(extents.unwrap_or_default(), texts)
        }
        Class::Sequence { .. } => Ok(Attribute::Other("lists of any length".to_owned())),
        Class::ObjectReference => Ok(Attribute::Other("references to objects".to_owned())),
        Class::Other(what) => Ok(Attribute::Other(what.to_owned())),
        _ => elements(stored, &kind, extents, pytables, place),
    }
}

fn elements(
    stored: &Stored,
    kind: &Datatype,
    extents: Option<Vec<u64>>,
    pytables: bool,
    place: &Place,
) -> Result<Attribute> {
    let mapped = dtype::stored(kind, pytables).map_err(|unmapped| place.unmapped("an attribute", unmapped))?;
    let Some(extents) = extents else { return Ok(Attribute::Empty(Some(mapped.dtype))) };
    let mut bytes = library::attribute_bytes(stored, kind).map_err(|error| place.library("read", &error))?;
    if mapped.conversion.is_in_place() {
        mapped.conversion.apply_in_place(&mut bytes);
    } else {
        let mut converted = vec![0; stored.size() * mapped.dtype.size()];
        mapped.conversion.apply(&mut bytes, &mut converted, &Worker::new(), place)?;
        bytes = converted;
    }
    Attribute::elements(mapped.dtype, extents, bytes)
}

/// Text of any length; what is not UTF-8 stays the bytes that it is.
fn texts_of(extents: Vec<u64>, texts: Vec<Vec<u8>>) -> Result<Attribute> {
    if texts.iter().all(|text| std::str::from_utf8(text).is_ok()) {
        let mut texts = texts.into_iter().map(|text| String::from_utf8(text).unwrap_or_default());
        return match extents.as_slice() {
            [] => Ok(Attribute::Text(texts.next().unwrap_or_default())),
            _ => Attribute::texts(extents, texts),
        };
    }
    let longest = texts.iter().map(Vec::len).max().unwrap_or(0);
    let mut bytes = vec![0; texts.len() * longest];
    for (element, text) in bytes.chunks_exact_mut(longest).zip(&texts) {
        element[..text.len()].copy_from_slice(text);
    }
    Attribute::elements(DType::Bytes(longest), extents, bytes)
}

/// Checks that HDF5 has a type for the value, before anything changes.
pub(crate) fn check(name: &str, value: &Attribute, place: &Place) -> Result<()> {
    let place = of_attribute(place, name);
    let refused = |what: &str| Err(Error::InvalidArgument(format!("{}: {what}", place.name())));
    if name.is_empty() || name.contains('\0') {
        return refused("the name of an attribute is not empty and has no zero byte");
    }
    match value {
        Attribute::Elements(elements) => datatype(elements.dtype(), &place).map(|_| ()),
        Attribute::Empty(Some(dtype)) => datatype(dtype, &place).map(|_| ()),
        Attribute::Text(text) if text.contains('\0') => refused("text of any length has no zero byte"),
        Attribute::Texts { texts, .. } if texts.iter().any(|text| text.contains('\0')) => {
            refused("text of any length has no zero byte")
        }
        Attribute::Other(what) => Err(place.unsupported(format!("cannot be written: {what}"))),
        _ => Ok(()),
    }
}

/// Writes an attribute that was checked; one of this name is replaced.
pub(crate) fn write(object: &Location, name: &str, value: &Attribute, place: &Place) -> Result<()> {
    let place = of_attribute(place, name);
    let written = match value {
        Attribute::Elements(elements) => {
            let kind = datatype(elements.dtype(), &place)?;
            library::write_attribute(object, name, &kind, Some(elements.shape()), elements.bytes())
        }
        Attribute::Text(text) => library::write_attribute_texts(object, name, Some(&[]), std::slice::from_ref(text)),
        Attribute::Texts { shape, texts } => library::write_attribute_texts(object, name, Some(shape), texts),
        Attribute::Empty(Some(dtype)) => library::write_attribute(object, name, &datatype(dtype, &place)?, None, &[]),
        Attribute::Empty(None) => library::write_attribute_texts(object, name, None, &[]),
        other => return check(name, other, &place),
    };
    written.map_err(|error| place.library("write", &error))
}

fn datatype(dtype: &DType, place: &Place) -> Result<Datatype> {
    dtype::datatype(dtype).map_err(|unmapped| place.unmapped("an HDF5 attribute", unmapped))
}

/// Checks that there is an attribute of this name.
pub(crate) fn check_there(object: &Location, name: &str, place: &Place) -> Result<()> {
    find(object, name, place)?.map(|_| ()).ok_or_else(|| missing(name, place))
}

/// Removes the attribute of this name, which is there.
pub(crate) fn remove(object: &Location, name: &str, place: &Place) -> Result<()> {
    library::remove_attribute(object, name).map_err(|error| of_attribute(place, name).library("remove", &error))
}

fn missing(name: &str, place: &Place) -> Error {
    place.unsupported(format!("has no attribute {name:?}"))
}
