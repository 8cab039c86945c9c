//! HDF5 virtual datasets: writing stacks and layouts as such, and reading those that others wrote.
//!
//! Behind the feature `hdf5`, which pulls libhdf5.

mod backend;
mod netcdf;
mod open;
mod pieces;
mod regular;
mod rows;

pub use self::backend::VirtualHdf5;
pub use self::netcdf::Dimension;
pub use self::open::{OpenOptions, open};
pub use self::pieces::Pieces;
