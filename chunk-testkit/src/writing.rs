//! Rules of backends: what is written comes back.

use std::sync::{Mutex, PoisonError};

use chunk_core::{
    Bytes, ChunkSink, ChunkSource, CreateOptions, DType, DatasetInfo, Error, Grid, MemorySource, Run, Scalar, Shape,
    Slab, Worker,
};

use crate::backend_rules::registry;
use crate::case::part_of;
use crate::description::{Description, Place, small, write_whole};
use crate::failure::{Failure, Outcome, ensure, shown, works};
use crate::measured::{self, ensure_measuring};
use crate::pattern::{pattern, structured_dtypes};
use crate::peak_alloc::PeakAlloc;
use crate::random::Random;
use crate::source_rules::{UNCOUNTED_BYTES, outside, reads_as};
use crate::threads::at_once;

const THREADS: [usize; 3] = [1, 2, 5];

/// Every bit of every dtype that the backend claims comes back: extremes, NaNs with payloads, all patterns of bytes,
/// bools of 0 and 1; and the dtype itself.
pub fn round_trips_every_dtype_it_claims(backend: &Description) -> Outcome {
    backend.dtypes.iter().try_for_each(|dtype| {
        let array = backend.array(dtype, backend.rank());
        round_trip(backend, &array).map_err(|failure| failure.at(format!("dtype {dtype}")).unless(word(dtype)))
    })
}

/// What a backend says that does not give all of this dtype back.
fn word(dtype: &DType) -> &'static str {
    match dtype {
        DType::F16 | DType::F32 | DType::F64 | DType::ComplexF32 | DType::ComplexF64 => {
            ".with_dtypes(..)`, or `.with_canonical_nans()"
        }
        _ => ".with_dtypes(..)",
    }
}

/// Arrays of each number of axes that the backend claims come back, none included: that is one element.
pub fn round_trips_every_rank_it_claims(backend: &Description) -> Outcome {
    backend.ranks.clone().try_for_each(|rank| {
        let array = backend.array(&backend.dtype(), rank);
        round_trip(backend, &array).map_err(|failure| failure.at(format!("{rank} axes")).unless(".with_ranks(..)"))
    })
}

/// Arrays with an axis of no elements come back, whether an empty slab is written or nothing at all.
pub fn round_trips_zero_length_axes(backend: &Description) -> Outcome {
    for rank in backend.ranks.clone().filter(|rank| (1..=4).contains(rank)) {
        for axis in 0..rank {
            let (shape, chunk_shape) = small(rank);
            let array = backend.array_of(&backend.dtype(), &shape.with_axis(axis, 0), &chunk_shape);
            let place = || format!("shape {}", array.info().shape);
            round_trip(backend, &array).map_err(|failure| failure.at(place()))?;
            let untouched = backend.place();
            let sink = backend.create(&untouched, array.info())?;
            works(sink.finish(), &untouched.location, "finishing without a write")
                .and_then(|()| reads_as(&*backend.open(&untouched)?, &array))
                .map_err(|failure| failure.at(place()))?;
        }
    }
    Ok(())
}

fn round_trip(backend: &Description, array: &MemorySource) -> Outcome {
    let place = backend.place();
    backend.write(&place, array)?;
    reads_as(&*backend.open(&place)?, array)
}

/// Elements that are never written hold the fill value that the sink's own description states.
///
/// A backend without fill values may refuse one, or leave it out of the sink's description: then nothing is promised.
pub fn elements_never_written_hold_the_fill_value(backend: &Description) -> Outcome {
    let (dtype, place) = (backend.dtype(), backend.place());
    let array = backend.array(&dtype, backend.rank());
    let (info, size) = (array.info().clone(), dtype.size());
    let value = works(Scalar::from_bytes(dtype.clone(), &pattern(&dtype, 9)[8 * size..]), &dtype, "a fill value")?;
    let Ok(sink) = backend.backend.create(&place.location, info.clone().with_fill(value.clone()), &backend.options())
    else {
        return Ok(());
    };
    let Some(stated) = sink.info().fill.clone() else { return Ok(()) };
    ensure(stated == value, || Failure::new(&place.location, format!("fill value {value}"), &stated))?;

    let written = pieces(sink.info()).swap_remove(0);
    let data = part_of(&array, &written);
    works(sink.write_from(&written, &data, &Worker::new()), &place.location, "writing one chunk")?;
    works(sink.finish(), &place.location, "finishing")?;
    let mut expected = array.bytes().to_vec();
    value.fill(&mut expected);
    let whole = Slab::whole(&info.shape);
    chunk_core::copy_region(&written, &data, &written, &mut expected, &whole, size);
    let expected = works(MemorySource::from_bytes(info, expected), &place.location, "the expected array")?;
    reads_as(&*backend.open(&place)?, &expected)
        .map_err(|failure| failure.at("the `info` of the sink states this fill value: leave it out there, or write it"))
}

/// Slabs of any shape may be written one after the other, in any order, also those that hold parts of chunks.
pub fn writes_slabs_that_cut_chunks(backend: &Description) -> Outcome {
    let array = backend.array(&backend.dtype(), backend.rank());
    let place = backend.place();
    let sink = backend.create(&place, array.info())?;
    let odd: Shape = array.info().shape.iter().map(|extent| extent.min(&7).saturating_sub(1).max(1)).collect();
    let mut slabs = cut(array.info(), &odd);
    Random::new(3).shuffle(&mut slabs);
    for slab in slabs {
        let written = sink.write_from(&slab, &part_of(&array, &slab), &Worker::new());
        works(written, &place.location, "writing").map_err(|failure| failure.at(format!("slab {slab}")))?;
    }
    works(sink.finish(), &place.location, "finishing")?;
    reads_as(&*backend.open(&place)?, &array)
}

/// Slabs that share no chunk may be written from many threads at once.
pub fn writes_from_many_threads_at_once(backend: &Description) -> Outcome {
    let array = backend.array(&backend.dtype(), backend.rank());
    let place = backend.place();
    let sink = backend.create(&place, array.info())?;
    let mut slabs = pieces(sink.info());
    Random::new(4).shuffle(&mut slabs);
    let queue = Mutex::new(slabs);
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
    at_once(4, |_| {
        while let Some(slab) = next() {
            let written = sink.write_from(&slab, &part_of(&array, &slab), &Worker::new());
            works(written, &place.location, "writing").map_err(|failure| failure.at(format!("slab {slab}")))?;
        }
        Ok(())
    })?;
    works(sink.finish(), &place.location, "finishing")?;
    reads_as(&*backend.open(&place)?, &array)
}

/// A worker of any number of threads writes the same.
pub fn writes_the_same_with_any_worker(backend: &Description) -> Outcome {
    let array = backend.array(&backend.dtype(), backend.rank());
    THREADS.into_iter().try_for_each(|threads| {
        let place = backend.place();
        let sink = backend.create(&place, array.info())?;
        write_whole(&*sink, &array, &Worker::with_threads(threads))
            .and_then(|()| works(sink.finish(), &place.location, "finishing"))
            .and_then(|()| reads_as(&*backend.open(&place)?, &array))
            .map_err(|failure| failure.at(format!("a worker of {threads} threads")))
    })
}

/// Writing past the end along an axis that may grow extends the dataset, and keeps what was there.
///
/// Checked along the axes that the backend claims.
pub fn appends_along_growth_axes(backend: &Description) -> Outcome {
    let array = backend.array(&backend.dtype(), backend.rank());
    let info = &array.info().clone();
    for &axis in backend.growth_axes.iter().filter(|axis| **axis < info.shape.len()) {
        let (extent, place) = (info.shape[axis], backend.place());
        let most: Vec<_> = (0..info.shape.len()).map(|other| (other != axis).then(|| info.shape[other])).collect();
        let mut begun = info.clone().with_max_shape(most);
        begun.shape = info.shape.clone().with_axis(axis, 3);
        let sink = backend.create(&place, &begun)?;
        for range in [0..3, 3..4, 4..extent / 2, extent / 2..extent] {
            let slab = Slab::whole(&info.shape).with_axis(axis, range);
            let written = sink.write_from(&slab, &part_of(&array, &slab), &Worker::new());
            works(written, &place.location, "appending").map_err(|failure| failure.at(format!("slab {slab}")))?;
        }
        works(sink.finish(), &place.location, "finishing")?;
        reads_as(&*backend.open(&place)?, &array)
            .map_err(|failure| failure.at(format!("grown along axis {axis}")).unless(".with_growth_axes(..)"))?;
    }
    Ok(())
}

/// A slab outside a dataset that does not grow is [`Error::SlabOutOfBounds`], a buffer of another length than its slab
/// [`Error::BufferLength`]; both before anything is created.
pub fn refuses_slabs_and_buffers_that_do_not_fit(backend: &Description) -> Outcome {
    let array = backend.array(&backend.dtype(), backend.rank());
    let (info, place) = (array.info().clone(), backend.place());
    let sink = backend.create(&place, &info)?;
    let (size, before) = (info.dtype.size(), place.names());
    for slab in outside(&info.shape) {
        let data = vec![0; slab.bytes(size) as usize];
        let out_of_bounds = |error: &Error| matches!(error, Error::SlabOutOfBounds { .. });
        refuses(&*sink, &slab, &data, "Error::SlabOutOfBounds", out_of_bounds)?;
    }
    let whole = Slab::whole(&info.shape);
    for length in [0, array.bytes().len() - 1, array.bytes().len() + size] {
        let wrong_length = |error: &Error| matches!(error, Error::BufferLength { .. });
        refuses(&*sink, &whole, &vec![0; length], "Error::BufferLength", wrong_length)?;
    }
    ensure(place.names() == before, || {
        Failure::new(&place.location, "nothing created for what was refused", format!("{:?}", place.names()))
    })
}

fn refuses(sink: &dyn ChunkSink, slab: &Slab, data: &[u8], expected: &str, refused: fn(&Error) -> bool) -> Outcome {
    let found = match sink.write_from(slab, data, &Worker::new()) {
        Err(error) if refused(&error) => return Ok(()),
        Err(error) => shown(&error),
        Ok(()) => "Ok".to_owned(),
    };
    Err(Failure::new(&sink.info().name, expected, found).at(format!("slab {slab} of {} bytes", data.len())))
}

/// A number of axes and dtypes that the backend does not claim are errors of `create`, or come back: they are never
/// written as something else, and never panic.
pub fn refuses_what_it_does_not_claim(backend: &Description) -> Outcome {
    let ranks = [backend.ranks.start().checked_sub(1), backend.ranks.end().checked_add(1)];
    let ranks = ranks.into_iter().flatten().filter(|rank| *rank <= MOST_AXES);
    let other_ranks = ranks.map(|rank| (backend.dtype(), rank));
    let dtypes = DType::numeric().chain(structured_dtypes()).filter(|dtype| !backend.dtypes.contains(dtype));
    for (dtype, rank) in other_ranks.chain(dtypes.map(|dtype| (dtype, backend.rank()))) {
        let (place, array) = (backend.place(), backend.array(&dtype, rank));
        let Ok(sink) = backend.backend.create(&place.location, array.info().clone(), &backend.options()) else {
            place.is_empty("after a sink that was refused")?;
            continue;
        };
        let written = write_whole(&*sink, &array, &Worker::new())
            .and_then(|()| works(sink.finish(), &place.location, "finishing"))
            .and_then(|()| reads_as(&*backend.open(&place)?, &array));
        written.map_err(|failure| {
            failure.at(format!("{dtype} with {rank} axes, which `create` took but nobody claims"))
        })?;
    }
    Ok(())
}

/// Arrays of more axes are not tried: they have too many elements.
const MOST_AXES: usize = 6;

/// A filter that the backend does not have is an error of `create`, and nothing is created.
pub fn refuses_an_unknown_filter(backend: &Description) -> Outcome {
    let place = backend.place();
    let info = backend.array(&backend.dtype(), backend.rank()).info().clone();
    let options = CreateOptions::default().with_filter("no-such-filter:99");
    let made = backend.backend.create(&place.location, info, &options);
    ensure(made.is_err(), || Failure::new(&place.location, "an error for filter \"no-such-filter:99\"", "a sink"))?;
    place.is_empty("after a filter that was refused")
}

/// A write holds no more than `cost` says, and what stays after all writes is within `held_bytes`, each beside
/// [`UNCOUNTED_BYTES`], with workers of any number of threads. A thread may keep as much as one write costs for its next
/// one.
///
/// Measured by [`PeakAlloc`], so what C libraries allocate is not seen.
pub fn writing_stays_within_its_cost(backend: &Description) -> Outcome {
    if !backend.measured {
        return Ok(());
    }
    ensure_measuring(backend.name())?;
    let array = backend.large_array();
    for threads in THREADS {
        let place = backend.place();
        let sink = backend.create(&place, array.info())?;
        let kept = sink.held_bytes();
        let (stated, held) = measured::write(sink, &array, threads)?;
        ensure(held.peak <= stated + kept + UNCOUNTED_BYTES, || {
            let expected = format!("at most {stated} bytes, as `cost` says, {kept} held, and {UNCOUNTED_BYTES}");
            Failure::new(&place.location, expected, format!("{} bytes", held.peak)).at(format!("{threads} threads"))
        })?;
    }
    keeps_what_it_says(backend, &array)
}

fn keeps_what_it_says(backend: &Description, array: &MemorySource) -> Outcome {
    let place = backend.place();
    let sink = backend.create(&place, array.info())?;
    let slabs = pieces(sink.info());
    let write_all = || slabs.iter().try_for_each(|slab| sink.write_from(slab, &part_of(array, slab), &Worker::new()));
    let (written, held) = PeakAlloc::measure(write_all);
    works(written, &place.location, "writing")?;
    let kept = sink.held_bytes();
    let next = slabs.iter().map(|slab| sink.cost(slab, 1).scratch_bytes).max().unwrap_or(0);
    ensure(held.left <= kept + next + UNCOUNTED_BYTES, || {
        let expected = format!(
            "at most {kept} bytes kept after all writes, as `held_bytes` says, {next} for the next write, and \
             {UNCOUNTED_BYTES}"
        );
        Failure::new(&place.location, expected, format!("{} bytes", held.left))
    })
}

/// A run copies an array into the backend within the smallest budget that planning names, and within a large one; a
/// smaller one is refused before anything is created.
pub fn copies_within_a_budget(backend: &Description) -> Outcome {
    let array = backend.large_array();
    let refused = backend.place();
    let run = Run::new().threads(1);
    let needed = match run.clone().budget(budget(1)).copy(&array, backend.create(&refused, array.info())?) {
        Err(Error::BudgetTooSmall { needed: Bytes(needed), .. }) => needed,
        Err(error) => return Err(Failure::new(&refused.location, "Error::BudgetTooSmall", shown(&error))),
        Ok(_) => return Err(Failure::new(&refused.location, "a budget of one byte refused", "a copy")),
    };
    refused.is_empty("after a budget that was refused")?;
    for bytes in [needed, GENEROUS_BYTES] {
        let place = backend.place();
        copy(backend, &array, &place, &run.clone().budget(budget(bytes)))
            .map_err(|failure| failure.at(format!("budget of {bytes} bytes")))?;
    }
    Ok(())
}

/// More than a hundred times the array of the test.
const GENEROUS_BYTES: u64 = 64 << 20;

fn budget(bytes: u64) -> chunk_core::Budget {
    chunk_core::Budget::new(bytes).expect("more than no bytes")
}

fn copy(backend: &Description, array: &MemorySource, place: &Place, run: &Run) -> Outcome {
    let location = place.location.clone().with_scheme(backend.name());
    let registry = registry(backend);
    let sink = works(registry.create(&location, array.info().clone(), &backend.options()), &location, "making a sink")?;
    works(run.copy(array, sink), &location, "copying")?;
    reads_as(&*backend.open(place)?, array)?;

    // As programs do it: the planner proposes chunk shapes.
    let planned = backend.place();
    let location = planned.location.clone().with_scheme(backend.name());
    let build = |info: DatasetInfo| registry.create(&location, info, &backend.options());
    let (plan, sink) = works(run.planner().create(array, array.info(), &build), &location, "planning")?;
    works(run.copy_planned(&plan, array, sink), &location, "copying by a plan")?;
    reads_as(&*backend.open(&planned)?, array)
}

/// Slabs that share no chunk of `info`, all of it together.
pub(crate) fn pieces(info: &DatasetInfo) -> Vec<Slab> {
    let some = || info.shape.iter().map(|extent| extent.div_ceil(3).max(1)).collect();
    cut(info, &info.chunk_shape.clone().unwrap_or_else(some))
}

fn cut(info: &DatasetInfo, shape: &Shape) -> Vec<Slab> {
    let grid = Grid::new(info.shape.clone(), shape.clone());
    (0..grid.len()).map(|number| grid.slab(&grid.position(number))).collect()
}

#[cfg(test)]
mod tests {
    use chunk_core::DType;

    use super::*;

    #[test]
    fn pieces_cover_the_array_once() {
        for rank in 0..4 {
            let info = DatasetInfo::new(small(rank).0, DType::U8);
            assert_eq!(pieces(&info).iter().map(Slab::elements).sum::<u64>(), info.shape.elements(), "{rank}");
        }
    }
}
