//! How a job is cut into stages.
//!
//! A result is first planned as one pass. Where that reads something more than once, each edge across
//! which an operation needs more than it gives (a Fourier transform, whole lines) is a candidate: what
//! lies below it becomes a stage of its own, planned by the same rules, whose result lies on disk in the
//! tiles that the stage above reads. The quickest way is taken. Reductions are stages of their own
//! always; a small result stays in memory.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::graph::{Graph, address, rebuild_with, same};
use crate::operation::{Apply, Need, Operation, Stepper};
use crate::planner::{Pass, Reduced, choose_chunks};
use crate::reduction::{Blocks, input_of, output_of};
use crate::space::free_bytes;
use crate::{Bytes, ChunkSink, ChunkSource, Cost, DatasetInfo, Error, Plan, Planner, Result, Shape, Slab, TileFile};

use super::Output;
use super::slot::Slot;
use super::stage::{Kind, Stage, Target, read_of};

/// Up to this many times the data, an intermediate cannot pay.
const ONCE: f64 = 1.05;
/// An intermediate must save so much of the time, as it takes space and its estimate is rough.
const WORTH_IT: f64 = 0.9;
/// Edges that are tried, and intermediates above one another.
const MOST_CANDIDATES: usize = 6;
const MOST_CUTS: usize = 4;
/// Columns of an output's chunk, tried in turn where no chunk of its own shape fits the budget.
const NARROW: [u64; 5] = [256, 64, 16, 4, 1];
/// The most bytes of such a chunk.
const NARROW_CHUNK_BYTES: u64 = 1 << 20;
/// The part of the budget, one in so many, that results of reductions may take together.
const MEMORY_SHARE: u64 = 4;

/// What is planned with.
pub(crate) struct Drafting<'a> {
    planner: Planner,
    scratch: &'a Path,
    /// Bytes that all nodes hold, each once.
    held: u64,
    /// Bytes of results that stay in memory, of all reductions so far.
    kept: Cell<u64>,
    made: RefCell<Made>,
}

/// Nodes by address: which of the job's own they are, or are made of.
#[derive(Default)]
struct Made {
    numbers: HashMap<*const (), Number>,
    /// Kept, so that no address is used twice.
    nodes: Vec<Arc<dyn ChunkSource>>,
}

/// What a node is in the graph of the job's outputs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Number {
    /// The node of this number, maybe over other inputs.
    Node(usize),
    /// The result of that node, kept by another stage.
    Kept(usize),
}

/// Stages of a part of the job, in their order, and why they are so.
struct Draft {
    stages: Vec<Stage>,
    why: String,
}

impl Draft {
    fn seconds(&self) -> f64 {
        self.stages.iter().map(|stage| stage.plan.seconds()).sum()
    }
}

/// A result to be planned: where it goes is settled, or chosen with the slabs.
enum Goal<'o, 'a> {
    Output { number: usize, output: &'o Output<'a> },
    Kept { sink: Box<dyn Fn() -> Result<Box<dyn ChunkSink>> + 'o>, kind: Kind },
}

impl<'a> Drafting<'a> {
    pub(crate) fn new(planner: Planner, scratch: &'a Path, outputs: &[Output<'_>]) -> Result<Self> {
        let roots: Vec<&dyn ChunkSource> = outputs.iter().map(|output| &*output.source).collect();
        let graph = Graph::of(&roots)?;
        let numbers = graph.nodes().iter().enumerate();
        let numbers = numbers.map(|(number, node)| (address(node.source), Number::Node(number))).collect();
        let made = RefCell::new(Made { numbers, nodes: Vec::new() });
        Ok(Drafting { planner, scratch, held: graph.held_bytes(), kept: Cell::new(0), made })
    }

    /// The number of a node in the graph of the outputs.
    fn number(&self, source: &dyn ChunkSource) -> usize {
        match self.made.borrow().numbers.get(&address(source)) {
            Some(Number::Node(number) | Number::Kept(number)) => *number,
            None => unreachable!("{} is one of the job's nodes", source.info().name),
        }
    }

    fn is_kept(&self, source: &dyn ChunkSource) -> bool {
        matches!(self.made.borrow().numbers.get(&address(source)), Some(Number::Kept(_)))
    }

    /// The graph below `root` with `result` in place of `node`; `made` keeps what several roots share.
    fn replaced(
        &self,
        root: &Arc<dyn ChunkSource>,
        (node, result): (&dyn ChunkSource, &Arc<dyn ChunkSource>),
        rebuilt: &mut HashMap<*const (), Arc<dyn ChunkSource>>,
    ) -> Result<Arc<dyn ChunkSource>> {
        let replace = |source: &dyn ChunkSource| same(source, node).then(|| Arc::clone(result));
        let new = rebuild_with(root, &replace, rebuilt)?;
        let kept = Number::Kept(self.number(node));
        let mut made = self.made.borrow_mut();
        for (old, new) in rebuilt.iter() {
            if let Some(number) = made.numbers.get(old).copied() {
                made.numbers.insert(address(&**new), number);
                made.nodes.push(Arc::clone(new));
            }
        }
        made.numbers.insert(address(&**result), kept);
        made.nodes.push(Arc::clone(result));
        Ok(new)
    }

    /// The stages that make all outputs, in their order.
    pub(crate) fn stages(&self, outputs: &[Output<'_>]) -> Result<(Vec<Stage>, String)> {
        let mut sources: Vec<_> = outputs.iter().map(|output| Arc::clone(&output.source)).collect();
        let mut stages = self.reduce_inner(&mut sources)?;
        let mut reasons = Vec::new();
        for group in groups(&sources) {
            let draft = self.group(outputs, &sources, &group)?;
            stages.extend(draft.stages);
            reasons.push(draft.why);
        }
        reasons.dedup();
        self.check_space(&stages)?;
        Ok((stages, reasons.join("; ")))
    }

    /// Stages for every reduction that something else reads; in the sources its result takes its place.
    fn reduce_inner(&self, sources: &mut [Arc<dyn ChunkSource>]) -> Result<Vec<Stage>> {
        let mut stages = Vec::new();
        while let Some(node) = inner_reduction(sources)? {
            let info = node.info().clone();
            let bytes = info.bytes();
            let in_memory = self.kept.get().saturating_add(bytes) <= self.planner.budget_bytes() / MEMORY_SHARE;
            let result: Arc<dyn ChunkSource>;
            let goal = if in_memory {
                self.kept.set(self.kept.get() + bytes);
                let slot = Slot::new(info);
                result = Arc::new(slot.clone());
                let sink = move || Ok(Box::new(slot.clone()) as Box<dyn ChunkSink>);
                Goal::Kept { sink: Box::new(sink), kind: Kind::Memory { bytes } }
            } else {
                let tile_shape = info.chunk_shape.clone().unwrap_or_else(|| row(&info));
                let tiles = TileFile::new(info, tile_shape, self.scratch)?;
                result = Arc::new(tiles.source());
                Goal::disk(tiles)
            };
            stages.extend(self.goal(&node, &goal, 0)?.stages);
            let mut made = HashMap::new();
            for source in sources.iter_mut() {
                *source = self.replaced(source, (&*node, &result), &mut made)?;
            }
        }
        Ok(stages)
    }

    /// Plans outputs that may share a pass: together if that is no slower.
    fn group(&self, outputs: &[Output<'_>], sources: &[Arc<dyn ChunkSource>], group: &[usize]) -> Result<Draft> {
        let apart = self.apart(outputs, sources, group)?;
        if group.len() == 1 || apart.stages.len() != group.len() {
            return Ok(apart);
        }
        let (seconds, why) = (apart.seconds(), apart.why.clone());
        let targets: Vec<Target> = apart.stages.into_iter().flat_map(|stage| stage.targets).collect();
        match self.joint(targets) {
            Ok(stage) if stage.plan.seconds() <= seconds => Ok(Draft { stages: vec![stage], why }),
            // The sinks went with the joint plan: plan again, one by one.
            Ok(_) | Err(Error::BudgetTooSmall { .. }) => self.apart(outputs, sources, group),
            Err(error) => Err(error),
        }
    }

    /// Plans outputs one after another.
    fn apart(&self, outputs: &[Output<'_>], sources: &[Arc<dyn ChunkSource>], group: &[usize]) -> Result<Draft> {
        let mut apart = Draft { stages: Vec::new(), why: String::new() };
        for number in group {
            let goal = Goal::Output { number: *number, output: &outputs[*number] };
            let draft = self.goal(&sources[*number], &goal, 0)?;
            apart.stages.extend(draft.stages);
            apart.why = draft.why;
        }
        Ok(apart)
    }

    /// One pass for several targets, whose sinks are settled.
    fn joint(&self, targets: Vec<Target>) -> Result<Stage> {
        let plan = self.plan_targets(&targets)?;
        let blocks = targets[0].blocks();
        Ok(Stage { targets, plan, blocks, kind: Kind::Output, why: "all outputs".to_owned() })
    }

    fn plan_targets(&self, targets: &[Target]) -> Result<Plan> {
        plan_targets(targets, self.held + self.kept.get(), &|pass| self.planner.plan(pass))
    }

    /// Plans one result, with `cuts` intermediates above it.
    fn goal(&self, source: &Arc<dyn ChunkSource>, goal: &Goal<'_, '_>, cuts: usize) -> Result<Draft> {
        let direct = match self.direct(source, goal) {
            Ok(stage) if stage.plan.amplification() <= ONCE => {
                return Ok(Draft { stages: vec![stage], why: "direct: each chunk is read once".to_owned() });
            }
            Ok(stage) => Ok(stage),
            Err(error @ Error::BudgetTooSmall { .. }) => Err(error),
            Err(error) => return Err(error),
        };
        let mut best: Option<Draft> = None;
        let mut lacking = None;
        if cuts < MOST_CUTS {
            for below in candidates(source)?.into_iter().filter(|below| !self.is_kept(&**below)) {
                match self.cut(source, goal, &below, cuts) {
                    Ok(draft) => match self.check_space(&draft.stages) {
                        Ok(()) if best.as_ref().is_none_or(|best| draft.seconds() < best.seconds()) => {
                            best = Some(draft);
                        }
                        Ok(()) => {}
                        Err(error) => lacking = Some(error),
                    },
                    Err(Error::BudgetTooSmall { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        decide(direct, best, lacking)
    }

    /// Plans a result as one pass.
    fn direct(&self, source: &Arc<dyn ChunkSource>, goal: &Goal<'_, '_>) -> Result<Stage> {
        match goal {
            Goal::Kept { sink, kind } => {
                let target = self.target(source, sink()?, None);
                self.single(target, kind.clone(), format!("{}, kept for what follows", source.info().name))
            }
            Goal::Output { number, output } => {
                let mut refused = None;
                for info in [output.info.clone()].into_iter().chain(narrow_outputs(source, &output.info)) {
                    match self.create(source, &info, output) {
                        Ok((plan, sink)) => {
                            let target = self.target(source, sink, Some(*number));
                            return Ok(stage_of(target, plan, Kind::Output, "the output".to_owned()));
                        }
                        Err(error @ Error::BudgetTooSmall { .. }) => refused = refused.or(Some(error)),
                        Err(error) => return Err(error),
                    }
                }
                Err(refused.unwrap_or_else(|| unreachable!("the output's own chunk shape was tried")))
            }
        }
    }

    fn target(&self, source: &Arc<dyn ChunkSource>, sink: Box<dyn ChunkSink>, output: Option<usize>) -> Target {
        Target { source: Arc::clone(source), node: self.number(&**source), sink, output }
    }

    fn single(&self, target: Target, kind: Kind, why: String) -> Result<Stage> {
        let plan = self.plan_targets(std::slice::from_ref(&target))?;
        Ok(stage_of(target, plan, kind, why))
    }

    /// Plans an output whose chunk shape is chosen with the slabs.
    fn create(
        &self,
        source: &Arc<dyn ChunkSource>,
        info: &DatasetInfo,
        output: &Output<'_>,
    ) -> Result<(Plan, Box<dyn ChunkSink>)> {
        if is_reduction(&**source) {
            // What is written are results of whole reductions: any chunk shape will do.
            let sink = (output.build)(info.clone())?;
            let mut target = self.target(source, sink, None);
            let plan = self.plan_targets(std::slice::from_ref(&target))?;
            let sink = std::mem::replace(&mut target.sink, Box::new(Slot::new(info.clone())));
            return Ok((plan, sink));
        }
        let plan = |sink: &dyn ChunkSink| {
            let pass = Pass::new(&[(&**source, Some(sink))])?;
            let more = (self.held + self.kept.get()).saturating_sub(pass.graph.held_bytes());
            self.planner.plan_timed(&pass.beside(more))
        };
        choose_chunks(info, &|info| output.planned(info), &plan)
    }

    /// Plans a result with `below` as a stage of its own.
    fn cut(
        &self,
        source: &Arc<dyn ChunkSource>,
        goal: &Goal<'_, '_>,
        below: &Arc<dyn ChunkSource>,
        cuts: usize,
    ) -> Result<Draft> {
        // Lines to begin with, to see what the stage above reads at once; then tiles of that.
        let line = needed_shape(source, &**below, &one_element(read_of(&**source).info()))?;
        let tiles = TileFile::new(below.info().derived(&below.info().name), line, self.scratch)?;
        let read: Arc<dyn ChunkSource> = Arc::new(tiles.source());
        let above = self.replaced(source, (&**below, &read), &mut HashMap::new())?;
        let above = self.goal(&above, goal, cuts + 1)?;
        if let Some((target, slab)) = reader(&above.stages, &*read) {
            tiles.retile(needed_shape(&target.source, &*read, &slab)?)?;
        }
        let mut stages = self.goal(below, &Goal::disk(tiles), cuts + 1)?.stages;
        stages.extend(above.stages);
        Ok(Draft { stages, why: String::new() })
    }

    /// Checks that the folder is there, and that its file system has room for all intermediates.
    fn check_space(&self, stages: &[Stage]) -> Result<()> {
        let on_disk = |stage: &Stage| if let Kind::Disk { bytes, .. } = stage.kind { bytes } else { 0 };
        let bytes: u64 = stages.iter().map(on_disk).sum();
        if bytes == 0 {
            return Ok(());
        }
        let free = free_bytes(self.scratch).map_err(|cause| Error::io(self.scratch, "open", cause))?;
        let Some(free) = free.filter(|free| *free < bytes) else { return Ok(()) };
        let what = format!("it takes {}, and {} are free", Bytes(bytes), Bytes(free));
        let cause = io::Error::new(io::ErrorKind::StorageFull, what);
        Err(Error::io(self.scratch, "hold an intermediate", cause))
    }
}

impl Goal<'_, '_> {
    fn disk<'o, 'a>(tiles: TileFile) -> Goal<'o, 'a> {
        let kind = Kind::Disk { bytes: tiles.bytes(), tile_shape: tiles.tile_shape().clone() };
        Goal::Kept { sink: Box::new(move || Ok(Box::new(tiles.sink()))), kind }
    }
}

/// Plans the pass of targets that share one, with `plan`; all nodes of the job hold `held` bytes.
pub(crate) fn plan_targets(targets: &[Target], held: u64, plan: &dyn Fn(&Pass) -> Result<Plan>) -> Result<Plan> {
    let beside = |graph: &Graph, sinks: u64| held.saturating_sub(graph.held_bytes()).saturating_add(sinks);
    let Some(reduction) = targets[0].reduction() else {
        let pairs: Vec<_> = targets.iter().map(|target| (&*target.source, Some(&*target.sink))).collect();
        let pass = Pass::new(&pairs)?;
        let more = beside(&pass.graph, 0);
        return plan(&pass.beside(more));
    };
    let read = targets[0].read();
    let blocks = Blocks::new(read.info(), reduction.axes());
    let accumulators = |slab: &Slab| {
        targets.iter().fold((0, Cost::default()), |(bytes, cost), target| {
            let (more, other) = reduced_cost(target, slab);
            let scratch = cost.scratch_bytes.max(other.scratch_bytes);
            (bytes + more, Cost::new(scratch, cost.work + other.work))
        })
    };
    let pass = Pass::reducing(read, Reduced { blocks: Some(&blocks), accumulators: &accumulators })?;
    let sinks = targets.iter().map(|target| target.sink.held_bytes()).sum();
    let more = beside(&pass.graph, sinks);
    plan(&pass.beside(more))
}

fn stage_of(target: Target, plan: Plan, kind: Kind, why: String) -> Stage {
    let blocks = target.blocks();
    Stage { targets: vec![target], plan, blocks, kind, why }
}

/// The direct way, or the best one with an intermediate.
fn decide(direct: Result<Stage>, best: Option<Draft>, lacking: Option<Error>) -> Result<Draft> {
    match (direct, best) {
        (Err(error), None) => Err(lacking.unwrap_or(error)),
        (Err(_), Some(draft)) => {
            let why = "intermediate on disk: what the result needs at once does not fit the budget beside what \
                       reading it from the input takes";
            Ok(Draft { why: why.to_owned(), ..draft })
        }
        (Ok(stage), None) => {
            let times = stage.plan.amplification();
            let why = match lacking {
                Some(error) => {
                    format!(
                        "direct: the input is read {times:.1} times, for want of an intermediate: {}",
                        error.report()
                    )
                }
                None => "direct: the budget has no room for an intermediate's tiles".to_owned(),
            };
            Ok(Draft { stages: vec![stage], why })
        }
        (Ok(stage), Some(draft)) => {
            let (times, without, with) = (stage.plan.amplification(), stage.plan.seconds(), draft.seconds());
            let against = format!("(estimated {with:.1} s with it, {without:.1} s without)");
            if with > WORTH_IT * without {
                let why =
                    format!("direct: reading the input {times:.1} times is no slower than an intermediate {against}");
                return Ok(Draft { stages: vec![stage], why });
            }
            let why = format!("intermediate on disk: reading the input {times:.1} times would be slower {against}");
            Ok(Draft { why, ..draft })
        }
    }
}

fn is_reduction(source: &dyn ChunkSource) -> bool {
    source.operation().is_some_and(|operation| operation.reduction().is_some())
}

/// A reduction below an output, none of whose inputs has one below it.
fn inner_reduction(sources: &[Arc<dyn ChunkSource>]) -> Result<Option<Arc<dyn ChunkSource>>> {
    let roots: Vec<&dyn ChunkSource> = sources.iter().map(|source| &**source).collect();
    let graph = Graph::of(&roots)?;
    for node in graph.nodes() {
        let inputs = node.source.operation().map_or(&[][..], Operation::inputs);
        if let Some(found) = inputs.iter().find(|input| is_reduction(&***input)) {
            return Ok(Some(Arc::clone(found)));
        }
    }
    Ok(None)
}

/// Outputs that may share a pass: of one shape and with something in common that is read, or reduced
/// from one input along the same axes.
fn groups(sources: &[Arc<dyn ChunkSource>]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        let joins = |group: &&mut Vec<usize>| may_share(&*sources[group[0]], &**source);
        match groups.iter_mut().find(joins) {
            Some(group) => group.push(number),
            None => groups.push(vec![number]),
        }
    }
    groups
}

fn may_share(a: &dyn ChunkSource, b: &dyn ChunkSource) -> bool {
    let axes = |source: &dyn ChunkSource| {
        source.operation().and_then(Operation::reduction).map(|reduction| reduction.axes().to_vec())
    };
    if axes(a) != axes(b) {
        return false;
    }
    let (read_a, read_b) = (read_of(a), read_of(b));
    if axes(a).is_some() {
        return same(read_a, read_b);
    }
    let nodes = |source: &dyn ChunkSource| -> Vec<*const ()> {
        let graph = Graph::new(source);
        graph.iter().flat_map(Graph::nodes).map(|node| std::ptr::from_ref(node.source).cast()).collect()
    };
    a.info().shape == b.info().shape && nodes(a).iter().any(|node| nodes(b).contains(node))
}

/// What reducing a slab of the input takes for one target: accumulators, scratch and work.
fn reduced_cost(target: &Target, slab: &Slab) -> (u64, Cost) {
    let Some(reduction) = target.reduction() else { return (0, Cost::default()) };
    let output = output_of(slab, reduction.axes(), target.source.info());
    let own = target.source.cost(&output, 1).unwrap_or_default();
    // The node's cost is that of whole results; a slab has its part of the input.
    let whole = input_of(target.read().info(), reduction.axes(), &output);
    let part = own.work.scaled(slab.elements(), whole.elements());
    let written = target.sink.cost(&output, 1);
    let out = output.bytes(target.source.info().dtype.size());
    let scratch = own.scratch_bytes.saturating_add(written.scratch_bytes).saturating_add(out);
    (reduction.accumulator_bytes(output.elements()), Cost::new(scratch, part))
}

/// Edges across which an operation needs more than it gives: the nodes below them, the smallest of a
/// chain first in doubt.
fn candidates(source: &Arc<dyn ChunkSource>) -> Result<Vec<Arc<dyn ChunkSource>>> {
    let mut found: Vec<Arc<dyn ChunkSource>> = Vec::new();
    let graph = Graph::new(&**source)?;
    for node in graph.nodes().iter().rev() {
        let Some(operation) = node.source.operation().filter(|operation| operation.reduction().is_none()) else {
            continue;
        };
        for (number, input) in operation.inputs().iter().enumerate() {
            if !is_wide(node.source, operation, number)? {
                continue;
            }
            let smallest = smallest_below(input)?;
            for candidate in [Arc::clone(input), smallest] {
                if found.len() < MOST_CANDIDATES && !found.iter().any(|known| Arc::ptr_eq(known, &candidate)) {
                    found.push(candidate);
                }
            }
        }
    }
    Ok(found)
}

/// Whether one element of a node needs more than one of its input.
fn is_wide(node: &dyn ChunkSource, operation: &dyn Operation, input: usize) -> Result<bool> {
    let mut needs = Needed { input, elements: 0, bounds: None };
    if node.info().shape.contains(&0) {
        return Ok(false);
    }
    operation.compute(&one_element(node.info()), 1, &mut needs)?;
    Ok(needs.elements > 1)
}

/// Of a chain of operations element by element, the node of the fewest bytes.
fn smallest_below(top: &Arc<dyn ChunkSource>) -> Result<Arc<dyn ChunkSource>> {
    let (mut best, mut node) = (Arc::clone(top), Arc::clone(top));
    loop {
        let below = match node.operation() {
            Some(operation) if operation.reduction().is_none() => match operation.inputs() {
                [only] if !is_wide(&*node, operation, 0)? => Arc::clone(only),
                _ => return Ok(best),
            },
            _ => return Ok(best),
        };
        if below.info().bytes() < best.info().bytes() {
            best = Arc::clone(&below);
        }
        node = below;
    }
}

fn one_element(info: &DatasetInfo) -> Slab {
    let middle: Shape = info.shape.iter().map(|extent| extent / 2).collect();
    let count: Shape = info.shape.iter().map(|extent| (*extent).min(1)).collect();
    Slab::new(middle, count)
}

/// The result whose stage reads the node, and a slab of what that stage reads.
fn reader<'s>(stages: &'s [Stage], node: &dyn ChunkSource) -> Option<(&'s Target, Slab)> {
    let reads = |target: &&Target| {
        let graph = Graph::new(target.read());
        graph.iter().flat_map(Graph::nodes).any(|found| same(found.source, node))
    };
    let with_slabs = stages.iter().filter(|stage| !stage.plan.is_empty());
    with_slabs.filter_map(|stage| Some((stage.targets.iter().find(reads)?, stage.plan.slab(0)))).next_back()
}

/// The extents that `slab` of a result needs of a node below it.
fn needed_shape(source: &Arc<dyn ChunkSource>, below: &dyn ChunkSource, slab: &Slab) -> Result<Shape> {
    let graph = Graph::new(&**source)?;
    let target = graph.number(below);
    // From the result downwards: the bounds of what is needed of each node.
    let mut bounds: Vec<Option<Slab>> = vec![None; graph.nodes().len()];
    let read = graph.number(read_of(&**source));
    bounds[read] = Some(slab.clone());
    for number in (0..graph.nodes().len()).rev() {
        let node = &graph.nodes()[number];
        let (Some(needed), Some(operation)) = (bounds[number].clone(), node.source.operation()) else { continue };
        if operation.reduction().is_some() || number == target {
            continue;
        }
        for (index, input) in node.inputs.iter().enumerate() {
            let mut needs = Needed { input: index, elements: 0, bounds: None };
            operation.compute(&needed, 1, &mut needs)?;
            if let Some(more) = needs.bounds {
                bounds[*input] = Some(match bounds[*input].take() {
                    Some(known) => hull(&known, &more),
                    None => more,
                });
            }
        }
    }
    let whole = || Slab::whole(&below.info().shape);
    let needed = bounds[target].clone().unwrap_or_else(whole);
    Ok(needed.count().iter().map(|extent| (*extent).max(1)).collect())
}

/// The smallest slab that has both.
fn hull(a: &Slab, b: &Slab) -> Slab {
    (0..a.ndim()).fold(a.clone(), |slab, axis| {
        let range = a.start()[axis].min(b.start()[axis])..a.end(axis).max(b.end(axis));
        slab.with_axis(axis, range)
    })
}

/// Collects what is needed of one input.
struct Needed {
    input: usize,
    elements: u64,
    bounds: Option<Slab>,
}

impl Stepper for Needed {
    fn step(&mut self, needs: &[Need], _: &mut Apply<'_>) -> Result<()> {
        for need in needs.iter().filter(|need| need.input == self.input && !need.slab.is_empty()) {
            self.elements = self.elements.saturating_add(need.slab.elements());
            self.bounds = Some(match self.bounds.take() {
                Some(known) => hull(&known, &need.slab),
                None => need.slab.clone(),
            });
        }
        Ok(())
    }

    fn sample(&self) -> Option<u64> {
        Some(64)
    }

    fn stands_for(&mut self, _: u64) {}
}

/// The output with chunks that reach far along the axis that the result's lines run along, and ever less
/// across.
fn narrow_outputs<'o>(
    source: &Arc<dyn ChunkSource>,
    output: &'o DatasetInfo,
) -> impl Iterator<Item = DatasetInfo> + 'o {
    let axis = line_axis(source).filter(|axis| *axis < output.shape.len());
    axis.into_iter().flat_map(move |axis| {
        let shape = &output.shape;
        let across = (0..shape.len()).rev().find(|other| *other != axis);
        let chunk_shape = move |columns: u64| {
            let columns = across.map_or(1, |across| columns.min(shape[across].max(1)));
            let most = NARROW_CHUNK_BYTES / (columns * output.dtype.size() as u64).max(1);
            let chunk_shape = Shape::from(vec![1; shape.len()]).with_axis(axis, shape[axis].clamp(1, most.max(1)));
            across.map_or(chunk_shape.clone(), |across| chunk_shape.with_axis(across, columns))
        };
        NARROW.into_iter().map(move |columns| output.clone().with_chunk_shape(chunk_shape(columns)))
    })
}

/// The axis along which the topmost operation on lines needs more than it gives.
fn line_axis(source: &Arc<dyn ChunkSource>) -> Option<usize> {
    let mut node = Arc::clone(source);
    loop {
        let operation = node.operation().filter(|operation| operation.reduction().is_none())?;
        let below = operation.inputs().first()?;
        let mut needs = Needed { input: 0, elements: 0, bounds: None };
        operation.compute(&one_element(node.info()), 1, &mut needs).ok()?;
        let bounds = needs.bounds?;
        if let Some(axis) = (0..bounds.ndim()).find(|axis| bounds.count()[*axis] > 1) {
            return Some(axis);
        }
        let below = Arc::clone(below);
        node = below;
    }
}

/// Whole rows of about a mebibyte.
pub(crate) fn row(info: &DatasetInfo) -> Shape {
    let mut tile: Shape = info.shape.iter().map(|extent| (*extent).max(1)).collect();
    let size = info.dtype.size().max(1) as u64;
    for axis in 0..tile.len() {
        let inner = tile[axis + 1..].iter().product::<u64>().saturating_mul(size);
        tile = tile.clone().with_axis(axis, ((1 << 20) / inner.max(1)).clamp(1, tile[axis]));
    }
    tile
}
