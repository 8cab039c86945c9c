//! Stacks: what they hold, what they refuse, and what they take in memory.

use std::sync::Arc;

use chunk_core::{
    ChunkSource, ChunkSourceExt, Complex, DType, DatasetInfo, Error, MemoryBackend, MemorySource, Registry, Result,
    Slab, Worker,
};
use chunk_virtual::{Selected, SourcePool, VirtualSource, VirtualStack, select};
use proptest::prelude::*;

use crate::recording::Recording;

/// An array of `shape` whose elements count on from `first`.
pub(crate) fn counting(shape: &[u64], first: u64) -> MemorySource {
    let count: u64 = shape.iter().product();
    MemorySource::new(shape, &(first..first + count).collect::<Vec<_>>()).unwrap()
}

/// The elements of arrays end to end along `axis`, put together position by position.
fn concatenated(parts: &[MemorySource], axis: usize) -> (Vec<u64>, Vec<u64>) {
    let mut shape = parts[0].info().shape.to_vec();
    shape[axis] = parts.iter().map(|part| part.info().shape[axis]).sum();
    let element = |mut at: Vec<u64>| {
        let mut part = 0;
        while at[axis] >= parts[part].info().shape[axis] {
            at[axis] -= parts[part].info().shape[axis];
            part += 1;
        }
        parts[part].read_vec::<u64>(&Slab::new(at.clone(), vec![1; at.len()])).unwrap()[0]
    };
    let elements = Slab::whole(&shape).positions().map(element).collect();
    (shape, elements)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn holds_its_sources_end_to_end(
        shape in prop::collection::vec(1..5_u64, 1..4),
        axis in 0..3_usize,
        extents in prop::collection::vec(0..5_u64, 1..6),
        chunks in prop::collection::vec(1..4_u64, 3),
        chunked in any::<u8>(),
        threads in 1..4_usize,
        draws in prop::collection::vec(any::<u64>(), 6),
    ) {
        let axis = axis % shape.len();
        let part = |(number, extent): (usize, &u64)| {
            let mut shape = shape.clone();
            shape[axis] = *extent;
            let part = counting(&shape, number as u64 * 1000);
            if chunked >> number & 1 == 1 { part.with_chunk_shape(&chunks[..shape.len()]).unwrap() } else { part }
        };
        let parts: Vec<_> = extents.iter().enumerate().map(part).collect();
        let (whole, elements) = concatenated(&parts, axis);
        let stack = VirtualStack::new(parts.into_iter().map(Arc::new), axis as isize).unwrap();
        stack.info().check().unwrap();
        prop_assert_eq!(&stack.info().shape[..], &whole[..]);
        let bounds = |at: usize| {
            let (a, b) = (draws[2 * at] % (whole[at] + 1), draws[2 * at + 1] % (whole[at] + 1));
            (a.min(b), a.max(b))
        };
        let start: Vec<u64> = (0..whole.len()).map(|at| bounds(at).0).collect();
        let count: Vec<u64> = (0..whole.len()).map(|at| bounds(at).1 - bounds(at).0).collect();
        for slab in [Slab::whole(&whole), Slab::new(start, count)] {
            let offset = |at: &Vec<u64>| at.iter().zip(&whole).fold(0, |sum, (at, extent)| sum * extent + at) as usize;
            let expected: Vec<u64> = slab.positions().map(|at| elements[offset(&at)]).collect();
            let mut bytes = vec![0_u64; slab.elements() as usize];
            chunk_core::Element::fill_bytes(&mut bytes, |out: &mut [u8]| {
                stack.read_into(&slab, out, &Worker::with_threads(threads))
            }).unwrap();
            prop_assert_eq!(bytes, expected, "{} with {} threads", slab, threads);
        }
    }
}

fn five_rows() -> Vec<Arc<MemorySource>> {
    (0..5).map(|part| Arc::new(counting(&[2, 3], part * 6))).collect()
}

#[test]
fn any_start_stop_and_step_along_the_stacked_axis_is_numpys() {
    let stack = Arc::new(VirtualStack::new(five_rows(), 0).unwrap());
    let rows: Vec<i64> = (0..10).collect();
    for start in -12..12_i64 {
        for stop in -12..12_i64 {
            for step in [-7, -3, -1, 1, 2, 3, 11] {
                let selected = Selected::new(stack.clone(), &select![start..stop; step, 0]).unwrap();
                let wrap = |at: i64| if at < 0 { at + 10 } else { at };
                let inside = |row: &i64| {
                    if step > 0 {
                        (wrap(start).max(0)..wrap(stop)).contains(row)
                    } else {
                        *row <= wrap(start) && *row > wrap(stop).max(-1)
                    }
                };
                let mut walked: Vec<i64> = rows.iter().copied().filter(inside).collect();
                if step < 0 {
                    walked.reverse();
                }
                let expected: Vec<u64> =
                    walked.iter().step_by(step.unsigned_abs() as usize).map(|row| *row as u64 * 3).collect();
                assert_eq!(selected.read_all::<u64>().unwrap(), expected, "{start}:{stop}:{step}");
            }
        }
    }
}

#[test]
fn an_integer_before_the_stacked_axis_keeps_the_others_apart() {
    // xdas gave 3 values of the last source for the 9 of the row.
    let parts = (0..3).map(|part| Arc::new(counting(&[4, 3], 100 * part)));
    let stack = Arc::new(VirtualStack::new(parts, 1).unwrap());
    let row = Selected::new(stack.clone(), &select![1]).unwrap();
    assert_eq!(row.read_all::<u64>().unwrap(), [3, 4, 5, 103, 104, 105, 203, 204, 205]);
    let across = Selected::new(stack, &select![[3, 0], ..; -4]).unwrap();
    assert_eq!(across.read_all::<u64>().unwrap(), [211, 110, 9, 202, 101, 0]);
}

#[test]
fn a_negative_axis_counts_from_the_last() {
    let stack = VirtualStack::new((0..2).map(|part| Arc::new(counting(&[1, 2], part * 2))), -1).unwrap();
    assert_eq!((stack.axis(), stack.info().shape.to_string()), (1, "(1, 4)".to_owned()));
    for axis in [-3, 2] {
        let error = VirtualStack::new(five_rows(), axis).unwrap_err().to_string();
        assert!(error.contains("out of range") && error.contains(&axis.to_string()), "{error}");
    }
}

#[test]
fn what_does_not_fit_is_named_and_changes_nothing() {
    let mut stack = VirtualStack::new(five_rows(), 0).unwrap();
    let before = format!("{stack:?}");
    let named = |name: &str, source: MemorySource| {
        let info = source.info().clone().with_name(name);
        Arc::new(MemorySource::from_bytes(info, source.bytes()).unwrap())
    };
    let good = || named("good", counting(&[1, 3], 0));
    for (bad, word) in [
        (named("flat", counting(&[3], 0)), "1 axes"),
        (named("deep", counting(&[2, 3, 1], 0)), "3 axes"),
        (named("wide", counting(&[2, 4], 0)), "extent 4"),
        (named("float", MemorySource::new([2, 3], &[0.0; 6]).unwrap()), "float64"),
    ] {
        let error = stack.append(bad.clone()).unwrap_err().to_string();
        assert!(error.contains(word) && error.contains(&bad.info().name), "{error}");
        assert!(stack.extend([good(), bad, good()]).is_err());
        assert_eq!(format!("{stack:?}"), before);
        assert_eq!(stack.read_all::<u64>().unwrap(), (0..30).collect::<Vec<_>>());
    }
    stack.append(good()).unwrap();
    assert_eq!(stack.info().shape, [11, 3].into());
    assert!(VirtualStack::new(Vec::<Arc<MemorySource>>::new(), 0).unwrap_err().to_string().contains("needs a source"));
    assert!(VirtualStack::new([Arc::new(counting(&[], 0))], 0).is_err());
}

#[test]
fn promotes_when_asked() {
    let parts: [Arc<dyn ChunkSource>; 3] = [
        Arc::new(MemorySource::new([2], &[-1_i8, 2]).unwrap()),
        Arc::new(MemorySource::new([1], &[200_u8]).unwrap()),
        Arc::new(MemorySource::new([2], &[0.5_f32, 4.0]).unwrap()),
    ];
    assert!(matches!(VirtualStack::new(parts.clone(), 0), Err(Error::DTypeMismatch { .. })));
    let mut stack = VirtualStack::promoting(parts[..2].to_vec(), 0).unwrap();
    assert_eq!(stack.read_all::<i16>().unwrap(), [-1, 2, 200]);
    stack.append(parts[2].clone()).unwrap();
    assert_eq!(stack.read_all::<f32>().unwrap(), [-1.0, 2.0, 200.0, 0.5, 4.0]);
    let text = MemorySource::from_bytes(DatasetInfo::new([1], DType::Bytes(2)), *b"ab").unwrap();
    assert!(matches!(stack.append(Arc::new(text)), Err(Error::DTypeMismatch { .. })));
    assert_eq!(stack.info().dtype, DType::F32);
}

#[test]
fn stacks_of_stacks_and_of_selections() {
    let inner = |first: u64| {
        let parts = (0..2).map(|part| Arc::new(counting(&[2, 2], first + 4 * part)));
        Arc::new(VirtualStack::new(parts, 1).unwrap())
    };
    let flipped: Arc<dyn ChunkSource> = Arc::new(Selected::new(inner(20), &select![..; -1]).unwrap());
    let stack = VirtualStack::new([inner(0) as Arc<dyn ChunkSource>, flipped], 0).unwrap();
    let expected = [[0, 1, 4, 5], [2, 3, 6, 7], [22, 23, 26, 27], [20, 21, 24, 25]].concat();
    assert_eq!(stack.read_all::<u64>().unwrap(), expected);
}

#[test]
fn the_parts_of_a_slab_are_read_into_the_callers_buffer() {
    let parts: Vec<_> = (0..40).map(|part| Arc::new(Recording::new(counting(&[3, 2], part * 6)))).collect();
    let stack = VirtualStack::new(parts.clone(), 0).unwrap();
    for threads in [1, 2, 5] {
        let mut out = vec![0_u64; 240];
        chunk_core::Element::fill_bytes(&mut out, |out: &mut [u8]| {
            stack.read_into(&Slab::whole(&[120, 2]), out, &Worker::with_threads(threads))
        })
        .unwrap();
        for (number, part) in parts.iter().enumerate() {
            let reads = part.take();
            assert_eq!(reads.len(), 1, "part {number}");
            assert_eq!(reads[0].1, out.as_ptr() as usize + number * 48);
        }
    }
}

fn pool(memory: &MemoryBackend, most_open: usize) -> Arc<SourcePool> {
    Arc::new(SourcePool::new(Registry::new().with(memory.clone())).with_most_open(most_open))
}

fn in_memory(pool: &Arc<SourcePool>, name: &str, shape: [u64; 2]) -> Result<VirtualSource> {
    VirtualSource::new(pool, format!("memory:{name}").parse()?, DatasetInfo::new(shape, DType::U64))
}

#[test]
fn no_more_sources_are_open_than_may_be() {
    let memory = MemoryBackend::new();
    let pool = pool(&memory, 5);
    for part in 0..300 {
        memory.insert(format!("part-{part}"), counting(&[2, 3], part * 6));
    }
    let sources = (0..300).map(|part| in_memory(&pool, &format!("part-{part}"), [2, 3]).unwrap());
    let stack = VirtualStack::new(sources, 0).unwrap();
    assert_eq!(pool.open_sources(), 0);
    assert_eq!(stack.read_all::<u64>().unwrap(), (0..1800).collect::<Vec<_>>());
    assert!((1..=5).contains(&pool.open_sources()), "{}", pool.open_sources());
}

#[test]
fn a_source_that_is_not_what_was_described_is_named() {
    let memory = MemoryBackend::new();
    let pool = pool(&memory, 5);
    let stack =
        VirtualStack::new((0..3).map(|part| in_memory(&pool, &format!("p{part}"), [2, 3]).unwrap()), 0).unwrap();
    for part in [0, 2] {
        memory.insert(format!("p{part}"), counting(&[2, 3], 0));
    }
    let read = |rows: [u64; 2]| stack.read_vec::<u64>(&Slab::new([rows[0], 0], [rows[1], 3]));
    assert!(matches!(read([0, 6]), Err(Error::FileNotFound { path }) if path.to_str() == Some("p1")));
    assert_eq!(read([4, 2]).unwrap(), [0, 1, 2, 3, 4, 5]);
    memory.insert("p1", counting(&[1, 3], 0));
    let error = read([2, 2]).unwrap_err();
    assert!(matches!(error, Error::SourceChanged { .. }));
    assert!(error.to_string().contains("memory:p1") && error.to_string().contains("(1, 3)"), "{error}");
    memory.insert("p1", MemorySource::new([2, 3], &[Complex::new(0.0, 0.0); 6]).unwrap());
    assert!(read([2, 2]).unwrap_err().to_string().contains("complex128"));
    memory.insert("p1", counting(&[2, 3], 6));
    assert_eq!(read([2, 2]).unwrap(), [6, 7, 8, 9, 10, 11]);
}

#[test]
fn what_cannot_be_opened_has_no_cost() {
    let memory = MemoryBackend::new();
    let pool = pool(&memory, 5);
    let files: Vec<VirtualSource> = (0..3).map(|part| in_memory(&pool, &format!("p{part}"), [2, 3]).unwrap()).collect();
    let stack = VirtualStack::new(files.clone(), 0).unwrap();
    let (file, rows) = (Slab::whole(&[2, 3]), |first: u64| Slab::new([first, 0], [2, 3]));
    assert!(matches!(files[1].cost(&file, 1), Err(Error::FileNotFound { .. })));
    assert!(matches!(stack.cost(&rows(2), 1), Err(Error::FileNotFound { .. })));
    let run = chunk_core::Run::new().budget("1M".parse().unwrap());
    assert!(matches!(run.visit::<Error>(&files[1], |_, _| Ok(())), Err(Error::FileNotFound { .. })));
    // One that is there is asked itself where the first of its kind, the model of all, is not.
    memory.insert("p1", counting(&[2, 3], 0));
    assert!(files[1].cost(&file, 1).is_ok() && stack.cost(&rows(2), 1).is_ok());
    assert!(stack.cost(&rows(4), 1).is_err());
}

#[test]
fn what_is_computed_is_an_input_and_all_else_is_not() {
    let flipped = |x: &Arc<MemorySource>| Arc::new(Selected::new(x.clone(), &select![..; -1]).unwrap());
    let five = five_rows();
    let mut stack = VirtualStack::new(five.clone(), 0).unwrap();
    assert!(stack.operation().is_none());
    stack.append(flipped(&five[2])).unwrap();
    stack.append(five[0].clone()).unwrap();
    let inputs = |stack: &VirtualStack| stack.operation().map_or(0, |operation| operation.inputs().len());
    assert_eq!(inputs(&stack), 1);
    // What is refused leaves no input behind, nor what was added before it.
    let wide: Arc<dyn ChunkSource> = Arc::new(counting(&[2, 4], 0));
    let identity = stack.info().identity;
    assert!(stack.extend([flipped(&five[1]) as Arc<dyn ChunkSource>, wide]).is_err());
    assert_eq!((inputs(&stack), stack.len(), stack.info().identity), (1, 7, identity));
    let expected: Vec<u64> = (0..30).chain([15, 16, 17, 12, 13, 14]).chain(0..6).collect();
    assert_eq!(stack.read_all::<u64>().unwrap(), expected);
}

#[test]
fn inputs_are_cast_again_when_the_dtype_changes() {
    let narrow = |first: i16| {
        let x = MemorySource::new([2], &[first, first + 1]).unwrap();
        Arc::new(Selected::new(Arc::new(x), &select![..; -1]).unwrap())
    };
    let mut stack = VirtualStack::promoting([narrow(1)], 0).unwrap();
    let dtypes = |stack: &VirtualStack| {
        let inputs = stack.operation().map_or(&[][..], |operation| operation.inputs());
        inputs.iter().map(|input| input.info().dtype.clone()).collect::<Vec<_>>()
    };
    stack.append(Arc::new(MemorySource::new([1], &[0.5_f32]).unwrap())).unwrap();
    stack.append(narrow(3)).unwrap();
    assert_eq!(dtypes(&stack), [DType::F32, DType::F32]);
    assert_eq!(stack.source(0).info().dtype, DType::I16);
    let text: Arc<dyn ChunkSource> = Arc::new(MemorySource::new([1], &[true]).unwrap());
    let wide: Arc<dyn ChunkSource> = Arc::new(MemorySource::new([1, 1], &[0.5_f64]).unwrap());
    assert!(stack.extend([narrow(5) as Arc<dyn ChunkSource>, text, wide]).is_err());
    assert_eq!(dtypes(&stack), [DType::F32, DType::F32]);
    assert_eq!(stack.read_all::<f32>().unwrap(), [2.0, 1.0, 0.5, 4.0, 3.0]);
}

#[test]
fn a_stack_of_unread_files_costs_nothing_to_slice() {
    let pool = pool(&MemoryBackend::new(), 5);
    let sources = (0..100_000).map(|part| in_memory(&pool, &format!("p{part}"), [200, 128]).unwrap());
    let stack: Arc<dyn ChunkSource> = Arc::new(VirtualStack::new(sources, 0).unwrap());
    let slice = Selected::new(stack, &select![12_345_678..; 1000, ..; -2]).unwrap();
    assert_eq!(slice.info().shape, [7655, 64].into());
    assert_eq!(pool.open_sources(), 0);
}
