//! Selections that are read: equal to NumPy's rules, each chunk once, nothing copied that need not be.

use std::collections::BTreeSet;
use std::sync::Arc;

use chunk_core::{
    Buffer, ChunkSource, ChunkSourceExt, Cost, DType, DatasetInfo, MemorySource, Operation, Result, Run, Slab, Work,
    Worker, chunked_bytes,
};
use chunk_virtual::{Indices, Selected, Selection, select};
use proptest::prelude::*;

use crate::naive::Naive;
use crate::recording::{Recording, chunks_touched};
use crate::selections::{apply, indices};

fn numbers(shape: &[u64]) -> MemorySource {
    let count: u64 = shape.iter().product();
    MemorySource::new(shape, &(0..count).collect::<Vec<_>>()).unwrap()
}

/// What `whole`, an array of `shape`, holds at `slab`.
fn part(whole: &[u64], shape: &[u64], slab: &Slab) -> Vec<u64> {
    let offset = |at: &Vec<u64>| at.iter().zip(shape).fold(0, |offset, (at, extent)| offset * extent + at) as usize;
    slab.positions().map(|at| whole[offset(&at)]).collect()
}

fn slab_in(shape: &[u64], draws: &[u64]) -> Slab {
    let bounds = |axis: usize| {
        let (a, b) = (draws[2 * axis] % (shape[axis] + 1), draws[2 * axis + 1] % (shape[axis] + 1));
        (a.min(b), a.max(b))
    };
    let bounds: Vec<_> = (0..shape.len()).map(bounds).collect();
    let count: Vec<u64> = bounds.iter().map(|(start, end)| end - start).collect();
    Slab::new(bounds.iter().map(|(start, _)| *start).collect::<Vec<_>>(), count)
}

type Case = (Vec<usize>, Vec<u64>, Vec<chunk_virtual::Index>, Vec<u64>);

fn cases() -> impl Strategy<Value = Case> {
    prop::collection::vec(0..9_usize, 0..4).prop_flat_map(|shape| {
        let chunks = prop::collection::vec(1..5_u64, shape.len());
        let chain = indices(&shape);
        (Just(shape), chunks, chain, prop::collection::vec(any::<u64>(), 10))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 20_000, ..ProptestConfig::with_cases(20_000) })]

    #[test]
    fn slabs_are_numpys_and_read_each_chunk_once((shape, chunk_shape, indices, draws) in cases()) {
        let naive = apply(&Naive::whole(&shape), &indices);
        prop_assume!(naive.is_some());
        let naive = naive.unwrap();
        let shape: Vec<u64> = shape.iter().map(|extent| *extent as u64).collect();
        let input = Arc::new(Recording::new(numbers(&shape).with_chunk_shape(chunk_shape).unwrap()));
        let selected = Selected::new(input.clone(), &Indices::new(indices)).unwrap();
        selected.info().check().unwrap();
        let shape = selected.info().shape.clone();
        for slab in [Slab::whole(&shape), slab_in(&shape, &draws)] {
            prop_assert_eq!(selected.read_vec::<u64>(&slab).unwrap(), part(&naive.elements, &shape, &slab));
            let touched = chunks_touched(input.info(), &input.take());
            let different: BTreeSet<_> = touched.iter().collect();
            prop_assert_eq!(different.len(), touched.len(), "{} of {}", slab, selected.info().name);
        }
    }

    #[test]
    fn without_chunks_too((shape, _, indices, draws) in cases()) {
        let naive = apply(&Naive::whole(&shape), &indices);
        prop_assume!(naive.is_some());
        let input = numbers(&shape.iter().map(|extent| *extent as u64).collect::<Vec<_>>());
        let selected = Selected::new(Arc::new(input), &Indices::new(indices)).unwrap();
        let shape = selected.info().shape.clone();
        let slab = slab_in(&shape, &draws);
        prop_assert_eq!(selected.read_vec::<u64>(&slab).unwrap(), part(&naive.unwrap().elements, &shape, &slab));
    }
}

#[test]
fn a_selection_of_unit_steps_is_read_into_the_callers_buffer() {
    let input = Arc::new(Recording::new(numbers(&[40, 6, 10]).with_chunk_shape([7, 2, 3]).unwrap()));
    for indices in [select![..], select![3..30, 2, 1..9], select![..; 50], select![5, chunk_virtual::Index::NewAxis]] {
        let selected = Selected::new(input.clone(), &indices).unwrap();
        let whole = Slab::whole(&selected.info().shape);
        let mut out = Buffer::zeroed(selected.info().bytes() as usize).unwrap();
        selected.read_into(&whole, &mut out, &Worker::with_threads(2)).unwrap();
        let reads = input.take();
        assert_eq!(reads.len(), 1, "{indices}");
        assert_eq!(reads[0].1, out.as_ptr() as usize, "{indices}");
        assert_eq!(selected.cost(&whole, 2).unwrap(), Cost::default());
        assert_eq!(selected.total_cost(&whole, 2).unwrap(), input.cost(&reads[0].0, 2).unwrap());
    }
}

#[test]
fn rows_far_apart_are_read_alone_into_the_callers_buffer() {
    // Rows of 80 KB without chunks: those between are not read.
    let input = Arc::new(Recording::new(numbers(&[20, 10_000])));
    let selected = Selected::new(input.clone(), &select![..; -7]).unwrap();
    let mut out = Buffer::zeroed(selected.info().bytes() as usize).unwrap();
    selected.read_into(&Slab::whole(&selected.info().shape), &mut out, &Worker::new()).unwrap();
    let reads = input.take();
    assert_eq!(reads.iter().map(|(slab, _)| slab.start()[0]).collect::<Vec<_>>(), [5, 12, 19]);
    assert!(reads.iter().all(|(slab, to)| slab.count()[0] == 1 && out.as_ptr_range().contains(&(*to as *const u8))));
    assert_eq!(out.elements::<u64>().unwrap()[0], 190_000);
}

#[test]
fn memory_is_bounded_whatever_is_selected() {
    // 512 MB, reversed along both axes: pieces of 2 MiB, each of whole chunks.
    let info = DatasetInfo::new([8192, 8192], DType::F64).with_chunk_shape([100, 100]);
    let input = Described(info);
    let selected = Selected::new(Arc::new(input), &select![..; -1, ..; -1]).unwrap();
    let whole = Slab::whole(&[8192, 8192]);
    let cost = selected.total_cost(&whole, 1).unwrap();
    assert!(cost.scratch_bytes <= 2 << 20, "{cost:?}");
    assert_eq!(cost.work, Work::decoding(8192 * 8192 * 8) + Work::copying(8192 * 8192 * 8));
    // A chunk that is larger than the window is read whole, for it is decoded whole.
    let info = DatasetInfo::new([8192, 8192], DType::F64).with_chunk_shape([4096, 1024]);
    let selected = Selected::new(Arc::new(Described(info)), &select![..; 2]).unwrap();
    let cost = selected.total_cost(&Slab::whole(&selected.info().shape), 1).unwrap();
    assert!((4095 * 1024 * 8..=4096 * 1024 * 8).contains(&cost.scratch_bytes), "{cost:?}");
}

#[test]
fn a_sample_of_very_many_pieces_is_looked_at() {
    // 2^50 elements, every 5th row alone: a piece each, of which planning looks at some, spread
    // over all.
    let info = DatasetInfo::new([1 << 32, 1 << 18], DType::U8);
    let selected = Selected::new(Arc::new(Described(info)), &select![..; -5, ..; 2]).unwrap();
    let whole = Slab::whole(&selected.info().shape);
    let cost = selected.total_cost(&whole, 1).unwrap();
    assert!(cost.scratch_bytes <= 2 << 20, "{cost:?}");
    // Each row is read up to the last element that is wanted.
    let read = ((1 << 32) / 5 + 1) * ((1_u64 << 18) - 1);
    let near = read - read / 100..read + read / 100;
    assert!(near.contains(&cost.work.decoded), "{} of {read}", cost.work.decoded);
    // Positions of a list, in clusters of one and of three chunks: the longest part counts.
    let info = DatasetInfo::new([1 << 30, 4], DType::U8).with_chunk_shape([1 << 10, 4]);
    let clusters = (0..10_000_i64).flat_map(|number| (0..=number % 7 / 6 * 2).map(move |i| (8 * number + i) << 10));
    let list: Vec<i64> = clusters.rev().collect();
    let list = Selected::new(Arc::new(Described(info)), &select![list]).unwrap();
    let cost = list.total_cost(&Slab::whole(&list.info().shape), 1).unwrap();
    assert!(cost.scratch_bytes >= (2 << 10) * 4, "{cost:?}");
}

/// A source that can only be described.
#[derive(Debug)]
struct Described(DatasetInfo);

impl ChunkSource for Described {
    fn info(&self) -> &DatasetInfo {
        &self.0
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn cost(&self, slab: &Slab, _threads: usize) -> Result<Cost> {
        Ok(Cost::new(0, Work::decoding(chunked_bytes(&self.0, slab))))
    }

    fn read_into(&self, _: &Slab, _: &mut [u8], _: &Worker) -> Result<()> {
        unreachable!("it is only asked what it costs")
    }
}

#[test]
fn runs_within_a_small_budget() {
    let input = numbers(&[300, 200]).with_chunk_shape([64, 50]).unwrap();
    let selected = Selected::new(Arc::new(input), &select![..; -3, 150..; -2]).unwrap();
    let expected: Vec<u64> =
        (0..300_u64).rev().step_by(3).flat_map(|row| (0..=150).rev().step_by(2).map(move |c| row * 200 + c)).collect();
    for budget in ["48K", "200K", "100M"] {
        let sink = chunk_core::MemorySink::new(selected.info().clone()).unwrap();
        let output = sink.output();
        Run::new().budget(budget.parse().unwrap()).copy(&selected, Box::new(sink)).unwrap();
        assert_eq!(output.source().unwrap().read_all::<u64>().unwrap(), expected, "{budget}");
    }
}

#[test]
fn identities_tell_selections_apart() {
    let info = DatasetInfo::new([4, 4], DType::U8).with_identity(chunk_core::Identity::builder("x").finish());
    let input: Arc<dyn ChunkSource> = Arc::new(MemorySource::from_bytes(info, [0; 16]).unwrap());
    let identity = |indices: Indices| Selected::new(input.clone(), &indices).unwrap().info().identity.unwrap();
    let all = [
        identity(select![..]),
        identity(select![..2]),
        identity(select![.., ..2]),
        identity(select![[0, 0]]),
        identity(select![[0, 3, 0]]),
        identity(select![chunk_virtual::Index::NewAxis]),
    ];
    assert_eq!(all.iter().map(ToString::to_string).collect::<BTreeSet<_>>().len(), all.len());
    assert_eq!(identity(select![1..]), identity(select![[1, 2, 3]]));
    let other = Selection::new([4, 5]);
    assert!(Selected::with_selection(input, other).unwrap_err().to_string().contains("(4, 5)"));
}
