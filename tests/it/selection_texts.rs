//! Selections read from texts are what NumPy makes of the same texts.

use chunk_virtual::Selection;
use serde_json::Value;

use crate::python;

const CHAINS: &str = "5000";

#[test]
fn chains_of_texts_are_numpys() {
    let chains: Vec<Value> =
        serde_json::from_str(&python::run("virtual_datasets.py", &["select", "7", CHAINS])).unwrap();
    let (mut equal, mut refused) = (0, 0);
    for chain in chains {
        let shape: Vec<u64> = serde_json::from_value(chain[0].clone()).unwrap();
        let texts: Vec<String> = serde_json::from_value(chain[1].clone()).unwrap();
        let selected = texts.iter().try_fold(Selection::new(shape.clone()), |selection, text| {
            selection.select(&text.parse().unwrap_or_else(|error| panic!("{error}")))
        });
        let expected: Option<(Vec<u64>, Vec<u64>)> =
            serde_json::from_value(chain[2].clone()).ok().zip(serde_json::from_value(chain[3].clone()).ok());
        match (selected, expected) {
            (Ok(selection), Some((result, elements))) => {
                assert_eq!(&selection.shape()[..], &result[..], "{texts:?} of {shape:?}");
                let number = |at: Vec<u64>| {
                    let source = selection.position(&at);
                    source.iter().zip(&shape).fold(0, |number, (at, extent)| number * extent + at)
                };
                let found: Vec<u64> = chunk_core::Slab::whole(&result).positions().map(number).collect();
                assert_eq!(found, elements, "{texts:?} of {shape:?}");
                equal += 1;
            }
            (Err(_), None) => refused += 1,
            (selected, expected) => panic!("{texts:?} of {shape:?}: {selected:?}, NumPy: {expected:?}"),
        }
    }
    assert!(equal > 2500 && refused > 100, "{equal} equal, {refused} refused");
}
