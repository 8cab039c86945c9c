//! Rules of backends: files that are missing, cut off or damaged are errors that say what and where.

use std::error::Error as _;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use chunk_core::{Backend, Buffer, ChunkSource, Error, Location, Result as CoreResult, Slab, Worker, total_held_bytes};

use crate::description::{Description, Place};
use crate::failure::{Failure, Outcome, ensure, panic_message, shown};
use crate::measured::ensure_measuring;
use crate::peak_alloc::PeakAlloc;
use crate::random::Random;
use crate::source_rules::UNCOUNTED_BYTES;

/// Files up to this size are cut at every length and damaged at every byte; larger ones at so many places.
const PLACES: usize = 512;
/// What opening may take for each byte that is stored: an index of chunks, for example.
const BYTES_PER_STORED: u64 = 1000;
/// So many damages other than a changed byte are among some of them.
const MOST_OTHERS: usize = 24;
/// A damaged file may say that it is huge: then only its first and its last element are read.
const MOST_READ_BYTES: u64 = 4 << 20;

/// What is not there is [`Error::FileNotFound`], and a folder where a file should be an error, of `open` and of `list`.
pub fn missing_files_give_errors(backend: &Description) -> Outcome {
    for place in missing(backend) {
        let opened = backend.try_open(&place).map(drop);
        let listed = backend.backend.list(place.path()).map(drop);
        for (call, came) in [("open", opened), ("list", listed)] {
            let found = match came {
                Err(Error::FileNotFound { .. }) => continue,
                Err(_) if place.path().exists() => continue,
                Err(error) => shown(&error),
                Ok(()) => "Ok".to_owned(),
            };
            let expected = if place.path().exists() { "an error" } else { "Error::FileNotFound" };
            return Err(Failure::new(&place.location, format!("{expected} of `{call}`"), found));
        }
    }
    Ok(())
}

/// A path where nothing is, and one where a folder is.
fn missing(backend: &Description) -> Vec<Place> {
    let (nothing, folder) = (backend.place(), backend.place());
    if !backend.has_files() {
        return vec![nothing];
    }
    nothing.clear();
    folder.clear();
    fs::create_dir(folder.path()).expect("the test's folder can be written to");
    vec![nothing, folder]
}

/// A dataset that the file does not have is [`Error::DatasetNotFound`].
pub fn missing_datasets_give_errors(backend: &Description) -> Outcome {
    let place = backend.place();
    backend.write(&place, &backend.array(&backend.dtype(), backend.rank()))?;
    let location = Location::new(place.path()).with_dataset("no-such-dataset");
    let found = match backend.backend.open(&location) {
        Err(Error::DatasetNotFound { .. }) => return Ok(()),
        Err(error) => shown(&error),
        Ok(_) => "a source".to_owned(),
    };
    Err(Failure::new(&location, "Error::DatasetNotFound", found))
}

/// A file whose end is missing is an error, of `open` or of the read, wherever it was cut. If the format cannot know, a
/// read at least writes every byte that it claims.
pub fn truncated_files_give_errors(backend: &Description) -> Outcome {
    each_damage(backend, cuts, |_, original, seen| match seen {
        Seen::Read(bytes) if backend.sees_truncation && bytes != original => Some("other bytes than before".to_owned()),
        seen => seen.fault(),
    })
    .map_err(|failure| failure.unless(".without_seeing_truncation()"))
}

/// Changed bytes, noise and zeros in place of a file are errors or other data, never a panic, and never bytes that are
/// left unwritten.
pub fn damaged_files_never_panic(backend: &Description) -> Outcome {
    each_damage(backend, damages, |_, _, seen| seen.fault())
}

/// However a damaged file lies about its lengths, opening it takes memory in proportion to the file.
///
/// Measured by [`PeakAlloc`], so what C libraries allocate is not seen.
pub fn damaged_files_take_little_memory(backend: &Description) -> Outcome {
    if !backend.measured || !backend.has_files() {
        return Ok(());
    }
    ensure_measuring(backend.name())?;
    let place = backend.place();
    backend.write(&place, &backend.tiny_array())?;
    for (name, content) in place.contents() {
        let path = place.path().with_file_name(&name);
        let most = UNCOUNTED_BYTES + BYTES_PER_STORED * content.len() as u64;
        for (way, bytes) in some_damages(&content) {
            replace(&path, &bytes);
            let open = || catch_unwind(AssertUnwindSafe(|| backend.try_open(&place).map(drop)));
            let (_, held) = PeakAlloc::measure(open);
            ensure(held.peak <= most, || {
                let expected = format!("at most {most} bytes to open a file of {}", content.len());
                Failure::new(&place.location, expected, held.peak).at(format!("{name}, {way}"))
            })?;
        }
        replace(&path, &content);
    }
    Ok(())
}

/// What opening a file keeps is within `held_bytes`, and [`UNCOUNTED_BYTES`]: an index, a table, a header.
///
/// Measured as [`damaged_files_take_little_memory`].
pub fn opening_holds_no_more_than_it_says(backend: &Description) -> Outcome {
    if !backend.measured {
        return Ok(());
    }
    ensure_measuring(backend.name())?;
    let place = backend.place();
    backend.write(&place, &backend.large_array())?;
    // Once before: what a program keeps from its first use of a format is no source's.
    drop(backend.open(&place)?);
    let (opened, held) = PeakAlloc::measure(|| backend.open(&place));
    let stated = total_held_bytes(&*opened?);
    ensure(held.left <= stated + UNCOUNTED_BYTES, || {
        let expected = format!("at most {stated} bytes kept by `open`, as `held_bytes` says, and {UNCOUNTED_BYTES}");
        Failure::new(&place.location, expected, format!("{} bytes", held.left))
    })
}

/// A way to damage a file, for people, and what the file then holds.
pub(crate) type Damage = (String, Vec<u8>);

pub(crate) fn cuts(content: &[u8]) -> Vec<Damage> {
    let every = content.len().div_ceil(PLACES).max(1);
    let lengths = (0..content.len()).step_by(every).chain(content.len().saturating_sub(16)..content.len());
    lengths.map(|length| (format!("cut to {length} bytes"), content[..length].to_vec())).collect()
}

fn damages(content: &[u8]) -> Vec<Damage> {
    let mut random = Random::new(content.len() as u64);
    let every = content.len().div_ceil(PLACES).max(1);
    let flips = (0..content.len()).step_by(every).flat_map(|at| [(at, 0xff), (at, 0x01)]);
    let changed = flips.map(|(at, bits)| {
        let mut bytes = content.to_vec();
        bytes[at] ^= bits;
        (format!("byte {at} changed by {bits:#04x}"), bytes)
    });
    let numbers = content.split(|byte| !byte.is_ascii_digit()).filter(|run| !run.is_empty());
    let raised = numbers.take(PLACES).map(|run| {
        // Where the run is in the file: it is a part of it.
        let at = run.as_ptr().addr() - content.as_ptr().addr();
        let mut bytes = content.to_vec();
        bytes.splice(at..at + run.len(), *b"99999999999");
        (format!("a number at byte {at} became 99999999999"), bytes)
    });
    let noise = [0, 1, 7, 64, 5000].map(|length| {
        let mut bytes = vec![0; length];
        random.fill(&mut bytes);
        (format!("{length} bytes of noise"), bytes)
    });
    changed.chain(raised).chain(noise).chain([("zeros".to_owned(), vec![0; content.len()])]).collect()
}

/// Enough of them to meet each error once.
pub(crate) fn some_damages(content: &[u8]) -> Vec<Damage> {
    let (changed, others): (Vec<_>, Vec<_>) =
        damages(content).into_iter().partition(|(way, _)| way.contains(" changed by "));
    changed.into_iter().step_by(7).chain(others.into_iter().take(MOST_OTHERS)).collect()
}

/// What became of reading a damaged file.
enum Seen {
    Error(Error),
    Read(Vec<u8>),
    Unwritten,
    Panicked(String),
}

impl Seen {
    /// What must not be, whatever the damage.
    fn fault(&self) -> Option<String> {
        match self {
            Seen::Error(_) | Seen::Read(_) => None,
            Seen::Unwritten => Some("a read that left bytes unwritten".to_owned()),
            Seen::Panicked(message) => Some(message.clone()),
        }
    }
}

/// Writes a dataset, damages each of its files in each way, and lets `judge` find fault with what comes of it, given the
/// place and the bytes that were there before. Nothing to do without files.
fn each_damage(
    backend: &Description,
    ways: fn(&[u8]) -> Vec<Damage>,
    judge: impl Fn(&Place, &[u8], &Seen) -> Option<String>,
) -> Outcome {
    if !backend.has_files() {
        return Ok(());
    }
    let place = backend.place();
    let array = backend.tiny_array();
    backend.write(&place, &array)?;
    for (name, content) in place.contents() {
        let path = place.path().with_file_name(&name);
        for (way, bytes) in ways(&content) {
            replace(&path, &bytes);
            let seen = look(&*backend.backend, &place.location);
            if let Some(fault) = judge(&place, array.bytes(), &seen) {
                let failure = Failure::new(&place.location, "an error that says where, or every byte read", fault);
                return Err(failure.at(format!("{name}, {way}")));
            }
        }
        replace(&path, &content);
    }
    Ok(())
}

/// Removed first: some file systems take milliseconds to write over a file that is there.
pub(crate) fn replace(path: &Path, content: &[u8]) {
    let written = fs::remove_file(path).and_then(|()| fs::write(path, content));
    written.expect("the test's folder can be written to");
}

fn look(backend: &dyn Backend, location: &Location) -> Seen {
    let tried = catch_unwind(AssertUnwindSafe(|| {
        let _ = backend.list(location.path());
        let source = backend.open(location)?;
        Ok((read_over(&*source, 0x00)?, read_over(&*source, 0xff)?))
    }));
    match tried {
        Ok(Ok((zeros, ones))) if zeros == ones => Seen::Read(zeros),
        Ok(Ok(_)) => Seen::Unwritten,
        Ok(Err(error)) => Seen::Error(error),
        Err(panic) => Seen::Panicked(panic_message(&*panic)),
    }
}

/// All bytes of a source, read over `dirt`; the ends only of one that is large.
fn read_over(source: &dyn ChunkSource, dirt: u8) -> CoreResult<Vec<u8>> {
    let info = source.info();
    let whole = Slab::whole(&info.shape);
    let slabs = if info.bytes() <= MOST_READ_BYTES {
        vec![whole]
    } else {
        let ones = vec![1; info.shape.len()];
        let last: Vec<u64> = info.shape.iter().map(|extent| extent - 1).collect();
        vec![Slab::new(vec![0; ones.len()], ones.clone()), Slab::new(last, ones)]
    };
    let mut all = Vec::new();
    for slab in slabs {
        let mut out = Buffer::zeroed(slab.bytes(info.dtype.size()) as usize)?;
        out.fill(dirt);
        source.read_into(&slab, &mut out, &Worker::new())?;
        all.extend_from_slice(&out);
    }
    Ok(all)
}

/// Each error names the path, and has its cause in `source()`, whose text it does not repeat: errors of what is missing,
/// of what is there already, and of damaged files.
pub fn errors_name_the_path_and_keep_their_cause(backend: &Description) -> Outcome {
    each_damage(backend, some_damages, |place, _, seen| match seen {
        Seen::Error(error) => bad_message(error, &place.location),
        _ => None,
    })?;
    for (what, location, error) in provoked(backend)? {
        let fail = |expected: String| Err(Failure::new(&location, expected, shown(&error)).at(what));
        if let Some(fault) = bad_message(&error, &location) {
            return fail(format!("no {fault}"));
        }
        if what == NO_FOLDER && error.source().is_none() && !matches!(error, Error::FileNotFound { .. }) {
            return fail("the word of the system in `source()`".to_owned());
        }
    }
    Ok(())
}

/// What is wrong with the text of an error.
fn bad_message(error: &Error, location: &Location) -> Option<String> {
    let (text, path) = (error.to_string(), location.path().display().to_string());
    if !text.contains(&path) {
        return Some(format!("message without the path {path}, {text:?}"));
    }
    let cause = error.source().map(ToString::to_string).filter(|cause| text.contains(cause))?;
    Some(format!("message that repeats its cause {cause:?}, {text:?}"))
}

const NO_FOLDER: &str = "an output in a folder that is not there";

type Provoked = Vec<(&'static str, Location, Error)>;

/// Errors of all kinds that can be had from outside.
fn provoked(backend: &Description) -> Result<Provoked, Failure> {
    let mut errors: Provoked = Vec::new();
    let mut keep = |what, location: &Location, error: Option<Error>| {
        errors.extend(error.map(|error| (what, location.clone(), error)));
    };
    let array = backend.array(&backend.dtype(), backend.rank());
    for place in missing(backend) {
        keep("opening what is not there", &place.location, backend.try_open(&place).err());
        keep("listing what is not there", &place.location, backend.backend.list(place.path()).err());
    }
    let place = backend.place();
    backend.write(&place, &array)?;
    let existing = backend.backend.create(&place.location, array.info().clone(), &backend.options());
    keep("creating what exists", &place.location, existing.err());
    let unknown = Location::new(place.path()).with_dataset("no-such-dataset");
    keep("opening a dataset that is not there", &unknown, backend.backend.open(&unknown).err());
    if backend.has_files() {
        let nowhere = Location::new(place.path().with_file_name("no-such-folder").join("output"));
        keep(NO_FOLDER, &nowhere, create_all(backend, &nowhere).err());
        for (name, _) in place.contents() {
            fs::write(place.path().with_file_name(name), "neither header nor data").expect("a file of the test");
        }
        keep("opening garbage", &place.location, backend.try_open(&place).err());
    }
    Ok(errors)
}

/// Makes a sink, writes all, finishes: the first error of these.
fn create_all(backend: &Description, location: &Location) -> CoreResult<()> {
    let array = backend.array(&backend.dtype(), backend.rank());
    let sink = backend.backend.create(location, array.info().clone(), &backend.options())?;
    sink.write_from(&Slab::whole(&sink.info().shape.clone()), array.bytes(), &Worker::new())?;
    sink.finish()
}
