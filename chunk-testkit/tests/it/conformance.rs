//! What is known to be right passes every rule.

use chunk_core::{Element, MemoryBackend, MemorySource, Slab, Window};
use chunk_testkit::{Description, SourceCase, source_conformance};

use crate::small_backend::{Fault, SmallBackend};

chunk_testkit::conformance!(memory, || Description::in_memory(MemoryBackend::new()).with_growth_axes([0, 1]));

chunk_testkit::conformance!(small_files, || SmallBackend::description(Fault::Nothing));

source_conformance!(chunked_memory, || {
    let numbers: Vec<f64> = (0..300 * 70).map(f64::from).collect();
    let source = MemorySource::new([300, 70], &numbers).unwrap().with_chunk_shape([64, 30]).unwrap();
    (source, f64::as_bytes(&numbers).to_vec())
});

source_conformance!(one_element, || (MemorySource::new([], &[7_u16]).unwrap(), 7_u16.to_ne_bytes()));

source_conformance!(no_elements, || (MemorySource::new::<f32>([3, 0, 2], &[]).unwrap(), []));

source_conformance!(a_node, || {
    let input = MemorySource::new([9, 5], &[3_u8; 45]).unwrap();
    SourceCase::node(input, |input| Window::new(input, Slab::new([1, 2], [7, 3])), [3; 21])
});
