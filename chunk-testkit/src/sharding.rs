//! Rules of backends whose outputs are made in several runs: checked where [`Backend::sharding`] gives something.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use chunk_core::{
    Backend, Checksum, ChunkSource, CreateOptions, DatasetInfo, Error, MemorySource, Result as CoreResult, Shard,
    Sharding, Slab, Worker,
};

use crate::bad_files::{cuts, some_damages};
use crate::case::part_of;
use crate::description::{Description, Place};
use crate::failure::{Failure, Outcome, ensure, shown, works};
use crate::folder::Folder;
use crate::source_rules::reads_as;
use crate::writing::pieces;

/// An output that is to be made out of shards, which lie in a folder of their own.
struct Parts<'a> {
    backend: &'a Description,
    sharding: &'a dyn Sharding,
    place: Place,
    folder: Folder,
    array: MemorySource,
    /// Whole chunks each.
    pieces: Vec<Slab>,
}

impl<'a> Parts<'a> {
    fn new(backend: &'a Description, sharding: &'a dyn Sharding, array: MemorySource) -> Result<Self, Failure> {
        let (place, folder) = (backend.place(), Folder::new());
        // Two chunks a piece, where there are as many.
        let mut parts = Parts { backend, sharding, place, folder, array, pieces: Vec::new() };
        let mut info = parts.open("unused")?.info().clone();
        if let Some(chunk) = &info.chunk_shape
            && let Some(last) = chunk.len().checked_sub(1)
        {
            info.chunk_shape = Some(chunk.clone().with_axis(last, 2 * chunk[last]));
        }
        parts.pieces = pieces(&info);
        Ok(parts)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn try_open(&self, name: &str, info: &DatasetInfo, options: &CreateOptions) -> CoreResult<Box<dyn Shard>> {
        self.sharding.shard(&self.place.location, info.clone(), options, &self.path(name))
    }

    fn open(&self, name: &str) -> Result<Box<dyn Shard>, Failure> {
        let opened = self.try_open(name, self.array.info(), &self.backend.options());
        works(opened, &self.place.location, "opening a shard")
    }

    fn write(&self, shard: &dyn Shard, piece: &Slab) -> Outcome {
        let written = shard.write_from(piece, &part_of(&self.array, piece), &Worker::with_threads(2));
        works(written, &self.place.location, "writing to a shard")
            .map_err(|failure| failure.at(format!("slab {piece}")))
    }

    /// Whether the shard says that it holds the piece of the array.
    fn holds(&self, shard: &dyn Shard, piece: &Slab) -> Result<bool, Failure> {
        let checksum = Checksum::of(&part_of(&self.array, piece));
        works(shard.holds(piece, checksum, &Worker::with_threads(2)), &self.place.location, "asking a shard")
    }

    fn finish(&self, shard: Box<dyn Shard>) -> Outcome {
        works(shard.finish(), &self.place.location, "publishing a shard")
    }

    /// Writes the pieces to so many shards in turn, and closes them.
    fn write_shards(&self, count: usize) -> Result<Vec<PathBuf>, Failure> {
        let names: Vec<String> = (0..count).map(|number| format!("{number} of {count}")).collect();
        for (first, name) in names.iter().enumerate() {
            let shard = self.open(name)?;
            // Not in the order of the pieces: the joined output does not depend on it.
            for piece in self.pieces.iter().skip(first).step_by(count).rev() {
                self.write(&*shard, piece)?;
            }
            works(shard.sync(), &self.place.location, "syncing a shard")?;
        }
        Ok(names.iter().map(|name| self.path(name)).collect())
    }

    fn join(&self, place: &Place, shards: &[PathBuf]) -> CoreResult<()> {
        let mut pieces = self.pieces.iter().enumerate().map(|(number, piece)| (number % shards.len(), piece.clone()));
        let (info, options) = (self.array.info().clone(), self.backend.options());
        self.sharding.join(&place.location, info, &options, shards, &mut pieces, &Worker::with_threads(2))
    }

    fn is_absent(&self, when: &str) -> Outcome {
        self.place.is_empty(when)?;
        ensure(self.backend.try_open(&self.place).is_err(), || {
            Failure::new(&self.place.location, format!("no output {when}"), "a dataset that opens")
        })
    }

    /// Fails unless the output is the array, and nothing else is there.
    fn is_whole(&self) -> Outcome {
        self.place.has_only_the_output()?;
        reads_as(&*self.backend.open(&self.place)?, &self.array)
    }
}

/// Calls `check` with an output of a few chunks, and with one of another rank and dtype, if there are shards.
fn with_parts(backend: &Description, check: impl Fn(&Parts) -> Outcome) -> Outcome {
    let (Some(sharding), true) = (backend.backend.sharding(), backend.has_files()) else { return Ok(()) };
    let (first, last) = (backend.dtype(), &backend.dtypes[backend.dtypes.len() - 1]);
    for (dtype, rank) in [(&first, backend.rank()), (last, *backend.ranks.start()), (last, *backend.ranks.end())] {
        check(&Parts::new(backend, sharding, backend.array(dtype, rank))?)
            .map_err(|failure| failure.at(format!("rank {rank}, dtype {dtype}")))?;
    }
    Ok(())
}

/// A shard that holds everything becomes the output when it is finished, and leaves nothing. Opening one makes nothing,
/// and one that was never written to becomes an output that holds the fill value.
pub fn a_shard_becomes_the_output(backend: &Description) -> Outcome {
    with_parts(backend, |parts| {
        let nothing_there = |when: &str| {
            let names = parts.folder.names();
            ensure(names.is_empty(), || {
                Failure::new(&parts.place.location, format!("no shard {when}"), format!("{names:?}"))
            })
        };
        let shard = parts.open("x")?;
        nothing_there("before the first write")?;
        parts.is_absent("before the first write")?;
        for piece in parts.pieces.iter().rev() {
            parts.write(&*shard, piece)?;
        }
        parts.is_absent("before the shard is finished")?;
        parts.finish(shard)?;
        nothing_there("after it was published")?;
        parts.is_whole()
    })?;
    with_parts(backend, |parts| {
        parts.finish(parts.open("x")?)?;
        let found = backend.open(&parts.place)?.info().shape.clone();
        let expected = &parts.array.info().shape;
        ensure(found == *expected, || Failure::new(&parts.place.location, format!("shape {expected}"), found))
    })
}

/// A shard that is dropped is continued by the next who opens it. It says which slabs it holds: what was written, with
/// the checksum that it was written with, and nothing else. Until it is finished there is no output.
pub fn a_dropped_shard_is_continued(backend: &Description) -> Outcome {
    with_parts(backend, |parts| {
        let half = parts.pieces.len().div_ceil(2);
        let shard = parts.open("x")?;
        for piece in &parts.pieces[..half] {
            parts.write(&*shard, piece)?;
        }
        drop(shard);
        parts.is_absent("after a shard was dropped")?;
        let shard = parts.open("x")?;
        for (number, piece) in parts.pieces.iter().enumerate() {
            let (held, expected) = (parts.holds(&*shard, piece)?, number < half);
            ensure(held == expected, || {
                Failure::new(&parts.place.location, format!("holds: {expected}"), held).at(format!("slab {piece}"))
            })?;
            let other = Checksum::of(&part_of(&parts.array, piece)) ^ 1;
            let held = works(shard.holds(piece, other, &Worker::new()), &parts.place.location, "asking a shard")?;
            ensure(!held, || Failure::new(&parts.place.location, "another checksum not held", "held"))?;
            if number >= half {
                parts.write(&*shard, piece)?;
                ensure(parts.holds(&*shard, piece)?, || {
                    Failure::new(&parts.place.location, "what was just written held", "not held")
                })?;
            }
        }
        parts.is_absent("before the shard is finished")?;
        parts.finish(shard)?;
        parts.is_whole()
    })
}

/// Several shards are joined to the output; its files are the same, byte for byte, for any number of shards. They stay as
/// they are. A piece that a shard does not hold is an error, with no output.
pub fn shards_are_joined(backend: &Description) -> Outcome {
    with_parts(backend, |parts| {
        let mut first: Option<Vec<_>> = None;
        for count in [1, 2, 3, 7] {
            let shards = parts.write_shards(count)?;
            let before = parts.folder.contents();
            let place = backend.place();
            works(parts.join(&place, &shards), &place.location, "joining shards")?;
            reads_as(&*backend.open(&place)?, &parts.array)?;
            place.has_only_the_output()?;
            ensure(parts.folder.contents() == before, || {
                Failure::new(&place.location, "the shards as they were", "others")
            })?;
            let made = place.contents();
            let same = first.get_or_insert_with(|| made.clone()) == &made;
            ensure(same, || Failure::new(&place.location, format!("{count} shards joined as one is"), "other bytes"))?;
        }
        if parts.pieces.len() < 2 {
            return Ok(());
        }
        let mut shards = parts.write_shards(2)?;
        shards.reverse();
        let joined = parts.join(&parts.place, &shards);
        ensure(matches!(joined, Err(Error::Corrupt { .. })), || {
            let found = joined.as_ref().map_or_else(shown, |()| "Ok".to_owned());
            Failure::new(&parts.place.location, "Error::Corrupt of pieces in other shards", found)
        })?;
        parts.is_absent("after joining failed")
    })
}

/// The shard of a dataset of another shape or dtype is [`Error::ShardMismatch`], another file
/// [`Error::AlreadyExists`]; both stay as they are. An output that exists is refused before the shard is made.
pub fn refuses_what_is_no_shard_of_it(backend: &Description) -> Outcome {
    with_parts(backend, |parts| {
        let shard = parts.open("x")?;
        parts.pieces.first().map_or(Ok(()), |piece| parts.write(&*shard, piece))?;
        drop(shard);
        let before = parts.folder.contents();
        let mut others = Vec::new();
        if !parts.array.info().shape.is_empty() {
            let mut longer = parts.array.info().clone();
            longer.shape = longer.shape.clone().with_axis(0, longer.shape[0] + 1);
            others.push(longer);
        }
        if let Some(dtype) = backend.dtypes.iter().find(|dtype| **dtype != parts.array.info().dtype) {
            let mut other = parts.array.info().clone();
            other.dtype = dtype.clone();
            others.push(other);
        }
        for other in others {
            let found = match parts.try_open("x", &other, &backend.options()) {
                Err(Error::ShardMismatch { .. }) => continue,
                Err(error) => shown(&error),
                Ok(_) => "a shard".to_owned(),
            };
            return Err(Failure::new(&parts.place.location, "Error::ShardMismatch", found));
        }
        parts.folder.put("letter", "Dear reader");
        let opened = parts.try_open("letter", parts.array.info(), &backend.options());
        ensure(matches!(opened, Err(Error::AlreadyExists { .. })), || {
            Failure::new(
                &parts.place.location,
                "Error::AlreadyExists for a file that is no shard",
                format!("{opened:?}"),
            )
        })?;
        parts.folder.remove("letter");
        let existing = backend.place();
        backend.write(&existing, &parts.array)?;
        let info = parts.array.info().clone();
        let opened = parts.sharding.shard(&existing.location, info, &backend.options(), &parts.path("y"));
        ensure(matches!(opened, Err(Error::AlreadyExists { .. })), || {
            Failure::new(&existing.location, "Error::AlreadyExists for an output that is there", format!("{opened:?}"))
        })?;
        ensure(parts.folder.contents() == before, || {
            Failure::new(&parts.place.location, "the shard as it was", "another")
        })
    })
}

/// A shard has one writer: another who opens it, or joins it, is told [`Error::Locked`] while the first has it. Slabs
/// outside of the dataset, and buffers of another length, are refused as by any sink.
pub fn a_shard_has_one_writer(backend: &Description) -> Outcome {
    with_parts(backend, |parts| {
        let Some(piece) = parts.pieces.first() else { return Ok(()) };
        let first = parts.open("x")?;
        parts.write(&*first, piece)?;
        let second = parts.try_open("x", parts.array.info(), &backend.options());
        ensure(matches!(second, Err(Error::Locked { .. })), || {
            Failure::new(&parts.place.location, "Error::Locked for a second writer", format!("{second:?}"))
        })?;
        let joined = parts.join(&parts.place, &[parts.path("x")]);
        ensure(matches!(joined, Err(Error::Locked { .. })), || {
            Failure::new(&parts.place.location, "Error::Locked for joining", format!("{joined:?}"))
        })?;
        let data = part_of(&parts.array, piece);
        let short = first.write_from(piece, &data[1..], &Worker::new());
        ensure(matches!(short, Err(Error::BufferLength { .. })), || {
            Failure::new(&parts.place.location, "Error::BufferLength", format!("{short:?}"))
        })?;
        if !parts.array.info().shape.is_empty() {
            let outside = piece.shifted(&parts.array.info().shape);
            let found = first.write_from(&outside, &data, &Worker::new());
            ensure(matches!(found, Err(Error::SlabOutOfBounds { .. })), || {
                Failure::new(&parts.place.location, "Error::SlabOutOfBounds", format!("{found:?}"))
            })?;
        }
        drop(first);
        let next = parts.open("x")?;
        parts.pieces.iter().try_for_each(|piece| parts.write(&*next, piece))?;
        parts.finish(next)?;
        parts.is_whole()
    })
}

/// Whatever happened to the files of a shard, one that opens never takes damage for data: once the slabs that it does not
/// hold are written again, the output is right. Nor does joining; and nothing panics.
pub fn a_damaged_shard_is_never_believed(backend: &Description) -> Outcome {
    let (Some(sharding), true) = (backend.backend.sharding(), backend.has_files()) else { return Ok(()) };
    let parts = Parts::new(backend, sharding, backend.tiny_array())?;
    let shards = parts.write_shards(1)?;
    let sound = parts.folder.contents();
    for (damaged, content) in &sound {
        for (way, bytes) in cuts(content).into_iter().chain(some_damages(content)) {
            for (name, content) in &sound {
                parts.folder.put(name, content);
            }
            parts.folder.put(damaged, &bytes);
            let checked = catch_unwind(AssertUnwindSafe(|| is_not_believed(&parts, &shards)));
            let outcome = checked.unwrap_or_else(|_| Err(Failure::new(&parts.place.location, "no panic", "a panic")));
            outcome.map_err(|failure| failure.at(format!("{damaged}, {way}")))?;
        }
    }
    Ok(())
}

/// That the output is right, made of the shards as they are now: joined, and continued.
fn is_not_believed(parts: &Parts, shards: &[PathBuf]) -> Outcome {
    let joined = parts.backend.place();
    if parts.join(&joined, shards).is_ok() {
        reads_as(&*parts.backend.open(&joined)?, &parts.array).map_err(|failure| failure.at("joined"))?;
    } else {
        joined.is_empty("after joining failed")?;
    }
    let place = parts.backend.place();
    let (info, options) = (parts.array.info().clone(), parts.backend.options());
    let Ok(shard) = parts.sharding.shard(&place.location, info, &options, &shards[0]) else { return Ok(()) };
    for piece in &parts.pieces {
        if !parts.holds(&*shard, piece)? {
            parts.write(&*shard, piece)?;
        }
    }
    parts.finish(shard)?;
    reads_as(&*parts.backend.open(&place)?, &parts.array)
}
