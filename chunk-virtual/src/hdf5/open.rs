//! A virtual dataset as a layout.

use std::path::{Component, Path, PathBuf, absolute};
use std::sync::Arc;

use chunk_core::{ChunkSource, Error, FilledCount, Location, Result, Shape, check_inside};
use chunk_hdf5::{Hyperslab, Region, VirtualDataset, VirtualMapping};

use super::regular::{pairs, reach, runs, total};
use super::rows::{self, rows};
use crate::mapped::Mapped;
use crate::place::Place;
use crate::selection::Steps;
use crate::source::is_there;
use crate::{Fill, SourcePool, VirtualLayout};

/// How virtual datasets are opened. The default follows nothing out of the file's folder, and fills nothing.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct OpenOptions {
    /// Whether sources may be outside the folder of the virtual dataset's file.
    pub outside: bool,
    /// What is read where there is no source, or, if it says so, a missing one.
    pub fill: Option<Fill>,
    /// Where filled elements are counted when they are read.
    pub filled: Option<FilledCount>,
}

impl OpenOptions {
    /// With sources outside the file's folder being read, or refused.
    #[must_use]
    pub fn with_outside(mut self, outside: bool) -> Self {
        self.outside = outside;
        self
    }

    /// With filling. The value of the virtual dataset itself is [`Fill::stated`].
    #[must_use]
    pub fn with_fill(mut self, fill: Fill) -> Self {
        self.fill = Some(fill);
        self
    }

    /// With every filled element that is read being counted.
    #[must_use]
    pub fn with_filled_count(mut self, filled: FilledCount) -> Self {
        self.filled = Some(filled);
        self
    }
}

/// Pieces that the mappings of a dataset are taken apart into, at most: a few bytes of a file may state any number.
const MOST_PIECES: usize = 1 << 19;

/// A virtual dataset that was described, as a layout whose sources `pool` opens when they are read.
///
/// Mappings of blocks are taken, evenly spaced or not, those without end and those whose sources are numbered (`%b`)
/// included. Where mappings are without end, the shape is what their sources say now: they are opened for it, or looked
/// for, and it is as long as the file says at least where they are numbered.
///
/// # Errors
/// [`Error::Unsupported`] for mappings of points, for those that reshape, and for sources outside the file's folder,
/// unless they are allowed: here, or, where a symbolic link leads there, when they are read; [`Error::Corrupt`] for
/// mappings that contradict themselves; for a source that cannot be opened and whose extent is needed, why.
pub fn open(
    path: impl AsRef<Path>,
    dataset: &VirtualDataset,
    pool: &Arc<SourcePool>,
    options: &OpenOptions,
) -> Result<VirtualLayout> {
    let path = path.as_ref();
    let path = absolute(path).map_err(|cause| Error::io(path, "find", cause))?;
    let folder = (!options.outside).then(|| Arc::from(path.parent().unwrap_or(&path)));
    let (group, shape) = (pool.new_group(), dataset.info.shape.clone());
    let mut opening = Opening { path, folder, dataset, shape, pool, options, group, number: 0, pieces: 0 };
    opening.shape = opening.reached()?;
    let info = &dataset.info;
    let mut layout = VirtualLayout::new(opening.shape.clone(), info.dtype.clone()).with_name(&info.name);
    if let Some(max_shape) = &info.max_shape {
        layout = layout.with_max_shape(max_shape.clone())?;
    }
    layout = layout.with_stated_fill(info.fill.clone());
    if let Some(fill) = &options.fill {
        layout = layout.with_fill(fill.clone())?;
    }
    if let Some(filled) = &options.filled {
        layout = layout.with_filled_count(filled.clone());
    }
    for mapping in &dataset.mappings {
        opening.place(mapping, &mut layout)?;
    }
    Ok(layout)
}

struct Opening<'a> {
    path: PathBuf,
    /// The folder that no source may be outside of.
    folder: Option<Arc<Path>>,
    dataset: &'a VirtualDataset,
    /// That of the dataset, as far as its sources reach now.
    shape: Shape,
    pool: &'a Arc<SourcePool>,
    options: &'a OpenOptions,
    group: u64,
    number: u64,
    /// Pieces so far.
    pieces: usize,
}

impl Opening<'_> {
    fn unsupported(&self, what: impl Into<String>) -> Error {
        Error::Unsupported { path: self.path.clone(), dataset: self.dataset.name.clone(), what: what.into() }
    }

    fn corrupt(&self, what: impl Into<String>) -> Error {
        Error::Corrupt { path: self.path.clone(), dataset: self.dataset.name.clone(), what: what.into() }
    }

    fn place(&mut self, mapping: &VirtualMapping, layout: &mut VirtualLayout) -> Result<()> {
        if names_blocks(&mapping.file) || names_blocks(&mapping.dataset) {
            return self.place_numbered(mapping, layout);
        }
        let location = self.location(&mapping.file, &mapping.dataset)?;
        if [&mapping.at, &mapping.of].into_iter().any(|region| matches!(region, Region::Blocks(_))) {
            return self.place_rows(&location, mapping, layout);
        }
        let at = self.runs(&mapping.at, &self.shape)?;
        let endless = is_endless(&mapping.at);
        if mapping.of == Region::All && !endless {
            return self.place_runs(&location, at, None, false, layout);
        }
        let of = if endless {
            // How far it reaches only the source itself knows.
            match self.source(&location) {
                Ok(source) => self.runs(&mapping.of, &source.info().shape)?,
                Err(error) => return self.missing(error),
            }
        } else {
            self.runs(&mapping.of, &mapping.source_shape)?
        };
        self.place_runs(&location, at, Some(of), endless, layout)
    }

    /// The source at `location`, opened to be looked at.
    fn source(&self, location: &Location) -> Result<Arc<dyn ChunkSource>> {
        self.folder.as_ref().map_or(Ok(()), |folder| check_inside(location.path(), folder))?;
        self.pool.registry().open(location)
    }

    /// The shape as far as the sources reach now.
    fn reached(&self) -> Result<Shape> {
        let stated = &self.dataset.info.shape;
        let endless = |slab: &Hyperslab| {
            let mut axes =
                (0..slab.count.len()).filter(|axis| slab.count[*axis].is_none() || slab.block[*axis].is_none());
            axes.next().filter(|axis| *axis < stated.len() && axes.next().is_none())
        };
        let mut reached = stated.to_vec();
        let mut found: Vec<Option<u64>> = vec![None; stated.len()];
        for mapping in &self.dataset.mappings {
            let Region::Hyperslab(at) = &mapping.at else { continue };
            let Some(axis) = endless(at) else { continue };
            let end = if names_blocks(&mapping.file) || names_blocks(&mapping.dataset) {
                self.reach_of_numbered(mapping, at, axis)?.max(stated[axis])
            } else {
                match self.reach_of_source(mapping, at, axis) {
                    Ok(end) => end,
                    Err(error) => self.missing(error).map(|()| stated[axis])?,
                }
            };
            found[axis] = found[axis].max(Some(end));
        }
        for (axis, end) in found.iter().enumerate() {
            let Some(end) = end else { continue };
            let fixed = self.dataset.mappings.iter().map(|mapping| fixed_end(&mapping.at, axis));
            reached[axis] = fixed.fold(*end, u64::max);
        }
        Ok(reached.into())
    }

    /// How far a mapping without end reaches along `axis`.
    fn reach_of_source(&self, mapping: &VirtualMapping, at: &Hyperslab, axis: usize) -> Result<u64> {
        let source = self.source(&self.location(&mapping.file, &mapping.dataset)?)?;
        let Region::Hyperslab(of) = &mapping.of else {
            return Err(self.corrupt("a mapping is without end in the dataset and not in its source"));
        };
        let axes = 0..of.count.len();
        let Some(of_axis) = axes.into_iter().find(|axis| of.count[*axis].is_none() || of.block[*axis].is_none()) else {
            return Err(self.corrupt("a mapping is without end in the dataset and not in its source"));
        };
        let found = self.runs(&mapping.of, &source.info().shape)?;
        let end = reach(at, axis, found.get(of_axis).map_or(0, |runs| total(runs)));
        end.ok_or_else(|| self.corrupt("a mapping reaches farther than can be counted"))
    }

    /// How far numbered sources reach along `axis`: up to the first that is missing.
    fn reach_of_numbered(&self, mapping: &VirtualMapping, at: &Hyperslab, axis: usize) -> Result<u64> {
        let mut found = 0;
        while found <= MOST_PIECES as u64 && self.is_numbered_there(mapping, found)? {
            found += 1;
        }
        // So many blocks, each all that it is.
        let block = at.block[axis].unwrap_or(1);
        let end = reach(at, axis, found.saturating_mul(block));
        end.ok_or_else(|| self.corrupt("a mapping reaches farther than can be counted"))
    }

    fn is_numbered_there(&self, mapping: &VirtualMapping, number: u64) -> Result<bool> {
        let location = self.located(&expand(&mapping.file, Some(number)), &expand(&mapping.dataset, Some(number)))?;
        if !names_blocks(&mapping.dataset) {
            return Ok(location.path().exists());
        }
        is_there(self.source(&location).map(drop))
    }

    /// A source without end that cannot be looked at: filled, if that was asked for.
    fn missing(&self, error: Error) -> Result<()> {
        let fills = self.options.fill.as_ref().is_some_and(Fill::fills_missing);
        if fills { is_there(Err(error)).map(drop) } else { Err(error) }
    }

    /// One source for each block of a mapping without end.
    fn place_numbered(&mut self, mapping: &VirtualMapping, layout: &mut VirtualLayout) -> Result<()> {
        let Region::Hyperslab(slab) = &mapping.at else {
            return Err(self.corrupt("a mapping with numbered sources has no blocks"));
        };
        let mut endless = (0..slab.count.len()).filter(|axis| slab.count[*axis].is_none());
        let (Some(axis), None) = (endless.next(), endless.next()) else {
            return Err(self.unsupported("has a mapping with numbered sources along other than one axis"));
        };
        let Some(extent) = self.shape.get(axis).copied() else {
            return Err(self.corrupt("a mapping has more axes than its dataset"));
        };
        let (start, stride) = (slab.start[axis], slab.stride[axis].max(1));
        let blocks = extent.saturating_sub(start).div_ceil(stride);
        if blocks > MOST_PIECES as u64 {
            return Err(self.unsupported(format!("has {blocks} numbered sources")));
        }
        for number in 0..blocks {
            let mut block = slab.clone();
            block.start[axis] = start + number * stride;
            block.count[axis] = Some(1);
            let named = |name: &str| expand(name, Some(number));
            let location = self.located(&named(&mapping.file), &named(&mapping.dataset))?;
            let at = self.runs(&Region::Hyperslab(block), &self.shape)?;
            let of = match &mapping.of {
                Region::All => None,
                region => Some(self.runs(region, &mapping.source_shape)?),
            };
            self.place_runs(&location, at, of, false, layout)?;
        }
        Ok(())
    }

    fn runs(&self, region: &Region, extents: &[u64]) -> Result<Vec<Vec<Steps>>> {
        runs(region, extents).map_err(|what| self.unsupported(format!("has a mapping that is not read: {what}")))
    }

    /// Places what the runs pair, axis by axis; without `of` all of the source, whatever its axes of one element.
    fn place_runs(
        &mut self,
        location: &Location,
        mut at: Vec<Vec<Steps>>,
        of: Option<Vec<Vec<Steps>>>,
        endless: bool,
        layout: &mut VirtualLayout,
    ) -> Result<()> {
        let squeezed: Option<Shape> = match &of {
            Some(_) => None,
            None => Some(at.iter().map(|runs| total(runs)).filter(|extent| *extent != 1).collect()),
        };
        let all = |extents: &Shape| extents.iter().map(|&count| vec![Steps { start: 0, step: 1, count }]).collect();
        let mut of = of.unwrap_or_else(|| squeezed.as_ref().map_or_else(Vec::new, all));
        if [&at, &of].into_iter().any(|runs| runs.iter().any(Vec::is_empty)) {
            return Ok(());
        }
        let longer = |runs: &[Vec<Steps>]| (0..runs.len()).filter(|axis| total(&runs[*axis]) > 1).collect::<Vec<_>>();
        let (kept_at, kept_of) = (longer(&at), longer(&of));
        if kept_at.len() != kept_of.len() {
            return Err(self.unsupported("has a mapping that reshapes its source"));
        }
        for (a, b) in kept_at.iter().zip(&kept_of) {
            let (x, y) = (total(&at[*a]), total(&of[*b]));
            if x != y && !endless {
                return Err(self.unsupported("has a mapping that reshapes its source"));
            }
            // Without end, the shorter of the two tells how far it reaches.
            truncate(&mut at[*a], x.min(y));
            truncate(&mut of[*b], x.min(y));
        }
        let choices: Vec<Vec<(Steps, Steps)>> =
            kept_at.iter().zip(&kept_of).map(|(a, b)| pairs(&at[*a], &of[*b])).collect();
        let count = choices.iter().try_fold(1_usize, |product, pairs| product.checked_mul(pairs.len()));
        self.count_pieces(count)?;
        let mut place: Vec<Steps> = at.iter().map(|runs| runs[0]).collect();
        let mut taken: Vec<Steps> = of.iter().map(|runs| runs[0]).collect();
        for choice in combinations(&choices) {
            for (axis, (x, y)) in choice.into_iter().enumerate() {
                (place[kept_at[axis]], taken[kept_of[axis]]) = (x, y);
            }
            let place = Place { steps: place.clone(), axes: kept_at.clone() };
            self.place_piece(location, place, (taken.clone(), kept_of.clone()), squeezed.as_ref(), layout)?;
        }
        self.number += 1;
        Ok(())
    }

    /// Places blocks that are not evenly spaced, by the rows that they are made of.
    fn place_rows(&mut self, location: &Location, mapping: &VirtualMapping, layout: &mut VirtualLayout) -> Result<()> {
        let source_shape = match &mapping.of {
            // How large all of it is only the source itself knows.
            Region::All => match self.source(location) {
                Ok(source) => source.info().shape.clone(),
                Err(error) => return self.missing(error),
            },
            _ => mapping.source_shape.clone(),
        };
        let read = |region: &Region, extents: &[u64]| {
            let rows = rows(region, extents, MOST_PIECES);
            rows.map_err(|what| self.unsupported(format!("has a mapping that is not read: {what}")))
        };
        let (at, of) = (read(&mapping.at, &self.shape)?, read(&mapping.of, &source_shape)?);
        if rows::elements(&at) != rows::elements(&of) {
            return Err(self.corrupt("a mapping has more elements on one side than on the other"));
        }
        let pairs = rows::pairs(&at, &of);
        self.count_pieces(Some(pairs.len()))?;
        for rows::Pair { at, of } in pairs {
            let kept = if at.len() == of.len() { (0..at.len()).collect() } else { vec![at.len() - 1] };
            let kept_of = if at.len() == of.len() { kept.clone() } else { vec![of.len() - 1] };
            self.place_piece(location, Place { steps: at, axes: kept }, (of, kept_of), None, layout)?;
        }
        self.number += 1;
        Ok(())
    }

    fn count_pieces(&mut self, pieces: Option<usize>) -> Result<()> {
        self.pieces = self.pieces.saturating_add(pieces.unwrap_or(usize::MAX));
        // One for each mapping takes no more than the file itself.
        if self.pieces > MOST_PIECES.max(self.dataset.mappings.len()) {
            return Err(self.unsupported("has mappings of too many blocks"));
        }
        Ok(())
    }

    fn place_piece(
        &self,
        location: &Location,
        place: Place,
        parts: (Vec<Steps>, Vec<usize>),
        squeezed: Option<&Shape>,
        layout: &mut VirtualLayout,
    ) -> Result<()> {
        self.check_inside(&place)?;
        let (location, dtype) = ((location.clone(), self.folder.clone()), self.dataset.info.dtype.clone());
        let mapped = Mapped::new(self.pool, self.group, self.number, location, parts, squeezed.cloned(), dtype);
        layout.place_mapped(place, mapped)
    }

    fn check_inside(&self, place: &Place) -> Result<()> {
        let shape = &self.shape;
        if (0..shape.len()).all(|axis| place.range(axis).end <= shape[axis]) {
            return Ok(());
        }
        Err(self.corrupt(format!("a mapping lies outside its shape {shape}")))
    }

    fn location(&self, file: &str, dataset: &str) -> Result<Location> {
        self.located(&expand(file, None), &expand(dataset, None))
    }

    fn located(&self, file: &str, dataset: &str) -> Result<Location> {
        let folder = self.path.parent().unwrap_or(&self.path);
        let path = if file == "." { self.path.clone() } else { folder.join(file) };
        let below = path.strip_prefix(folder).ok();
        let inside = below.is_some_and(|below| below.components().all(|part| matches!(part, Component::Normal(_))));
        if !inside && !self.options.outside {
            let what = format!("has a source outside its folder, {file}, which must be allowed (--unsafe-links)");
            return Err(self.unsupported(what));
        }
        Ok(Location::new(path).with_scheme("hdf5").with_dataset(dataset))
    }
}

fn is_endless(region: &Region) -> bool {
    let Region::Hyperslab(slab) = region else { return false };
    slab.count.iter().chain(&slab.block).any(Option::is_none)
}

/// Where a selection that has an end ends along `axis`.
fn fixed_end(region: &Region, axis: usize) -> u64 {
    match region {
        Region::Hyperslab(slab) => match (slab.count.get(axis), slab.block.get(axis)) {
            (Some(Some(count)), Some(Some(block))) => reach(slab, axis, count.saturating_mul(*block)).unwrap_or(0),
            _ => 0,
        },
        Region::Blocks(blocks) => blocks.iter().map(|block| block.start[axis] + block.count[axis]).max().unwrap_or(0),
        _ => 0,
    }
}

/// Whether a name has a place for the number of a block.
fn names_blocks(name: &str) -> bool {
    name.replace("%%", "").contains("%b")
}

/// The name with the number of a block in its place, and `%` for `%%`.
fn expand(name: &str, number: Option<u64>) -> String {
    let parts =
        name.split("%%").map(|part| number.map_or(part.to_owned(), |number| part.replace("%b", &number.to_string())));
    parts.collect::<Vec<_>>().join("%")
}

fn truncate(runs: &mut Vec<Steps>, mut count: u64) {
    runs.retain_mut(|run| {
        *run = run.steps(Steps { start: 0, step: 1, count: run.count.min(count) });
        count -= run.count;
        run.count > 0
    });
}

/// One of each, in all combinations; the last varies fastest.
fn combinations<T: Copy>(choices: &[Vec<T>]) -> impl Iterator<Item = Vec<T>> + '_ {
    let count: usize = choices.iter().map(Vec::len).product();
    (0..count).map(move |mut number| {
        let mut chosen: Vec<T> = Vec::with_capacity(choices.len());
        for choice in choices.iter().rev() {
            chosen.push(choice[number % choice.len()]);
            number /= choice.len();
        }
        chosen.reverse();
        chosen
    })
}
