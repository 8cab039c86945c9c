//! The program as its users meet it: command lines, output, exit statuses, what is left in the folder.

mod append;
mod bad_input;
mod common;
mod convert;
mod demo;
mod diff;
mod fft;
mod hash;
mod info;
mod interrupt;
mod ls;
mod one_file;
mod program;
mod show;
mod stats;
mod verify;
