//! Rules of backends: an output is there whole or not at all.

use std::thread;
use std::time::Duration;

use chunk_core::{ChunkSource, Error, Identity, MemorySource, Run, Scalar, Slab, Worker, copy_region};

use crate::FaultySource;
use crate::case::part_of;
use crate::description::{Description, Place, write_whole};
use crate::failure::{Failure, Outcome, ensure, shown, works};
use crate::source_rules::reads_as;
use crate::writing::pieces;

/// Clocks of file systems tick this often, or more often.
const TICK: Duration = Duration::from_millis(20);

/// `create` makes no file, not even a temporary one; that begins with the first write.
pub fn making_a_sink_creates_nothing(backend: &Description) -> Outcome {
    let place = backend.place();
    let sink = backend.create(&place, backend.array(&backend.dtype(), backend.rank()).info())?;
    place.is_empty("after making a sink")?;
    is_absent(backend, &place, "after making a sink")?;
    drop(sink);
    place.is_empty("after dropping an unused sink")
}

/// After `finish` the dataset is there under its name, with everything that was written, and nothing else is.
pub fn a_finished_output_is_whole(backend: &Description) -> Outcome {
    let place = backend.place();
    let array = backend.array(&backend.dtype(), backend.rank());
    let sink = backend.create(&place, array.info())?;
    for slab in pieces(sink.info()) {
        works(sink.write_from(&slab, &part_of(&array, &slab), &Worker::new()), &place.location, "writing")?;
    }
    works(sink.finish(), &place.location, "finishing")?;
    if backend.has_files() {
        let names = place.names();
        let there = || Failure::new(&place.location, "a file of the output's name", format!("{names:?}"));
        ensure(place.path().exists(), there)?;
        place.has_only_the_output()?;
    }
    reads_as(&*backend.open(&place)?, &array)
}

/// `finish` may come after only a part was written: the output has the shape of the sink's `info` all the same, and the
/// rest of it holds the fill value, or zero.
pub fn a_partly_written_output_is_complete(backend: &Description) -> Outcome {
    let place = backend.place();
    let array = backend.array(&backend.dtype(), backend.rank());
    let info = array.info().clone();
    let sink = backend.create(&place, &info)?;
    let part = pieces(sink.info()).swap_remove(0);
    let data = part_of(&array, &part);
    works(sink.write_from(&part, &data, &Worker::new()), &place.location, "writing a part")?;
    works(sink.finish(), &place.location, "finishing after a part")?;
    let source = backend.open(&place)?;
    let rest = source.info().fill.clone().unwrap_or_else(|| Scalar::zero(info.dtype.clone()));
    let mut expected = array.bytes().to_vec();
    rest.fill(&mut expected);
    copy_region(&part, &data, &part, &mut expected, &Slab::whole(&info.shape), info.dtype.size());
    reads_as(&*source, &works(MemorySource::from_bytes(info, expected), &place.location, "the expected array")?)
}

/// Until `finish` nothing is under the output's name, and a sink that is dropped, because its run failed or for any
/// other reason, leaves nothing behind.
pub fn an_unfinished_output_is_invisible(backend: &Description) -> Outcome {
    let array = backend.array(&backend.dtype(), backend.rank());
    let place = backend.place();
    let sink = backend.create(&place, array.info())?;
    write_whole(&*sink, &array, &Worker::new())?;
    is_absent(backend, &place, "before `finish`")?;
    drop(sink);
    place.is_empty("after dropping a sink that was written to")?;
    is_absent(backend, &place, "after dropping a sink that was written to")?;

    let failed = backend.place();
    let large = backend.large_array();
    let faulty = FaultySource::new(large.clone(), 2, Error::InvalidArgument("injected by a test".to_owned()));
    let sink = backend.create(&failed, large.info())?;
    let result = Run::new().threads(2).copy(&faulty, sink);
    if faulty.has_failed() {
        ensure(result.is_err(), || Failure::new(&failed.location, "the error of the source", "Ok"))?;
        failed.is_empty("after a run that failed")?;
    }
    Ok(())
}

/// After `prepare` nothing is under the output's name yet, and a sink that is dropped then leaves
/// nothing behind; after `finish` everything is there. A sink to which nothing was written is
/// prepared, too. That `prepare` may be left out other rules show.
pub fn preparing_an_output_publishes_nothing(backend: &Description) -> Outcome {
    let array = backend.array(&backend.dtype(), backend.rank());
    let written = || -> Result<_, Failure> {
        let place = backend.place();
        let sink = backend.create(&place, array.info())?;
        write_whole(&*sink, &array, &Worker::new())?;
        Ok((place, sink))
    };
    let (unprepared, sink) = written()?;
    let visible = is_absent(backend, &unprepared, "before `prepare`").is_err();
    drop(sink);
    if visible || unprepared.is_empty("after a drop").is_err() {
        return Ok(()); // which another rule does not allow
    }
    let (dropped, sink) = written()?;
    works(sink.prepare(), &dropped.location, "preparing")?;
    is_absent(backend, &dropped, "after `prepare`")?;
    drop(sink);
    dropped.is_empty("after dropping a sink that was prepared")?;

    let (finished, sink) = written()?;
    works(sink.prepare(), &finished.location, "preparing")?;
    works(sink.finish(), &finished.location, "finishing after `prepare`")?;
    reads_as(&*backend.open(&finished)?, &array).map_err(|failure| failure.at("finished after `prepare`"))?;

    let unwritten = backend.place();
    let sink = backend.create(&unwritten, array.info())?;
    works(sink.prepare(), &unwritten.location, "preparing without a write")?;
    works(sink.finish(), &unwritten.location, "finishing after `prepare` without a write")?;
    backend.open(&unwritten).map(drop)
}

/// An output that exists is [`Error::AlreadyExists`], at `create`, and stays what it is.
pub fn an_existing_output_is_refused_and_kept(backend: &Description) -> Outcome {
    let place = backend.place();
    let array = backend.array(&backend.dtype(), backend.rank());
    backend.write(&place, &array)?;
    let before = place.contents();
    let found = match backend.backend.create(&place.location, array.info().clone(), &backend.options()) {
        Err(Error::AlreadyExists { .. }) => None,
        Err(error) => Some(shown(&error)),
        Ok(_) => Some("a sink".to_owned()),
    };
    if let Some(found) = found {
        return Err(Failure::new(&place.location, "Error::AlreadyExists", found));
    }
    ensure(place.contents() == before, || Failure::new(&place.location, "the files as they were", "other files"))?;
    reads_as(&*backend.open(&place)?, &array)
}

/// An output that appeared after `create` is [`Error::AlreadyExists`] at `finish`, and stays what it is.
///
/// Checked for files.
pub fn an_output_that_appeared_meanwhile_is_kept(backend: &Description) -> Outcome {
    if !backend.has_files() {
        return Ok(());
    }
    let place = backend.place();
    let (late, early) = (backend.array(&backend.dtype(), backend.rank()), backend.other_array());
    let sink = backend.create(&place, late.info())?;
    write_whole(&*sink, &late, &Worker::new())?;
    if place.path().exists() {
        return Ok(()); // which another rule does not allow
    }
    backend.write(&place, &early)?;
    let found = match sink.finish() {
        Err(Error::AlreadyExists { .. }) => return reads_as(&*backend.open(&place)?, &early),
        Err(error) => shown(&error),
        Ok(()) => "Ok".to_owned(),
    };
    Err(Failure::new(&place.location, "Error::AlreadyExists of `finish`", found))
}

/// Where overwriting is asked for, the old output stays, byte for byte, until the new one is finished.
pub fn overwriting_keeps_the_old_until_finish(backend: &Description) -> Outcome {
    let place = backend.place();
    let (old, new) = (backend.array(&backend.dtype(), backend.rank()), backend.other_array());
    backend.write(&place, &old)?;
    let before = place.contents();
    let kept = |when: &str| {
        let after = place.contents();
        ensure(place.keeps(&before, &after), || {
            Failure::new(&place.location, format!("the old files {when}"), "others")
        })?;
        reads_as(&*backend.open(&place)?, &old).map_err(|failure| failure.at(when))
    };
    let sink = backend.replace(&place, new.info())?;
    kept("after making the new sink")?;
    write_whole(&*sink, &new, &Worker::new())?;
    kept("before the new output is finished")?;
    drop(sink);
    kept("after the new output was given up")?;
    ensure(place.contents() == before, || Failure::new(&place.location, "the old files only", "more files"))?;

    let sink = backend.replace(&place, new.info())?;
    write_whole(&*sink, &new, &Worker::new())?;
    works(sink.finish(), &place.location, "finishing")?;
    reads_as(&*backend.open(&place)?, &new)
}

/// The identity is the same each time the dataset is opened, whatever is read from it or lies beside it, and another
/// once it holds something else.
///
/// Checked where the backend claims identities.
pub fn identity_changes_with_the_content_and_only_then(backend: &Description) -> Outcome {
    if !backend.has_identity {
        return Ok(());
    }
    let place = backend.place();
    let (old, new) = (backend.array(&backend.dtype(), backend.rank()), backend.other_array());
    backend.write(&place, &old)?;
    let first = identity(backend, &place)?;
    reads_as(&*backend.open(&place)?, &old)?;
    place.put_beside();
    let again = identity(backend, &place)?;
    ensure(first == again, || Failure::new(&place.location, format!("identity {first} again"), again))?;

    // What the identity of a file is made of, size and time, needs a tick of its clock to change.
    thread::sleep(TICK);
    let sink = backend.replace(&place, new.info())?;
    write_whole(&*sink, &new, &Worker::new())?;
    works(sink.finish(), &place.location, "finishing")?;
    let other = identity(backend, &place)?;
    ensure(first != other, || Failure::new(&place.location, "another identity for other content", "the same"))
}

fn identity(backend: &Description, place: &Place) -> Result<Identity, Failure> {
    let source = backend.open(place)?;
    source
        .info()
        .identity
        .ok_or_else(|| Failure::new(&place.location, "an identity", "none").unless(".without_identity()"))
}

/// Fails if there is something under the output's name.
fn is_absent(backend: &Description, place: &Place, when: &str) -> Outcome {
    let expected = || format!("nothing under the output's name {when}");
    if backend.has_files() && place.existing.is_none() {
        return ensure(!place.path().exists(), || Failure::new(&place.location, expected(), "a file"));
    }
    ensure(backend.try_open(place).is_err(), || Failure::new(&place.location, expected(), "a dataset that opens"))
}
