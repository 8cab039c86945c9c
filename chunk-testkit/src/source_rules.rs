//! The rules that every [`ChunkSource`] keeps, one function each.

use std::sync::Arc;

use chunk_core::{Buffer, ChunkSource, Error, MemorySource, Slab, Worker, total_cost, total_held_bytes};

use crate::case::{Node, SourceCase, equals_part, read};
use crate::failure::{Failure, Outcome, ensure, same_bytes, shown, works};
use crate::measured::{self, ensure_measuring};
use crate::nodes::{Both, Said};
use crate::peak_alloc::PeakAlloc;
use crate::slabs::slabs;
use crate::threads::at_once;
use crate::{CountingSource, FaultySource, Rule};

pub use crate::node_rules::{
    a_nodes_cost_is_its_own, asks_only_for_what_is_inside, identity_is_its_own, over_the_same_inputs_is_the_same,
    shared_nodes_count_once,
};

/// What a call may hold beyond its cost: the bookkeeping of threads, small lists. Costs are about buffers.
pub const UNCOUNTED_BYTES: u64 = 64 << 10;

/// What a buffer holds that must not be touched.
const UNTOUCHED: u8 = 0xa5;
const THREADS: [usize; 3] = [1, 2, 5];
/// How often each thread reads all slabs while others do.
const ROUNDS: usize = 2;

/// All rules, in the order of this page.
pub const RULES: &[Rule<SourceCase>] = crate::__source_rules!(table());

/// The description agrees with itself: chunk and maximal shapes have the rank of the shape, no chunk extent is zero,
/// the fill value is of the dtype, and there is a name for messages. It is the same each time.
pub fn info_is_consistent(case: &SourceCase) -> Outcome {
    let info = case.info();
    works(info.check(), &info.name, "`DatasetInfo::check`")?;
    ensure(!info.name.trim().is_empty(), || Failure::new("a source", "a name for messages", "an empty name"))?;
    let again = case.info();
    ensure(info == again, || Failure::new(&info.name, "the same description each time", format!("{again:?}")))
}

/// Every slab holds the bytes of the oracle: the whole, rows, columns, planes, single elements, empty ones, those that
/// straddle chunks, random ones. As the input of another node it holds the same.
pub fn reads_every_slab_equal_to_the_oracle(case: &SourceCase) -> Outcome {
    let exact = case.exact()?;
    let above = Said::of(&case.source);
    slabs(case.info()).iter().try_for_each(|slab| {
        equals_part(&exact, slab, &case.read(slab, &Worker::new())?)?;
        equals_part(&exact, slab, &read(&above, slab, &Worker::new())?)
            .map_err(|failure| failure.at("read by another node"))
    })
}

/// A buffer may hold anything before it is read into: every byte is written.
pub fn overwrites_dirty_buffers(case: &SourceCase) -> Outcome {
    for (slab, expected) in read_alone(case)? {
        for dirt in [0xff, 0x5a] {
            let mut out = case.buffer(&slab, dirt)?;
            case.read_to(&slab, &mut out, &Worker::new())?;
            same_bytes(case.info(), &slab, &out, &expected)
                .map_err(|failure| failure.at(format!("a buffer full of {dirt:#x}")))?;
        }
    }
    Ok(())
}

/// A slab that reaches outside, or has another rank, is [`Error::SlabOutOfBounds`], before any input is read, and the
/// buffer is left as it was. That holds for empty slabs, too.
pub fn refuses_out_of_bounds_slabs(case: &SourceCase) -> Outcome {
    let refused = |error: &Error| matches!(error, Error::SlabOutOfBounds { .. });
    for slab in outside(&case.info().shape) {
        let length = slab.bytes(case.info().dtype.size()) as usize;
        refuses(case, &slab, length, "Error::SlabOutOfBounds", refused)?;
    }
    Ok(())
}

/// A buffer that is longer or shorter than its slab is [`Error::BufferLength`], before any input is read, and the buffer
/// is left as it was.
pub fn refuses_wrong_buffer_lengths(case: &SourceCase) -> Outcome {
    let size = case.info().dtype.size();
    let refused = |error: &Error| matches!(error, Error::BufferLength { .. });
    for slab in slabs(case.info()) {
        let right = slab.bytes(size) as usize;
        for length in [0, right / 2, right.saturating_sub(1), right + 1, right + size, 2 * right] {
            if length != right {
                refuses(case, &slab, length, "Error::BufferLength", refused)?;
            }
        }
    }
    Ok(())
}

/// Many threads that read at once, each with a worker of its own, get the same bytes as one alone.
pub fn same_bytes_from_many_threads_at_once(case: &SourceCase) -> Outcome {
    let alone = read_alone(case)?;
    let count = 4;
    let read_all = |first: usize| {
        // Each begins elsewhere, so that different slabs are read at once.
        let mut order = alone.iter().cycle().skip(first * alone.len() / count).take(ROUNDS * alone.len());
        order
            .try_for_each(|(slab, expected)| same_bytes(case.info(), slab, &case.read(slab, &Worker::new())?, expected))
    };
    at_once(count, read_all).map_err(|failure| failure.at(format!("one of {count} threads")))
}

/// A worker of any number of threads, used for slab after slab, gets the same bytes: its scratch holds anything.
pub fn same_bytes_with_any_worker(case: &SourceCase) -> Outcome {
    let alone = read_alone(case)?;
    for threads in THREADS {
        let worker = Worker::with_threads(threads);
        for (slab, expected) in &alone {
            same_bytes(case.info(), slab, &case.read(slab, &worker)?, expected)
                .map_err(|failure| failure.at(format!("a worker of {threads} threads")))?;
        }
    }
    Ok(())
}

/// All slabs as one thread reads them, each into zeros and with a worker of its own.
fn read_alone(case: &SourceCase) -> Result<Vec<(Slab, Buffer)>, Failure> {
    slabs(case.info()).into_iter().map(|slab| case.read(&slab, &Worker::new()).map(|read| (slab, read))).collect()
}

/// A read holds no more beside its buffer than `cost` says, and [`UNCOUNTED_BYTES`], with workers
/// of any number of threads. For a node, that is what core makes of its cost and those of its
/// inputs; also in graphs that read it twice, or two of it over one input.
///
/// Measured by [`PeakAlloc`] inside runs of one slab each, so what C libraries allocate is not seen.
/// Sources of some hundred KiB show something.
pub fn scratch_is_within_cost(case: &SourceCase) -> Outcome {
    if !case.measured {
        return Ok(());
    }
    ensure_measuring(&case.info().name)?;
    THREADS.into_iter().try_for_each(|threads| scratch_is_enough(&*case.source, threads))?;
    let Some(node) = case.node.as_ref().filter(|_| case.source.operation().is_some()) else { return Ok(()) };
    let input: Arc<dyn ChunkSource> = Arc::new(Said::of(&node.input));
    let (one, other) = (node.build_on(Arc::clone(&input))?, node.build_on(input)?);
    for graph in [Both::of(&one, &one), Both::of(&one, &other)] {
        scratch_is_enough(&graph, 2).map_err(|failure| failure.at("a graph that shares nodes"))?;
    }
    Ok(())
}

fn scratch_is_enough(source: &dyn ChunkSource, threads: usize) -> Outcome {
    for slab in slabs(source.info()).into_iter().filter(|slab| !slab.is_empty()) {
        let (stated, held) = measured::read(source, &slab, threads)?;
        ensure(held.peak <= stated + UNCOUNTED_BYTES, || {
            let expected = format!(
                "at most {} bytes beside the buffer: {stated} of `cost`, and {UNCOUNTED_BYTES} that any read may take",
                stated + UNCOUNTED_BYTES
            );
            Failure::new(&source.info().name, expected, format!("{} bytes", held.peak))
                .at(format!("slab {slab}, {threads} threads"))
        })?;
    }
    Ok(())
}

/// What stays allocated after reads is within `held_bytes`, and [`UNCOUNTED_BYTES`]: caches count. A thread may keep as
/// much as one read costs for its next one.
///
/// Measured as [`scratch_is_within_cost`].
pub fn holds_no_more_than_it_says(case: &SourceCase) -> Outcome {
    if !case.measured {
        return Ok(());
    }
    ensure_measuring(&case.info().name)?;
    let slabs = slabs(case.info());
    let stated = total_held_bytes(&*case.source);
    let mut kept = 0;
    for slab in &slabs {
        let cost = works(total_cost(&*case.source, slab, 1), &case.info().name, "`total_cost`")?;
        kept = kept.max(cost.scratch_bytes);
    }
    let read_all = || slabs.iter().try_for_each(|slab| case.read(slab, &Worker::new()).map(drop));
    let (read, held) = PeakAlloc::measure(read_all);
    read?;
    ensure(held.left <= stated + kept + UNCOUNTED_BYTES, || {
        let expected = format!(
            "at most {stated} bytes kept after all reads, as `held_bytes` says, {kept} for the next read, and \
             {UNCOUNTED_BYTES}"
        );
        Failure::new(&case.info().name, expected, format!("{} bytes", held.left))
    })
}

/// Making a lazy operation reads nothing of its input, and nor does planning: all that it must know
/// is in the input's description.
///
/// Checked where the case is a [`SourceCase::node`].
pub fn reads_nothing_before_it_is_asked(case: &SourceCase) -> Outcome {
    let Some(node) = &case.node else { return Ok(()) };
    let input = Arc::new(CountingSource::new(Arc::clone(&node.input)));
    let source = node.build(Arc::clone(&input))?;
    for slab in slabs(source.info()) {
        let _ = total_cost(&*source, &slab, 2);
    }
    let _ = total_held_bytes(&*source);
    ensure(input.calls() == 0, || {
        Failure::new(&case.info().name, "no read of the input", format!("{} reads", input.calls()))
    })
}

/// An error of the input is the error of the read: with its path, and nothing of it is lost.
///
/// Checked where the case is a [`SourceCase::node`].
pub fn passes_on_the_errors_of_its_input(case: &SourceCase) -> Outcome {
    let Some(node) = &case.node else { return Ok(()) };
    let whole = Slab::whole(&case.info().shape);
    for call in 1..=3 {
        for threads in THREADS {
            let input = Arc::new(FaultySource::new(Arc::clone(&node.input), call, injected()));
            let mut out = case.buffer(&whole, 0)?;
            let worker = Worker::with_threads(threads);
            let source = node.try_build(Arc::clone(&input));
            let read = source.and_then(|source| source.read_into(&whole, &mut out, &worker));
            if input.has_failed() {
                passed_on(case, read).map_err(|failure| failure.at(format!("read {call} of the input failed")))?;
            }
        }
    }
    Ok(())
}

/// An error with a path and a cause.
fn injected() -> Error {
    Error::io("/injected/by/a/test", "read", std::io::Error::other("the injected cause"))
}

fn passed_on(case: &SourceCase, read: chunk_core::Result<()>) -> Outcome {
    let expected = format!("the error of the input, {:?}", injected().report());
    let found = match read {
        Ok(()) => "Ok".to_owned(),
        Err(error) if error.report().contains(&injected().report()) => return Ok(()),
        Err(error) => shown(&error),
    };
    Err(Failure::new(&case.info().name, expected, found))
}

/// Slabs that are not inside an array of `shape`.
pub(crate) fn outside(shape: &[u64]) -> Vec<Slab> {
    let whole = Slab::whole(shape);
    let first = if whole.is_empty() { whole.clone() } else { Slab::new(vec![0; shape.len()], vec![1; shape.len()]) };
    let mut slabs = Vec::new();
    for (axis, &extent) in shape.iter().enumerate() {
        slabs.push(whole.with_axis(axis, 0..extent + 1));
        slabs.push(first.with_axis(axis, extent..extent + 1));
        slabs.push(first.with_axis(axis, u64::MAX - 1..u64::MAX));
        slabs.push(whole.with_axis(axis, extent + 1..extent + 1));
    }
    slabs.push(Slab::new([first.start(), &[0]].concat(), [&first.count()[..], &[1]].concat()));
    if !shape.is_empty() {
        slabs.push(Slab::new(&first.start()[1..], &first.count()[1..]));
    }
    slabs
}

/// Reads what must be refused, on the case's source and, if it has an input, on one whose input is watched.
fn refuses(case: &SourceCase, slab: &Slab, length: usize, expected: &str, refused: fn(&Error) -> bool) -> Outcome {
    let mut out = works(Buffer::zeroed(length), &case.info().name, "allocating a buffer")?;
    out.fill(UNTOUCHED);
    let place = || format!("slab {slab} into {length} bytes");
    let fail = |expected: &str, found: String| Err(Failure::new(&case.info().name, expected, found).at(place()));
    match case.source.read_into(slab, &mut out, &Worker::new()) {
        Ok(()) => return fail(expected, "Ok".to_owned()),
        Err(error) if !refused(&error) => return fail(expected, shown(&error)),
        Err(_) => {}
    }
    if out.iter().any(|byte| *byte != UNTOUCHED) {
        return fail("the buffer as it was", "bytes written before the slab was refused".to_owned());
    }
    match &case.node {
        Some(node) => reads_no_input(case, node, slab, length).map_err(|failure| failure.at(place())),
        None => Ok(()),
    }
}

fn reads_no_input(case: &SourceCase, node: &Node, slab: &Slab, length: usize) -> Outcome {
    let input = Arc::new(CountingSource::new(Arc::clone(&node.input)));
    let source = node.build(Arc::clone(&input))?;
    let mut out = works(Buffer::zeroed(length), &case.info().name, "allocating a buffer")?;
    let before = input.calls();
    let _ = source.read_into(slab, &mut out, &Worker::new());
    ensure(input.calls() == before, || Failure::new(&case.info().name, "no read of the input", "the input was read"))
}

/// Fails unless all of `source` is what `whole` is, shape and dtype included: for rules of backends.
pub(crate) fn reads_as(source: &dyn ChunkSource, whole: &MemorySource) -> Outcome {
    let slab = Slab::whole(&source.info().shape);
    let name = &source.info().name;
    let (found, expected) = (&source.info().shape, &whole.info().shape);
    ensure(found == expected, || Failure::new(name, format!("shape {expected}"), format!("shape {found}")))?;
    let (found, expected) = (&source.info().dtype, &whole.info().dtype);
    ensure(found == expected, || Failure::new(name, format!("dtype {expected}"), format!("dtype {found}")))?;
    let mut out = works(Buffer::zeroed(whole.bytes().len()), name, "allocating a buffer")?;
    works(source.read_into(&slab, &mut out, &Worker::new()), name, "reading")?;
    equals_part(whole, &slab, &out)
}
