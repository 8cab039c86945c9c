//! Our casting rules are NumPy's.

use chunk_core::{Casting, Conversion, DType, Scalar, result_type};
use serde_json::Value;

use crate::python;

#[test]
fn casting_is_as_numpy_says() {
    let rules: Value = serde_json::from_str(&python::run("numpy_rules.py", &[])).expect("rules in JSON");
    let dtypes: Vec<DType> =
        DType::numeric().chain(["S4", "S8", "U4", "U8"].map(|name| name.parse().unwrap())).collect();
    let mut compared = 0;
    for (casting, table) in rules["can_cast"].as_object().expect("a table") {
        let casting: Casting = casting.parse().expect("a rule that we have");
        for (from, allowed) in table.as_object().expect("a table") {
            let from: DType = from.parse().expect("a dtype that we have");
            let allowed: Vec<DType> =
                allowed.as_array().expect("a list").iter().map(|to| to.as_str().unwrap().parse().unwrap()).collect();
            for to in dtypes.iter().filter(|_| dtypes.contains(&from)) {
                if casting == Casting::Unsafe && from.is_numeric() != to.is_numeric() {
                    // NumPy parses and prints numbers here; we do not.
                    continue;
                }
                if from.is_numeric() && !to.is_numeric() {
                    continue;
                }
                assert_eq!(casting.allows(&from, to), allowed.contains(to), "{casting:?}: {from} to {to}");
                compared += 1;
            }
        }
    }
    assert!(compared > 1000, "{compared}");
}

#[test]
fn values_become_what_numpy_makes_of_them() {
    let rows: Value = serde_json::from_str(&python::run("casts.py", &[])).expect("rows in JSON");
    let mut compared = 0;
    for row in rows.as_array().expect("a list") {
        let from: DType = text(&row[0]).parse().expect("a dtype that we have");
        for target in row[1].as_array().expect("a list") {
            let to: DType = text(&target[0]).parse().expect("a dtype that we have");
            let (given, expected) = (bytes(&target[1]), bytes(&target[2]));
            let conversion = Conversion::new(&from, &to, Casting::Unsafe, "x").expect("anything may be cast");
            let mut out = vec![0xee; expected.len()];
            conversion.apply(&given, &mut out).unwrap_or_else(|error| panic!("{from} to {to}: {error}"));
            let elements = out.chunks(to.size()).zip(expected.chunks(to.size())).zip(given.chunks(from.size()));
            for ((ours, numpys), value) in elements {
                assert!(same(&to, ours, numpys), "{from} to {to} of {value:?}: {ours:?}, not {numpys:?}");
                compared += 1;
            }
        }
    }
    assert!(compared > 2000, "{compared}");
}

/// Equal to the last bit, but for the payload of a NaN.
fn same(dtype: &DType, ours: &[u8], numpys: &[u8]) -> bool {
    let scalar = |bytes: &[u8]| Scalar::from_bytes(dtype.clone(), bytes).expect("one element").to_string();
    ours == numpys || (scalar(ours).contains("NaN") && scalar(ours) == scalar(numpys))
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn bytes(value: &Value) -> Vec<u8> {
    let digits = text(value).as_bytes();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn promotion_is_as_numpy_says() {
    let rules: Value = serde_json::from_str(&python::run("numpy_rules.py", &[])).expect("rules in JSON");
    let mut compared = 0;
    for (left, table) in rules["result_type"].as_object().expect("a table") {
        for (right, expected) in table.as_object().expect("a table") {
            let dtype = |name: &str| name.parse::<DType>().expect("a dtype that we have");
            let expected = expected.as_str().map(dtype);
            assert_eq!(result_type(&dtype(left), &dtype(right)), expected, "{left} and {right}");
            compared += 1;
        }
    }
    assert_eq!(compared, 14 * 14);
}
