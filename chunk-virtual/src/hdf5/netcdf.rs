//! Stacks and layouts as variables of netCDF-4 files.
//!
//! # Source
//! "NetCDF-4 Format" of the netCDF documentation, and files of netCDF 4.10: a dimension is an HDF5 dimension scale,
//! which is the variable of coordinates of the same name, or says in its name that it is none.

use std::collections::HashMap;

use chunk_core::{Attribute, ChunkSink, DType, DatasetInfo, Element, Entry, EntryKind, Error, Result, Slab, Worker};
use chunk_hdf5::{Filter, Hdf5Editor};

use super::Pieces;

/// What the scale of a dimension without coordinates is called, before its extent in ten places.
const NO_VARIABLE: &str = "This is a netCDF dimension but not a netCDF variable.";
/// The number of a dimension, in an attribute of its scale.
const NUMBER: &str = "_Netcdf4Dimid";
/// Who made the file, in an attribute of the root.
const MADE_BY: &str = "_NCProperties";

/// An axis of a netCDF variable: the name of a dimension, and its coordinates if they are to be written.
///
/// ```
/// use chunk_virtual::hdf5::Dimension;
///
/// let named = Dimension::from("channel");
/// let along = Dimension::from("distance").with_coordinates(&[0.0, 2.5, 5.0]);
/// assert_ne!(named, along);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dimension {
    name: String,
    coordinates: Option<Coordinates>,
}

#[derive(Clone, Debug, PartialEq)]
struct Coordinates {
    dtype: DType,
    extent: u64,
    bytes: Vec<u8>,
}

impl Dimension {
    /// With coordinates: values along the axis, one for each position.
    #[must_use]
    pub fn with_coordinates<T: Element>(mut self, values: &[T]) -> Self {
        let bytes = T::as_bytes(values).to_vec();
        self.coordinates = Some(Coordinates { dtype: T::DTYPE, extent: values.len() as u64, bytes });
        self
    }
}

impl From<&str> for Dimension {
    fn from(name: &str) -> Self {
        Dimension { name: name.to_owned(), coordinates: None }
    }
}

impl Pieces {
    /// Makes them the variable `name` of a netCDF-4 file that an editor has open: a virtual dataset, with a dimension for
    /// each axis. netCDF, h5netcdf and xarray then open the file with its dimensions.
    ///
    /// A dimension that the variable's group has, or one around it, is taken. Others are made in the variable's group,
    /// with coordinates if they are given. A variable of one axis that is called as its dimension is the coordinates of
    /// that. Times are integers with an attribute `units`, as `seconds since 1970-01-01`: see
    /// [`Hdf5Editor::set_attribute`].
    ///
    /// ```no_run
    /// use chunk_hdf5::Hdf5Editor;
    /// use chunk_virtual::{VirtualStack, hdf5::{Dimension, Pieces}};
    ///
    /// # fn write(stack: &VirtualStack, times: &[i64]) -> chunk_core::Result<()> {
    /// let editor = Hdf5Editor::create("all.nc", false)?;
    /// let time = Dimension::from("time").with_coordinates(times);
    /// Pieces::of_stack(stack)?.create_variable(&editor, "velocity", &[time, "distance".into()])?;
    /// editor.set_attribute("time", "units", "microseconds since 1970-01-01")?;
    /// editor.set_attribute("velocity", "units", "m/s")?;
    /// editor.finish()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Before anything changes: [`Error::UnsupportedDType`] for elements that netCDF does not have (it has integers,
    /// `float32`, `float64` and single characters); [`Error::InvalidArgument`] for another number of dimensions than axes,
    /// for dimensions that are of another length than the axis, for coordinates of a dimension that is there, and for what
    /// is there under the name of a dimension and is none; as [`Pieces::write`] and [`Hdf5Editor::create_dataset`], of
    /// names. Then what writing meets.
    pub fn create_variable(&self, editor: &Hdf5Editor, name: &str, dimensions: &[Dimension]) -> Result<()> {
        let variable = Variable { editor, name: absolute(name), dimensions, pieces: self };
        let entries = editor.entries()?;
        let dataset = self.virtual_dataset(editor.path(), &variable.name)?;
        let plan = variable.check(&entries)?;
        if !entries.iter().any(|entry| entry.name == "/" && attribute(entry, MADE_BY).is_some()) {
            editor.set_attribute("/", MADE_BY, made_by())?;
        }
        let mut number = first_number(&entries);
        for (dimension, extent) in &plan.made {
            let scale = variable.beside(&dimension.name);
            create_dimension(editor, &scale, *extent, dimension.coordinates.as_ref())?;
            make_scale(editor, &scale, (dimension.coordinates.is_none()).then_some(*extent), &mut number)?;
        }
        editor.create_virtual_dataset(&dataset)?;
        if plan.is_coordinates {
            return make_scale(editor, &variable.name, None, &mut number);
        }
        let mut axes = plan.scales.iter().enumerate();
        axes.try_for_each(|(axis, scale)| editor.attach_scale(&variable.name, axis, scale))
    }
}

/// A variable that is to be made.
struct Variable<'a> {
    editor: &'a Hdf5Editor,
    /// From the root.
    name: String,
    dimensions: &'a [Dimension],
    pieces: &'a Pieces,
}

/// What is to be done for a variable.
struct Steps<'a> {
    /// Dimensions that are not there, with their extents.
    made: Vec<(&'a Dimension, u64)>,
    /// For each axis, the scale.
    scales: Vec<String>,
    /// Whether the variable is the coordinates of its only dimension.
    is_coordinates: bool,
}

impl<'a> Variable<'a> {
    fn refuse(&self, what: &str) -> Error {
        Error::InvalidArgument(format!("{}::{}: {what}", self.editor.path().display(), self.name))
    }

    /// The name of something in the variable's group.
    fn beside(&self, name: &str) -> String {
        let (group, _) = self.name.rsplit_once('/').unwrap_or_default();
        format!("{group}/{name}")
    }

    fn check(&self, entries: &[Entry]) -> Result<Steps<'a>> {
        let shape = &self.pieces.info().shape;
        check_dtype(&self.pieces.info().dtype, &self.name)?;
        if shape.len() != self.dimensions.len() {
            return Err(self.refuse(&format!("{} dimensions for {} axes", self.dimensions.len(), shape.len())));
        }
        if entries.iter().any(|entry| entry.name == self.name) {
            let (path, dataset) = (self.editor.path().to_path_buf(), self.name.clone());
            return Err(Error::AlreadyExists { path, dataset, hint: "" });
        }
        let mut steps = Steps { made: Vec::new(), scales: Vec::new(), is_coordinates: false };
        let mut made = HashMap::new();
        for (dimension, extent) in self.dimensions.iter().zip(shape.iter().copied()) {
            self.check_dimension(dimension, extent)?;
            if self.beside(&dimension.name) == self.name {
                steps.is_coordinates = shape.len() == 1 && dimension.coordinates.is_none();
                if !steps.is_coordinates {
                    return Err(self.refuse("only a variable of one axis is the coordinates of its dimension"));
                }
            } else if let Some(there) = self.find(entries, dimension, extent)? {
                steps.scales.push(there);
            } else {
                match made.insert(&dimension.name, extent) {
                    None => steps.made.push((dimension, extent)),
                    Some(before) if before == extent => {}
                    Some(before) => return Err(self.refuse(&length(&dimension.name, before, extent))),
                }
                steps.scales.push(self.beside(&dimension.name));
            }
        }
        Ok(steps)
    }

    fn check_dimension(&self, dimension: &Dimension, extent: u64) -> Result<()> {
        let name = &dimension.name;
        if name.is_empty() || name.contains(['/', '\0']) || name == "." || name == ".." {
            return Err(self.refuse(&format!("{name:?} is not the name of a dimension")));
        }
        let Some(coordinates) = &dimension.coordinates else { return Ok(()) };
        check_dtype(&coordinates.dtype, &self.beside(name))?;
        if coordinates.extent == extent { Ok(()) } else { Err(self.refuse(&length(name, coordinates.extent, extent))) }
    }

    /// The dimension that is there, in the variable's group or around it.
    fn find(&self, entries: &[Entry], dimension: &Dimension, extent: u64) -> Result<Option<String>> {
        let mut group = self.name.as_str();
        while let Some((outer, _)) = group.rsplit_once('/') {
            let name = format!("{outer}/{}", dimension.name);
            if let Some(entry) = entries.iter().find(|entry| entry.name == name) {
                let there = scale_extent(entry);
                let there = there.ok_or_else(|| self.refuse(&format!("{name} is there and is no dimension")))?;
                if there != extent {
                    return Err(self.refuse(&length(&dimension.name, there, extent)));
                }
                if dimension.coordinates.is_some() {
                    return Err(self.refuse(&format!("the dimension {name} is there: give no coordinates for it")));
                }
                return Ok(Some(name));
            }
            group = outer;
        }
        Ok(None)
    }
}

fn length(name: &str, dimension: u64, axis: u64) -> String {
    format!("the dimension {name} has {dimension} positions, the axis {axis}")
}

fn absolute(name: &str) -> String {
    name.split('/').filter(|part| !part.is_empty()).fold(String::new(), |name, part| name + "/" + part)
}

/// Checks that netCDF has the dtype.
fn check_dtype(dtype: &DType, name: &str) -> Result<()> {
    let refused = [DType::Bool, DType::F16, DType::ComplexF32, DType::ComplexF64];
    if *dtype == DType::Bytes(1) || dtype.is_numeric() && !refused.contains(dtype) {
        return Ok(());
    }
    Err(Error::UnsupportedDType { dataset: name.to_owned(), dtype: dtype.to_string(), operation: "netCDF".to_owned() })
}

fn attribute<'a>(entry: &'a Entry, name: &str) -> Option<&'a Attribute> {
    entry.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

fn is_scale(entry: &Entry) -> bool {
    attribute(entry, "CLASS").and_then(Attribute::text).is_some_and(|class| class == "DIMENSION_SCALE")
}

/// How many positions the dimension has that an entry is, if it is one.
fn scale_extent(entry: &Entry) -> Option<u64> {
    match &entry.kind {
        EntryKind::Dataset(dataset) if is_scale(entry) && dataset.info.shape.len() == 1 => Some(dataset.info.shape[0]),
        _ => None,
    }
}

/// A number that no dimension of the file has: netCDF numbers those without one as it meets them.
fn first_number(entries: &[Entry]) -> i32 {
    let scales = entries.iter().filter(|entry| is_scale(entry));
    let numbers = scales.clone().filter_map(|entry| attribute(entry, NUMBER)?.value::<i32>().ok());
    let most = numbers.max().unwrap_or(-1).saturating_add(1);
    most.max(i32::try_from(scales.count()).unwrap_or(i32::MAX))
}

fn made_by() -> Attribute {
    let versions = chunk_hdf5::library_versions();
    let hdf5 = versions.strip_prefix("HDF5 ").and_then(|rest| rest.split(',').next()).unwrap_or_default();
    format!("version=2,chunk={},hdf5={hdf5}", env!("CARGO_PKG_VERSION")).into()
}

/// The dataset of a dimension: its coordinates, or none, which take no space.
fn create_dimension(editor: &Hdf5Editor, name: &str, extent: u64, coordinates: Option<&Coordinates>) -> Result<()> {
    let dtype = coordinates.map_or(DType::F32, |coordinates| coordinates.dtype.clone());
    let sink = editor.create_dataset(name, DatasetInfo::new([extent], dtype), Filter::NONE)?;
    if let Some(coordinates) = coordinates.filter(|_| extent > 0) {
        sink.write_from(&Slab::whole(&[extent]), &coordinates.bytes, &Worker::new())?;
    }
    Box::new(sink).finish()
}

/// Makes a dimension of a dataset: one that has no coordinates if an extent is given.
fn make_scale(editor: &Hdf5Editor, name: &str, without: Option<u64>, number: &mut i32) -> Result<()> {
    let own = name.rsplit_once('/').map_or(name, |(_, own)| own);
    let called = without.map_or_else(|| own.to_owned(), |extent| format!("{NO_VARIABLE}{extent:10}"));
    editor.make_scale(name, Some(&called))?;
    editor.set_attribute(name, NUMBER, *number)?;
    *number = number.saturating_add(1);
    Ok(())
}
