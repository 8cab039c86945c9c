//! Files that a dead writer left, and files that cannot grow: looked at and mended.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use chunk_core::{DataFile, Error, NewFile, Result};

use crate::data::Data;
use crate::error::Place;
use crate::header::{Header, MAX_HEADER};
use crate::locked::LockedFile;
use crate::sink::no_room;

/// What [`recover`] makes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// What its header says: bytes past that were never committed and are cut off. If fewer are there, all whole items.
    Committed,
    /// All whole items that are there; the bytes of one that is not whole are cut off.
    WholeItems,
    /// All items that are there; one that is not whole is completed with zeros.
    ZeroFilled,
}

/// Whether the array can grow to any extent in place: it has an axis, and its header has room.
///
/// What NumPy 1.24 and later write can, and what this crate and npy-append-array write.
///
/// # Errors
/// As [`NpyFile::open`](crate::NpyFile::open), save that elements may be missing.
///
/// # Source
/// `npy_append_array.is_appendable`.
pub fn is_appendable(path: impl AsRef<Path>) -> Result<bool> {
    let path = path.as_ref();
    let header = read_header(&DataFile::open(path)?, &Place::new(path, ""), MAX_HEADER)?;
    Ok(header.has_room())
}

/// Whether the file holds more or fewer bytes than its header says: a writer died before it had committed them.
///
/// # Errors
/// As [`is_appendable`].
///
/// # Source
/// `npy_append_array.needs_recovery`.
pub fn needs_recovery(path: impl AsRef<Path>) -> Result<bool> {
    let path = path.as_ref();
    let file = DataFile::open(path)?;
    let header = read_header(&file, &Place::new(path, ""), MAX_HEADER)?;
    Ok(!matches!(Ending::of(&file, &header)?, Ending::Sound))
}

/// Gives the header room to grow; says whether it had none.
///
/// The array is copied to a new file beside the old one, which takes its place, permissions and, as far as the system
/// lets us, owner. A symbolic link keeps leading there; other hard links keep the old file. Takes the space of a
/// copy, and no memory.
///
/// # Errors
/// [`Error::Locked`]; [`Error::NeedsRecovery`]; [`Error::Unsupported`] for an array without axes; the system's. The old
/// file is then as it was.
///
/// # Source
/// `npy_append_array.ensure_appendable`.
pub fn make_appendable(path: impl AsRef<Path>) -> Result<bool> {
    let path = path.as_ref();
    let place = Place::new(path, "");
    let locked = LockedFile::open(path)?;
    let header = read_header(locked.file(), &place, MAX_HEADER)?;
    if header.has_room() {
        return Ok(false);
    }
    if header.growth_axis().is_none() {
        return Err(place.unsupported("an array without axes does not grow"));
    }
    if let Some(problem) = Ending::of(locked.file(), &header)?.problem(&header) {
        return Err(place.needs_recovery(problem));
    }
    let roomy = header.with_room(&place)?;
    let target = fs::canonicalize(path).map_err(|cause| Error::io(path, "open", cause))?;
    let new = NewFile::beside(&target)?;
    new.file().write_at(&roomy.bytes(), 0)?;
    let copied = copy_from(locked.file().file(), header.length(), new.file().file(), roomy.length());
    let copied = copied.and_then(|()| keep_attributes(locked.file().file(), new.file().file()));
    copied.map_err(|cause| Error::io(path, "copy", cause))?;
    new.publish(true)?;
    Ok(true)
}

/// Copies from one offset on to another; the system does it without a copy in memory if it can.
fn copy_from(mut from: &File, start: u64, mut to: &File, end: u64) -> io::Result<()> {
    use std::io::Seek;
    from.seek(io::SeekFrom::Start(start))?;
    to.seek(io::SeekFrom::Start(end))?;
    io::copy(&mut from, &mut to).map(drop)
}

fn keep_attributes(from: &File, to: &File) -> io::Result<()> {
    let metadata = from.metadata()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let made = to.metadata()?;
        if (made.uid(), made.gid()) != (metadata.uid(), metadata.gid()) {
            // Only the superuser may give files away.
            let _ = std::os::unix::fs::fchown(to, Some(metadata.uid()), Some(metadata.gid()));
        }
    }
    // After the owner, whose change takes some permissions away.
    to.set_permissions(metadata.permissions())
}

/// Makes a file whole again that a dead writer left, and says what was done, a line each; a sound file is left alone.
///
/// [`Recovery::WholeItems`] takes what npy-append-array wrote without updating its header, and trusts that the bytes
/// past the last commit are whole: a writer of this crate that was killed may have left zeros between them.
///
/// # Errors
/// [`Error::Locked`] while a writer has the file; [`Error::Unsupported`] if the header has no room for the extent that
/// it should say; as [`is_appendable`]. The file is then as it was.
///
/// # Source
/// `npy_append_array.recover`.
pub fn recover(path: impl AsRef<Path>, recovery: Recovery) -> Result<Vec<String>> {
    recover_with(path.as_ref(), recovery, MAX_HEADER)
}

pub(crate) fn recover_with(path: &Path, recovery: Recovery, max_header: usize) -> Result<Vec<String>> {
    let place = Place::new(path, "");
    let locked = LockedFile::open(path)?;
    let header = read_header(locked.file(), &place, max_header)?;
    let ending = Ending::of(locked.file(), &header)?;
    let Some(problem) = ending.problem(&header) else { return Ok(Vec::new()) };
    let held = ending.held(&header);
    let keeps_shape = matches!((recovery, &ending), (Recovery::Committed, Ending::Longer(_)));
    let extent = match (header.growth_axis(), header.item_bytes()) {
        (Some(axis), _) if keeps_shape => header.shape[axis],
        (None, _) if keeps_shape => 0,
        (Some(axis), 0) => header.shape[axis],
        (Some(_), item) if recovery == Recovery::ZeroFilled => held.div_ceil(item),
        (Some(_), item) => held / item,
        (None, _) => return Err(place.unsupported("an array without axes has one size only")),
    };
    let mended = match header.growth_axis() {
        Some(_) => header.with_growth(extent, &place)?.ok_or_else(|| no_room(&place, extent))?,
        None => header.clone(),
    };
    // Shortest first: a crash between leaves a file that can be recovered again.
    locked.file().set_length(mended.length() + mended.data_bytes())?;
    locked.sync()?;
    locked.replace_header(&header, &mended)?;
    locked.sync()?;
    let mut done = vec![problem];
    done.push(match mended.data_bytes().cmp(&held) {
        std::cmp::Ordering::Less => format!("cut off {} bytes", held - mended.data_bytes()),
        std::cmp::Ordering::Equal => "kept all bytes".to_owned(),
        std::cmp::Ordering::Greater => format!("added {} zero bytes", mended.data_bytes() - held),
    });
    if mended.shape != header.shape {
        done.push(format!("set the shape to {}", mended.shape));
    }
    Ok(done)
}

/// The header of an open file.
pub(crate) fn read_header(file: &DataFile, place: &Place, max_header: usize) -> Result<Header> {
    let handle = file.file().try_clone().map_err(|cause| Error::io(file.path(), "open", cause))?;
    let data = Data::whole(Arc::new(DataFile::new(handle, file.path())));
    Header::read(&data, place, max_header)
}

/// Fails if elements are missing.
pub(crate) fn check_not_shorter(file: &DataFile, header: &Header, place: &Place) -> Result<()> {
    match Ending::of(file, header)? {
        ending @ Ending::Shorter(_) => Err(place.needs_recovery(ending.problem(header).unwrap_or_default())),
        _ => Ok(()),
    }
}

/// How the end of a file compares with its header, and by how many bytes they differ.
#[derive(Debug)]
pub(crate) enum Ending {
    Sound,
    Longer(u64),
    Shorter(u64),
}

impl Ending {
    pub(crate) fn of(file: &DataFile, header: &Header) -> Result<Self> {
        let (held, wanted) = (file.length()?.saturating_sub(header.length()), header.data_bytes());
        Ok(match held.cmp(&wanted) {
            std::cmp::Ordering::Equal => Ending::Sound,
            std::cmp::Ordering::Greater => Ending::Longer(held - wanted),
            std::cmp::Ordering::Less => Ending::Shorter(wanted - held),
        })
    }

    /// Bytes of elements that are there.
    fn held(&self, header: &Header) -> u64 {
        match self {
            Ending::Sound => header.data_bytes(),
            Ending::Longer(more) => header.data_bytes() + more,
            Ending::Shorter(less) => header.data_bytes() - less,
        }
    }

    pub(crate) fn problem(&self, header: &Header) -> Option<String> {
        match self {
            Ending::Sound => None,
            Ending::Longer(more) => {
                Some(format!("{more} bytes past the end of shape {} were not committed", header.shape))
            }
            Ending::Shorter(less) => Some(format!("{less} bytes of shape {} are missing", header.shape)),
        }
    }
}
