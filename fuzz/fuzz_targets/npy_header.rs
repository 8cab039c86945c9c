//! Any bytes as a header: read, changed in place, read again.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chunk_npy::fuzzing::header(bytes));
