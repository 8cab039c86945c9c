use crate::common::Folder;

#[test]
fn prints_what_the_values_are_like() {
    let folder = Folder::with_example();
    let text = folder.chunk(["stats", "x.h5"]).done();
    for line in ["dtype    float64", "nan      0", "min      -4.0", "max      5.0"] {
        assert!(text.lines().any(|printed| printed == line), "{line}\n{text}");
    }
    let object: serde_json::Value = serde_json::from_str(&folder.chunk(["stats", "--json", "x.h5"]).done()).unwrap();
    assert_eq!((&object["count"], &object["shape"]), (&48.into(), &serde_json::json!([8, 6])));
}
