//! Virtual datasets: which piece of which dataset stands where.

use std::path::Path;

use chunk_core::{DatasetInfo, Result, Scalar, Shape};
use hdf5::dataset::Layout;

use crate::destination::Destination;
use crate::file;
use crate::library::{self, Creation};
use crate::links;
use crate::locks::Locks;
use crate::options::ReadOptions;
use crate::source::{self, Hdf5Source};

/// A virtual dataset, as an HDF5 file describes it: nothing of its sources is looked at.
///
/// The crate `chunk-virtual` reads such datasets, and makes them of stacks and layouts.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct VirtualDataset {
    /// Shape, dtype, maximal shape and fill value. Where pieces are without end, the shape is what the file says; its
    /// sources may reach farther.
    pub info: DatasetInfo,
    /// Its name in its file, from the root.
    pub name: String,
    /// Its pieces; where they overlap, the last is read.
    pub mappings: Vec<VirtualMapping>,
}

/// One piece of a virtual dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualMapping {
    /// The file of the source: `.` is the virtual dataset's own, other relative names are beside it. In both names `%b`
    /// stands for the number of the block, where the piece is without end, and `%%` for `%`.
    pub file: String,
    /// The name of the source in its file.
    pub dataset: String,
    /// Where in the virtual dataset it stands.
    pub at: Region,
    /// What of the source stands there: as many elements, in the same order.
    pub of: Region,
    /// Extents of the source. A file does not keep them: read back, they are what `of` reaches.
    pub source_shape: Shape,
}

/// What is selected of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Region {
    /// All of it.
    All,
    /// Evenly spaced blocks.
    Hyperslab(Hyperslab),
    /// Blocks anywhere, none of which overlap; elements are taken in the order of the dataset, not block by block.
    Blocks(Vec<Block>),
    /// None of it.
    Nothing,
    /// Points one by one.
    Points,
}

/// A dense piece of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Where it begins along each axis.
    pub start: Vec<u64>,
    /// Its extents.
    pub count: Vec<u64>,
}

/// Evenly spaced blocks, as libhdf5 has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hyperslab {
    /// Where the first block begins along each axis.
    pub start: Vec<u64>,
    /// From the start of a block to that of the next.
    pub stride: Vec<u64>,
    /// How many blocks; `None` is without end.
    pub count: Vec<Option<u64>>,
    /// Extent of a block; `None` is without end.
    pub block: Vec<Option<u64>>,
}

/// A dataset as it was found: one with elements of its own, or a virtual one.
#[derive(Debug)]
#[non_exhaustive]
pub enum Opened {
    /// Elements of its own.
    Own(Box<Hdf5Source>),
    /// Pieces of others.
    Virtual(Box<VirtualDataset>),
}

impl Opened {
    /// Opens the dataset of this name, or the file's only one.
    ///
    /// # Errors
    /// As [`Hdf5Source::open`].
    pub fn open(path: impl AsRef<Path>, name: Option<&str>, options: ReadOptions) -> Result<Self> {
        let opened = links::open(path.as_ref(), name, options)?;
        if opened.dataset.layout() != Layout::Virtual {
            return Hdf5Source::of_dataset(opened, options).map(|source| Opened::Own(Box::new(source)));
        }
        let links::Opened { dataset, place, .. } = opened;
        let info = source::entry(&dataset, &place)?.info;
        let fail = |error: hdf5::Error| place.library("read the mappings", &error);
        let mappings = library::virtual_mappings(&dataset).map_err(fail)?;
        Ok(Opened::Virtual(Box::new(VirtualDataset { info, name: place.dataset.clone(), mappings })))
    }
}

impl VirtualDataset {
    /// A dataset `name` of these pieces.
    #[must_use]
    pub fn new(info: DatasetInfo, name: impl Into<String>, mappings: Vec<VirtualMapping>) -> Self {
        VirtualDataset { info, name: file::absolute(&name.into()), mappings }
    }

    /// Writes the dataset to the file at `path`: a new one, under a temporary name until it is complete, or one that is
    /// there, in place. If `overwrite`, it takes the name from the dataset that has it.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`](chunk_core::Error::AlreadyExists), unless it may be overwritten; a missing directory; a
    /// dtype that HDF5 cannot hold; mappings that libhdf5 refuses, and those of [`Region::Blocks`], [`Region::Points`] and
    /// [`Region::Nothing`].
    pub fn write(&self, path: impl AsRef<Path>, overwrite: bool) -> Result<()> {
        self.write_to(&Destination::of_path(path.as_ref(), &self.name, overwrite, &Locks::default())?)
    }

    pub(crate) fn write_to(&self, destination: &Destination) -> Result<()> {
        let place = &destination.place;
        self.info.check()?;
        let kind = crate::dtype::datatype(&self.info.dtype).map_err(|unmapped| place.unmapped("HDF5", unmapped))?;
        let fixed: Vec<_> = self.info.shape.iter().map(|extent| Some(*extent)).collect();
        let creation = Creation {
            kind: &kind,
            extents: &self.info.shape,
            most: self.info.max_shape.as_ref().unwrap_or(&fixed),
            chunk: None,
            filters: &[],
            fill: self.info.fill.as_ref().map(Scalar::bytes),
            mappings: &self.mappings,
        };
        let file = destination.open()?;
        let dataset = library::create(file.library(), &creation);
        let dataset = dataset.map_err(|error| file.fail(place.library("create", &error)))?;
        destination.finish(file, dataset)
    }
}
