//! Layouts: what is read where, what is filled, what is refused.

use std::sync::Arc;

use chunk_core::{
    ChunkSource, ChunkSourceExt, DType, DatasetInfo, Error, Identity, MemoryBackend, MemorySource, Registry, Scalar,
    Slab, Worker,
};
use chunk_virtual::{Fill, Index, Indices, Selected, SourcePool, VirtualLayout, VirtualSource, select};
use proptest::prelude::*;

use crate::naive::Naive;
use crate::selections::apply;
use crate::stacks::counting;

/// A slice of positive step, or a position.
fn spot(extent: usize) -> BoxedStrategy<Index> {
    let reach = extent as i64 + 1;
    let bound = prop::option::of(-reach..=reach);
    let slice = (bound.clone(), bound, 1..4_i64);
    prop_oneof![
        5 => slice.prop_map(|(start, stop, step)| Index::Slice { start, stop, step }),
        1 => (0..extent.max(1) as i64).prop_map(Index::At),
    ]
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn what_was_placed_last_is_read(
        (shape, places) in prop::collection::vec(1..7_usize, 0..4).prop_flat_map(|shape| {
            let place: Vec<_> = shape.iter().map(|extent| spot(*extent)).collect();
            (Just(shape), prop::collection::vec(place, 0..5))
        }),
        chunked in any::<u8>(),
        threads in 1..4_usize,
        draws in prop::collection::vec(any::<u64>(), 6),
    ) {
        let extents: Vec<u64> = shape.iter().map(|extent| *extent as u64).collect();
        let whole = Naive::whole(&shape);
        let mut layout = VirtualLayout::new(extents.clone(), DType::U64);
        let mut expected = vec![None; whole.elements.len()];
        for (number, place) in places.into_iter().enumerate() {
            let taken = apply(&whole, &place).unwrap();
            let shape: Vec<u64> = taken.shape.iter().map(|extent| *extent as u64).collect();
            let source = counting(&shape, 1000 * (number as u64 + 1));
            for (element, at) in taken.elements.iter().enumerate() {
                expected[*at as usize] = Some(1000 * (number as u64 + 1) + element as u64);
            }
            let source = if chunked >> number & 1 == 1 { source.with_chunk_shape(vec![2; shape.len()]).unwrap() } else { source };
            layout.place(&Indices::new(place), Arc::new(source)).unwrap();
        }
        layout.info().check().unwrap();
        let start = |axis: usize| (draws[2 * axis] % (extents[axis] + 1)).min(draws[2 * axis + 1] % (extents[axis] + 1));
        let end = |axis: usize| (draws[2 * axis] % (extents[axis] + 1)).max(draws[2 * axis + 1] % (extents[axis] + 1));
        let axes = 0..shape.len();
        let start_all: Vec<u64> = axes.clone().map(start).collect();
        let part = Slab::new(start_all, axes.map(|axis| end(axis) - start(axis)).collect::<Vec<_>>());
        for slab in [Slab::whole(&extents), part] {
            let offset = |at: Vec<u64>| at.iter().zip(&extents).fold(0, |sum, (at, extent)| sum * extent + at) as usize;
            let wanted: Vec<Option<u64>> = slab.positions().map(|at| expected[offset(at)]).collect();
            let read = |layout: &VirtualLayout| {
                let mut values = vec![0_u64; wanted.len()];
                chunk_core::Element::fill_bytes(&mut values, |out: &mut [u8]| {
                    layout.read_into(&slab, out, &Worker::with_threads(threads))
                }).map(|()| values)
            };
            match read(&layout) {
                Ok(values) => prop_assert_eq!(values.into_iter().map(Some).collect::<Vec<_>>(), wanted.clone()),
                Err(Error::NotCovered { slab: at, .. }) => {
                    let named: Vec<_> = at.positions().map(|at| expected[offset(at)]).collect();
                    prop_assert!(!named.is_empty() && named.iter().all(Option::is_none), "{}", at);
                }
                Err(other) => panic!("{other}"),
            }
            let filled = layout.clone().with_fill(Fill::with(7_u64)).unwrap();
            prop_assert_eq!(read(&filled).unwrap(), wanted.iter().map(|value| value.unwrap_or(7)).collect::<Vec<_>>());
            let mask = filled.mask().read_vec::<bool>(&slab).unwrap();
            prop_assert_eq!(mask, wanted.iter().map(Option::is_none).collect::<Vec<_>>());
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let mut layout = VirtualLayout::new([4, 3], DType::U64);
    let mut refused = |at: Indices, source: MemorySource, word: &str| {
        let error = layout.place(&at, Arc::new(source)).unwrap_err().to_string();
        assert!(error.contains(word), "{at}: {error}");
        assert!(layout.is_empty());
    };
    refused(select![..2], counting(&[3, 3], 0), "(2, 3)");
    refused(select![..1; -1], counting(&[2, 3], 0), "negative");
    refused(select![[0, 3, 1]], counting(&[3, 3], 0), "several pieces");
    refused(select![Index::NewAxis], counting(&[1, 4, 3], 0), "new axes");
    refused(select![9], counting(&[3], 0), "out of bounds");
    refused(select![..], MemorySource::new([4, 3], &[0.0; 12]).unwrap(), "float64");
    assert!(layout.clone().with_fill(Fill::with(-1_i8)).is_err());
    assert!(layout.with_max_shape([None, Some(2)]).is_err());
}

#[test]
fn values_that_fill_by_dtype() {
    let value = |dtype: DType| {
        let layout = VirtualLayout::new([], dtype).with_fill(Fill::by_dtype()).unwrap();
        layout.info().fill.clone().unwrap().to_string()
    };
    assert_eq!([DType::I8, DType::U8, DType::F32].map(value), ["-128", "255", "NaN"]);
    assert_eq!(["f2", "c16", "S2"].map(|name| value(name.parse().unwrap())), ["NaN", "NaN+NaNi", "\"\""]);
    let time: DType = "datetime64[ns]".parse().unwrap();
    let layout = VirtualLayout::new([1], time.clone()).with_fill(Fill::by_dtype()).unwrap();
    assert_eq!(layout.info().fill, Some(Scalar::from_bytes(time, i64::MIN.to_ne_bytes()).unwrap()));
}

/// Two of three rows are there; the third has another shape than was said.
fn partly_missing() -> (VirtualLayout, MemoryBackend) {
    let memory = MemoryBackend::new();
    let pool = Arc::new(SourcePool::new(Registry::new().with(memory.clone())));
    let mut layout = VirtualLayout::new([4, 3], DType::U64);
    for row in 0..4_u64 {
        let location = format!("memory:row-{row}").parse().unwrap();
        let file = VirtualSource::new(&pool, location, DatasetInfo::new([1, 3], DType::U64)).unwrap();
        layout.place_selected(&select![row], file, &select![0, ..; -1]).unwrap();
    }
    memory.insert("row-0", counting(&[1, 3], 0));
    memory.insert("row-2", counting(&[1, 2], 0));
    memory.insert("row-3", counting(&[1, 3], 9));
    (layout, memory)
}

#[test]
fn a_missing_source_is_an_error_that_names_it() {
    let (layout, _) = partly_missing();
    let error = layout.read_all::<u64>().unwrap_err();
    assert!(matches!(&error, Error::FileNotFound { path } if path.to_str() == Some("row-1")), "{error}");
    // Filling what is not covered does not hide what is missing.
    let filled = layout.with_fill(Fill::with(0_u64)).unwrap();
    assert!(filled.read_all::<u64>().is_err());
    let error = filled.read_vec::<u64>(&Slab::new([2, 0], [2, 3])).unwrap_err().to_string();
    assert!(error.contains("row-2") && error.contains("(1, 2)"), "{error}");
}

#[test]
fn a_missing_source_is_filled_when_asked_and_the_mask_says_so() {
    let (layout, memory) = partly_missing();
    let filled = layout.with_fill(Fill::by_dtype().also_missing()).unwrap();
    let max = u64::MAX;
    assert_eq!(filled.read_all::<u64>().unwrap(), [2, 1, 0, max, max, max, max, max, max, 11, 10, 9]);
    let rows = |mask: Vec<bool>| mask.chunks(3).map(|row| row.iter().all(|filled| *filled)).collect::<Vec<_>>();
    assert_eq!(rows(filled.mask().read_all::<bool>().unwrap()), [false, true, true, false]);
    memory.insert("row-1", counting(&[1, 3], 5));
    assert_eq!(filled.read_vec::<u64>(&Slab::new([1, 0], [1, 3])).unwrap(), [7, 6, 5]);
    assert_eq!(rows(filled.mask().read_all::<bool>().unwrap()), [false, false, true, false]);
}

#[test]
fn what_is_filled_has_a_cost_and_what_is_missing_has_none() {
    let (layout, memory) = partly_missing();
    let whole = Slab::whole(&[4, 3]);
    assert!(matches!(layout.cost(&whole, 1), Err(Error::FileNotFound { .. })));
    let filled = layout.with_fill(Fill::by_dtype().also_missing()).unwrap();
    assert!(filled.cost(&whole, 2).is_ok());
    let sink = chunk_core::MemorySink::new(DatasetInfo::new([4, 3], DType::U64)).unwrap();
    let output = sink.output();
    chunk_core::Run::new().copy(&filled, Box::new(sink)).unwrap();
    assert_eq!(output.source().unwrap().read_all::<u64>().unwrap(), filled.read_all::<u64>().unwrap());
    drop(memory);
}

#[test]
fn a_layout_is_sliced_like_any_source() {
    // xdas wrote the whole layout for a slice of it.
    let mut layout = VirtualLayout::new([4, 4], DType::U64);
    layout.place(&select![..; 2], Arc::new(counting(&[2, 4], 0))).unwrap();
    layout.place(&select![1..; 2], Arc::new(counting(&[2, 4], 100))).unwrap();
    let sliced = Selected::new(Arc::new(layout), &select![3..0; -1, 1..; 2]).unwrap();
    assert_eq!(sliced.read_all::<u64>().unwrap(), [105, 107, 5, 7, 101, 103]);
}

#[test]
fn identities_know_sources_places_and_filling() {
    let source = |name: &str| {
        let info = DatasetInfo::new([2], DType::U8).with_identity(Identity::builder(name).finish());
        Arc::new(MemorySource::from_bytes(info, [1, 2]).unwrap())
    };
    let layout = |at: Indices, name: &str| {
        let mut layout = VirtualLayout::new([4], DType::U8);
        layout.place(&at, source(name)).unwrap();
        layout
    };
    let mut more = layout(select![..2], "x");
    more.place(&select![2..], source("x")).unwrap();
    let all = [
        VirtualLayout::new([4], DType::U8),
        layout(select![..2], "x"),
        layout(select![..2], "y"),
        layout(select![..; 2], "x"),
        more,
        layout(select![..2], "x").with_fill(Fill::with(0_u8)).unwrap(),
    ]
    .map(|layout| layout.info().identity.unwrap().to_string());
    assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
    let mut unknown = layout(select![..2], "x");
    unknown.place(&select![2..], Arc::new(MemorySource::new([2], &[1_u8, 2]).unwrap())).unwrap();
    assert_eq!(unknown.info().identity, None);
}
