//! `chunk show`: the values of a dataset, abbreviated as NumPy prints them.

use std::sync::Arc;

use chunk_core::{Buffer, Bytes, ChunkSource, Error, Result, Run, Slab, Window, copy_region};
use clap::Args;

use crate::Context;
use crate::array_text::{Abbreviation, text_literal, words};
use crate::dataset::{DatasetArg, dataset};
use crate::failure::Outcome;
use crate::names::named;
use crate::options::RunOptions;
use crate::output::{Out, print};
use crate::variable::Text;

/// Prints the values, abbreviated as NumPy prints arrays; reads only what it prints
///
/// Arrays of more than 1000 elements keep three at either end of each axis. Floats show up to eight digits after the
/// point, all of one array as many as they need to be told apart. Text of variable length is printed as Python's.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The dataset, maybe with a selection: run.h5::/v[10:20, ::-2, -1]
    #[arg(value_name = "DATASET", value_parser = dataset())]
    dataset: DatasetArg,
    #[command(flatten)]
    run: RunOptions,
}

/// More values than this are for a file, not for a terminal: even the corners of an array of many axes can be.
const MOST_VALUES: u64 = 100_000;

impl ShowArgs {
    pub(crate) fn run(&self, context: &Context, out: &mut Out) -> Outcome {
        let (source, text) = self.open(context)?;
        let budget = self.run.budget().bytes();
        let corners = Corners::new(source, budget)?;
        let run = self.run.to_run(context);
        if self.run.dry_run {
            return print(out, &corners.plans(&run)?.join("\n\n"));
        }
        let elements = corners.read(self.run.watch(&run, format!("show {}", self.dataset)).run())?;
        let info = corners.source.info();
        let words = match text {
            Some(text) => {
                let texts = text.read(elements.elements()?, Bytes(budget))?;
                texts.iter().map(|text| text_literal(text)).collect()
            }
            None => words(&info.dtype, &elements, info.shape.is_empty()).map_err(|error| named(&info.name, error))?,
        };
        print(out, &corners.abbreviation.text(&words))
    }

    /// The dataset; of one that holds text of variable length the places, and that.
    fn open(&self, context: &Context) -> Result<(Arc<dyn ChunkSource>, Option<Text>)> {
        match self.dataset.open(&context.registry) {
            Ok(dataset) => Ok((dataset.source, None)),
            Err(error @ Error::UnsupportedDType { .. }) => match self.dataset.open_text()? {
                Some(text) => Ok((text.places.clone(), Some(text))),
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }
}

/// The elements of a dataset that are printed.
struct Corners {
    source: Arc<dyn ChunkSource>,
    abbreviation: Abbreviation,
    /// All of them, packed.
    shown: Slab,
}

impl Corners {
    /// # Errors
    /// Too many values, or more than `budget` bytes of them.
    fn new(source: Arc<dyn ChunkSource>, budget: u64) -> Result<Self> {
        let info = source.info();
        let abbreviation = Abbreviation::new(&info.shape);
        let shown = Slab::whole(&abbreviation.shown_shape());
        if shown.elements() > MOST_VALUES {
            return Err(Error::InvalidArgument(format!(
                "{} has {} axes, so that {} values would be printed; select a part of it",
                info.name,
                shown.ndim(),
                shown.elements()
            )));
        }
        let bytes = shown.bytes(info.dtype.size());
        if bytes > budget {
            return Err(Error::BudgetTooSmall {
                budget: Bytes(budget),
                needed: Bytes(bytes),
                dataset: info.name.clone(),
                detail: format!("{} values of {}", shown.elements(), Bytes(info.dtype.size() as u64)),
            });
        }
        Ok(Corners { source, abbreviation, shown })
    }

    /// Each corner: where it is in the dataset, and where among what is printed.
    fn corners(&self) -> Vec<(Slab, Slab)> {
        let nothing = Slab::whole(&[]);
        let mut corners = vec![(nothing.clone(), nothing)];
        for axis in 0..self.shown.ndim() {
            let pieces = self.abbreviation.pieces(axis);
            let longer = corners.iter().flat_map(|(from, to)| {
                let mut place = 0;
                let extend = move |&(start, count): &(u64, u64)| {
                    place += count;
                    (with_last_axis(from, start, count), with_last_axis(to, place - count, count))
                };
                pieces.iter().map(extend)
            });
            corners = longer.collect();
        }
        corners.into_iter().filter(|(from, _)| !from.is_empty()).collect()
    }

    fn plans(&self, run: &Run) -> Result<Vec<String>> {
        let plan =
            |(from, _)| Ok(run.planner().read_contiguous(&Window::new(Arc::clone(&self.source), from)?)?.describe());
        self.corners().into_iter().map(plan).collect()
    }

    fn read(&self, run: &Run) -> Result<Buffer> {
        let size = self.source.info().dtype.size();
        let mut elements = Buffer::zeroed(self.shown.bytes(size) as usize)?;
        for (from, to) in self.corners() {
            run.visit_in_order(&Window::new(Arc::clone(&self.source), from)?, |slab, bytes| {
                let place = slab.shifted(to.start());
                copy_region(&place, bytes, &place, &mut elements, &self.shown, size);
                Ok::<(), Error>(())
            })?;
        }
        Ok(elements)
    }
}

fn with_last_axis(slab: &Slab, start: u64, count: u64) -> Slab {
    Slab::new([slab.start(), &[start]].concat(), [&slab.count()[..], &[count]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::chunk;
    use chunk_core::{MemoryBackend, MemorySource, Registry};

    fn registry(shape: &[u64]) -> Registry {
        let count = shape.iter().product::<u64>() as u32;
        let numbers: Vec<u32> = (0..count).collect();
        let memory = MemoryBackend::new();
        memory.insert("x", MemorySource::new(shape, &numbers).unwrap());
        Registry::new().with(memory)
    }

    #[test]
    fn prints_small_arrays_whole_and_large_ones_by_their_corners() {
        assert_eq!(chunk(registry(&[2, 3]), ["show", "memory:x"]).unwrap(), "[[0 1 2]\n [3 4 5]]\n");
        let expected = "\
[[   0    1    2 ...   37   38   39]
 [  40   41   42 ...   77   78   79]
 [  80   81   82 ...  117  118  119]
 ...
 [1080 1081 1082 ... 1117 1118 1119]
 [1120 1121 1122 ... 1157 1158 1159]
 [1160 1161 1162 ... 1197 1198 1199]]
";
        assert_eq!(chunk(registry(&[30, 40]), ["show", "memory:x"]).unwrap(), expected);
        assert_eq!(chunk(registry(&[0, 7]), ["show", "memory:x"]).unwrap(), "[]\n");
        assert_eq!(chunk(registry(&[]), ["show", "memory:x"]).unwrap(), "0\n");
    }

    #[test]
    fn reads_the_corners_alone() {
        let source = MemorySource::new([10, 200], &[1_u8; 2000]).unwrap();
        let source = Arc::new(chunk_testkit::CountingSource::new(source));
        let corners = Corners::new(source.clone(), 1 << 20).unwrap();
        corners.read(&Run::new()).unwrap();
        assert_eq!(source.bytes(), 36);
    }

    #[test]
    fn elements_that_are_none_are_told_with_their_dataset() {
        let memory = MemoryBackend::new();
        let info = chunk_core::DatasetInfo::new([2], chunk_core::DType::Bool).with_name("memory:x");
        memory.insert("x", MemorySource::from_bytes(info, [1, 2]).unwrap());
        for command in ["show", "stats"] {
            let failure = chunk(Registry::new().with(memory.clone()), [command, "memory:x"]).unwrap_err();
            assert!(failure.message().unwrap().starts_with("memory:x: "), "{command}: {:?}", failure.message());
        }
    }

    #[test]
    fn refuses_what_is_too_much() {
        let message = |shape: &[u64], memory| {
            chunk(registry(shape), ["show", "memory:x", "--memory", memory]).unwrap_err().message().unwrap()
        };
        assert!(message(&[7; 7], "1M").contains("select a part"));
        assert!(message(&[30, 30], "1K").contains("budget of 1 KiB is too small"));
    }
}
