//! Where the parts of a stack end.

/// The extents of parts that stand end to end, summed up.
#[derive(Clone, Debug)]
pub(crate) enum Ends {
    /// All of `each`, but for the last, which may be shorter.
    Equal { each: u64, count: usize, total: u64 },
    /// The end of each.
    Any(Vec<u64>),
}

impl Ends {
    pub(crate) fn new() -> Self {
        Ends::Equal { each: 0, count: 0, total: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Ends::Equal { count, .. } => *count,
            Ends::Any(ends) => ends.len(),
        }
    }

    pub(crate) fn total(&self) -> u64 {
        match self {
            Ends::Equal { total, .. } => *total,
            Ends::Any(ends) => ends.last().copied().unwrap_or(0),
        }
    }

    /// Adds a part; `false` if the sum would not fit.
    pub(crate) fn push(&mut self, extent: u64) -> bool {
        let Some(sum) = self.total().checked_add(extent) else { return false };
        match self {
            Ends::Equal { count: 0, .. } => *self = Ends::Equal { each: extent, count: 1, total: extent },
            Ends::Equal { each, count, total } if *total == *each * *count as u64 && extent <= *each && *each > 0 => {
                *count += 1;
                *total = sum;
            }
            Ends::Equal { .. } => {
                let mut ends: Vec<u64> = (0..self.len()).map(|part| self.end(part)).collect();
                ends.push(sum);
                *self = Ends::Any(ends);
            }
            Ends::Any(ends) => ends.push(sum),
        }
        true
    }

    /// Forgets all parts but the first `count`.
    pub(crate) fn truncate(&mut self, count: usize) {
        let end = self.start(count);
        match self {
            Ends::Equal { count: own, total, .. } => (*own, *total) = (count, end),
            Ends::Any(ends) => ends.truncate(count),
        }
    }

    pub(crate) fn start(&self, part: usize) -> u64 {
        part.checked_sub(1).map_or(0, |before| self.end(before))
    }

    pub(crate) fn end(&self, part: usize) -> u64 {
        match self {
            Ends::Equal { each, total, .. } => (each * (part as u64 + 1)).min(*total),
            Ends::Any(ends) => ends[part],
        }
    }

    pub(crate) fn extent(&self, part: usize) -> u64 {
        self.end(part) - self.start(part)
    }

    /// The part that holds `position`, which is below the total.
    pub(crate) fn find(&self, position: u64) -> usize {
        match self {
            Ends::Equal { each, .. } => (position / each) as usize,
            Ends::Any(ends) => ends.partition_point(|end| *end <= position),
        }
    }

    /// The extent of all parts but the last, if they have one.
    pub(crate) fn each(&self) -> Option<u64> {
        match self {
            Ends::Equal { each, .. } => Some(*each),
            Ends::Any(_) => None,
        }
    }

    /// Bytes beside the value itself.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Ends::Equal { .. } => 0,
            Ends::Any(ends) => (ends.capacity() * size_of::<u64>()) as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_position() {
        for extents in
            [vec![3, 3, 3], vec![3, 3, 1], vec![3, 1, 3], vec![0, 2, 0, 0, 5, 0], vec![4, 0, 0, 2], vec![0, 0]]
        {
            let mut ends = Ends::new();
            assert!(extents.iter().all(|extent| ends.push(*extent)));
            assert_eq!(ends.len(), extents.len());
            assert_eq!((0..ends.len()).map(|part| ends.extent(part)).collect::<Vec<_>>(), extents);
            let naive = extents.iter().enumerate().flat_map(|(part, extent)| vec![part; *extent as usize]);
            assert_eq!(
                (0..ends.total()).map(|position| ends.find(position)).collect::<Vec<_>>(),
                naive.collect::<Vec<_>>()
            );
        }
        assert!(!{
            let mut ends = Ends::new();
            ends.push(u64::MAX) && ends.push(1)
        });
    }
}
