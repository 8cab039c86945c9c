use crate::common::Folder;

#[test]
fn finds_the_only_dataset() {
    let folder = Folder::with_example();
    let text = folder.chunk(["info", "x.h5"]).done();
    assert_eq!(text, folder.chunk(["info", "x.h5::/g/data"]).done());
    for line in ["shape        (8, 6)", "dtype        float64", "chunk shape  (3, 6)", "chunks       3 (3, 1)"] {
        assert!(text.lines().any(|printed| printed == line), "{line}\n{text}");
    }
}

#[test]
fn prints_an_object() {
    let folder = Folder::with_example();
    let object: serde_json::Value = serde_json::from_str(&folder.chunk(["info", "--json", "x.h5"]).done()).unwrap();
    assert_eq!(object["dtype"], "float64");
    assert_eq!(object["chunks"], 3);
}
