//! Plans: every element once, within the budget, in whole chunks.

use chunk_core::{Budget, ChunkSink, ChunkSource, DType, DatasetInfo, Error, MemorySink, Planner, Run, Shape, Slab};
use proptest::prelude::*;

use crate::common::{Hungry, Meter, Tally, counting};

fn shapes() -> impl Strategy<Value = (Vec<u64>, Vec<u64>, Vec<u64>)> {
    (0_usize..4).prop_flat_map(|ndim| {
        let extents = prop::collection::vec(0_u64..12, ndim);
        let chunks = || prop::collection::vec(1_u64..15, ndim);
        (extents, chunks(), chunks())
    })
}

fn elements_once(slabs: impl Iterator<Item = Slab>, shape: &[u64]) {
    let shape = Shape::from(shape);
    let mut seen = vec![0; shape.elements() as usize];
    for slab in slabs {
        for position in slab.positions() {
            let offset = position.iter().zip(shape.iter()).fold(0, |sum, (p, extent)| sum * extent + p);
            seen[offset as usize] += 1;
        }
    }
    assert!(seen.iter().all(|count| *count == 1), "{seen:?}");
}

proptest! {
    #[test]
    fn every_element_is_in_exactly_one_slab((shape, chunk, _) in shapes(), budget in 40_u64..4000, threads in 1_usize..4) {
        let source = counting(&shape, Some(&chunk));
        let planner = Planner::new(Budget::new(budget).unwrap()).threads(threads);
        for plan in [planner.read(&source).unwrap(), planner.read_contiguous(&source).unwrap()] {
            elements_once(plan.slabs(), &shape);
            prop_assert!(plan.peak_bytes() <= budget);
            prop_assert_eq!(plan.slabs().count() as u64, plan.len());
        }
    }

    #[test]
    fn contiguous_slabs_follow_one_another((shape, chunk, _) in shapes(), budget in 40_u64..4000) {
        let source = counting(&shape, Some(&chunk));
        let mut bytes = Vec::new();
        let run = Run::new().budget(Budget::new(budget).unwrap()).threads(3);
        run.visit_in_order::<Error>(&source, |_, data| {
            bytes.extend_from_slice(data);
            Ok(())
        })
        .unwrap();
        prop_assert_eq!(bytes, source.bytes());
    }

    #[test]
    fn no_two_slabs_share_a_chunk_of_the_sink((shape, chunk, sink_chunk) in shapes(), budget in 1_u64..20_000) {
        let source = counting(&shape, Some(&chunk));
        let tally: &'static Tally = Box::leak(Box::new(Tally::new(&shape, &sink_chunk)));
        let run = Run::new().budget(Budget::new(budget).unwrap()).threads(2);
        match run.copy(&source, Box::new(tally)) {
            Ok(plan) => {
                prop_assert!(plan.peak_bytes() <= budget);
                prop_assert!(tally.counts.lock().unwrap().iter().all(|count| *count == 1));
            }
            Err(Error::BudgetTooSmall { needed, .. }) => prop_assert!(needed.0 > budget),
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        }
    }

    #[test]
    fn the_planned_peak_is_never_exceeded(
        (shape, chunk, _) in shapes(), budget in 1_u64..20_000, threads in 1_usize..4, per_thread in 0_u64..600,
    ) {
        let meter = Meter::default();
        let info = DatasetInfo::new(shape, DType::U16).with_chunk_shape(chunk);
        let source = Hungry { info, per_thread, meter: &meter };
        let run = Run::new().budget(Budget::new(budget).unwrap()).threads(threads);
        match run.visit::<Error>(&source, |_, _| Ok(())) {
            Ok(plan) => {
                prop_assert!(plan.peak_bytes() <= budget);
                prop_assert!(meter.peak() + source.held_bytes() <= plan.peak_bytes());
            }
            Err(Error::BudgetTooSmall { needed, .. }) => prop_assert!(needed.0 > budget),
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        }
    }

    #[test]
    fn same_bytes_for_any_threads_and_budget(
        (shape, chunk, sink_chunk) in shapes(), budget in 3000_u64..100_000, threads in 1_usize..5,
    ) {
        let source = counting(&shape, Some(&chunk));
        let info = DatasetInfo::new(shape, DType::U32).with_chunk_shape(sink_chunk);
        let sink = MemorySink::new(info).unwrap();
        let output = sink.output();
        let run = Run::new().budget(Budget::new(budget).unwrap()).threads(threads);
        match run.copy(&source, Box::new(sink)) {
            Ok(_) => {
                let copied = output.source().unwrap();
                prop_assert_eq!(copied.bytes(), source.bytes());
            }
            Err(Error::BudgetTooSmall { .. }) => {}
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        }
    }
}

#[test]
fn refuses_with_the_arithmetic() {
    let source = counting(&[100, 100], Some(&[10, 100]));
    let sink = MemorySink::new(source.info().clone()).unwrap();
    let error = Planner::new("1K".parse().unwrap()).threads(2).copy(&source, &sink).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("budget of 1 KiB is too small for memory: the smallest slab needs 3.9 KiB"), "{text}");
    assert!(text.contains("1 x (3.9 KiB slab + 0 B reading + 0 B writing) for (10, 100)"), "{text}");
}

#[test]
fn keeps_whole_chunks_where_they_fit_and_cuts_them_where_they_do_not() {
    let source = counting(&[96, 100], Some(&[12, 100]));
    let plan = |budget: &str| Planner::new(budget.parse().unwrap()).threads(1).read(&source).unwrap();
    assert_eq!(plan("1M").read_bytes(), source.info().bytes());
    assert_eq!(plan("5000").slab_shape(), &Shape::from([12, 100]));
    let cut = plan("2500");
    assert!(cut.amplification() > 1.5, "{}", cut.describe());
    assert!(cut.describe().contains("times the data"), "{}", cut.describe());
}

#[test]
fn uses_the_idle_threads_inside_a_slab_when_only_one_slab_fits() {
    let meter = Meter::default();
    let info = DatasetInfo::new([64, 64], DType::U16).with_chunk_shape([32, 64]);
    let source = Hungry { info, per_thread: 10, meter: &meter };
    let sink = MemorySink::new(source.info.clone()).unwrap();
    let plan = Planner::new("5000".parse().unwrap()).threads(4).copy(&source, &sink).unwrap();
    assert_eq!((plan.workers(), plan.threads_per_worker()), (1, 4));
}

#[test]
fn chooses_a_smaller_chunk_shape_only_where_it_must() {
    // As many chunks as there are threads that plans are made for, so that none is idle.
    let source = counting(&[2048, 1024], Some(&[512, 1024]));
    let build = |info| MemorySink::new(info).map(|sink| Box::new(sink) as Box<dyn ChunkSink>);
    let planned =
        |budget: &str| Planner::new(budget.parse().unwrap()).threads(2).create(&source, source.info(), &build).unwrap();
    let chunk_shape = |sink: &dyn ChunkSink| sink.info().chunk_shape.clone().unwrap();
    let (_, sink) = planned("32M");
    assert_eq!(chunk_shape(&*sink), Shape::from([512, 1024]));
    let (plan, sink) = planned("1500K");
    assert!(chunk_shape(&*sink).elements() < 512 * 1024, "{}", plan.describe());
    assert!(plan.peak_bytes() <= 1500 << 10);
}

#[test]
fn millions_of_slabs_are_planned_in_constant_memory() {
    let meter = Meter::default();
    let info = DatasetInfo::new([1 << 40, 1 << 20], DType::F64).with_chunk_shape([1, 1 << 20]);
    let source = Hungry { info, per_thread: 0, meter: &meter };
    let plan = Planner::new("64M".parse().unwrap()).threads(2).read(&source).unwrap();
    assert_eq!(plan.slab(plan.len() - 1).end(0), 1 << 40);
    assert!(plan.len() > 1 << 30);
}
