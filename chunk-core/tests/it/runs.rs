//! Runs: order, errors, panics, cancelling, progress.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use chunk_core::{Budget, CancelToken, ChunkSource, DType, DatasetInfo, Element, Error, MemorySink, Run, Slab};

use proptest::prelude::*;

use crate::common::{Heard, counting};

fn run(threads: usize) -> Run {
    Run::new().budget(Budget::new(4000).unwrap()).threads(threads)
}

#[test]
fn maps_in_slab_order() {
    let source = counting(&[1000], Some(&[7]));
    let mut starts = Vec::new();
    let map = |slab: &Slab, _: &[u8]| Ok::<_, Error>(slab.start()[0]);
    let mut deliver = |start| {
        starts.push(start);
        Ok(())
    };
    run(3).map_in_order(&source, map, |_, start| deliver(start)).unwrap();
    assert!(starts.is_sorted() && starts.len() > 3, "{starts:?}");
}

/// How blocks of an array are folded, with several budgets and threads: always alike.
fn folds_alike(shape: &[u64]) {
    let source = counting(shape, Some(&[32, 64]));
    let map = |piece: &Slab, _: &[u8]| Ok::<_, Error>(format!("{piece}"));
    let merge = |a: String, b: String| Ok(format!("({a} {b})"));
    let fold = |budget: &str, threads| {
        let run = Run::new().budget(budget.parse().unwrap()).threads(threads);
        run.fold(&source, map, merge).unwrap().unwrap()
    };
    let expected = fold("1G", 1);
    assert!(expected.matches('(').count() > 1, "{expected}");
    for (budget, threads) in [("1G", 4), ("1200K", 1), ("2M", 1), ("5M", 3)] {
        assert_eq!(fold(budget, threads), expected, "{budget}, {threads} threads");
    }
}

#[test]
fn folds_blocks_in_the_same_way_whatever_the_budget_and_threads() {
    folds_alike(&[4096, 256]);
    let nothing = run(2).fold(&counting(&[0, 3], None), |_, _| Ok::<_, Error>(1), |a, b| Ok(a + b)).unwrap();
    assert_eq!(nothing, None);
}

#[test]
fn folds_blocks_that_do_not_divide_their_group() {
    folds_alike(&[1000, 400]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn folds_any_array_in_the_same_way(
        shape in prop::array::uniform2(1_u64..3000), chunk in prop::array::uniform2(1_u64..3000), chunked: bool,
    ) {
        prop_assume!(shape[0] * shape[1] < 1 << 21);
        let chunk = [chunk[0].min(shape[0]), chunk[1].min(shape[1])];
        let source = counting(&shape, chunked.then_some(&chunk[..]));
        // A sum that rounds: its last bits tell the order.
        let sum = |budget: u64, threads| {
            let run = Run::new().budget(Budget::new(budget).unwrap()).threads(threads);
            let of = |_: &Slab, data: &[u8]| Ok(u32::from_bytes(data)?.iter().fold(0.0, |sum, x| sum + f32::sqrt(*x as f32)));
            match run.fold(&source, of, |a, b| Ok::<_, Error>(a + b)) {
                Ok(sum) => Some(sum.unwrap().to_bits()),
                Err(Error::BudgetTooSmall { .. }) => None,
                Err(error) => panic!("{error}"),
            }
        };
        let expected = sum(64 << 20, 2);
        prop_assert!(expected.is_some());
        for (budget, threads) in [(300 << 10, 1), (600 << 10, 2), (2 << 20, 1), (5 << 20, 4), (20 << 20, 3)] {
            if let Some(found) = sum(budget, threads) {
                prop_assert_eq!(Some(found), expected, "budget {}", budget);
            }
        }
    }
}

#[test]
fn visits_every_byte_once() {
    let source = counting(&[123, 11], Some(&[10, 4]));
    let sum = AtomicU64::new(0);
    let add = |_: &Slab, data: &[u8]| {
        sum.fetch_add(u32::from_bytes(data)?.iter().map(|x| u64::from(*x)).sum(), Ordering::Relaxed);
        Ok(())
    };
    run(2).visit::<Error>(&source, add).unwrap();
    assert_eq!(sum.into_inner(), (0..123 * 11).sum::<u64>());
}

#[test]
fn the_first_error_stops_the_run_and_leaves_no_output() {
    let source = counting(&[1000], Some(&[10]));
    let visited = AtomicU64::new(0);
    let visit = |slab: &Slab, _: &[u8]| {
        visited.fetch_add(1, Ordering::Relaxed);
        if slab.start()[0] < 500 { Ok(()) } else { Err(Error::InvalidArgument("enough".into())) }
    };
    let error = run(2).visit(&source, visit).unwrap_err();
    assert_eq!(error.to_string(), "enough");

    let sink = MemorySink::new(DatasetInfo::new([1001], DType::U32)).unwrap();
    let output = sink.output();
    assert!(run(2).copy(&source, Box::new(sink)).is_err());
    assert!(output.source().is_none());
}

#[test]
fn a_panic_becomes_an_error_that_says_what_it_said() {
    let source = counting(&[1000], Some(&[10]));
    for threads in [1, 3] {
        let error = run(threads).visit_in_order::<Error>(&source, |_, _| panic!("by the {}", "user")).unwrap_err();
        assert!(matches!(&error, Error::Panicked { message, .. } if message == "by the user"), "{error}");
    }
}

#[test]
fn cancelling_stops_it() {
    let source = counting(&[1000], Some(&[10]));
    let token = CancelToken::new();
    let visited = Mutex::new(0);
    let visit = |_: &Slab, _: &[u8]| {
        *visited.lock().unwrap() += 1;
        token.cancel();
        Ok(())
    };
    let error = run(2).cancel(token.clone()).visit(&source, visit).unwrap_err();
    assert!(matches!(error, Error::Cancelled));
    assert!(*visited.lock().unwrap() <= 2);
    assert!(!CancelToken::new().is_cancelled());
}

#[test]
fn progress_hears_the_beginning_and_every_slab() {
    let source = counting(&[1000], Some(&[10]));
    let heard = Arc::new(Heard::default());
    let plan = run(1).progress(heard.clone()).visit::<Error>(&source, |_, _| Ok(())).unwrap();
    let heard = heard.0.lock().unwrap();
    assert_eq!(heard.len() as u64, plan.len() + 1);
    assert_eq!((heard[0].slabs, heard[0].bytes), (0, 0));
    let last = heard[heard.len() - 1];
    assert_eq!((last.slabs, last.bytes), (last.total_slabs, source.info().bytes()));
}
