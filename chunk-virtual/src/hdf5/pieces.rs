//! Stacks and layouts as the mappings of a virtual dataset.

use std::path::{Path, PathBuf, absolute};

use chunk_core::{DatasetInfo, Error, Location, Registry, Result, Shape};
use chunk_hdf5::{Hyperslab, Region, VirtualDataset, VirtualMapping};

use crate::layout::Origin;
use crate::selection::{Axis, Pick, Steps};
use crate::stack::Part;
use crate::{Fill, Indices, Selection, VirtualLayout, VirtualSource, VirtualStack};

/// A stack or a layout taken apart, to be written as an HDF5 virtual dataset.
///
/// Its sources must be datasets of HDF5 files: [`VirtualSource`]s. It can be sliced before it is written, by what HDF5
/// can say: integers and slices of positive step.
///
/// # Examples
/// ```no_run
/// use chunk_virtual::{VirtualStack, hdf5::Pieces, select};
///
/// # fn write(stack: &VirtualStack) -> chunk_core::Result<()> {
/// Pieces::of_stack(stack)?.select(&select![1000..2000; 2])?.write("part.h5", "/velocity", false)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Pieces {
    info: DatasetInfo,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
struct Piece {
    location: Location,
    source_shape: Shape,
    /// Along each axis of the source.
    of: Vec<Steps>,
    /// Along each axis of the virtual dataset.
    at: Vec<Steps>,
    /// Axes of the virtual dataset and of the source that go together.
    axes: Vec<(usize, usize)>,
}

impl Pieces {
    /// The pieces of a stack.
    ///
    /// # Errors
    /// [`Error::Unsupported`] or [`Error::InvalidArgument`] for sources that are no datasets of HDF5 files, and for a
    /// stack that promotes: such data are to be converted.
    pub fn of_stack(stack: &VirtualStack) -> Result<Self> {
        let mut pieces = Vec::with_capacity(stack.len());
        for part in 0..stack.len() {
            let Part::File { kind, index } = stack.parts[part] else {
                return Err(no_file(&stack.with_own(part, |source| source.info().name.clone())));
            };
            let files = &stack.files[kind as usize];
            let location = hdf5_dataset(files.location(index as usize), files.pool().registry())?;
            if files.first.dtype != stack.info.dtype {
                return Err(convert(&location.to_string(), "is cast by its stack"));
            }
            let (start, count) = (stack.ends.start(part), stack.ends.extent(part));
            let source_shape = files.first.shape.clone().with_axis(stack.axis, count);
            let of = whole(&source_shape);
            let mut at = of.clone();
            at[stack.axis].start = start;
            let axes = (0..source_shape.len()).map(|axis| (axis, axis)).collect();
            pieces.push(Piece { location, source_shape, of, at, axes });
        }
        Pieces { info: stack.info.clone(), pieces }.filled(None)
    }

    /// The pieces of a layout.
    ///
    /// # Errors
    /// As [`Pieces::of_stack`]; [`Error::InvalidArgument`] for lists and negative steps in what is taken of a file;
    /// [`Error::NotCovered`], unless the layout is filled.
    pub fn of_layout(layout: &VirtualLayout) -> Result<Self> {
        let info = chunk_core::ChunkSource::info(layout).clone();
        if let (None, Some(slab)) = (layout.fill(), layout.uncovered()?) {
            return Err(Error::NotCovered { dataset: info.name, slab });
        }
        let mut pieces = Vec::with_capacity(layout.len());
        for region in layout.regions() {
            let (location, source_shape, of, kept) = match &region.origin {
                Origin::File(file, selection) => of_file(file, selection.as_ref())?,
                Origin::Mapped(mapped) => {
                    let (shape, steps, kept) = mapped.known()?;
                    (mapped.location().clone(), shape, steps, kept)
                }
                Origin::Other => return Err(no_file(&region.name())),
            };
            let axes = region.place.axes.iter().copied().zip(kept).collect();
            pieces.push(Piece { location, source_shape, of, at: region.place.steps.clone(), axes });
        }
        Pieces { info, pieces }.filled(layout.fill())
    }

    /// With what other readers see where a source is missing.
    fn filled(mut self, fill: Option<&Fill>) -> Result<Self> {
        let value = fill.cloned().unwrap_or_else(Fill::by_dtype).value(&self.info)?;
        self.info.fill = Some(value);
        Ok(self)
    }

    /// What `indices` leave.
    ///
    /// # Errors
    /// As [`Selection::select`]; [`Error::InvalidArgument`] for what HDF5 cannot say: lists, masks, negative steps and
    /// new axes.
    pub fn select(mut self, indices: &Indices) -> Result<Self> {
        let selection = Selection::new(self.info.shape.clone()).select(indices)?;
        let (steps, kept) = regular(&selection, "the selection")?;
        self.pieces = self.pieces.iter().filter_map(|piece| piece.within(&steps, &kept)).collect();
        self.info.shape = selection.shape();
        (self.info.max_shape, self.info.chunk_shape) = (None, None);
        Ok(self)
    }

    /// Shape, dtype and fill value of the virtual dataset.
    #[must_use]
    pub fn info(&self) -> &DatasetInfo {
        &self.info
    }

    /// How many mappings there are, neighbours of one source joined.
    #[must_use]
    pub fn len(&self) -> usize {
        self.joined().len()
    }

    /// Whether there is nothing to map.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Writes them as the virtual dataset `name` of a new file at `path`. Sources below its folder are named relative to
    /// it, so that both can be moved; those in other folders by their whole path.
    ///
    /// Along an axis that may grow without end, [`DatasetInfo::max_shape`], the pieces that end where it ends and where
    /// their source ends are mapped without end: when the sources grow, so does the virtual dataset.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`], unless it may be overwritten; [`Error::InvalidArgument`] if nothing is left to map, for
    /// paths that are not text, if no piece ends where an axis without end does, and if one does along several such
    /// axes, which HDF5 cannot say; as [`VirtualDataset::write`].
    pub fn write(&self, path: impl AsRef<Path>, name: &str, overwrite: bool) -> Result<()> {
        self.virtual_dataset(path.as_ref(), name)?.write(path, overwrite)
    }

    /// The virtual dataset `name` of the file at `path`.
    pub(super) fn virtual_dataset(&self, path: &Path, name: &str) -> Result<VirtualDataset> {
        let path = absolute(path).map_err(|cause| Error::io(path, "find", cause))?;
        let (pieces, folder) = (self.joined(), Folder::of(&path));
        let growing = self.growing(&pieces)?;
        let mappings = pieces.iter().zip(growing).map(|(piece, growing)| piece.mapping(&path, &folder, growing));
        let mappings: Vec<_> = mappings.collect::<Result<_>>()?;
        if mappings.is_empty() {
            let what = format!("{} has no elements: HDF5 has no virtual dataset without sources", self.info.name);
            return Err(Error::InvalidArgument(what));
        }
        Ok(VirtualDataset::new(self.info.clone(), name, mappings))
    }

    /// For each piece, the axes of dataset and source along which it has no end, if the dataset may grow there.
    fn growing(&self, pieces: &[Piece]) -> Result<Vec<Option<(usize, usize)>>> {
        let most = self.info.max_shape.as_deref().unwrap_or_default();
        let endless: Vec<usize> = (0..most.len()).filter(|axis| most[*axis].is_none()).collect();
        let refused = |what: String| Error::InvalidArgument(format!("{} {what}", self.info.name));
        let mut growing = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let mut axes = piece.axes.iter().copied().filter(|(at, of)| {
                endless.contains(at)
                    && next(piece.at[*at]) >= self.info.shape[*at]
                    && next(piece.of[*of]) >= piece.source_shape[*of]
            });
            growing.push(axes.next());
            if axes.next().is_some() {
                let what = format!(
                    "cannot grow along several axes at {}: HDF5 has mappings without end along one",
                    piece.location
                );
                return Err(refused(what));
            }
        }
        match endless.iter().find(|axis| !growing.iter().flatten().any(|(at, _)| at == *axis)) {
            Some(axis) => Err(refused(format!("cannot grow along axis {axis}: no source ends where it ends"))),
            None => Ok(growing),
        }
    }

    /// Pieces with elements, those of one source that continue each other as one.
    fn joined(&self) -> Vec<Piece> {
        let mut joined: Vec<Piece> = Vec::new();
        for piece in self.pieces.iter().filter(|piece| piece.at.iter().all(|steps| steps.count > 0)) {
            if !joined.last_mut().is_some_and(|before| before.join(piece)) {
                joined.push(piece.clone());
            }
        }
        joined
    }
}

fn whole(shape: &Shape) -> Vec<Steps> {
    shape.iter().map(|&count| Steps { start: 0, step: 1, count }).collect()
}

fn no_file(name: &str) -> Error {
    convert(name, "is no dataset of a file")
}

fn convert(name: &str, what: &str) -> Error {
    Error::InvalidArgument(format!(
        "{name} {what}, which an HDF5 virtual dataset cannot have: convert the data instead"
    ))
}

/// A location of which HDF5 can make a mapping: with the dataset's name.
fn hdf5_dataset(location: Location, registry: &Registry) -> Result<Location> {
    let backend = registry.backend_to_write(&location).or_else(|_| registry.backend_to_read(&location))?;
    if backend.name() != "hdf5" {
        return Err(convert(&location.to_string(), "is no HDF5 file"));
    }
    if location.dataset().is_some() {
        return Ok(location);
    }
    let entries = backend.list(location.path())?;
    let mut names = entries.iter().filter(|entry| matches!(entry.kind, chunk_core::EntryKind::Dataset(_)));
    match (names.next(), names.next()) {
        (Some(only), None) => Ok(location.with_dataset(&only.name)),
        _ => Err(Error::InvalidArgument(format!("{location}: which dataset? Name it"))),
    }
}

type Taken = (Location, Shape, Vec<Steps>, Vec<usize>);

fn of_file(file: &VirtualSource, selection: Option<&Selection>) -> Result<Taken> {
    let shape = &chunk_core::ChunkSource::info(file).shape;
    let location = hdf5_dataset(file.location().clone(), file.pool().registry())?;
    let all = Selection::new(shape.clone());
    let (steps, kept) = regular(selection.unwrap_or(&all), &location.to_string())?;
    Ok((location, shape.clone(), steps, kept))
}

/// The steps of a selection that a hyperslab can say, and the axes that are left.
fn regular(selection: &Selection, name: &str) -> Result<(Vec<Steps>, Vec<usize>)> {
    let mut steps = Vec::new();
    for pick in selection.picks() {
        match pick {
            Pick::Range(range) if range.step > 0 => steps.push(*range),
            Pick::Range(_) => return Err(convert(name, "has a negative step")),
            Pick::List(_) => return Err(convert(name, "has a list of positions")),
        }
    }
    let mut kept = Vec::new();
    for axis in selection.axes() {
        match axis {
            Axis::Source(axis) => kept.push(*axis),
            Axis::New(_) => return Err(convert(name, "has a new axis")),
        }
    }
    if kept.is_sorted() { Ok((steps, kept)) } else { Err(convert(name, "has moved axes")) }
}

impl Piece {
    /// What is left of the piece within `steps` along each axis of the virtual dataset, of which `kept` are left.
    fn within(&self, steps: &[Steps], kept: &[usize]) -> Option<Piece> {
        let mut piece = self.clone();
        for (axis, wanted) in steps.iter().enumerate() {
            let (own, numbers) = common(self.at[axis], *wanted)?;
            piece.at[axis] = numbers;
            if let Some((_, source)) = self.axes.iter().find(|(at, _)| *at == axis) {
                piece.of[*source] = self.of[*source].steps(own);
            }
        }
        let place = |axis: usize| kept.iter().position(|kept| *kept == axis);
        piece.axes = self.axes.iter().filter_map(|(at, of)| place(*at).map(|at| (at, *of))).collect();
        piece.at = kept.iter().map(|axis| piece.at[*axis]).collect();
        Some(piece)
    }

    /// Adds a piece that continues this one along one axis, in the source and in the virtual dataset.
    fn join(&mut self, next: &Piece) -> bool {
        if self.location != next.location || self.axes != next.axes {
            return false;
        }
        let mut different = (0..self.at.len()).filter(|axis| self.at[*axis] != next.at[*axis]);
        let (Some(at), None) = (different.next(), different.next()) else { return false };
        let Some((_, of)) = self.axes.iter().find(|(axis, _)| *axis == at).copied() else { return false };
        if (0..self.of.len()).any(|axis| axis != of && self.of[axis] != next.of[axis]) {
            return false;
        }
        match (continued(self.at[at], next.at[at]), continued(self.of[of], next.of[of])) {
            (Some(joined_at), Some(joined_of)) => {
                (self.at[at], self.of[of]) = (joined_at, joined_of);
                true
            }
            _ => false,
        }
    }

    fn mapping(&self, target: &Path, folder: &Folder, growing: Option<(usize, usize)>) -> Result<VirtualMapping> {
        let path = self.location.path();
        let named = if path == target { PathBuf::from(".") } else { folder.below(path) };
        let file = named.to_str().ok_or_else(|| convert(&self.location.to_string(), "has a path that is not text"))?;
        let dataset = self.location.dataset().unwrap_or_default();
        let source_shape = self.source_shape.clone();
        let at = region(&self.at, growing.map(|(at, _)| at));
        let of = region(&self.of, growing.map(|(_, of)| of));
        // `%b` would stand for the number of a block.
        let (file, dataset) = (file.replace('%', "%%"), dataset.replace('%', "%%"));
        Ok(VirtualMapping { file, dataset, at, of, source_shape })
    }
}

/// The position after the last.
fn next(steps: Steps) -> u64 {
    steps.start.saturating_add(steps.count.saturating_mul(steps.step.unsigned_abs()))
}

/// The folder of the file that is written, as it was named and without links.
struct Folder {
    named: PathBuf,
    resolved: Option<PathBuf>,
}

impl Folder {
    fn of(target: &Path) -> Self {
        let named = target.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        Folder { resolved: named.canonicalize().ok(), named }
    }

    /// `path` from here, if it is below, by whatever way it was named.
    fn below(&self, path: &Path) -> PathBuf {
        if let Ok(below) = path.strip_prefix(&self.named) {
            return below.to_path_buf();
        }
        let resolved = || Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
        let below = resolved().and_then(|path| Some(path.strip_prefix(self.resolved.as_ref()?).ok()?.to_path_buf()));
        below.unwrap_or_else(|| path.to_path_buf())
    }
}

/// The two as one, if the second goes on where the first ends.
fn continued(a: Steps, b: Steps) -> Option<Steps> {
    let step = match (a.count, b.count) {
        (1, 1) => b.start.checked_sub(a.start)?,
        (1, _) => b.step.unsigned_abs(),
        _ => a.step.unsigned_abs(),
    };
    let same = (b.count == 1 || b.step.unsigned_abs() == step) && step > 0;
    let joined = Steps { start: a.start, step: i64::try_from(step).ok()?, count: a.count + b.count };
    (same && b.start == joined.at(a.count)).then_some(joined)
}

/// The positions along each axis, without end along `endless`.
fn region(steps: &[Steps], endless: Option<usize>) -> Region {
    if steps.is_empty() {
        return Region::All;
    }
    let (mut count, mut block) = (Vec::with_capacity(steps.len()), Vec::with_capacity(steps.len()));
    for (axis, steps) in steps.iter().enumerate() {
        let length = (endless != Some(axis)).then_some(steps.count);
        // Dense pieces are one block; others are blocks of one.
        let (blocks, extent) = if steps.step == 1 { (Some(1), length) } else { (length, Some(1)) };
        count.push(blocks);
        block.push(extent);
    }
    let start = steps.iter().map(|steps| steps.start).collect();
    let stride = steps.iter().map(|steps| steps.step.unsigned_abs()).collect();
    Region::Hyperslab(Hyperslab { start, stride, count, block })
}

/// The positions that two ascending progressions share: as numbers of the first, and of the second.
///
/// # Source
/// The Chinese remainder theorem.
fn common(a: Steps, b: Steps) -> Option<(Steps, Steps)> {
    if a.count == 0 || b.count == 0 {
        return None;
    }
    let (a_step, b_step) = (i128::from(a.step), i128::from(b.step));
    let (divisor, inverse) = gcd(a_step, b_step);
    let distance = i128::from(b.start) - i128::from(a.start);
    if distance % divisor != 0 {
        return None;
    }
    // A shared position has a number in each; other shared ones come so many numbers later.
    let (in_a_step, in_b_step) = (b_step / divisor, a_step / divisor);
    let mut in_a = (distance / divisor % in_a_step * (inverse % in_a_step)).rem_euclid(in_a_step);
    let mut in_b = (in_a * a_step - distance) / b_step;
    if in_b < 0 {
        let rounds = (-in_b + in_b_step - 1) / in_b_step;
        (in_a, in_b) = (in_a + rounds * in_a_step, in_b + rounds * in_b_step);
    }
    let left = |first: i128, step: i128, count: u64| (i128::from(count) - 1 - first).div_euclid(step) + 1;
    let count = left(in_a, in_a_step, a.count).min(left(in_b, in_b_step, b.count));
    let count = u64::try_from(count).ok().filter(|count| *count > 0)?;
    let steps = |start: i128, step: i128| {
        let step = if count == 1 { 1 } else { i64::try_from(step).ok()? };
        Some(Steps { start: u64::try_from(start).ok()?, step, count })
    };
    Some((steps(in_a, in_a_step)?, steps(in_b, in_b_step)?))
}

/// The greatest common divisor of two positive numbers, and `x` with `a x = gcd (mod b)`.
fn gcd(a: i128, b: i128) -> (i128, i128) {
    let (mut rest, mut next_rest, mut factor, mut next_factor) = (a, b, 1, 0);
    while next_rest != 0 {
        let quotient = rest / next_rest;
        (rest, next_rest) = (next_rest, rest - quotient * next_rest);
        (factor, next_factor) = (next_factor, factor - quotient * next_factor);
    }
    (rest, factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progressions_share_what_they_share() {
        let positions = |steps: Steps| (0..steps.count).map(|number| steps.at(number)).collect::<Vec<_>>();
        let all = |start: u64| (1..6).flat_map(move |step| (0..7).map(move |count| Steps { start, step, count }));
        let mut compared = 0;
        for a in (0..8).flat_map(all) {
            for b in (0..8).flat_map(all) {
                let (own, other) = (positions(a), positions(b));
                let expected: Vec<u64> = own.iter().copied().filter(|at| other.contains(at)).collect();
                let found = common(a, b).map_or_else(Vec::new, |(i, j)| {
                    let by_a: Vec<u64> = positions(i).iter().map(|i| own[*i as usize]).collect();
                    let by_b: Vec<u64> = positions(j).iter().map(|j| other[*j as usize]).collect();
                    assert_eq!(by_a, by_b);
                    by_a
                });
                assert_eq!(found, expected, "{a:?} {b:?}");
                compared += 1;
            }
        }
        assert_eq!(compared, 280 * 280);
    }
}
