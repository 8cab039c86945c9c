//! The program as its users meet it: command lines, output, exit statuses, what is left in the folder.

mod bad_input;
mod common;
mod demo;
mod fft;
mod hash;
mod info;
mod interrupt;
mod ls;
mod program;
