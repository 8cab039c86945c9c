//! Rules of backends whose datasets grow in place: checked where [`Backend::growing`] gives something.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chunk_core::{Backend, ChunkSink, ChunkSource, Error, Growing, Location, MemorySource, Shape, Slab, Worker};

use crate::bad_files::{cuts, replace, some_damages};
use crate::case::part_of;
use crate::description::{Description, Place};
use crate::failure::{Failure, Outcome, ensure, shown, works};
use crate::source_rules::reads_as;

/// A dataset of which a part was written, to be completed along an axis.
struct Begun<'a> {
    growing: &'a dyn Growing,
    place: Place,
    /// All that will be there.
    array: MemorySource,
    axis: usize,
}

/// What is committed before anything is appended: not a whole chunk.
const COMMITTED: u64 = 3;

impl<'a> Begun<'a> {
    fn new(backend: &'a Description, growing: &'a dyn Growing, axis: usize) -> Result<Self, Failure> {
        let begun = Begun { growing, place: backend.place(), array: backend.array_that_grows(), axis };
        let info = begun.array.info();
        let most = (0..info.shape.len()).map(|other| (other != axis).then(|| info.shape[other]));
        let mut described = info.clone().with_max_shape(most.collect::<Vec<_>>());
        described.shape = begun.shape(COMMITTED);
        let sink = backend.create(&begun.place, &described)?;
        begun.write(&*sink, 0, COMMITTED)?;
        works(sink.finish(), &begun.place.location, "finishing")?;
        Ok(begun)
    }

    fn extent(&self) -> u64 {
        self.array.info().shape[self.axis]
    }

    fn shape(&self, extent: u64) -> Shape {
        self.array.info().shape.clone().with_axis(self.axis, extent)
    }

    fn append(&self) -> Result<Box<dyn ChunkSink>, Failure> {
        works(self.growing.append(&self.place.location, self.axis), &self.place.location, "opening to append")
    }

    fn write(&self, sink: &dyn ChunkSink, start: u64, end: u64) -> Outcome {
        let slab = Slab::whole(&self.array.info().shape).with_axis(self.axis, start..end);
        let written = sink.write_from(&slab, &part_of(&self.array, &slab), &Worker::new());
        works(written, &self.place.location, "appending").map_err(|failure| failure.at(format!("slab {slab}")))
    }

    /// Fails unless the dataset holds the first `extent` of the array and nothing else.
    fn holds(&self, backend: &Description, extent: u64) -> Outcome {
        let part = Slab::whole(&self.array.info().shape).with_axis(self.axis, 0..extent);
        let mut info = self.array.info().clone();
        info.shape = self.shape(extent);
        let expected = MemorySource::from_bytes(info, part_of(&self.array, &part));
        reads_as(&*backend.open(&self.place)?, &works(expected, &self.place.location, "the expected array")?)
    }
}

/// Calls `check` for each axis that the backend claims to grow along, if it grows in place.
fn each_axis(backend: &Description, check: impl Fn(&Begun) -> Outcome) -> Outcome {
    let Some(growing) = backend.backend.growing() else { return Ok(()) };
    for &axis in backend.growth_axes.iter().filter(|axis| **axis < backend.rank()) {
        let begun = Begun::new(backend, growing, axis)?;
        check(&begun).map_err(|failure| failure.at(format!("growing along axis {axis}")))?;
    }
    Ok(())
}

/// A dataset that exists is opened and added to, again and again, by slabs that cut its chunks and come in any order;
/// the sink says what is committed. An append of nothing changes nothing.
pub fn appends_to_what_is_there(backend: &Description) -> Outcome {
    each_axis(backend, |begun| {
        let (middle, end) = (begun.extent() / 2, begun.extent());
        let mut committed = COMMITTED;
        for ranges in [vec![(COMMITTED, 4), (4, middle)], vec![], vec![(middle + 2, end), (middle, middle + 2)]] {
            let sink = begun.append()?;
            let (stated, expected) = (&sink.info().shape, begun.shape(committed));
            ensure(*stated == expected, || {
                Failure::new(&begun.place.location, format!("a sink of shape {expected}"), format!("shape {stated}"))
            })?;
            for (start, stop) in ranges {
                begun.write(&*sink, start, stop)?;
                committed = committed.max(stop);
            }
            works(sink.finish(), &begun.place.location, "finishing")?;
            begun.holds(backend, committed)?;
        }
        begun.place.has_only_the_output()
    })
}

/// A sink that is dropped before `finish` leaves the dataset as it was, and it can be appended to again.
pub fn an_unfinished_append_changes_nothing(backend: &Description) -> Outcome {
    each_axis(backend, |begun| {
        drop(begun.append()?);
        begun.holds(backend, COMMITTED).map_err(|failure| failure.at("after an unused sink was dropped"))?;
        let sink = begun.append()?;
        begun.write(&*sink, COMMITTED, begun.extent())?;
        drop(sink);
        begun.holds(backend, COMMITTED).map_err(|failure| failure.at("after a used sink was dropped"))?;
        begun.place.has_only_the_output()?;
        let sink = begun.append()?;
        begun.write(&*sink, COMMITTED, begun.extent())?;
        works(sink.finish(), &begun.place.location, "finishing")?;
        begun.holds(backend, begun.extent())
    })
}

/// A slab that reaches into what is committed, or outside along another axis, is [`Error::SlabOutOfBounds`], and a buffer
/// of another length [`Error::BufferLength`]: nothing is changed.
pub fn an_append_keeps_what_was_committed(backend: &Description) -> Outcome {
    each_axis(backend, |begun| {
        let sink = begun.append()?;
        let whole = Slab::whole(&begun.array.info().shape);
        let size = begun.array.info().dtype.size();
        let mut outside = vec![whole.clone(), whole.with_axis(begun.axis, COMMITTED - 1..COMMITTED + 1)];
        for other in (0..whole.ndim()).filter(|other| *other != begun.axis) {
            let extent = begun.array.info().shape[other];
            let appended = whole.with_axis(begun.axis, COMMITTED..COMMITTED + 1);
            outside.push(appended.with_axis(other, 0..extent + 1));
        }
        for slab in outside {
            let found = match sink.write_from(&slab, &vec![0; slab.bytes(size) as usize], &Worker::new()) {
                Err(Error::SlabOutOfBounds { .. }) => continue,
                Err(error) => shown(&error),
                Ok(()) => "Ok".to_owned(),
            };
            return Err(Failure::new(&begun.place.location, "Error::SlabOutOfBounds", found).at(format!("slab {slab}")));
        }
        let slab = whole.with_axis(begun.axis, COMMITTED..COMMITTED + 1);
        let short = sink.write_from(&slab, &vec![0; slab.bytes(size) as usize - 1], &Worker::new());
        ensure(matches!(short, Err(Error::BufferLength { .. })), || {
            Failure::new(&begun.place.location, "Error::BufferLength", format!("{short:?}"))
        })?;
        works(sink.finish(), &begun.place.location, "finishing after refusals")?;
        begun.holds(backend, COMMITTED)
    })
}

/// What is not there, an axis that the dataset does not have, and one that it cannot grow along are errors of `append`,
/// and change nothing.
pub fn refuses_to_append_where_it_cannot(backend: &Description) -> Outcome {
    each_axis(backend, |begun| {
        let refused = |location: &Location, axis: usize, what: &str| {
            let opened = begun.growing.append(location, axis);
            ensure(opened.is_err(), || Failure::new(location, "an error of `append`", "a sink").at(what))
        };
        refused(&backend.place().location, begun.axis, "nothing there")?;
        let rank = begun.array.info().shape.len();
        refused(&begun.place.location, rank, "an axis too many")?;
        for other in (0..rank).filter(|other| !backend.growth_axes.contains(other)) {
            refused(&begun.place.location, other, "an axis that does not grow")?;
        }
        let unknown = Location::new(begun.place.path()).with_dataset("no-such-dataset");
        refused(&unknown, begun.axis, "no such dataset")?;
        begun.place.has_only_the_output()?;
        begun.holds(backend, COMMITTED)
    })
}

/// While one appends, another who tries is told [`Error::Locked`], when opening or at the first write; readers meanwhile
/// see what is committed or an error; and once the first is done, the next one may.
pub fn an_append_has_one_writer(backend: &Description) -> Outcome {
    each_axis(backend, |begun| {
        let first = begun.append()?;
        begun.write(&*first, COMMITTED, begun.extent() - 1)?;
        let last = Slab::whole(&begun.array.info().shape).with_axis(begun.axis, COMMITTED..begun.extent());
        let second = begun.growing.append(&begun.place.location, begun.axis);
        let second = second.and_then(|sink| sink.write_from(&last, &part_of(&begun.array, &last), &Worker::new()));
        ensure(matches!(second, Err(Error::Locked { .. })), || {
            let found = second.as_ref().map_or_else(shown, |()| "Ok".to_owned());
            Failure::new(&begun.place.location, "Error::Locked for a second writer", found)
        })?;
        if backend.try_open(&begun.place).is_ok() {
            begun.holds(backend, COMMITTED).map_err(|failure| failure.at("a reader beside the writer"))?;
        }
        works(first.finish(), &begun.place.location, "finishing the first writer")?;
        let next = begun.append()?;
        begun.write(&*next, begun.extent() - 1, begun.extent())?;
        works(next.finish(), &begun.place.location, "finishing the next writer")?;
        begun.holds(backend, begun.extent())
    })
}

/// A file that was finished has no problems, before and after it grew, and recovering it changes no byte of it.
pub fn sound_files_have_no_problems(backend: &Description) -> Outcome {
    let sound = |begun: &Begun| {
        let (path, before) = (begun.place.path(), begun.place.contents());
        let problems = works(begun.growing.problems(path), &begun.place.location, "looking for problems")?;
        let mended = works(begun.growing.recover(path), &begun.place.location, "recovering a sound file")?;
        ensure(problems.is_empty() && mended.is_empty(), || {
            Failure::new(&begun.place.location, "nothing wrong, nothing done", format!("{problems:?}, {mended:?}"))
        })?;
        ensure(begun.place.contents() == before, || {
            Failure::new(&begun.place.location, "a sound file left as it is by `recover`", "another content")
        })
    };
    each_axis(backend, |begun| {
        sound(begun)?;
        let sink = begun.append()?;
        begun.write(&*sink, COMMITTED, begun.extent())?;
        works(sink.finish(), &begun.place.location, "finishing")?;
        sound(begun).map_err(|failure| failure.at("after an append"))
    })
}

/// Whatever the damage, looking for problems, recovering, and appending are errors or work, and never panic; a recovery
/// that failed leaves the file as it is.
pub fn recovery_never_panics(backend: &Description) -> Outcome {
    if !backend.has_files() {
        return Ok(());
    }
    each_axis(backend, |begun| {
        for (name, content) in begun.place.contents() {
            let path = begun.place.path().with_file_name(&name);
            for (way, bytes) in cuts(&content).into_iter().step_by(5).chain(some_damages(&content)) {
                replace(&path, &bytes);
                recovers(&*backend.backend, begun, &bytes, &path)
                    .map_err(|failure| failure.at(format!("{name}, {way}")))?;
            }
            replace(&path, &content);
        }
        Ok(())
    })
}

fn recovers(backend: &dyn Backend, begun: &Begun, damaged: &[u8], path: &std::path::Path) -> Outcome {
    let attempt = catch_unwind(AssertUnwindSafe(|| {
        let problems = begun.growing.problems(begun.place.path());
        let unchanged = std::fs::read(path).is_ok_and(|bytes| bytes == damaged);
        let recovered = begun.growing.recover(begun.place.path());
        let left_alone = recovered.is_ok() || std::fs::read(path).is_ok_and(|bytes| bytes == damaged);
        let _ = backend.open(&begun.place.location);
        let _ = begun.growing.append(&begun.place.location, begun.axis);
        (problems, unchanged, left_alone)
    }));
    match attempt {
        Err(_) => Err(Failure::new(&begun.place.location, "an error or a mended file", "a panic")),
        Ok((_, false, _)) => {
            Err(Failure::new(&begun.place.location, "`problems` to change nothing", "another content"))
        }
        Ok((_, _, false)) => {
            Err(Failure::new(&begun.place.location, "a recovery that failed to change nothing", "another content"))
        }
        Ok(_) => Ok(()),
    }
}
