//! Random graphs, planned as jobs: the bytes of the direct evaluation, within the memory that was planned.
//!
//! A program of its own: all that is allocated is counted, so nothing else may run beside it.

mod nodes;

use std::sync::{Arc, Mutex};

use chunk_core::{
    Budget, ChunkSink, ChunkSource, Complex, DType, DatasetInfo, Error, Job, MemoryOutput, MemorySink, MemorySource,
    Output, Run, Slab, Worker,
};
use chunk_ops::{fft, ifft, map};
use chunk_testkit::PeakAlloc;
use chunk_virtual::{Index, Indices, Selected, VirtualStack};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use nodes::{Add, Sum};

chunk_testkit::measure_memory!();

type Node = Arc<dyn ChunkSource>;

/// What is put on top of the nodes so far; numbers choose among them.
#[derive(Clone, Debug)]
enum Step {
    Fft { of: usize, axis: usize, inverse: bool },
    Select { of: usize, axis: usize, step: i64 },
    Stack { of: usize, with: usize, axis: usize },
    Cast { of: usize },
    Map { of: usize },
    Add { of: usize, with: usize },
    Sum { of: usize, axis: usize, all: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let of = || 0..64_usize;
    let step = prop_oneof![
        3 => (of(), 0..2_usize, any::<bool>()).prop_map(|(of, axis, inverse)| Step::Fft { of, axis, inverse }),
        1 => (of(), 0..2_usize, prop_oneof![Just(-1), Just(2), Just(-3)])
            .prop_map(|(of, axis, step)| Step::Select { of, axis, step }),
        1 => (of(), of(), 0..2_usize).prop_map(|(of, with, axis)| Step::Stack { of, with, axis }),
        1 => of().prop_map(|of| Step::Cast { of }),
        2 => of().prop_map(|of| Step::Map { of }),
        2 => (of(), of()).prop_map(|(of, with)| Step::Add { of, with }),
        1 => (of(), 0..2_usize, any::<bool>()).prop_map(|(of, axis, all)| Step::Sum { of, axis, all }),
    ];
    prop::collection::vec(step, 1..8)
}

/// The levels of a graph below a node.
fn depth(node: &dyn ChunkSource) -> usize {
    let inputs = node.operation().map_or(&[][..], |operation| operation.inputs());
    inputs.iter().map(|input| depth(&**input) + 1).max().unwrap_or(0)
}

fn widened(node: &Node) -> Node {
    let dtype = &node.info().dtype;
    if *dtype == DType::ComplexF64 {
        return node.clone();
    }
    chunk_core::cast_if_needed(node.clone(), &DType::ComplexF64, chunk_core::Casting::Unsafe).unwrap()
}

fn reals(node: &Node) -> Node {
    match node.info().dtype {
        DType::F64 => node.clone(),
        DType::ComplexF64 => Arc::new(map(node.clone(), |z: Complex<f64>| z.re - z.im).unwrap()),
        _ => chunk_core::cast_if_needed(node.clone(), &DType::F64, chunk_core::Casting::Unsafe).unwrap(),
    }
}

/// The node that a step makes of others, if they fit one another.
fn apply(step: &Step, nodes: &[Node]) -> Option<Node> {
    let node = |number: &usize| nodes[number % nodes.len()].clone();
    let made: Node = match step {
        Step::Fft { of, axis, inverse: false } => Arc::new(fft(node(of), *axis).ok()?),
        Step::Fft { of, axis, inverse: true } => Arc::new(ifft(node(of), *axis).ok()?),
        Step::Select { of, axis, step } => {
            let mut indices = vec![Index::ALL; 2];
            indices[*axis] = Index::Slice { start: None, stop: None, step: *step };
            Arc::new(Selected::new(node(of), &Indices::new(indices)).ok()?)
        }
        Step::Stack { of, with, axis } => {
            let parts = [widened(&node(of)), widened(&node(with))].map(chunk_virtual::AnySource::from);
            Arc::new(VirtualStack::new(parts, axis.cast_signed()).ok()?)
        }
        Step::Cast { of } => {
            let to = if node(of).info().dtype.is_complex() { DType::ComplexF32 } else { DType::F32 };
            let cast = chunk_core::cast_if_needed(node(of), &to, chunk_core::Casting::SameKind).ok()?;
            if cast.info().dtype == DType::ComplexF32 { widened(&cast) } else { reals(&cast) }
        }
        Step::Map { of } if node(of).info().dtype.is_complex() => {
            Arc::new(map(node(of), |z: Complex<f64>| z * z + 0.5).ok()?)
        }
        Step::Map { of } => Arc::new(map(reals(&node(of)), |x: f64| x.abs().sqrt() - 1.0).ok()?),
        Step::Add { of, with } => Arc::new(Add::new(widened(&node(of)), widened(&node(with))).ok()?),
        Step::Sum { of, axis, all } => {
            let axes = if *all { vec![0, 1] } else { vec![*axis] };
            Arc::new(Sum::new(reals(&node(of)), axes))
        }
    };
    (depth(&*made) <= 8 && made.info().bytes() <= 1 << 20).then_some(made)
}

/// All nodes of a graph that follows the steps over noise.
fn build(shape: [u64; 2], chunk: [u64; 2], steps: &[Step]) -> Vec<Node> {
    let elements: Vec<f64> = (0..shape[0] * shape[1]).map(|i| ((i * 7919 % 1009) as f64 - 500.0) / 64.0).collect();
    let source = MemorySource::new(shape, &elements).unwrap().with_chunk_shape(chunk).unwrap();
    let mut nodes: Vec<Node> = vec![Arc::new(source)];
    for step in steps {
        if let Some(node) = apply(step, &nodes) {
            nodes.push(node);
        }
    }
    nodes
}

fn direct(node: &Node) -> Vec<u8> {
    let mut out = chunk_core::Buffer::zeroed(node.info().bytes() as usize).unwrap();
    node.read_into(&Slab::whole(&node.info().shape), &mut out, &Worker::new()).unwrap();
    out.to_vec()
}

/// What threads, lists and graphs take besides, whatever the data.
const CONSTANT: u64 = 192 << 10;

fn check(
    nodes: &[Node],
    targets: &[usize],
    chunk: [u64; 2],
    budget: u64,
    threads: usize,
) -> Result<bool, TestCaseError> {
    let run = Run::new().budget(Budget::new(budget).unwrap()).threads(threads);
    let made: Vec<Arc<Mutex<Vec<MemoryOutput>>>> = targets.iter().map(|_| Arc::default()).collect();
    let outputs: Vec<Output> = targets
        .iter()
        .zip(&made)
        .map(|(target, made)| {
            let node = nodes[target % nodes.len()].clone();
            let mut info = DatasetInfo::new(node.info().shape.clone(), node.info().dtype.clone());
            if info.shape.len() == 2 {
                info = info.with_chunk_shape(chunk);
            }
            let made = Arc::clone(made);
            Output::new(node, info, move |info| {
                let sink = MemorySink::new(info)?;
                made.lock().unwrap().push(sink.output());
                Ok(Box::new(sink) as Box<dyn ChunkSink>)
            })
        })
        .collect();
    let job = match Job::plan(&run, &outputs, &std::env::temp_dir()) {
        Ok(job) => job,
        Err(Error::BudgetTooSmall { needed, .. }) => {
            prop_assert!(needed.0 > budget);
            return Ok(false);
        }
        Err(error) => return Err(TestCaseError::fail(error.report())),
    };
    let (planned, plan) = (job.peak_bytes(), job.describe());
    prop_assert!(planned <= budget, "{plan}");
    let (result, held) = PeakAlloc::measure(|| job.execute(&run));
    prop_assert!(result.is_ok(), "{:?}\n{plan}", result);
    prop_assert!(held.peak <= planned + CONSTANT, "{} held, {planned} planned\n{plan}", held.peak);
    for (target, made) in targets.iter().zip(&made) {
        let node = &nodes[target % nodes.len()];
        let written = made.lock().unwrap().iter().find_map(MemoryOutput::source).expect("it is finished");
        prop_assert!(written.bytes() == direct(node), "{}\n{plan}", node.info().name);
    }
    Ok(true)
}

/// One test alone: another one's allocations would count.
#[test]
fn jobs_of_random_graphs_keep_to_their_plans() {
    let cases = std::env::var("CHUNK_GRAPHS").ok().and_then(|cases| cases.parse().ok()).unwrap_or(150);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let shapes = (prop::array::uniform2(1_u64..70), prop::array::uniform2(1_u64..40), prop::array::uniform2(1_u64..40));
    let budgets = prop_oneof![40_000_u64..120_000, 120_000_u64..2_000_000];
    let case = (shapes, steps(), prop::collection::vec(0..64_usize, 1..3), budgets, 1..4_usize);
    let (done, staged) = (Mutex::new(0), Mutex::new(0));
    let ran = runner.run(&case, |((shape, chunk, output), steps, targets, budget, threads)| {
        let nodes = build(shape, chunk, &steps);
        let last = nodes.len() - 1;
        let targets: Vec<usize> = targets.iter().enumerate().map(|(i, t)| if i == 0 { last } else { *t }).collect();
        if check(&nodes, &targets, output, budget, threads)? {
            *done.lock().unwrap() += 1;
            *staged.lock().unwrap() += usize::from(nodes.len() > 3);
        }
        Ok(())
    });
    if let Err(failure) = ran {
        panic!("{failure}");
    }
    let (done, staged) = (done.into_inner().unwrap(), staged.into_inner().unwrap());
    assert!(done * 2 > cases as usize && staged > 0, "only {done} of {cases} graphs fitted their budgets");
}
