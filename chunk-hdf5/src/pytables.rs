//! What PyTables writes beside elements, and looks for when it opens a file.
//!
//! # Source
//! "PyTables File Format" of the PyTables manual, and files of PyTables 3.11.

use chunk_core::{Attribute, DType, DatasetInfo, Result};
use hdf5::{Datatype, Location};

use crate::error::Place;
use crate::{attributes, dtype, library};

/// What PyTables calls a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// No chunks.
    Array,
    /// Chunks, of a shape that does not change.
    CArray,
    /// Chunks, and an axis along which it grows.
    EArray { axis: usize },
}

impl Class {
    /// What PyTables would call such a dataset.
    ///
    /// # Errors
    /// [`Unsupported`](chunk_core::Error::Unsupported) for what it does not have: two axes that grow, one that grows to an end.
    pub(crate) fn of(info: &DatasetInfo, place: &Place) -> Result<Self> {
        if info.shape.is_empty() {
            return Ok(Class::Array);
        }
        let most = |axis: usize| info.max_shape.as_ref().map_or(Some(info.shape[axis]), |most| most[axis]);
        let mut growing = (0..info.shape.len()).filter(|axis| most(*axis) != Some(info.shape[*axis]));
        match (growing.next(), growing.next()) {
            (_, Some(_)) => Err(place.unsupported("PyTables has no arrays that grow along two axes")),
            (Some(axis), None) if most(axis).is_some() => {
                Err(place.unsupported(format!("PyTables has no arrays that grow to an end, as axis {axis} does")))
            }
            (Some(axis), None) => Ok(Class::EArray { axis }),
            (None, None) => Ok(Class::CArray),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Class::Array => "ARRAY",
            Class::CArray => "CARRAY",
            Class::EArray { .. } => "EARRAY",
        }
    }

    fn version(self) -> &'static str {
        if self == Class::Array { "2.4" } else { "1.1" }
    }

    /// Writes what PyTables looks for at a dataset.
    pub(crate) fn write(self, dataset: &Location, place: &Place) -> Result<()> {
        write_text(dataset, "CLASS", self.name(), place)?;
        write_text(dataset, "VERSION", self.version(), place)?;
        write_title(dataset, place)?;
        match self {
            Class::Array => write_text(dataset, "FLAVOR", "numpy", place),
            Class::CArray => Ok(()),
            Class::EArray { axis } => attributes::write(dataset, "EXTDIM", &axis_number(axis).into(), place),
        }
    }
}

/// Writes what PyTables looks for at a group, unless it has a class.
pub(crate) fn write_group(group: &Location, place: &Place) -> Result<()> {
    if attributes::find(group, "CLASS", place)?.is_some() {
        return Ok(());
    }
    write_text(group, "CLASS", "GROUP", place)?;
    write_text(group, "VERSION", "1.0", place)?;
    write_title(group, place)?;
    if place.dataset == "/" { write_text(group, "PYTABLES_FORMAT_VERSION", "2.1", place) } else { Ok(()) }
}

/// Whether all that is said of a group is what PyTables says of every group.
pub(crate) fn is_plain_group(group: &Location, place: &Place) -> Result<bool> {
    let is_plain = |(name, value): &(String, Attribute)| match name.as_str() {
        "CLASS" => value.text().is_some_and(|class| class == "GROUP"),
        "TITLE" => matches!(value, Attribute::Empty(_)),
        name => matches!(name, "VERSION" | "PYTABLES_FORMAT_VERSION"),
    };
    Ok(attributes::read_all(group, place)?.iter().all(is_plain))
}

/// The datatype by which PyTables stores elements: bools as bitfields.
///
/// # Errors
/// [`UnsupportedDType`](chunk_core::Error::UnsupportedDType) for what PyTables has no arrays of.
pub(crate) fn datatype(dtype: &DType, place: &Place) -> Result<Datatype> {
    let made = match dtype {
        DType::Bool => library::byte_bitfield().map_err(dtype::Unmapped::Library),
        DType::Bytes(_) => dtype::datatype(dtype),
        numeric if numeric.is_numeric() => dtype::datatype(dtype),
        other => Err(dtype::Unmapped::Kind(other.to_string())),
    };
    made.map_err(|unmapped| place.unmapped("PyTables", unmapped))
}

fn axis_number(axis: usize) -> i32 {
    i32::try_from(axis).expect("an array has few axes")
}

fn write_text(object: &Location, name: &str, text: &str, place: &Place) -> Result<()> {
    let written = library::write_terminated_text(object, name, text);
    written.map_err(|error| attributes::of_attribute(place, name).library("write", &error))
}

/// No title, unless there is one.
fn write_title(object: &Location, place: &Place) -> Result<()> {
    match attributes::find(object, "TITLE", place)? {
        Some(_) => Ok(()),
        None => attributes::write(object, "TITLE", &Attribute::Empty(Some(DType::Bytes(1))), place),
    }
}
