use crate::common::Folder;

#[test]
fn lists_the_top_level_or_all() {
    let folder = Folder::with_example();
    let top = folder.chunk(["ls", "x.h5"]).done();
    assert!(top.lines().any(|line| line == "/g/") && !top.contains("data"), "{top}");
    let all = folder.chunk(["ls", "-r", "x.h5"]).done();
    let line = all.lines().find(|line| line.starts_with("/g/data ")).unwrap();
    for part in ["(8, 6)", "float64", "(3, 6)", "384 B"] {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn prints_objects() {
    let folder = Folder::with_example();
    let text = folder.chunk(["ls", "-r", "--json", "x.h5"]).done();
    let objects: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let data = objects.iter().find(|object| object["name"] == "/g/data").unwrap();
    assert_eq!(data["shape"], serde_json::json!([8, 6]));
    assert_eq!(data["chunk_shape"], serde_json::json!([3, 6]));
    assert_eq!(data["bytes"], 384);
}
