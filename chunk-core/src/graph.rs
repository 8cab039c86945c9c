//! A computation as a graph of nodes, each once: what it takes, and carrying it out.
//!
//! Reading a slab of a node walks down to what it needs. A node that several others read is computed
//! once for each piece that they agree on: a first walk counts who wants which piece, and the piece is
//! kept from the first to the last of them. Counting what a slab takes is the same walk without the
//! data, so the peak that is planned is that of the buffers which are live at one time.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::cost::{Cost, Work};
use crate::operation::{Apply, Need, Operation, Packed, Stepper};
use crate::reduction;
use crate::{ChunkSource, Error, Result, Scratch, Slab, Worker};

/// Steps of one operation that are looked at, one by one, to count what a slab takes.
const STEPS_LOOKED_AT: u64 = 4096;
/// Deeper graphs are refused: each level takes a frame of the stack.
const DEEPEST: usize = 4_000;
/// Bytes of the stack that a level takes, in a build without optimisation.
const STACK_PER_LEVEL: usize = 8 << 10;
/// Graphs of so many levels are computed on any thread's stack.
const SHALLOW: usize = 64;

/// The nodes of a computation. Inputs come before the nodes that read them.
#[derive(Debug)]
pub(crate) struct Graph<'a> {
    nodes: Vec<Node<'a>>,
    depth: usize,
}

#[derive(Debug)]
pub(crate) struct Node<'a> {
    pub(crate) source: &'a dyn ChunkSource,
    /// Bytes of an element.
    size: usize,
    /// The numbers of its inputs.
    pub(crate) inputs: Vec<usize>,
    /// Whether several nodes read it, or one reads it as several of its inputs.
    shared: bool,
    /// Whether it, or something below it, is shared.
    reaches_shared: bool,
}

/// What a node is known by.
pub(crate) fn address(source: &dyn ChunkSource) -> *const () {
    std::ptr::from_ref(source).cast()
}

/// Whether both are one node: they are at one address.
pub(crate) fn same(a: &dyn ChunkSource, b: &dyn ChunkSource) -> bool {
    std::ptr::addr_eq(a, b)
}

impl<'a> Graph<'a> {
    /// The graph below `root`, which is the last of its nodes.
    pub(crate) fn new(root: &'a dyn ChunkSource) -> Result<Self> {
        Graph::of(&[root])
    }

    /// The graph below several roots.
    pub(crate) fn of(roots: &[&'a dyn ChunkSource]) -> Result<Self> {
        let mut graph = Graph { nodes: Vec::new(), depth: 0 };
        let mut numbers: HashMap<*const (), usize> = HashMap::new();
        let mut levels: Vec<usize> = Vec::new();
        // Depth first without recursion: a node is entered, then its inputs, then it is numbered.
        let mut open: Vec<(&'a dyn ChunkSource, bool)> = roots.iter().rev().map(|root| (*root, false)).collect();
        while let Some((source, entered)) = open.pop() {
            if numbers.contains_key(&address(source)) {
                continue;
            }
            let inputs = source.operation().map_or(&[][..], Operation::inputs);
            if !entered && !inputs.is_empty() {
                open.push((source, true));
                open.extend(inputs.iter().rev().map(|input| (&**input, false)));
                continue;
            }
            let inputs: Vec<usize> = inputs.iter().map(|input| numbers[&address(&**input)]).collect();
            let level = inputs.iter().map(|input| levels[*input] + 1).max().unwrap_or(0);
            if level > DEEPEST {
                return Err(Error::InvalidArgument(format!(
                    "{}: operations are nested more than {DEEPEST} deep",
                    source.info().name
                )));
            }
            graph.depth = graph.depth.max(level);
            numbers.insert(address(source), graph.nodes.len());
            levels.push(level);
            let size = source.info().dtype.size();
            graph.nodes.push(Node { source, size, inputs, shared: false, reaches_shared: false });
        }
        graph.find_shared(roots.iter().map(|root| numbers[&address(*root)]));
        Ok(graph)
    }

    fn find_shared(&mut self, roots: impl Iterator<Item = usize>) {
        let mut readers = vec![0_u32; self.nodes.len()];
        for number in self.nodes.iter().flat_map(|node| node.inputs.iter().copied()).chain(roots) {
            readers[number] += 1;
        }
        for (number, readers) in readers.into_iter().enumerate() {
            let below = self.nodes[number].inputs.iter().any(|input| self.nodes[*input].reaches_shared);
            let node = &mut self.nodes[number];
            node.shared = readers > 1;
            node.reaches_shared = node.shared || below;
        }
    }

    pub(crate) fn nodes(&self) -> &[Node<'a>] {
        &self.nodes
    }

    /// The number of `source`, which is one of the nodes.
    pub(crate) fn number(&self, source: &dyn ChunkSource) -> usize {
        let found = self.nodes.iter().position(|node| same(node.source, source));
        found.unwrap_or_else(|| unreachable!("{} is a node of the graph", source.info().name))
    }

    /// Bytes that all nodes hold between reads, each node once.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.nodes.iter().fold(0, |held, node| held.saturating_add(node.source.held_bytes()))
    }

    /// What reading `slab` of node `number` takes: memory beyond its buffer, and work.
    pub(crate) fn cost(&self, number: usize, slab: &Slab, threads: usize) -> Result<Cost> {
        let mut tally = Tally::new(self, threads);
        tally.count(&[(number, slab)])?;
        tally.node(number, slab)?;
        Ok(tally.cost())
    }

    /// Begins to count what several reads take that share their nodes.
    pub(crate) fn tally(&self, threads: usize) -> Tally<'_, 'a> {
        Tally::new(self, threads)
    }

    /// Reads `slab` of node `number`. Whoever calls has checked it.
    pub(crate) fn read(&self, number: usize, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        let evaluation = self.evaluation(&[(number, slab)], worker)?;
        evaluation.node(number, slab, out)
    }

    /// Begins to read `wanted` pieces, which share their nodes.
    pub(crate) fn evaluation<'g>(
        &'g self,
        wanted: &[(usize, &Slab)],
        worker: &'g Worker,
    ) -> Result<Evaluation<'g, 'a>> {
        let uses = Uses::of(self, wanted, worker.threads())?;
        Ok(Evaluation { graph: self, worker, uses: RefCell::new(uses), kept: RefCell::default() })
    }

    /// The stack that a thread needs to compute this graph.
    pub(crate) fn stack_bytes(&self) -> usize {
        (2 << 20) + self.depth * STACK_PER_LEVEL
    }
}

/// Reads `slab` of a node outside a run: the one line of every node's
/// [`read_into`](ChunkSource::read_into).
///
/// # Errors
/// What [`Slab::check`] finds, before anything is read; then whatever reading meets.
pub fn read_node(node: &dyn ChunkSource, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
    slab.check(node.info(), out.len())?;
    if slab.is_empty() {
        return Ok(());
    }
    let graph = Graph::new(node)?;
    let number = graph.nodes.len() - 1;
    if graph.depth <= SHALLOW {
        return graph.read(number, slab, out, worker);
    }
    on_large_stack(graph.stack_bytes(), || graph.read(number, slab, out, worker))
}

/// Returns what reading `slab` of `source` takes, that of all its inputs included: memory beyond its
/// buffer, and work.
///
/// # Errors
/// [`ChunkSource::cost`] of a node that fails.
pub fn total_cost(source: &dyn ChunkSource, slab: &Slab, threads: usize) -> Result<Cost> {
    if source.operation().is_none() {
        return source.cost(slab, threads);
    }
    let graph = Graph::new(source)?;
    let number = graph.nodes.len() - 1;
    if graph.depth <= SHALLOW {
        return graph.cost(number, slab, threads);
    }
    on_large_stack(graph.stack_bytes(), || graph.cost(number, slab, threads))
}

/// Returns the bytes that `source` and all its inputs hold between reads, each node once.
#[must_use]
pub fn total_held_bytes(source: &dyn ChunkSource) -> u64 {
    if source.operation().is_none() {
        return source.held_bytes();
    }
    match Graph::new(source) {
        Ok(graph) => graph.held_bytes(),
        // Too deep to be read, so nothing is read.
        Err(_) => source.held_bytes(),
    }
}

/// Calls `work` on a thread of its own with so large a stack.
pub(crate) fn on_large_stack<T: Send>(bytes: usize, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let spawned = std::thread::Builder::new().stack_size(bytes).spawn_scoped(scope, work);
        let thread = spawned.map_err(|cause| Error::InvalidArgument(format!("cannot begin a thread: {cause}")))?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

type Piece = (usize, Slab);

/// How often each piece of a shared node is wanted.
#[derive(Debug, Default)]
struct Uses(HashMap<Piece, u32>);

impl Uses {
    fn of(graph: &Graph, wanted: &[(usize, &Slab)], threads: usize) -> Result<Self> {
        let mut uses = Uses::default();
        let mut walk = Count { graph, threads, uses: &mut uses, node: 0 };
        wanted.iter().try_for_each(|(number, slab)| walk.visit(*number, slab))?;
        // A piece that one reader wants need not be kept.
        uses.0.retain(|_, count| *count > 1);
        Ok(uses)
    }

    /// Takes one use of a piece: how many are left, or none if it is not shared.
    fn take(&mut self, piece: &Piece) -> Option<u32> {
        let count = self.0.get_mut(piece)?;
        *count = count.saturating_sub(1);
        Some(*count)
    }
}

/// The walk that counts uses.
struct Count<'g, 'a> {
    graph: &'g Graph<'a>,
    threads: usize,
    uses: &'g mut Uses,
    /// Whose steps are walked.
    node: usize,
}

impl Count<'_, '_> {
    fn visit(&mut self, number: usize, slab: &Slab) -> Result<()> {
        let node = &self.graph.nodes[number];
        if !node.reaches_shared || slab.is_empty() {
            return Ok(());
        }
        if node.shared {
            let count = self.uses.0.entry((number, slab.clone())).or_default();
            *count += 1;
            if *count > 1 {
                return Ok(());
            }
        }
        let Some(operation) = node.source.operation() else { return Ok(()) };
        let before = std::mem::replace(&mut self.node, number);
        let walked = match operation.reduction() {
            Some(_) => Ok(()),
            None => operation.compute(slab, self.threads, self),
        };
        self.node = before;
        walked
    }
}

impl Stepper for Count<'_, '_> {
    fn step(&mut self, needs: &[Need], _: &mut Apply<'_>) -> Result<()> {
        let node = self.node;
        needs.iter().try_for_each(|need| self.visit(self.graph.nodes[node].inputs[need.input], &need.slab))
    }

    fn sample(&self) -> Option<u64> {
        None
    }

    fn stands_for(&mut self, _: u64) {}
}

/// The walk that counts memory and work.
#[derive(Debug)]
pub(crate) struct Tally<'g, 'a> {
    graph: &'g Graph<'a>,
    threads: usize,
    uses: Uses,
    /// Bytes of buffers that are there now, and the most at any time.
    live: u64,
    peak: u64,
    wanted: u64,
    /// How many reads the one being looked at stands for.
    times: u64,
    work: Work,
    /// The work of each node itself.
    by_node: Vec<Work>,
}

impl<'g, 'a> Tally<'g, 'a> {
    fn new(graph: &'g Graph<'a>, threads: usize) -> Self {
        let by_node = vec![Work::default(); graph.nodes.len()];
        let (uses, work) = (Uses::default(), Work::default());
        Tally { graph, threads, uses, live: 0, peak: 0, wanted: 0, times: 1, work, by_node }
    }

    /// Counts who wants what, before the pieces are walked.
    pub(crate) fn count(&mut self, wanted: &[(usize, &Slab)]) -> Result<()> {
        self.uses = Uses::of(self.graph, wanted, self.threads)?;
        Ok(())
    }

    pub(crate) fn cost(&self) -> Cost {
        Cost { scratch_bytes: self.peak, wanted_bytes: self.wanted, work: self.work }
    }

    /// The work of node `number` itself.
    pub(crate) fn work_of(&self, number: usize) -> Work {
        self.by_node[number]
    }

    /// Counts a read of `slab` of node `number` into a buffer that is there.
    pub(crate) fn node(&mut self, number: usize, slab: &Slab) -> Result<()> {
        if slab.is_empty() {
            return Ok(());
        }
        let bytes = self.bytes(number, slab);
        match self.shared(number, slab)? {
            None => self.own(number, slab),
            Some(freed) => {
                self.work += Work::copying(bytes).times(self.times);
                self.live -= freed;
                Ok(())
            }
        }
    }

    /// Counts one use of a piece that several want: the bytes that are free after it. None if it is
    /// not such a piece.
    fn shared(&mut self, number: usize, slab: &Slab) -> Result<Option<u64>> {
        if !self.graph.nodes[number].shared {
            return Ok(None);
        }
        let piece = (number, slab.clone());
        let Some(uses) = self.uses.0.get(&piece).copied() else { return Ok(None) };
        let bytes = self.bytes(number, slab);
        // The first use computes it to a buffer of its own, which lives until the last.
        if uses & KEPT == 0 {
            self.take(bytes);
            self.own(number, slab)?;
        }
        let left = (uses & !KEPT).saturating_sub(1);
        self.uses.0.insert(piece, left | KEPT);
        Ok(Some(if left == 0 { bytes } else { 0 }))
    }

    fn bytes(&self, number: usize, slab: &Slab) -> u64 {
        slab.bytes(self.graph.nodes[number].size)
    }

    fn take(&mut self, bytes: u64) {
        self.live = self.live.saturating_add(bytes);
        self.peak = self.peak.max(self.live);
    }

    fn own(&mut self, number: usize, slab: &Slab) -> Result<()> {
        let node = &self.graph.nodes[number];
        let cost = node.source.cost(slab, self.threads)?;
        let work = cost.work.times(self.times);
        self.work += work;
        self.wanted = self.wanted.max(cost.wanted_bytes);
        self.by_node[number] += work;
        let Some(operation) = node.source.operation() else {
            self.peak = self.peak.max(self.live.saturating_add(cost.scratch_bytes));
            return Ok(());
        };
        if let Some(reduction) = operation.reduction() {
            let input = node.inputs[0];
            let info = self.graph.nodes[input].source.info();
            return reduction::count(self, (input, info), reduction, slab, cost.scratch_bytes);
        }
        let times = self.times;
        let mut steps = TallySteps { tally: self, node: number, scratch: cost.scratch_bytes, before: times };
        operation.compute(slab, steps.tally.threads, &mut steps)?;
        self.times = times;
        Ok(())
    }

    /// Counts `scratch` bytes that are held for a moment, beside what is live.
    pub(crate) fn momentarily(&mut self, scratch: u64) {
        self.peak = self.peak.max(self.live.saturating_add(scratch));
    }

    /// Counts a read of `slab` of node `number`, `times` times, beside `held` bytes, that shares nothing
    /// with other reads.
    pub(crate) fn beside(&mut self, held: u64, times: u64, number: usize, slab: &Slab) -> Result<()> {
        let own = Uses::of(self.graph, &[(number, slab)], self.threads)?;
        let (before, uses) = (self.times, std::mem::replace(&mut self.uses, own));
        self.times = self.times.saturating_mul(times);
        self.take(held);
        let counted = self.node(number, slab);
        self.live -= held;
        (self.times, self.uses) = (before, uses);
        counted
    }
}

/// The bit that says a shared piece was computed.
const KEPT: u32 = 1 << 31;

struct TallySteps<'t, 'g, 'a> {
    tally: &'t mut Tally<'g, 'a>,
    node: usize,
    /// What the operation itself holds.
    scratch: u64,
    before: u64,
}

impl Stepper for TallySteps<'_, '_, '_> {
    fn step(&mut self, needs: &[Need], _: &mut Apply<'_>) -> Result<()> {
        // What is free once the step is done.
        let mut freed = 0_u64;
        for need in needs {
            let input = self.tally.graph.nodes[self.node].inputs[need.input];
            if need.offset.is_some() {
                self.tally.node(input, &need.slab)?;
            } else if let Some(last) = self.tally.shared(input, &need.slab)? {
                freed += last;
            } else if !need.slab.is_empty() {
                let bytes = self.tally.bytes(input, &need.slab);
                self.tally.take(bytes);
                freed += bytes;
                self.tally.own(input, &need.slab)?;
            }
        }
        self.tally.momentarily(self.scratch);
        self.tally.live -= freed;
        Ok(())
    }

    fn sample(&self) -> Option<u64> {
        Some(STEPS_LOOKED_AT)
    }

    fn stands_for(&mut self, times: u64) {
        self.tally.times = self.before.saturating_mul(times);
    }
}

/// Pieces of shared nodes that are kept for those who still want them.
type Kept<'g> = HashMap<Piece, Rc<Scratch<'g>>>;

/// The walk that computes.
pub(crate) struct Evaluation<'g, 'a> {
    graph: &'g Graph<'a>,
    worker: &'g Worker,
    uses: RefCell<Uses>,
    kept: RefCell<Kept<'g>>,
}

impl<'g> Evaluation<'g, '_> {
    /// Reads `slab` of node `number`.
    pub(crate) fn node(&self, number: usize, slab: &Slab, out: &mut [u8]) -> Result<()> {
        if slab.is_empty() {
            return Ok(());
        }
        match self.shared(number, slab)? {
            Some(kept) => {
                out.copy_from_slice(&kept);
                Ok(())
            }
            None => self.own(number, slab, out),
        }
    }

    /// The piece, if several want it: computed now, or kept from before.
    fn shared(&self, number: usize, slab: &Slab) -> Result<Option<Rc<Scratch<'g>>>> {
        if !self.graph.nodes[number].shared {
            return Ok(None);
        }
        let piece = (number, slab.clone());
        let Some(left) = self.uses.borrow_mut().take(&piece) else { return Ok(None) };
        let kept = self.kept.borrow_mut().remove(&piece);
        let kept = if let Some(kept) = kept {
            kept
        } else {
            let bytes = slab.bytes(self.graph.nodes[number].size);
            let mut buffer = self.worker.scratch(bytes as usize)?;
            self.own(number, slab, &mut buffer)?;
            Rc::new(buffer)
        };
        if left > 0 {
            self.kept.borrow_mut().insert(piece, Rc::clone(&kept));
        }
        Ok(Some(kept))
    }

    fn own(&self, number: usize, slab: &Slab, out: &mut [u8]) -> Result<()> {
        let node = &self.graph.nodes[number];
        let Some(operation) = node.source.operation() else {
            return node.source.read_into(slab, out, self.worker);
        };
        if let Some(reduction) = operation.reduction() {
            let info = self.graph.nodes[node.inputs[0]].source.info();
            // Uses below a reduction are counted piece by piece: it shares nothing with what is outside.
            let read = |piece: &Slab, data: &mut [u8]| self.graph.read(node.inputs[0], piece, data, self.worker);
            return reduction::reduce_slab(info, reduction, slab, out, self.worker, &read);
        }
        let threads = self.worker.threads();
        operation.compute(slab, threads, &mut ReadSteps { evaluation: self, inputs: &node.inputs, out })
    }
}

struct ReadSteps<'e, 'g, 'a, 'o> {
    evaluation: &'e Evaluation<'g, 'a>,
    inputs: &'e [usize],
    out: &'o mut [u8],
}

/// Where the bytes of a need are.
enum Bytes<'g> {
    Shared(Rc<Scratch<'g>>),
    Own(Scratch<'g>),
    Inside,
}

impl<'g> ReadSteps<'_, 'g, '_, '_> {
    fn read(&mut self, need: &Need) -> Result<Bytes<'g>> {
        let number = self.inputs[need.input];
        let graph = self.evaluation.graph;
        let bytes = need.slab.bytes(graph.nodes[number].size) as usize;
        if let Some(offset) = need.offset {
            self.evaluation.node(number, &need.slab, &mut self.out[offset..offset + bytes])?;
            return Ok(Bytes::Inside);
        }
        if let Some(shared) = self.evaluation.shared(number, &need.slab)? {
            return Ok(Bytes::Shared(shared));
        }
        let mut buffer = self.evaluation.worker.scratch(bytes)?;
        if !need.slab.is_empty() {
            self.evaluation.own(number, &need.slab, &mut buffer)?;
        }
        Ok(Bytes::Own(buffer))
    }
}

impl Stepper for ReadSteps<'_, '_, '_, '_> {
    fn step(&mut self, needs: &[Need], apply: &mut Apply<'_>) -> Result<()> {
        let worker = self.evaluation.worker;
        worker.check()?;
        let read: Vec<Bytes> = needs.iter().map(|need| self.read(need)).collect::<Result<_>>()?;
        let packed: Vec<Packed> = needs
            .iter()
            .zip(&read)
            .map(|(need, bytes)| match bytes {
                Bytes::Shared(shared) => Packed::new(&need.slab, shared),
                Bytes::Own(own) => Packed::new(&need.slab, own),
                Bytes::Inside => Packed::new(&need.slab, &[]),
            })
            .collect();
        apply(&packed, self.out, worker)
    }

    fn sample(&self) -> Option<u64> {
        None
    }

    fn stands_for(&mut self, _: u64) {}
}

/// What takes the place of a node, if something does.
pub(crate) type Replace<'r> = dyn Fn(&dyn ChunkSource) -> Option<Arc<dyn ChunkSource>> + 'r;

/// Replaces nodes of the graph below `root`: those that `replace` has something for, and above them
/// all that read them. Shared nodes stay shared, those of several roots too if `made` is handed on.
pub(crate) fn rebuild_with(
    root: &Arc<dyn ChunkSource>,
    replace: &Replace<'_>,
    made: &mut HashMap<*const (), Arc<dyn ChunkSource>>,
) -> Result<Arc<dyn ChunkSource>> {
    if let Some(known) = made.get(&address(&**root)) {
        return Ok(Arc::clone(known));
    }
    let new = match (replace(&**root), root.operation()) {
        (Some(new), _) => new,
        (None, None) => Arc::clone(root),
        (None, Some(operation)) => {
            let inputs: Vec<_> =
                operation.inputs().iter().map(|input| rebuild_with(input, replace, made)).collect::<Result<_>>()?;
            let same = inputs.iter().zip(operation.inputs()).all(|(new, old)| Arc::ptr_eq(new, old));
            if same { Arc::clone(root) } else { operation.over(inputs)? }
        }
    };
    made.insert(address(&**root), Arc::clone(&new));
    Ok(new)
}
