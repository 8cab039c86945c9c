//! Tests across the crates, one module a subject.

mod append;
mod bad_input;
mod casting;
mod conformance;
mod convert;
mod corpora;
mod diff;
mod faults;
mod fft_of_foreign_files;
mod files;
mod kills;
mod memory;
mod npy;
mod npy_commands;
mod npy_corpora;
mod npy_faults;
mod program;
mod python;
mod read_back;
mod reading;
mod selection_texts;
mod selections;
mod show;
mod stats;
mod verify;
mod virtual_datasets;
