//! Lazy indexing: what many selections, one after another, leave of an array.

use std::fmt;
use std::sync::Arc;

use chunk_core::{Error, Result, Shape, Slab};

use crate::{Index, Indices};

/// A view of an array of some shape, made by indexing it any number of times. Holds no data.
///
/// # Source
/// NumPy's basic indexing, composed: each [`select`](Selection::select) means what it means to the array that the
/// selections before it would have made. Lists and masks, too, where NumPy has one of them among its indices. For
/// several at once, NumPy takes the elements pairwise (`x[[0, 1], [2, 3]]` has two elements), which is refused here;
/// [`outer`](Selection::outer) takes each for its own axis, as `numpy.ix_` does.
///
/// # Memory
/// A few words an axis, whatever the extents: slices of slices are slices. A list holds 8 bytes a position, unless
/// its positions are evenly spaced.
///
/// # Examples
/// ```
/// use chunk_virtual::{Selection, select};
///
/// let selection = Selection::new([100, 8]).select(&select![..; -1])?.select(&select![10..20; 3, [5, 0]])?;
/// assert_eq!(selection.shape(), [4, 2].into());
/// assert_eq!(selection.position(&[1, 0]), [86, 5]);
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    source_shape: Shape,
    /// What is taken of each axis of the source; of those that went, one position.
    picks: Vec<Pick>,
    /// The axes that are left, outermost first.
    axes: Vec<Axis>,
}

/// What is taken of one axis of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pick {
    Range(Steps),
    /// Any positions; shared, as selections are cloned.
    List(Arc<[u64]>),
}

/// Evenly spaced positions. The step is 1 where there are less than two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Steps {
    pub(crate) start: u64,
    pub(crate) step: i64,
    pub(crate) count: u64,
}

/// One axis of a selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axis {
    /// What is picked of this axis of the source.
    Source(usize),
    /// Not of the source: so many times the same.
    New(u64),
}

impl Selection {
    /// All of an array of `shape`.
    #[must_use]
    pub fn new(shape: impl Into<Shape>) -> Self {
        let source_shape = shape.into();
        let picks = source_shape.iter().map(|&count| Pick::Range(Steps { start: 0, step: 1, count })).collect();
        let axes = (0..source_shape.len()).map(Axis::Source).collect();
        Selection { source_shape, picks, axes }
    }

    /// Evenly spaced positions along each axis of an array of `shape`, inside it; axes that are not `kept` go.
    #[cfg(feature = "hdf5")]
    pub(crate) fn of_steps(shape: &Shape, steps: &[Steps], kept: &[usize]) -> Self {
        Selection {
            source_shape: shape.clone(),
            picks: steps.iter().copied().map(Pick::Range).collect(),
            axes: kept.iter().copied().map(Axis::Source).collect(),
        }
    }

    /// The shape of what is selected.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.axes.iter().map(|axis| self.extent(*axis)).collect()
    }

    /// The shape of the array that is selected from.
    #[must_use]
    pub fn source_shape(&self) -> &Shape {
        &self.source_shape
    }

    /// Whether this is the array as it is.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        *self == Selection::new(self.source_shape.clone())
    }

    /// What `indices` leave of this selection, by NumPy's rules.
    ///
    /// # Errors
    /// [`Error::IndexOutOfBounds`]; [`Error::InvalidArgument`] for more indices than axes, a second `...`, a step of
    /// zero, a mask of another length than its axis, more than one list or mask (see [`Selection::outer`]), and axes
    /// longer than `i64` counts.
    pub fn select(&self, indices: &Indices) -> Result<Self> {
        let items = indices.as_slice();
        let is_list = |index: &Index| matches!(index, Index::List(_) | Index::Mask(_));
        if items.iter().filter(|index| is_list(index)).count() > 1 {
            return Err(Error::InvalidArgument(format!(
                "{indices} has more than one list or mask: NumPy takes their elements pairwise, which is not done \
                 here; for all combinations use outer selection, or select one list after another"
            )));
        }
        let mut selected = self.outer(indices)?;
        if let Some(list) = items.iter().position(is_list)
            && goes_to_the_front(items)
        {
            let axis = axes_before(items, list, self.axes.len());
            selected.axes[..=axis].rotate_right(1);
        }
        Ok(selected)
    }

    /// What `indices` leave of this selection, each taken for its own axis: of several lists, all combinations.
    ///
    /// The same as [`Selection::select`] but for lists and masks: there may be several, and they never move an axis.
    ///
    /// # Errors
    /// As [`Selection::select`].
    ///
    /// # Source
    /// `x[numpy.ix_(..)]`, `zarr.Array.oindex`, `xarray.DataArray.isel`.
    ///
    /// # Examples
    /// ```
    /// use chunk_virtual::{Selection, select};
    ///
    /// let selection = Selection::new([4, 5, 6]).outer(&select![[3, 0], .., [1, 1, 2]])?;
    /// assert_eq!(selection.shape(), [2, 5, 3].into());
    /// # Ok::<(), chunk_core::Error>(())
    /// ```
    pub fn outer(&self, indices: &Indices) -> Result<Self> {
        let items = indices.as_slice();
        let rest = self.axes_of_ellipsis(items)?;
        let mut picks = self.picks.clone();
        let mut axes = Vec::with_capacity(self.axes.len());
        let mut left = self.axes.iter().copied().enumerate();
        for index in items {
            match index {
                Index::Ellipsis => axes.extend(left.by_ref().take(rest).map(|(_, axis)| axis)),
                Index::NewAxis => axes.push(Axis::New(1)),
                index => {
                    let Some((number, axis)) = left.next() else { break };
                    let before = match axis {
                        Axis::Source(source) => picks[source].clone(),
                        Axis::New(count) => Pick::Range(Steps { start: 0, step: 1, count }),
                    };
                    let after = before.index(index, number)?;
                    let drops = matches!(index, Index::At(_));
                    match axis {
                        Axis::New(_) if drops => {}
                        Axis::New(_) => axes.push(Axis::New(after.count())),
                        Axis::Source(source) => {
                            picks[source] = after;
                            axes.extend((!drops).then_some(axis));
                        }
                    }
                }
            }
        }
        axes.extend(left.map(|(_, axis)| axis));
        Ok(Selection { source_shape: self.source_shape.clone(), picks, axes })
    }

    /// Where in the source the element at `position` comes from.
    ///
    /// # Panics
    /// If there is no such element.
    #[must_use]
    pub fn position(&self, position: &[u64]) -> Vec<u64> {
        let inside = Slab::new(position, vec![1; position.len()]).is_within(&self.shape());
        assert!(inside, "{position:?} lies in {}", self.shape());
        let mut source: Vec<u64> =
            self.picks.iter().map(|pick| if pick.count() == 1 { pick.at(0) } else { 0 }).collect();
        for (axis, &at) in self.axes.iter().zip(position) {
            if let Axis::Source(axis) = *axis {
                source[axis] = self.picks[axis].at(at);
            }
        }
        source
    }

    /// Bytes that lists hold.
    pub(crate) fn held_bytes(&self) -> u64 {
        let lists = self.picks.iter().filter(|pick| matches!(pick, Pick::List(_)));
        lists.map(|list| list.count() * size_of::<u64>() as u64).sum()
    }

    pub(crate) fn picks(&self) -> &[Pick] {
        &self.picks
    }

    pub(crate) fn axes(&self) -> &[Axis] {
        &self.axes
    }

    fn extent(&self, axis: Axis) -> u64 {
        match axis {
            Axis::Source(axis) => self.picks[axis].count(),
            Axis::New(count) => count,
        }
    }

    /// How many axes `...` stands for.
    fn axes_of_ellipsis(&self, items: &[Index]) -> Result<usize> {
        let ndim = self.axes.len();
        let used = items.iter().filter(|index| !matches!(index, Index::Ellipsis | Index::NewAxis)).count();
        if items.iter().filter(|index| **index == Index::Ellipsis).count() > 1 {
            return Err(Error::InvalidArgument("there can be only one ellipsis (...) among indices".to_owned()));
        }
        ndim.checked_sub(used).ok_or_else(|| {
            Error::InvalidArgument(format!("too many indices: {used} for {ndim} axes (shape {})", self.shape()))
        })
    }
}

/// Whether NumPy puts the axis of a list first: where an integer is among the indices, and a slice, an ellipsis or a
/// new axis between the two.
fn goes_to_the_front(items: &[Index]) -> bool {
    let is_advanced = |index: &Index| matches!(index, Index::At(_) | Index::List(_) | Index::Mask(_));
    let first = items.iter().position(is_advanced).unwrap_or(0);
    let last = items.iter().rposition(is_advanced).unwrap_or(0);
    items[first..=last].iter().any(|index| !is_advanced(index))
}

/// How many axes of the result come before that of the index at `list`.
fn axes_before(items: &[Index], list: usize, ndim: usize) -> usize {
    let used = items.iter().filter(|index| !matches!(index, Index::Ellipsis | Index::NewAxis)).count();
    let axes = |index: &Index| match index {
        Index::At(_) => 0,
        Index::Ellipsis => ndim - used,
        _ => 1,
    };
    items[..list].iter().map(axes).sum()
}

impl Pick {
    /// These positions, as evenly spaced ones if they are.
    fn list(positions: Vec<u64>) -> Self {
        let step = |a: u64, b: u64| i128::from(b) - i128::from(a);
        let even = match positions[..] {
            [] => Some(Steps::NONE),
            [start] => Some(Steps { start, step: 1, count: 1 }),
            [first, second, ..] if first != second => {
                let even = positions.windows(2).all(|pair| step(pair[0], pair[1]) == step(first, second));
                let step = step(first, second) as i64;
                even.then_some(Steps { start: first, step, count: positions.len() as u64 })
            }
            _ => None,
        };
        even.map_or_else(|| Pick::List(positions.into()), Pick::Range)
    }

    /// How many positions.
    pub(crate) fn count(&self) -> u64 {
        match self {
            Pick::Range(steps) => steps.count,
            Pick::List(positions) => positions.len() as u64,
        }
    }

    /// Position number `number` along the axis of the source.
    pub(crate) fn at(&self, number: u64) -> u64 {
        match self {
            Pick::Range(steps) => steps.at(number),
            Pick::List(positions) => positions[number as usize],
        }
    }

    /// What one index that is neither `...` nor a new axis leaves; `axis` is for messages.
    fn index(&self, index: &Index, axis: usize) -> Result<Self> {
        let extent = self.count();
        let signed = i64::try_from(extent)
            .map_err(|_| Error::InvalidArgument(format!("axis {axis} of extent {extent} is too long to be indexed")))?;
        let inside = |index: i64| {
            let position = if index < 0 { index + signed } else { index };
            let inside = (0..signed).contains(&position).then_some(position.unsigned_abs());
            inside.ok_or(Error::IndexOutOfBounds { index, axis, extent })
        };
        match index {
            Index::At(index) => Ok(Pick::Range(Steps { start: self.at(inside(*index)?), step: 1, count: 1 })),
            Index::Slice { step: 0, .. } => Err(Error::InvalidArgument("slice step cannot be zero".to_owned())),
            Index::Slice { start, stop, step } => Ok(self.steps(clip(*start, *stop, *step, signed))),
            Index::List(list) => {
                let positions = list.iter().map(|index| inside(*index).map(|number| self.at(number)));
                Ok(Pick::list(positions.collect::<Result<_>>()?))
            }
            Index::Mask(mask) if mask.len() as u64 != extent => Err(Error::InvalidArgument(format!(
                "a mask of {} for axis {axis} of extent {extent}: they must be as long",
                mask.len()
            ))),
            Index::Mask(mask) => {
                let wanted = (0..extent).filter(|&number| mask[number as usize]);
                Ok(Pick::list(wanted.map(|number| self.at(number)).collect()))
            }
            Index::Ellipsis | Index::NewAxis => unreachable!("they are for no axis"),
        }
    }

    /// Of these positions, those with these numbers.
    pub(crate) fn steps(&self, steps: Steps) -> Self {
        match self {
            Pick::Range(own) => Pick::Range(own.steps(steps)),
            Pick::List(own) => Pick::list((0..steps.count).map(|number| own[steps.at(number) as usize]).collect()),
        }
    }
}

impl Steps {
    const NONE: Steps = Steps { start: 0, step: 1, count: 0 };

    /// Position number `number`.
    pub(crate) fn at(&self, number: u64) -> u64 {
        self.start.wrapping_add_signed(self.step.wrapping_mul(number.cast_signed()))
    }

    /// Of these positions, those with these numbers.
    pub(crate) fn steps(&self, numbers: Steps) -> Self {
        match numbers.count {
            0 => Steps::NONE,
            1 => Steps { start: self.at(numbers.start), step: 1, count: 1 },
            // Two positions at least lie on the axis, which `i64` counts, so their distance is within `i64`, too.
            count => Steps { start: self.at(numbers.start), step: self.step * numbers.step, count },
        }
    }
}

/// The positions that `start:stop:step` is on an axis of `extent`.
///
/// # Source
/// Python's `slice.indices`.
fn clip(start: Option<i64>, stop: Option<i64>, step: i64, extent: i64) -> Steps {
    let (least, most) = if step > 0 { (0, extent) } else { (-1, extent - 1) };
    let bound = |bound: i64| {
        let from_start = if bound < 0 { bound.saturating_add(extent) } else { bound };
        from_start.clamp(least, most)
    };
    let (towards, away) = if step > 0 { (most, least) } else { (least, most) };
    let (start, stop) = (start.map_or(away, bound), stop.map_or(towards, bound));
    let distance = if step > 0 { stop - start } else { start - stop };
    if distance <= 0 {
        return Steps::NONE;
    }
    let count = distance.unsigned_abs().div_ceil(step.unsigned_abs());
    Steps { start: start.unsigned_abs(), step: if count == 1 { 1 } else { step }, count }
}

/// What indexing the source so would give, axis by axis of the source; each list is for its own axis.
impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = |axis: usize| self.axes.contains(&Axis::Source(axis));
        let shown = self.picks.iter().enumerate().map(|(axis, pick)| match pick {
            Pick::Range(steps) if !kept(axis) => steps.start.to_string(),
            Pick::Range(steps) if *steps == (Steps { start: 0, step: 1, count: self.source_shape[axis] }) => {
                ":".to_owned()
            }
            Pick::Range(steps) => steps.to_string(),
            Pick::List(positions) => show_list(positions),
        });
        write!(f, "[{}]", shown.collect::<Vec<_>>().join(", "))?;
        let ordered: Vec<_> = (0..self.picks.len()).filter(|axis| kept(*axis)).map(Axis::Source).collect();
        if self.axes == ordered {
            return Ok(());
        }
        let axes = self.axes.iter().map(|axis| match axis {
            Axis::Source(axis) => axis.to_string(),
            Axis::New(count) => format!("new of {count}"),
        });
        write!(f, " with axes ({})", axes.collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Steps { start, step, count } = *self;
        let end = i128::from(start) + i128::from(step) * i128::from(count);
        match step {
            1 => write!(f, "{start}:{end}"),
            2.. => write!(f, "{start}:{}:{step}", self.at(count.saturating_sub(1)) + 1),
            _ if end < 0 => write!(f, "{start}::{step}"),
            _ => write!(f, "{start}:{end}:{step}"),
        }
    }
}

fn show_list(positions: &[u64]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<_> = positions.iter().take(SHOWN).map(u64::to_string).collect();
    let more = if positions.len() > SHOWN { format!(", .. {} in all", positions.len()) } else { String::new() };
    format!("[{}{more}]", shown.join(", "))
}
