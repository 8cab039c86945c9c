//! Selections against NumPy's rules written naively.

use chunk_core::Error;
use chunk_virtual::{Index, Indices, Selection, select};
use proptest::prelude::*;

use crate::naive::{Naive, unravel};

/// Indices to be tried on an array of `shape`: most fit, some do not.
pub(crate) fn indices(shape: &[usize]) -> BoxedStrategy<Vec<Index>> {
    let each: Vec<_> = shape.iter().map(|&extent| index(extent)).collect();
    (each, 0..=shape.len(), 0..=shape.len(), any::<[bool; 2]>())
        .prop_map(|(mut indices, ellipsis, new, [with_ellipsis, with_new])| {
            if with_ellipsis {
                let dropped = indices.len().min(1);
                indices.truncate(indices.len() - dropped);
                indices.insert(ellipsis.min(indices.len()), Index::Ellipsis);
            }
            if with_new {
                indices.insert(new.min(indices.len()), Index::NewAxis);
            }
            indices
        })
        .boxed()
}

fn index(extent: usize) -> BoxedStrategy<Index> {
    let reach = extent as i64 + 2;
    let bound = prop::option::of(-reach..=reach);
    let slice = (bound.clone(), bound, prop_oneof![4 => Just(1), 4 => -3..=3_i64]);
    let slice =
        slice.prop_map(|(start, stop, step)| Index::Slice { start, stop, step: if step == 0 { 1 } else { step } });
    let inside = extent.max(1) as i64;
    prop_oneof![
        12 => slice,
        3 => (-inside..inside).prop_map(Index::At),
        1 => (-reach..=reach).prop_map(Index::At),
        1 => prop::collection::vec(-inside..inside, 0..5).prop_map(Index::List),
        1 => prop::collection::vec(any::<bool>(), extent).prop_map(Index::Mask),
    ]
    .boxed()
}

/// NumPy's own way: the indices one by one from the last axis on; then the axis of a list to where NumPy puts it.
pub(crate) fn apply(array: &Naive, indices: &[Index]) -> Option<Naive> {
    let is_list = |index: &Index| matches!(index, Index::List(_) | Index::Mask(_));
    let consumes = |index: &&Index| !matches!(index, Index::Ellipsis | Index::NewAxis);
    let rest = array.shape.len().checked_sub(indices.iter().filter(consumes).count())?;
    let ellipses = indices.iter().filter(|index| **index == Index::Ellipsis).count();
    if ellipses > 1 || indices.iter().filter(|index| is_list(index)).count() > 1 {
        return None;
    }
    let (mut result, mut axis, mut list_axis) = (array.clone(), 0, None);
    for index in indices {
        match index {
            Index::Ellipsis => axis += rest,
            Index::NewAxis => {
                result = result.new_axis(axis);
                axis += 1;
            }
            index => {
                list_axis = list_axis.or(is_list(index).then_some(axis));
                result = result.index_axis(axis, index)?;
                axis += usize::from(!matches!(index, Index::At(_)));
            }
        }
    }
    let kinds: String = indices
        .iter()
        .map(|index| match index {
            Index::At(_) | Index::List(_) | Index::Mask(_) => 'a',
            _ => '-',
        })
        .collect();
    let apart = kinds.trim_matches('-').contains('-');
    Some(match list_axis {
        Some(axis) if apart => result.to_front(axis),
        _ => result,
    })
}

/// The elements of the source, by number, that `selection` takes.
fn elements(selection: &Selection) -> Naive {
    let shape: Vec<usize> = selection.shape().iter().map(|extent| *extent as usize).collect();
    let number = |at: Vec<usize>| {
        let at: Vec<u64> = at.into_iter().map(|at| at as u64).collect();
        let source = selection.position(&at);
        source.iter().zip(selection.source_shape().iter()).fold(0, |number, (at, extent)| number * extent + at)
    };
    let elements = (0..shape.iter().product()).map(|n| number(unravel(n, &shape))).collect();
    Naive { shape, elements }
}

/// A shape and a chain of indices for it, drawn one after another so that most of them fit.
fn chains() -> impl Strategy<Value = (Vec<usize>, Vec<Vec<Index>>)> {
    prop::collection::vec(0..7_usize, 0..4).prop_flat_map(|shape| {
        let first = indices(&shape);
        let whole = Naive::whole(&shape);
        (Just(shape), first).prop_flat_map(move |(shape, first)| {
            let after = apply(&whole, &first).unwrap_or_else(|| whole.clone());
            let second = indices(&after.shape);
            (Just(shape), Just(first), second, Just(after)).prop_flat_map(|(shape, first, second, after)| {
                let last = apply(&after, &second).unwrap_or(after);
                let third = indices(&last.shape);
                (Just(shape), (Just(first), Just(second), third).prop_map(|(a, b, c)| vec![a, b, c]))
            })
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100_000))]

    #[test]
    fn chains_are_numpys((shape, chain) in chains()) {
        let mut naive = Naive::whole(&shape);
        let mut selection = Selection::new(shape.iter().map(|extent| *extent as u64).collect::<Vec<_>>());
        for indices in chain {
            let selected = selection.select(&Indices::new(indices.clone()));
            prop_assert_eq!(selected.as_ref().ok().map(elements), apply(&naive, &indices), "{:?}", indices);
            if let (Ok(selected), Some(expected)) = (selected, apply(&naive, &indices)) {
                (selection, naive) = (selected, expected);
            }
        }
    }

    #[test]
    fn texts_are_the_indices(indices in indices(&[3, 4])) {
        let indices = Indices::new(indices);
        // An empty mask cannot be told from an empty list.
        prop_assert_eq!(indices.to_string().parse::<Indices>().ok(), (!indices.as_slice().is_empty()).then_some(indices));
    }
}

#[test]
fn a_chain_of_slices_of_a_huge_axis_stays_a_slice() {
    let mut selection = Selection::new([i64::MAX as u64]);
    for _ in 0..20 {
        selection = selection.select(&select![-2..; -3]).unwrap();
    }
    assert!(selection.shape()[0] > 1 << 30);
    assert!(selection.to_string().ends_with(&format!(":{}]", 3_i64.pow(20))), "{selection}");
    let last = selection.shape()[0] - 1;
    assert!(selection.position(&[0])[0] < selection.position(&[last])[0]);
}

#[test]
fn an_inverted_slice_is_empty() {
    // xdas returned rows for it.
    for (start, stop) in (0..=10).flat_map(|start| (0..=start).map(move |stop| (start, stop))) {
        assert_eq!(Selection::new([10]).select(&select![start..stop]).unwrap().shape(), [0].into());
    }
}

#[test]
fn outer_takes_all_combinations_and_moves_no_axis() {
    let whole = Selection::new([2, 3, 4]);
    let outer = whole.outer(&select![[1, 0], [0, 2], 3]).unwrap();
    assert_eq!(outer.shape(), [2, 2].into());
    assert_eq!(outer.position(&[0, 1]), [1, 2, 3]);
    assert_eq!(whole.outer(&select![0, .., [1, 0, 0]]).unwrap().shape(), [3, 3].into());
    assert_eq!(whole.select(&select![0, .., [1, 1, 0, 0]]).unwrap().shape(), [4, 3].into());
    let error = whole.select(&select![[1, 0], [0, 2]]).unwrap_err().to_string();
    assert!(error.contains("pairwise") && error.contains("outer"), "{error}");
}

#[test]
fn refuses_what_numpy_refuses() {
    let whole = Selection::new([5, 3]);
    let bounds = |indices: Indices| match whole.select(&indices).unwrap_err() {
        Error::IndexOutOfBounds { index, axis, extent } => (index, axis, extent),
        other => panic!("{other}"),
    };
    assert_eq!(bounds(select![5]), (5, 0, 5));
    assert_eq!(bounds(select![-11]), (-11, 0, 5));
    assert_eq!(bounds(select![.., [0, 3]]), (3, 1, 3));
    assert_eq!(bounds(select![0, u64::MAX]), (i64::MAX, 1, 3));
    let invalid = |indices: Indices| whole.select(&indices).unwrap_err().to_string();
    assert!(invalid(select![0, 0, 0]).contains("too many indices"));
    assert!(invalid(select![..., 0, ...]).contains("ellipsis"));
    assert!(invalid(select![..; 0]).contains("zero"));
    assert!(invalid(select![[true, false]]).contains("mask"));
    let error = Selection::new([u64::MAX]).select(&select![0]).unwrap_err().to_string();
    assert!(error.contains("too long"), "{error}");
}

#[test]
fn prints_what_is_taken_of_the_source() {
    let whole = Selection::new([100, 8, 3]);
    let shown = |indices: Indices| whole.outer(&indices).unwrap().to_string();
    assert_eq!(shown(select![10..20; 3, ..; -1, 2]), "[10:20:3, 7::-1, 2]");
    assert_eq!(shown(select![..; -3]), "[99::-3, :, :]");
    assert_eq!(shown(select![10..5; -2, [0, 0, 5]]), "[10:4:-2, [0, 0, 5], :]");
    assert_eq!(shown(select![Index::NewAxis, 0]), "[0, :, :] with axes (new of 1, 1, 2)");
    assert_eq!(whole.select(&select![0, .., [2, 2, 0]]).unwrap().to_string(), "[0, :, [2, 2, 0]] with axes (2, 1)");
}
