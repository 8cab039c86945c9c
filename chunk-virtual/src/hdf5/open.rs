//! A virtual dataset as a layout.

use std::path::{Component, Path, PathBuf, absolute};
use std::sync::Arc;

use chunk_core::{Error, Location, Result, Shape};
use chunk_hdf5::{Region, VirtualDataset, VirtualMapping};

use super::regular::{pairs, runs, total};
use crate::mapped::Mapped;
use crate::place::Place;
use crate::selection::Steps;
use crate::{Fill, SourcePool, VirtualLayout};

/// How virtual datasets are opened. The default follows nothing out of the file's folder, and fills nothing.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct OpenOptions {
    /// Whether sources may be outside the folder of the virtual dataset's file.
    pub outside: bool,
    /// What is read where there is no source, or, if it says so, a missing one.
    pub fill: Option<Fill>,
}

impl OpenOptions {
    /// With sources outside the file's folder being read, or refused.
    #[must_use]
    pub fn with_outside(mut self, outside: bool) -> Self {
        self.outside = outside;
        self
    }

    /// With filling. The value of the virtual dataset itself is that of its description, `info().fill`.
    #[must_use]
    pub fn with_fill(mut self, fill: Fill) -> Self {
        self.fill = Some(fill);
        self
    }
}

/// Pieces of one mapping, and mappings of one dataset, at most.
const MOST_PIECES: usize = 1 << 22;

/// A virtual dataset that was described, as a layout whose sources `pool` opens when they are read.
///
/// Mappings of evenly spaced blocks are taken, those without end and those whose sources are numbered (`%b`) included.
///
/// # Errors
/// [`Error::Unsupported`] for mappings of points or irregular blocks, for those that reshape, and for sources outside
/// the file's folder, unless they are allowed; [`Error::Corrupt`] for mappings that contradict themselves.
pub fn open(
    path: impl AsRef<Path>,
    dataset: &VirtualDataset,
    pool: &Arc<SourcePool>,
    options: &OpenOptions,
) -> Result<VirtualLayout> {
    let path = path.as_ref();
    let path = absolute(path).map_err(|cause| Error::io(path, "find", cause))?;
    let mut opening = Opening { path, dataset, pool, options, group: pool.new_group(), number: 0 };
    let info = &dataset.info;
    let mut layout = VirtualLayout::new(info.shape.clone(), info.dtype.clone()).with_name(&info.name);
    if let Some(max_shape) = &info.max_shape {
        layout = layout.with_max_shape(max_shape.clone())?;
    }
    if let Some(fill) = &options.fill {
        layout = layout.with_fill(fill.clone())?;
    }
    for mapping in &dataset.mappings {
        opening.place(mapping, &mut layout)?;
    }
    Ok(layout)
}

struct Opening<'a> {
    path: PathBuf,
    dataset: &'a VirtualDataset,
    pool: &'a Arc<SourcePool>,
    options: &'a OpenOptions,
    group: u64,
    number: u64,
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
        let at = self.runs(&mapping.at, &self.dataset.info.shape)?;
        let endless = is_endless(&mapping.at);
        if mapping.of == Region::All && !endless {
            return self.place_runs(&location, at, None, false, layout);
        }
        let of = if endless {
            // How far it reaches only the source itself knows.
            match self.pool.registry().open(&location) {
                Ok(source) => self.runs(&mapping.of, &source.info().shape)?,
                Err(error) => return self.missing(error),
            }
        } else {
            self.runs(&mapping.of, &mapping.source_shape)?
        };
        self.place_runs(&location, at, Some(of), endless, layout)
    }

    /// A source without end that cannot be looked at: filled, if that was asked for.
    fn missing(&self, error: Error) -> Result<()> {
        if self.options.fill.as_ref().is_some_and(Fill::fills_missing) { Ok(()) } else { Err(error) }
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
        let extent = self.dataset.info.shape[axis];
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
            let at = self.runs(&Region::Hyperslab(block), &self.dataset.info.shape)?;
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
        if count.is_none_or(|count| count > MOST_PIECES) {
            return Err(self.unsupported("has a mapping of too many blocks"));
        }
        let mut place: Vec<Steps> = at.iter().map(|runs| runs[0]).collect();
        let mut taken: Vec<Steps> = of.iter().map(|runs| runs[0]).collect();
        for choice in combinations(&choices) {
            for (axis, (x, y)) in choice.into_iter().enumerate() {
                (place[kept_at[axis]], taken[kept_of[axis]]) = (x, y);
            }
            let place = Place { steps: place.clone(), axes: kept_at.clone() };
            self.check_inside(&place)?;
            let dtype = self.dataset.info.dtype.clone();
            let parts = (taken.clone(), kept_of.clone());
            let mapped =
                Mapped::new(self.pool, self.group, self.number, location.clone(), parts, squeezed.clone(), dtype);
            layout.place_mapped(place, mapped)?;
        }
        self.number += 1;
        Ok(())
    }

    fn check_inside(&self, place: &Place) -> Result<()> {
        let shape = &self.dataset.info.shape;
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
            let what = format!("has a source outside its folder, {file}, which must be allowed");
            return Err(self.unsupported(what));
        }
        Ok(Location::new(path).with_scheme("hdf5").with_dataset(dataset))
    }
}

fn is_endless(region: &Region) -> bool {
    let Region::Hyperslab(slab) = region else { return false };
    slab.count.iter().chain(&slab.block).any(Option::is_none)
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
