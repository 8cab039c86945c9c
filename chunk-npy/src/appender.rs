//! Appending: items at the end of an array, committed together.

use std::fs;
use std::io;
use std::path::Path;

use chunk_core::{Casting, Conversion, DType, Element, Error, NewFile, Result, Shape, Slab};

use crate::error::Place;
use crate::header::{Header, MAX_HEADER};
use crate::layout::Layout;
use crate::locked::LockedFile;
use crate::recover::{self, Ending};
use crate::sink::no_room;

/// What is appended to: a new file, or one that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A new file; one that is there is an error.
    CreateNew,
    /// A file that is there; none is an error.
    Append,
    /// The file that is there, or a new one.
    CreateOrAppend,
    /// A new file, in place of one that is there.
    Truncate,
}

/// What becomes of bytes that an earlier writer wrote and did not commit, when a file is opened for appending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uncommitted {
    /// They are cut off, as if never written: the array is what every reader sees.
    Cut,
    /// They are an [`Error::NeedsRecovery`]: [`recover`](crate::recover) may keep them.
    Refuse,
}

/// How a file is opened for appending.
///
/// ```
/// use chunk_core::{Casting, DType};
/// use chunk_npy::{AppendOptions, Mode};
///
/// let folder = tempfile::tempdir()?;
/// let options = AppendOptions::new(Mode::CreateOrAppend).with_casting(Casting::SameKind).with_buffer(0);
/// let mut appender = options.open(folder.path().join("x.npy"), &DType::F32, &[2])?;
/// appender.append(&[0.5_f64, 1.5])?; // 64 bits become 32
/// appender.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct AppendOptions {
    mode: Mode,
    fortran_order: bool,
    casting: Casting,
    buffer: usize,
    sync: bool,
    uncommitted: Uncommitted,
    max_header: usize,
}

/// Appends smaller than this are gathered.
const BUFFER: usize = 64 << 10;
/// What is brought into the order of the file at once.
const BLOCK: u64 = 1 << 20;

impl AppendOptions {
    /// With this mode; in row-major order, nothing cast, 64 KiB of buffer, synced, uncommitted bytes cut off.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        AppendOptions {
            mode,
            fortran_order: false,
            casting: Casting::No,
            buffer: BUFFER,
            sync: true,
            uncommitted: Uncommitted::Cut,
            max_header: MAX_HEADER,
        }
    }

    /// With a file that is created in column-major order, which grows along its last axis. A file that is there has the
    /// order that it has.
    #[must_use]
    pub fn with_fortran_order(mut self, fortran_order: bool) -> Self {
        self.fortran_order = fortran_order;
        self
    }

    /// With elements of other dtypes cast by this rule. A value that the file's dtype does not have is an error.
    #[must_use]
    pub fn with_casting(mut self, casting: Casting) -> Self {
        self.casting = casting;
        self
    }

    /// With appends gathered until they fill `bytes`. With none each append is handed to the system at once: then what
    /// a process appended survives its death for [`recover`](crate::recover) to find, committed or not.
    #[must_use]
    pub fn with_buffer(mut self, bytes: usize) -> Self {
        self.buffer = bytes;
        self
    }

    /// With commits that wait until everything is on the disk, or only until the system has it. Without, what was
    /// committed survives the death of the process, but not that of the machine.
    #[must_use]
    pub fn with_sync(mut self, sync: bool) -> Self {
        self.sync = sync;
        self
    }

    /// With this to become of bytes that an earlier writer did not commit.
    #[must_use]
    pub fn with_uncommitted(mut self, uncommitted: Uncommitted) -> Self {
        self.uncommitted = uncommitted;
        self
    }

    /// With headers of up to so many letters.
    #[must_use]
    pub fn with_max_header(mut self, letters: usize) -> Self {
        self.max_header = letters;
        self
    }

    /// Opens the file at `path`, to append items of `item_shape` whose elements are of `dtype`.
    ///
    /// A new file has that dtype, and no item: it appears at once, under its name, readable. A file that is there must
    /// have items of that shape, and a dtype that `dtype` can be cast to.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`], [`Error::FileNotFound`], as the mode says; [`Error::Locked`] while another writer has
    /// the file; [`Error::CastRefused`]; [`Error::InvalidArgument`] for items of another shape;
    /// [`Error::NeedsRecovery`] if elements are missing; and as [`NpyFile::open`](crate::NpyFile::open).
    pub fn open(&self, path: impl AsRef<Path>, dtype: &DType, item_shape: &[u64]) -> Result<NpyAppender> {
        let path = path.as_ref();
        let appender = self.with_file(path, self.file(path, dtype, item_shape)?)?;
        appender.check_items(item_shape)?;
        appender.conversion(dtype)?;
        Ok(appender)
    }

    /// The file that the mode says, locked.
    fn file(&self, path: &Path, dtype: &DType, item_shape: &[u64]) -> Result<LockedFile> {
        loop {
            let found = match self.mode {
                Mode::CreateNew => return self.create(path, dtype, item_shape, None),
                Mode::Append => return LockedFile::open(path),
                Mode::CreateOrAppend | Mode::Truncate => LockedFile::open(path),
            };
            let made = match found {
                Ok(old) if self.mode == Mode::Truncate => return self.create(path, dtype, item_shape, Some(&old)),
                Err(Error::FileNotFound { .. }) => self.create(path, dtype, item_shape, None),
                found => return found,
            };
            match made {
                // Somebody else was quicker: now there is a file.
                Err(Error::AlreadyExists { .. }) if fs::metadata(path).is_ok() => {}
                made => return made,
            }
        }
    }

    /// Opens a file that is there, whatever its items are.
    ///
    /// # Errors
    /// As [`AppendOptions::open`].
    pub fn open_existing(&self, path: impl AsRef<Path>) -> Result<NpyAppender> {
        let path = path.as_ref();
        self.with_file(path, LockedFile::open(path)?)
    }

    fn with_file(&self, path: &Path, file: LockedFile) -> Result<NpyAppender> {
        let place = Place::new(path, "");
        let header = recover::read_header(file.file(), &place, self.max_header)?;
        let Some(axis) = header.growth_axis() else {
            return Err(place.unsupported("an array without axes does not grow"));
        };
        recover::check_not_shorter(file.file(), &header, &place)?;
        let ending = Ending::of(file.file(), &header)?;
        if let Some(problem) = ending.problem(&header) {
            if self.uncommitted == Uncommitted::Refuse {
                return Err(place.needs_recovery(problem));
            }
            file.file().set_length(header.length() + header.data_bytes())?;
        }
        let items = header.shape[axis];
        let most = most_items(&header, &place)?;
        Ok(NpyAppender {
            layout: Layout::new(&header),
            item_elements: header.item_elements(),
            item_bytes: header.item_bytes(),
            place,
            file,
            axis,
            items,
            written: items,
            most,
            buffer: Vec::new(),
            buffer_bytes: self.buffer,
            sync: self.sync,
            casting: self.casting,
            header,
            leftovers: false,
            state: State::Open,
        })
    }

    /// Makes an empty array under the file's name, locked from the first, in place of a file that is locked as well.
    fn create(&self, path: &Path, dtype: &DType, item_shape: &[u64], old: Option<&LockedFile>) -> Result<LockedFile> {
        let place = Place::new(path, "");
        let mut shape = item_shape.to_vec();
        shape.insert(if self.fortran_order { shape.len() } else { 0 }, 0);
        let header = Header::new(&shape.into(), dtype, self.fortran_order, &place)?;
        NewFile::check(path, old.is_some())?;
        // A link keeps leading where it leads.
        let new = NewFile::beside(fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf()))?;
        new.file().write_at(&header.bytes(), 0)?;
        let file = LockedFile::of_new(&new, path)?;
        new.publish(old.is_some())?;
        Ok(file)
    }
}

/// How many items the header has room for.
fn most_items(header: &Header, place: &Place) -> Result<u64> {
    let fits = |items: u64| header.with_growth(items, place).map(|grown| grown.is_some());
    let (mut least, mut beyond) = (0, u64::MAX);
    while beyond - least > 1 {
        let middle = least + (beyond - least) / 2;
        if fits(middle)? { least = middle } else { beyond = middle }
    }
    Ok(least)
}

/// Appends items to a .npy file, along its first axis, or along the last of a column-major file.
///
/// Appended items wait in a buffer, then past the end of the array, where no reader looks. [`commit`](Self::commit)
/// makes them part of it: the elements are synced, then the header changed in place, then synced too. So whenever the
/// process dies, every reader, NumPy's included, finds exactly what was committed.
///
/// One writer at a time has a file. `close` commits; so does dropping, which has nobody to tell of an error;
/// [`discard`](Self::discard) gives up what was not committed. There is nothing to append to after any of these.
///
/// A write that fails leaves what was committed, and can be tried again. A sync that fails does not tell what reached
/// the disk: everything afterwards is an error, and the file must be opened anew.
///
/// ```
/// use chunk_core::ChunkSourceExt;
/// use chunk_npy::{NpyAppender, NpySource};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("x.npy");
/// let mut appender = NpyAppender::create::<f32>(&path, &[2])?;
/// appender.append(&[1.0_f32, 2.0, 3.0, 4.0])?; // two items
/// appender.commit()?;
/// appender.append(&[5.0_f32, 6.0])?;
/// appender.discard()?;
/// assert_eq!(NpySource::open(&path)?.read_all::<f32>()?, [1.0, 2.0, 3.0, 4.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct NpyAppender {
    place: Place,
    file: LockedFile,
    /// What is committed.
    header: Header,
    layout: Layout,
    axis: usize,
    item_elements: u64,
    item_bytes: u64,
    /// Items that are committed, written or in the buffer.
    items: u64,
    /// Items that are committed or written.
    written: u64,
    /// Items that the header has room for.
    most: u64,
    buffer: Vec<u8>,
    buffer_bytes: usize,
    sync: bool,
    casting: Casting,
    /// Whether a write that failed may have left bytes past the end.
    leftovers: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// A sync or a change of the header failed.
    Failed,
    Closed,
}

impl NpyAppender {
    /// A new file of items of `item_shape`, none of them yet.
    ///
    /// # Errors
    /// As [`AppendOptions::open`] with [`Mode::CreateNew`].
    pub fn create<T: Element>(path: impl AsRef<Path>, item_shape: &[u64]) -> Result<Self> {
        AppendOptions::new(Mode::CreateNew).open(path, &T::DTYPE, item_shape)
    }

    /// A file that is there: NumPy's, npy-append-array's, ours.
    ///
    /// # Errors
    /// As [`AppendOptions::open`] with [`Mode::Append`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        AppendOptions::new(Mode::Append).open_existing(path)
    }

    /// Shape of the array with all that was appended.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.header.shape.clone().with_axis(self.axis, self.items)
    }

    /// Type of the file's elements.
    #[must_use]
    pub fn dtype(&self) -> &DType {
        &self.header.kind.dtype
    }

    /// Items that readers see.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.header.shape[self.axis]
    }

    /// Items in all: committed or not.
    #[must_use]
    pub fn items(&self) -> u64 {
        self.items
    }

    /// Whether the file is in column-major order and grows along its last axis.
    #[must_use]
    pub fn fortran_order(&self) -> bool {
        self.header.fortran
    }

    /// Appends whole items: their elements, row-major. In a column-major file the items are the last axis of the array
    /// that is given, so that its elements change from item to item first.
    ///
    /// # Errors
    /// [`Error::CastRefused`]; [`Error::BufferLength`] for a part of an item; [`Error::Unsupported`] if the header has no
    /// room for that many ([`make_appendable`](crate::make_appendable) gives it room); the system's. None of the items
    /// is appended then.
    pub fn append<T: Element>(&mut self, elements: &[T]) -> Result<()> {
        self.append_bytes(&T::DTYPE, T::as_bytes(elements))
    }

    /// As [`NpyAppender::append`], for elements of a dtype known at run time: packed, in native byte order.
    ///
    /// # Errors
    /// As [`NpyAppender::append`].
    pub fn append_bytes(&mut self, dtype: &DType, bytes: &[u8]) -> Result<()> {
        let item = self.item_elements * dtype.size() as u64;
        let given = bytes.len() as u64;
        if item == 0 && given == 0 {
            return Ok(());
        }
        if item == 0 || !given.is_multiple_of(item) {
            let expected = given.checked_div(item).map_or(0, |items| (items + 1) * item);
            return Err(Error::BufferLength { expected, actual: given, dataset: self.place.name() });
        }
        self.append_items(dtype, given / item, bytes)
    }

    /// Appends an array, whose shape is that of the file but for the axis that grows, and whatever its own strides.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for another shape; as [`NpyAppender::append`].
    #[cfg(feature = "ndarray")]
    pub fn append_array<T: Element, D: ndarray::Dimension>(
        &mut self,
        array: &ndarray::ArrayView<'_, T, D>,
    ) -> Result<()> {
        let mut item_shape: Vec<u64> = array.shape().iter().map(|extent| *extent as u64).collect();
        if item_shape.len() != self.header.shape.len() {
            return Err(self.other_items(&item_shape, "an array"));
        }
        let items = item_shape.remove(self.axis);
        self.check_items(&item_shape)?;
        let elements = array.as_standard_layout();
        let elements = elements.as_slice().unwrap_or_default();
        self.append_items(&T::DTYPE, items, T::as_bytes(elements))
    }

    fn item_shape(&self) -> Shape {
        let others = self.header.shape.iter().enumerate().filter(|(axis, _)| *axis != self.axis);
        others.map(|(_, extent)| *extent).collect()
    }

    fn check_items(&self, item_shape: &[u64]) -> Result<()> {
        if *self.item_shape() == *item_shape { Ok(()) } else { Err(self.other_items(item_shape, "items")) }
    }

    fn other_items(&self, shape: &[u64], what: &str) -> Error {
        let (name, shape, axis) = (self.place.name(), Shape::from(shape), self.axis);
        let own = &self.header.shape;
        Error::InvalidArgument(format!(
            "{name} of shape {own} grows along axis {axis}: {what} of shape {shape} do not fit"
        ))
    }

    fn append_items(&mut self, dtype: &DType, count: u64, bytes: &[u8]) -> Result<()> {
        self.check_open()?;
        let room = self.items.checked_add(count).filter(|items| *items <= self.most);
        let items = room.ok_or_else(|| no_room(&self.place, self.items.saturating_add(count)))?;
        if *dtype == self.header.kind.dtype {
            return self.put(count, bytes).map(|()| self.items = items);
        }
        let conversion = self.conversion(dtype)?;
        let mut converted = vec![0; (count * self.item_bytes) as usize];
        conversion.apply(bytes, &mut converted)?;
        self.put(count, &converted).map(|()| self.items = items)
    }

    fn conversion(&self, from: &DType) -> Result<Conversion> {
        let appended = format!("what is appended to {}", self.place.name());
        Conversion::new(from, &self.header.kind.dtype, self.casting, &appended)
    }

    /// Takes items of the file's dtype: into the buffer if they fit there, else to the file.
    fn put(&mut self, count: u64, bytes: &[u8]) -> Result<()> {
        if self.buffer.len() + bytes.len() > self.buffer_bytes {
            self.flush()?;
        }
        if bytes.len() >= self.buffer_bytes {
            self.write_through(count, bytes)?;
            self.written += count;
            return Ok(());
        }
        let start = self.buffer.len();
        if self.buffer.capacity() < self.buffer_bytes {
            self.buffer.reserve_exact(self.buffer_bytes - start);
        }
        if self.layout.is_memorys() {
            self.buffer.extend_from_slice(bytes);
        } else {
            let slab = self.slab(0, count);
            self.buffer.resize(start + bytes.len(), 0);
            self.layout.encode(bytes, &slab, &slab, &mut self.buffer[start..]);
        }
        Ok(())
    }

    /// Writes items past the end, in the order of the file, a block at a time.
    fn write_through(&mut self, count: u64, bytes: &[u8]) -> Result<()> {
        if self.layout.is_memorys() {
            return self.write(self.written, bytes);
        }
        let slab = self.slab(0, count);
        let step = (BLOCK / self.item_bytes.max(1)).clamp(1, count.max(1));
        let mut block = vec![0; (step * self.item_bytes) as usize];
        for first in (0..count).step_by(step as usize) {
            let piece = self.slab(first, step.min(count - first));
            let out = &mut block[..(piece.count()[self.axis] * self.item_bytes) as usize];
            self.layout.encode(bytes, &slab, &piece, out);
            self.write(self.written + first, out)?;
        }
        Ok(())
    }

    /// So many items from the given one on, of an array of those that are appended.
    fn slab(&self, first: u64, count: u64) -> Slab {
        Slab::whole(&self.header.shape).with_axis(self.axis, first..first + count)
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        let offset = self.layout.base + at * self.item_bytes;
        self.file.file().write_at(bytes, offset).inspect_err(|_| self.leftovers = true)
    }

    /// Hands the buffer to the system.
    ///
    /// # Errors
    /// The system's; the buffer is then kept, and the next call tries again.
    pub fn flush(&mut self) -> Result<()> {
        self.check_open()?;
        if self.written < self.items {
            let buffer = std::mem::take(&mut self.buffer);
            let written = self.write(self.written, &buffer);
            self.buffer = buffer;
            written?;
            self.buffer.clear();
            self.written = self.items;
        }
        Ok(())
    }

    /// Makes everything that was appended part of the array, for all readers that open it from now on, and durable.
    ///
    /// # Errors
    /// The system's. What was committed before stays so; see the type for what can be tried again.
    pub fn commit(&mut self) -> Result<()> {
        self.flush()?;
        if self.items == self.committed() && !self.leftovers {
            return Ok(());
        }
        let grown = self.header.with_growth(self.items, &self.place)?;
        let header = grown.ok_or_else(|| no_room(&self.place, self.items))?;
        if self.leftovers || self.item_bytes == 0 {
            self.file.file().set_length(header.length() + header.data_bytes())?;
            self.leftovers = false;
        }
        // Whatever fails from here on leaves open what is on the disk.
        let before = std::mem::replace(&mut self.state, State::Failed);
        self.sync()?;
        self.file.replace_header(&self.header, &header)?;
        self.header = header;
        self.sync()?;
        self.state = before;
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        if self.sync { self.file.sync() } else { Ok(()) }
    }

    fn check_open(&self) -> Result<()> {
        if self.state == State::Open {
            return Ok(());
        }
        let cause =
            io::Error::other("an earlier commit failed, and what is on the disk is not known: open the file again");
        Err(Error::io(&self.place.path, "append", cause))
    }

    /// Commits and closes.
    ///
    /// # Errors
    /// As [`NpyAppender::commit`]; what was not committed is then lost.
    pub fn close(mut self) -> Result<()> {
        let committed = self.commit();
        self.state = State::Closed;
        committed
    }

    /// Closes, and leaves the array as it was last committed.
    ///
    /// # Errors
    /// The system's: bytes that no reader looks at may then be left past the end.
    pub fn discard(mut self) -> Result<()> {
        self.state = State::Closed;
        self.file.file().set_length(self.header.length() + self.header.data_bytes())
    }
}

impl Drop for NpyAppender {
    fn drop(&mut self) {
        if self.state == State::Open {
            let _ = self.commit();
        }
    }
}
