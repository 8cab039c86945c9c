use crate::common::{Folder, example};

/// Python: `hashlib.sha256(struct.pack("<48d", *((i * i % 11) - 4 for i in range(48)))).hexdigest()`.
const EXAMPLE: &str = "7fe886d0619debe52a9a586dc9df094256e03304ad1011edcdb6efc8aa008697";

#[test]
fn hashes_values_and_not_their_storage() {
    let folder = Folder::with_example();
    folder.write("y.h5::/other", &[8, 6], &[8, 1], &example());
    let text = folder.chunk(["hash", "x.h5::/g/data", "y.h5"]).done();
    assert_eq!(text, format!("{EXAMPLE}  x.h5::/g/data\n{EXAMPLE}  y.h5\n"));
    let tight = folder.chunk(["hash", "x.h5", "--memory", "64K", "--threads", "1"]).done();
    assert_eq!(tight, format!("{EXAMPLE}  x.h5\n"));
}

#[test]
fn expands_what_the_shell_did_not() {
    let folder = Folder::with_example();
    folder.write("x2.h5::/g/data", &[2], &[2], &[1_u8, 2]);
    let text = folder.chunk(["hash", "x*.h5::/g/data"]).done();
    let places: Vec<&str> = text.lines().map(|line| line.split_once("  ").unwrap().1).collect();
    assert_eq!(places, ["x.h5::/g/data", "x2.h5::/g/data"]);
}

#[test]
fn goes_through_a_file() {
    let folder = Folder::with_example();
    assert_eq!(folder.chunk(["hash", "--recursive", "x.h5"]).done(), format!("{EXAMPLE}  x.h5::/g/data\n"));
    let object = folder.chunk(["hash", "--json", "-r", "x.h5::/g"]).done();
    let object: serde_json::Value = serde_json::from_str(&object).unwrap();
    assert_eq!(object, serde_json::json!({ "dataset": "x.h5::/g/data", "sha256": EXAMPLE, "bytes": 384 }));
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_is_hashed() {
    let folder = Folder::with_example();
    let said = folder.chunk(["hash", "none.h5", "x.h5"]);
    assert_eq!((said.status, said.out), (1, format!("{EXAMPLE}  x.h5\n")));
    assert_eq!(said.err, "chunk: none.h5: no such file\n");
    let said = folder.chunk(["hash", "--recursive", "none.h5", "x.h5"]);
    assert_eq!(said.status, 1);
    assert!(said.out.starts_with("error  none.h5  none.h5: no such file\n"), "{said:?}");
    assert_eq!(said.err, "chunk: 1 of 2 could not be hashed\n");
}
