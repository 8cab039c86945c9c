//! Sources that break one rule each: the suite must find that one, and no other.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fmt, thread};

use chunk_core::{
    ChunkSource, Cost, DatasetInfo, Error, Identity, MemorySource, Need, Operation, Reduction, Result, Slab, Stepper,
    Work, Worker, check_inputs, read_node, total_cost, total_held_bytes,
};
use chunk_testkit::{SourceCase, source_rules};

const SHAPE: [u64; 2] = [300, 70];
const CHUNK: [u64; 2] = [256, 64];
/// More than what need not be counted.
const LARGE: usize = 256 << 10;

/// A source over memory with one fault.
struct Broken {
    input: [Arc<dyn ChunkSource>; 1],
    info: DatasetInfo,
    fault: Fault,
    reading: AtomicUsize,
    hoard: Mutex<Vec<Vec<u8>>>,
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Nothing,
    NamesItselfNothing,
    ReadsTheNeighbourAcrossChunks,
    ForgetsTheLastColumn,
    SkipsZeros,
    ClampsSlabs,
    TouchesTheBufferFirst,
    ReadsBeforeItChecks,
    FillsWhatFits,
    SharesACursor,
    ForgetsTheSecondThread,
    TrustsScratch,
    HidesScratch,
    HidesScratchOfThreads,
    HoardsWhatItRead,
    ReadsWhenMade,
    SwallowsErrors,
    RewordsErrors,
    ReadsOtherThanItComputes,
    CountsItsInput,
    HoldsItsInput,
    HidesItsInput,
    WrapsItsInput,
    IsAnotherOver,
    TakesAnythingOver,
    ForwardsTheIdentity,
    HasOneIdentity,
    InventsAnIdentity,
    AsksForMoreWhenPlanning,
    AsksOutside,
}

use Fault::*;

/// Each fault and the rule that it breaks.
const FAULTS: [(Fault, Option<&str>); 30] = [
    (Nothing, None),
    (NamesItselfNothing, Some("info_is_consistent")),
    (ReadsTheNeighbourAcrossChunks, Some("reads_every_slab_equal_to_the_oracle")),
    (ForgetsTheLastColumn, Some("reads_every_slab_equal_to_the_oracle")),
    (SkipsZeros, Some("overwrites_dirty_buffers")),
    (ClampsSlabs, Some("refuses_out_of_bounds_slabs")),
    (TouchesTheBufferFirst, Some("refuses_out_of_bounds_slabs")),
    (ReadsBeforeItChecks, Some("refuses_out_of_bounds_slabs")),
    (FillsWhatFits, Some("refuses_wrong_buffer_lengths")),
    (SharesACursor, Some("same_bytes_from_many_threads_at_once")),
    (ForgetsTheSecondThread, Some("same_bytes_with_any_worker")),
    (TrustsScratch, Some("same_bytes_with_any_worker")),
    (HidesScratch, Some("scratch_is_within_cost")),
    (HidesScratchOfThreads, Some("scratch_is_within_cost")),
    (HoardsWhatItRead, Some("holds_no_more_than_it_says")),
    (ReadsWhenMade, Some("reads_nothing_before_it_is_asked")),
    (SwallowsErrors, Some("passes_on_the_errors_of_its_input")),
    (RewordsErrors, Some("passes_on_the_errors_of_its_input")),
    (ReadsOtherThanItComputes, Some("reads_every_slab_equal_to_the_oracle")),
    (CountsItsInput, Some("a_nodes_cost_is_its_own")),
    (HoldsItsInput, Some("a_nodes_cost_is_its_own")),
    (HidesItsInput, Some("a_nodes_cost_is_its_own")),
    (WrapsItsInput, Some("shared_nodes_count_once")),
    (IsAnotherOver, Some("over_the_same_inputs_is_the_same")),
    (TakesAnythingOver, Some("over_the_same_inputs_is_the_same")),
    (ForwardsTheIdentity, Some("identity_is_its_own")),
    (HasOneIdentity, Some("identity_is_its_own")),
    (InventsAnIdentity, Some("identity_is_its_own")),
    (AsksForMoreWhenPlanning, Some("asks_only_for_what_is_inside")),
    (AsksOutside, Some("asks_only_for_what_is_inside")),
];

impl Broken {
    fn new(input: Arc<dyn ChunkSource>, fault: Fault) -> Result<Self> {
        let info = Broken::describe(&input, fault);
        if fault == ReadsWhenMade {
            input.read_into(&Slab::new([0, 0], [1, 1]), &mut [0; 4], &Worker::new())?;
        }
        let input = if fault == WrapsItsInput { Arc::new(Hidden(input)) } else { input };
        Ok(Broken { input: [input], info, fault, reading: AtomicUsize::new(0), hoard: Mutex::default() })
    }

    fn describe(input: &Arc<dyn ChunkSource>, fault: Fault) -> DatasetInfo {
        let mut info = input.info().derived(if fault == NamesItselfNothing { "" } else { "broken" });
        let of = |input: &Identity| Identity::builder("broken").input(input).finish();
        info.identity = match fault {
            ForwardsTheIdentity => input.info().identity,
            HasOneIdentity => input.info().identity.map(|_| Identity::builder("broken").finish()),
            InventsAnIdentity => Some(Identity::builder("broken").finish()),
            _ => input.info().identity.as_ref().map(of),
        };
        info
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn input(&self) -> &dyn ChunkSource {
        &*self.input[0]
    }

    fn check(&self, slab: &Slab, out: &mut [u8]) -> Result<()> {
        let outside = !slab.is_within(&self.info.shape);
        match self.fault {
            ClampsSlabs if outside => out.fill(0),
            FillsWhatFits if !outside => {}
            TouchesTheBufferFirst if outside => {
                out.fill(0);
                slab.check(&self.info, out.len())?;
            }
            ReadsBeforeItChecks if outside => {
                self.input().read_into(&Slab::new([0, 0], [1, 1]), &mut [0; 4], &Worker::new())?;
                slab.check(&self.info, out.len())?;
            }
            _ => slab.check(&self.info, out.len())?,
        }
        Ok(())
    }

    fn spoil(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        let across = slab.start()[1] < CHUNK[1] && slab.end(1) > CHUNK[1];
        match self.fault {
            ReadsTheNeighbourAcrossChunks if across && slab.count()[0] == 1 => out[0] ^= 1,
            ForgetsTheLastColumn if slab.end(1) == SHAPE[1] => out.last_chunk_mut::<4>().unwrap().fill(0),
            SharesACursor => {
                let others = self.reading.fetch_add(1, Ordering::SeqCst);
                thread::sleep(Duration::from_micros(200));
                self.reading.fetch_sub(1, Ordering::SeqCst);
                if others > 0 {
                    out.fill(0xee);
                }
            }
            ForgetsTheSecondThread if worker.threads() > 1 => out[0] ^= 1,
            TrustsScratch => {
                let mut scratch = worker.scratch(16)?;
                out[0] ^= scratch[0];
                scratch[0] = 1;
            }
            HidesScratch => drop(worker.scratch(LARGE)?),
            HidesScratchOfThreads if worker.threads() > 1 => drop(worker.scratch(LARGE)?),
            HoardsWhatItRead => self.hoard.lock().unwrap().push(vec![1; LARGE]),
            _ => {}
        }
        Ok(())
    }
}

impl ChunkSource for Broken {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn operation(&self) -> Option<&dyn Operation> {
        if self.is(HidesItsInput) { None } else { Some(self) }
    }

    fn held_bytes(&self) -> u64 {
        if self.is(HoldsItsInput) { self.input().held_bytes() } else { 0 }
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Result<Cost> {
        // What two of it hoard in one read, beside buffers that wait for the next one.
        let honest = if self.is(HoardsWhatItRead) { 3 * LARGE as u64 } else { 0 };
        let inputs = if self.is(CountsItsInput) { self.input().cost(slab, threads)?.scratch_bytes } else { 0 };
        Ok(Cost::new(honest + inputs, Work::copying(slab.bytes(4))))
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        self.check(slab, out)?;
        if slab.is_empty() || !slab.is_within(&self.info.shape) || out.len() as u64 != slab.bytes(4) {
            return Ok(());
        }
        if self.is(ReadsOtherThanItComputes) || self.is(HidesItsInput) {
            return self.input().read_into(slab, out, worker);
        }
        match read_node(self, slab, out, worker) {
            Err(_) if self.is(SwallowsErrors) => Ok(()),
            Err(error) if self.is(RewordsErrors) => Err(Error::InvalidArgument(error.to_string())),
            result => result,
        }
    }
}

impl Operation for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn inputs(&self) -> &[Arc<dyn ChunkSource>] {
        &self.input
    }

    fn over(&self, inputs: Vec<Arc<dyn ChunkSource>>) -> Result<Arc<dyn ChunkSource>> {
        if !self.is(TakesAnythingOver) {
            check_inputs(self, &inputs)?;
        }
        let mut node = Broken::new(inputs[0].clone(), self.fault)?;
        if self.is(IsAnotherOver) {
            node.info.identity = node.info.identity.map(|input| Identity::builder("over").input(&input).finish());
        }
        Ok(Arc::new(node))
    }

    fn reduction(&self) -> Option<&dyn Reduction> {
        None
    }

    fn compute(&self, slab: &Slab, _threads: usize, steps: &mut dyn Stepper) -> Result<()> {
        let planning = steps.sample().is_some();
        if self.is(SkipsZeros) {
            return steps.step(&[Need::apart(0, slab.clone())], &mut |inputs, out, _| {
                out.iter_mut().zip(inputs[0].data).filter(|(_, byte)| **byte != 0).for_each(|(out, byte)| *out = *byte);
                Ok(())
            });
        }
        let mut needs = vec![Need::inside(0, slab.clone(), 0)];
        match self.fault {
            AsksForMoreWhenPlanning if planning => needs.push(Need::apart(0, Slab::new([0, 0], [0, 1]))),
            AsksOutside => needs.push(Need::apart(0, Slab::new([SHAPE[0] + 1, 0], [0, 1]))),
            _ => {}
        }
        steps.step(&needs, &mut |_, out, worker| {
            if self.is(ReadsOtherThanItComputes) {
                out[0] ^= 1;
            }
            self.spoil(slab, out, worker)
        })
    }
}

/// A leaf that states what it hides.
#[derive(Debug)]
struct Hidden(Arc<dyn ChunkSource>);

impl ChunkSource for Hidden {
    fn info(&self) -> &DatasetInfo {
        self.0.info()
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    fn held_bytes(&self) -> u64 {
        total_held_bytes(&*self.0)
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Result<Cost> {
        total_cost(&*self.0, slab, threads)
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        self.0.read_into(slab, out, worker)
    }
}

fn case(fault: Fault) -> SourceCase {
    let numbers: Vec<u32> = (0..(SHAPE[0] * SHAPE[1]) as u32).map(|i| i * 7).collect();
    let input = MemorySource::new(SHAPE, &numbers).unwrap().with_chunk_shape(CHUNK).unwrap();
    let oracle = input.bytes().to_vec();
    SourceCase::node(input, move |input| Broken::new(input, fault), oracle)
}

#[test]
fn each_fault_breaks_its_rule_and_no_other() {
    chunk_testkit::alone(|| {
        for (fault, broken) in FAULTS {
            let case = case(fault);
            let found: Vec<_> = source_rules::RULES.iter().filter_map(|rule| rule.check(&case).err()).collect();
            let rules: Vec<_> = found.iter().map(chunk_testkit::Failure::rule).collect();
            assert_eq!(rules, broken.into_iter().collect::<Vec<_>>(), "{fault:?}: {found:?}");
        }
    });
}

#[test]
fn every_rule_is_broken_by_some_fault() {
    for rule in source_rules::RULES {
        assert!(FAULTS.iter().any(|(_, broken)| *broken == Some(rule.name())), "{}", rule.name());
    }
}

#[test]
fn a_tolerance_allows_rounding_in_the_oracle_but_not_between_slabs() {
    let exact = MemorySource::new([2], &[1.0, 3.0]).unwrap();
    let oracle = [1.0 + 1e-13_f64, 3.0].map(f64::to_ne_bytes).concat();
    let near = || SourceCase::new(exact.clone(), oracle.clone());
    assert!(source_rules::reads_every_slab_equal_to_the_oracle(&near()).is_err());
    assert!(source_rules::reads_every_slab_equal_to_the_oracle(&near().within(1e-12)).is_ok());
    assert!(source_rules::reads_every_slab_equal_to_the_oracle(&near().within(1e-15)).is_err());
}

#[test]
fn a_report_names_the_rule_the_slab_and_the_element() {
    let source = MemorySource::new([2, 3], &[0_i16, 1, 2, 3, 4, 5]).unwrap();
    let oracle = [0_i16, 1, 2, 3, 4, 9].map(i16::to_ne_bytes).concat();
    let case = SourceCase::new(source, oracle);
    let rule = source_rules::RULES.iter().find(|rule| rule.name().starts_with("reads_every")).unwrap();
    let report = rule.check(&case).unwrap_err().to_string();
    let expected = "a rule is broken\n\
                    rule      reads_every_slab_equal_to_the_oracle\n\
                    by        memory\n\
                    at        slab [0:2, 0:3]\n\
                    expected  9 (bytes [09, 00]) at element [1, 2]\n\
                    found     5 (bytes [05, 00]); 1 of 6 elements differ";
    assert_eq!(report, expected);
}
