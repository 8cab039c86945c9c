//! Rules of sources that are nodes: what a plan looks into.

use std::collections::HashSet;
use std::sync::Arc;

use chunk_core::{
    Apply, ChunkSource, DType, DatasetInfo, Identity, Need, Operation, Result as CoreResult, Shape, Slab, Stepper,
    Worker, total_cost, total_held_bytes,
};

use crate::case::{SourceCase, read};
use crate::failure::{Failure, Outcome, ensure, same_bytes, shown, works};
use crate::nodes::{Both, Described, Said};
use crate::slabs::slabs;

/// What inputs are said to take: more than any test has.
const MUCH: u64 = 1 << 40;
const THREADS: [usize; 3] = [1, 2, 5];
/// Steps that planning looks at, where a rule wants a sample.
const SAMPLED: u64 = 3;

/// `cost` and `held_bytes` of a node are its own: they do not change with what its inputs cost and
/// hold, which a plan counts itself. A source that is made of an input and is no node hides it: it
/// states all that both take.
///
/// Checked where the case is a [`SourceCase::node`].
pub fn a_nodes_cost_is_its_own(case: &SourceCase) -> Outcome {
    let Some(node) = &case.node else { return Ok(()) };
    let cheap = node.build_on(Arc::new(Said::of(&node.input)))?;
    let dear = node.build_on(Arc::new(Said::of(&node.input).costing(MUCH)))?;
    let name = &cheap.info().name;
    if cheap.operation().is_some() {
        let (cheap, dear) = (cheap.held_bytes(), dear.held_bytes());
        ensure(cheap == dear, || {
            let expected = format!("`held_bytes` of {cheap}, whatever its input holds");
            Failure::new(name, expected, format!("{dear} over an input that holds {MUCH}"))
        })?;
    }
    for slab in slabs(cheap.info()).into_iter().filter(|_| cheap.operation().is_some()) {
        for threads in THREADS {
            let (cheap, dear) = (cheap.cost(&slab, threads), dear.cost(&slab, threads));
            let (cheap, dear) = (works(cheap, name, "`cost`")?, works(dear, name, "`cost`")?);
            ensure(cheap == dear, || {
                let expected = format!("a cost that does not depend on that of its input: {cheap:?}");
                Failure::new(name, expected, format!("{dear:?}")).at(format!("slab {slab}, {threads} threads"))
            })?;
        }
    }
    let whole = Slab::whole(&dear.info().shape);
    let total = works(total_cost(&*dear, &whole, 1), name, "`total_cost`")?.scratch_bytes;
    ensure(total >= MUCH || whole.is_empty(), || {
        let expected = format!("at least the {MUCH} bytes that reading its input takes");
        Failure::new(name, expected, format!("{total} bytes")).at("all of it")
    })?;
    let total = total_held_bytes(&*dear);
    ensure(total >= MUCH, || {
        Failure::new(name, format!("at least the {MUCH} bytes that its input holds"), format!("{total} bytes"))
    })
}

/// What nodes share is there once: two nodes over one input hold its bytes once, and a graph that
/// reads a node twice holds the node's once. So a node keeps its inputs as it was given them.
///
/// Checked where the case is a [`SourceCase::node`] and what it makes is a node.
pub fn shared_nodes_count_once(case: &SourceCase) -> Outcome {
    let Some(node) = &case.node else { return Ok(()) };
    let input: Arc<dyn ChunkSource> = Arc::new(Said::of(&node.input).costing(MUCH));
    let (one, other) = (node.build_on(Arc::clone(&input))?, node.build_on(input)?);
    if one.operation().is_none() {
        return Ok(());
    }
    let (name, alone) = (&one.info().name, total_held_bytes(&*one));
    let twice = total_held_bytes(&Both::of(&one, &one));
    ensure(twice == alone, || {
        Failure::new(name, format!("{alone} bytes held by a graph that reads it twice"), format!("{twice} bytes"))
    })?;
    let (both, most) = (total_held_bytes(&Both::of(&one, &other)), 2 * (alone - MUCH) + MUCH);
    ensure(both <= most, || {
        let expected = format!("at most {most} bytes held by two of it over one input that holds {MUCH}");
        Failure::new(name, expected, format!("{both} bytes"))
    })
}

/// [`Operation::over`] the same inputs gives the same: identity, description and bytes. Inputs of
/// another dtype or shape, more and fewer of them are refused.
///
/// Checked where the source is a node.
pub fn over_the_same_inputs_is_the_same(case: &SourceCase) -> Outcome {
    let identified = case.node.as_ref().map(|node| {
        let identity = Identity::builder("testkit").field("input", "any").finish();
        node.build_on(Arc::new(Said::of(&node.input).identified(Some(identity))))
    });
    for source in [Ok(Arc::clone(&case.source))].into_iter().chain(identified) {
        let source = source?;
        let Some(operation) = source.operation() else { continue };
        let again = works(operation.over(operation.inputs().to_vec()), &source.info().name, "`over` its own inputs")?;
        ensure(again.info() == source.info(), || {
            let expected = format!("the same over the same inputs: {:?}", source.info());
            Failure::new(&source.info().name, expected, format!("{:?}", again.info()))
        })?;
        for slab in slabs(source.info()) {
            let (before, after) = (read(&*source, &slab, &Worker::new())?, read(&*again, &slab, &Worker::new())?);
            same_bytes(source.info(), &slab, &after, &before)
                .map_err(|failure| failure.at("the same operation over the same inputs"))?;
        }
        refuses_other_inputs(&*source, operation)?;
    }
    Ok(())
}

fn refuses_other_inputs(source: &dyn ChunkSource, operation: &dyn Operation) -> Outcome {
    let own = operation.inputs();
    let refused = |what: &str, inputs: Vec<Arc<dyn ChunkSource>>| {
        ensure(operation.over(inputs).is_err(), || {
            Failure::new(&source.info().name, format!("`over` to refuse {what}"), "Ok")
        })
    };
    for (number, input) in own.iter().enumerate() {
        let with = |info: DatasetInfo| {
            let mut inputs = own.to_vec();
            inputs[number] = Arc::new(Described(info));
            inputs
        };
        let info = input.info();
        let dtype = if info.dtype == DType::U8 { DType::U16 } else { DType::U8 };
        let other = DatasetInfo::new(info.shape.clone(), dtype).with_name("of another dtype");
        refused(&format!("another dtype of input {number}"), with(other))?;
        let longer: Shape = info.shape.iter().map(|extent| extent + 1).collect();
        let deeper: Shape = info.shape.iter().copied().chain([1]).collect();
        for shape in [longer, deeper].into_iter().filter(|shape| *shape != info.shape) {
            let what = format!("shape {shape} of input {number}");
            refused(&what, with(DatasetInfo::new(shape, info.dtype.clone()).with_name("of another shape")))?;
        }
    }
    refused("one input too many", own.iter().cloned().chain(own.first().cloned()).collect())?;
    refused("one input too few", own[1..].to_vec())
}

/// The identity of what is made of an input is its own: another than the input's, another for
/// another input, the same for the same, and none if the input has none.
///
/// Without an identity nothing is promised. Checked where the case is a [`SourceCase::node`].
pub fn identity_is_its_own(case: &SourceCase) -> Outcome {
    let Some(node) = &case.node else { return Ok(()) };
    let over = |identity: Option<Identity>| node.build_on(Arc::new(Said::of(&node.input).identified(identity)));
    let of = |name: &str| Identity::builder("testkit").field("input", name).finish();
    let unknown = over(None)?;
    let name = &unknown.info().name;
    let found = unknown.info().identity;
    ensure(found.is_none(), || {
        Failure::new(name, "no identity over an input that has none", found.map_or(String::new(), |id| id.to_string()))
    })?;
    let source = over(Some(of("x")))?;
    let Some(identity) = source.info().identity else { return Ok(()) };
    let inputs = source.operation().map_or(&[][..], Operation::inputs);
    let of_inputs = inputs.iter().filter_map(|input| input.info().identity);
    ensure(!of_inputs.chain([of("x")]).any(|of_input| of_input == identity), || {
        Failure::new(name, "an identity of its own", "that of its input")
    })?;
    ensure(over(Some(of("x")))?.info().identity == Some(identity), || {
        Failure::new(name, "the same identity over the same input", "another")
    })?;
    ensure(over(Some(of("y")))?.info().identity != Some(identity), || {
        Failure::new(name, "another identity over another input", "the same")
    })
}

/// A node needs pieces within its inputs' shapes only, and those that it needs inside of the
/// output's buffer fit in there. Planning sees what computing does: the same steps, or a sample of
/// them.
///
/// A reduction, whose pieces core chooses, has the shape of its input without the axes that it
/// reduces, or with one element along them.
///
/// Checked where the source is a node.
pub fn asks_only_for_what_is_inside(case: &SourceCase) -> Outcome {
    let source = &*case.source;
    let Some(operation) = source.operation() else { return Ok(()) };
    if let Some(reduction) = operation.reduction() {
        return reduces_its_input(source.info(), operation.inputs()[0].info(), reduction.axes());
    }
    for slab in slabs(source.info()).into_iter().filter(|slab| !slab.is_empty()) {
        let at = |failure: Failure| failure.at(format!("slab {slab}"));
        for threads in THREADS {
            let steps = |sample| steps_of(source, operation, &slab, threads, sample).map_err(at);
            let computing = steps(None)?;
            let planning = steps(Some(u64::MAX))?;
            let known: HashSet<String> = computing.iter().map(|needs| format!("{needs:?}")).collect();
            let differs = computing != planning;
            let sampled = steps(Some(SAMPLED))?;
            let unknown = sampled.into_iter().find(|needs| !known.contains(&format!("{needs:?}")));
            let found = match unknown {
                _ if differs => format!("{} steps of planning: {planning:?}", planning.len()),
                Some(needs) => format!("a step of a sample that is none of computing: {needs:?}"),
                None => continue,
            };
            let expected = format!("the {} steps of computing: {computing:?}", computing.len());
            return Err(at(Failure::new(&source.info().name, expected, found)).at(format!("{threads} threads")));
        }
    }
    Ok(())
}

fn reduces_its_input(result: &DatasetInfo, input: &DatasetInfo, axes: &[usize]) -> Outcome {
    let all = 0..input.shape.len();
    let kept: Shape = all.clone().filter(|axis| !axes.contains(axis)).map(|axis| input.shape[axis]).collect();
    let single: Shape = all.map(|axis| if axes.contains(&axis) { 1 } else { input.shape[axis] }).collect();
    let ascending = axes.is_sorted_by(|a, b| a < b) && axes.iter().all(|axis| *axis < input.shape.len());
    ensure(ascending && (result.shape == kept || result.shape == single), || {
        let expected = format!("shape {kept} or {single} of an input of shape {} reduced along {axes:?}", input.shape);
        Failure::new(&result.name, expected, format!("shape {}", result.shape))
    })
}

/// Returns the steps by which `slab` is computed.
fn steps_of(
    source: &dyn ChunkSource,
    operation: &dyn Operation,
    slab: &Slab,
    threads: usize,
    sample: Option<u64>,
) -> Result<Vec<Vec<Need>>, Failure> {
    let length = slab.bytes(source.info().dtype.size()) as usize;
    let mut seen = Seen { operation, length, sample, steps: Vec::new(), wrong: None };
    let computed = operation.compute(slab, threads, &mut seen);
    let name = &source.info().name;
    if let Some(found) = seen.wrong {
        return Err(Failure::new(name, "pieces of its inputs, as large as they are", found));
    }
    let failed = |error| Failure::new(name, "`compute` to ask for pieces without an error", shown(&error));
    computed.map_err(failed).map(|()| seen.steps)
}

/// Looks at the steps of an operation, and carries none out.
struct Seen<'a> {
    operation: &'a dyn Operation,
    length: usize,
    sample: Option<u64>,
    steps: Vec<Vec<Need>>,
    /// What was asked for first that there is not.
    wrong: Option<String>,
}

impl Seen<'_> {
    fn check(&self, needs: &[Need]) -> Option<String> {
        for Need { input, slab, offset, .. } in needs {
            let Some(info) = self.operation.inputs().get(*input).map(ChunkSource::info) else {
                return Some(format!("input {input}, which it does not have"));
            };
            if !slab.is_within(&info.shape) {
                return Some(format!("piece {slab} of input {input}, whose shape is {}", info.shape));
            }
            let end = offset.map_or(0, |offset| offset + slab.bytes(info.dtype.size()) as usize);
            if end > self.length {
                return Some(format!("piece {slab} up to byte {end} of an output of {}", self.length));
            }
        }
        let inside = needs.iter().filter(|need| need.offset.is_some()).count();
        (inside > 1).then(|| format!("a step with {inside} pieces inside of the output"))
    }
}

impl Stepper for Seen<'_> {
    fn step(&mut self, needs: &[Need], _apply: &mut Apply<'_>) -> CoreResult<()> {
        self.wrong = self.wrong.take().or_else(|| self.check(needs));
        self.steps.push(needs.to_vec());
        Ok(())
    }

    fn sample(&self) -> Option<u64> {
        self.sample
    }

    fn stands_for(&mut self, _times: u64) {}
}
