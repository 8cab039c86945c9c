//! Our casting rules are NumPy's.

use chunk_core::{Casting, DType};
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
