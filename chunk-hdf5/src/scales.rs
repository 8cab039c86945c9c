//! Dimension scales: datasets that say where the elements of others are along an axis.
//!
//! # Source
//! "HDF5 Dimension Scale Specification" of The HDF Group. Scales and datasets refer to each other by attributes. The
//! library's own functions for them (`H5DS*`) take the sizes of these attributes for granted, so a malformed file makes
//! them write behind their buffers: here the attributes are looked at first.

use chunk_core::{Attribute, Error, Result};
use hdf5::{Attribute as Stored, Dataset, Location};

use crate::attributes;
use crate::error::Place;
use crate::library::{self, Class};

/// The class of a scale, in its attribute `CLASS`.
const SCALE: &str = "DIMENSION_SCALE";
/// Of a dataset: for each axis, references to its scales.
pub(crate) const SCALES: &str = "DIMENSION_LIST";
/// Of a scale: references to datasets, each with the axis.
pub(crate) const USERS: &str = "REFERENCE_LIST";
/// Of a dataset: a text for each axis.
pub(crate) const LABELS: &str = "DIMENSION_LABELS";

/// An axis of a dataset, and what says what is along it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Axis {
    /// Its extent.
    pub extent: u64,
    /// Its label, if it has one.
    pub label: Option<String>,
    /// Its scales, in the order in which they were attached.
    pub scales: Vec<Scale>,
}

/// A dimension scale.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scale {
    /// The dataset that is the scale, from the root.
    pub dataset: String,
    /// Its name as a scale, if it has one.
    pub name: Option<String>,
}

/// A dataset, opened, with its place.
pub(crate) type Placed = (Dataset, Place);

/// What is along each axis of a dataset.
///
/// # Errors
/// [`Error::Corrupt`] for attributes that do not fit the dataset, and references that lead to no dataset.
pub(crate) fn axes(file: &hdf5::File, (dataset, place): &Placed) -> Result<Vec<Axis>> {
    let (extents, _) = crate::file::extents(dataset, place)?;
    let labels = labels(dataset, extents.len(), place)?;
    let lists = scale_lists(dataset, extents.len(), place)?;
    let axis = |((extent, label), list): ((u64, String), Vec<u64>)| {
        let scales = list.into_iter().map(|reference| referenced(file, dataset, reference, place));
        Ok(Axis { extent, label: (!label.is_empty()).then_some(label), scales: scales.collect::<Result<_>>()? })
    };
    extents.into_iter().zip(labels).zip(lists).map(axis).collect()
}

fn referenced(file: &hdf5::File, dataset: &Dataset, reference: u64, place: &Place) -> Result<Scale> {
    let lost = || attributes::of_attribute(place, SCALES).corrupt("a reference leads to no dataset");
    let name = library::referenced_name(dataset, reference).map_err(|_| lost())?.ok_or_else(lost)?;
    let scale = file.dataset(&name).map_err(|_| lost())?;
    Ok(Scale { name: attributes::read_text(&scale, "NAME"), dataset: name })
}

/// Whether the dataset says that it is a scale.
pub(crate) fn is_scale(dataset: &Location) -> bool {
    attributes::read_text(dataset, "CLASS").is_some_and(|class| class == SCALE)
}

/// Checks that a dataset can be a scale: it has no scales itself, and no other class.
pub(crate) fn check_scale((dataset, place): &Placed) -> Result<()> {
    if attributes::find(dataset, SCALES, place)?.is_some() {
        return Err(place.unsupported("has dimension scales, so it cannot be one"));
    }
    if attributes::find(dataset, "CLASS", place)?.is_some() && !is_scale(dataset) {
        return Err(place.unsupported("is of another class, by its attribute CLASS, so it cannot be a dimension scale"));
    }
    Ok(())
}

/// Makes a scale of a dataset that was checked, maybe with a name.
pub(crate) fn make_scale((dataset, place): &Placed, name: Option<&str>) -> Result<()> {
    let write = |attribute: &str, text: &str| {
        let written = library::write_terminated_text(dataset, attribute, text);
        written.map_err(|error| attributes::of_attribute(place, attribute).library("write", &error))
    };
    write("CLASS", SCALE)?;
    name.map_or(Ok(()), |name| write("NAME", name))
}

/// Checks that `scale` can be attached to an axis of `dataset`.
pub(crate) fn check_attached((dataset, place): &Placed, axis: usize, scale: &Placed) -> Result<()> {
    check_axis(dataset, axis, place)?;
    if is_scale(dataset) {
        return Err(place.unsupported("is a dimension scale, so it cannot have any"));
    }
    if place.dataset == scale.1.dataset {
        return Err(place.unsupported("cannot be a dimension scale of itself"));
    }
    scale_lists(dataset, dataset.ndim(), place)?;
    users(scale)?;
    check_scale(scale)
}

/// Attaches a scale that was checked, after those that the axis has. If it has it already, nothing changes.
pub(crate) fn attach((dataset, place): &Placed, axis: usize, scale: &Placed) -> Result<()> {
    if !is_scale(&scale.0) {
        make_scale(scale, None)?;
    }
    let fail = |error: hdf5::Error| place.library("attach a dimension scale to", &error);
    let mut lists = scale_lists(dataset, dataset.ndim(), place)?;
    let (to_scale, to_dataset) =
        (library::object_reference(&scale.0).map_err(fail)?, library::object_reference(dataset).map_err(fail)?);
    if lists[axis].contains(&to_scale) {
        return Ok(());
    }
    lists[axis].push(to_scale);
    let mut users = users(scale)?;
    users.push((to_dataset, axis as u32));
    library::write_reference_lists(dataset, SCALES, &lists).map_err(fail)?;
    library::write_references_with_axes(&scale.0, USERS, &users).map_err(fail)
}

/// Checks that an axis can have a label.
pub(crate) fn check_label((dataset, place): &Placed, axis: usize, label: &str) -> Result<()> {
    check_axis(dataset, axis, place)?;
    labels(dataset, dataset.ndim(), place)?;
    attributes::check(LABELS, &label.into(), place)
}

/// Gives an axis that was checked a label.
pub(crate) fn set_label((dataset, place): &Placed, axis: usize, label: &str) -> Result<()> {
    let mut labels = labels(dataset, dataset.ndim(), place)?;
    label.clone_into(&mut labels[axis]);
    let labels = Attribute::texts([labels.len() as u64], labels)?;
    attributes::write(dataset, LABELS, &labels, place)
}

fn check_axis(dataset: &Dataset, axis: usize, place: &Place) -> Result<()> {
    let ndim = dataset.ndim();
    if axis < ndim { Ok(()) } else { Err(Error::AxisOutOfRange { axis, ndim, dataset: place.name() }) }
}

/// The labels of all axes, empty where there is none.
fn labels(dataset: &Dataset, axes: usize, place: &Place) -> Result<Vec<String>> {
    if attributes::find(dataset, LABELS, place)?.is_none() {
        return Ok(vec![String::new(); axes]);
    }
    match attributes::read(dataset, LABELS, place)? {
        Attribute::Texts { texts, .. } if texts.len() == axes => Ok(texts),
        _ => Err(attributes::of_attribute(place, LABELS).corrupt("is not a text for each axis")),
    }
}

/// References to the scales of each axis.
fn scale_lists(dataset: &Dataset, axes: usize, place: &Place) -> Result<Vec<Vec<u64>>> {
    let Some(stored) = attributes::find(dataset, SCALES, place)? else { return Ok(vec![Vec::new(); axes]) };
    let place = attributes::of_attribute(place, SCALES);
    let fail = |error: hdf5::Error| place.library("read", &error);
    if stored.shape() != [axes] || !has_reference_lists(&stored).map_err(fail)? {
        return Err(place.corrupt("is not a list of references for each axis"));
    }
    library::attribute_reference_lists(&stored).map_err(fail)
}

fn has_reference_lists(stored: &Stored) -> hdf5::Result<bool> {
    match library::class(&library::attribute_type(stored)?)? {
        Class::Sequence { element } => is_reference(&element),
        _ => Ok(false),
    }
}

fn is_reference(kind: &hdf5::Datatype) -> hdf5::Result<bool> {
    Ok(matches!(library::class(kind)?, Class::ObjectReference))
}

/// References to the datasets that a scale is attached to, each with the axis.
fn users((scale, place): &Placed) -> Result<Vec<(u64, u32)>> {
    let Some(stored) = attributes::find(scale, USERS, place)? else { return Ok(Vec::new()) };
    let place = attributes::of_attribute(place, USERS);
    let fail = |error: hdf5::Error| place.library("read", &error);
    if !has_references_with_axes(&stored).map_err(fail)? {
        return Err(place.corrupt("is not a list of references with axes"));
    }
    library::attribute_references_with_axes(&stored).map_err(fail)
}

fn has_references_with_axes(stored: &Stored) -> hdf5::Result<bool> {
    let Class::Compound { members } = library::class(&library::attribute_type(stored)?)? else { return Ok(false) };
    match members.as_slice() {
        [dataset, axis] if dataset.name == "dataset" && axis.name == "dimension" => {
            let is_integer = matches!(library::class(&axis.kind)?, Class::Integer { .. });
            Ok(is_integer && is_reference(&dataset.kind)?)
        }
        _ => Ok(false),
    }
}
