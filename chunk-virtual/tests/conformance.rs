//! The suite that every lazy node passes.

use chunk_core::MemorySource;
use chunk_testkit::{SourceCase, source_conformance};
use chunk_virtual::{Indices, Selected};

chunk_testkit::measure_memory!();

const ROWS: u64 = 150;
const COLUMNS: u64 = 170;

fn numbers() -> MemorySource {
    let numbers: Vec<f64> = (0..ROWS * COLUMNS).map(|i| i as f64).collect();
    MemorySource::new([ROWS, COLUMNS], &numbers).unwrap()
}

fn bytes(elements: impl Iterator<Item = (u64, u64)>) -> Vec<u8> {
    elements.flat_map(|(row, column)| ((row * COLUMNS + column) as f64).to_ne_bytes()).collect()
}

fn selected(chunked: bool, text: &'static str, oracle: Vec<u8>) -> SourceCase {
    let input = if chunked { numbers().with_chunk_shape([32, 20]).unwrap() } else { numbers() };
    let indices: Indices = text.parse().unwrap();
    SourceCase::node(input, move |x| Selected::new(x, &indices), oracle)
}

source_conformance!(a_reversed_selection, || {
    let rows = (0..ROWS).rev().step_by(2);
    let oracle = bytes(rows.flat_map(|row| (10..COLUMNS).step_by(3).map(move |column| (row, column))));
    selected(true, "::-2, 10::3", oracle)
});

source_conformance!(a_selection_by_a_list, || {
    let rows = [140, 3, 3, 77, 0];
    let oracle = bytes(rows.into_iter().flat_map(|row| (0..COLUMNS).map(move |column| (row, column))));
    selected(true, "[[140, 3, 3, 77, 0]]", oracle)
});

source_conformance!(a_selection_of_unit_steps, || {
    let oracle = bytes((20..ROWS).flat_map(|row| (5..160).map(move |column| (row, column))));
    selected(true, "20:, 5:160", oracle)
});

source_conformance!(a_selection_without_chunks, || {
    let oracle = bytes((0..ROWS).flat_map(|row| (0..COLUMNS).step_by(2).map(move |column| (row, column))));
    selected(false, "newaxis, :, newaxis, ::2", oracle)
});

source_conformance!(a_selection_that_moves_an_axis, || {
    let columns = [9, 2, 9];
    let oracle = bytes(columns.into_iter().map(|column| (7, column)));
    selected(true, "7, newaxis, [9, 2, 9]", oracle)
});

source_conformance!(an_empty_selection, || selected(true, "10:5", Vec::new()));
