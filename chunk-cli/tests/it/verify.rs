use std::fs;

use crate::common::Folder;

#[test]
fn sound_files_have_no_problems() {
    let folder = Folder::with_example();
    folder.write("y.h5::/d", &[2], &[2], &[1_u8, 2]);
    assert_eq!(folder.chunk(["verify", "*.h5"]).done(), "no problems: 2 datasets, 386 B\n");
    assert_eq!(folder.chunk(["verify", "x.h5::/g"]).done(), "no problems: 1 dataset, 384 B\n");
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_is_verified() {
    let folder = Folder::with_example();
    fs::write(folder.path("text.h5"), "Dear reader").unwrap();
    let said = folder.chunk(["verify", "no.h5", "text.h5", "x.h5"]);
    assert_eq!((said.status, said.err.as_str()), (1, "chunk: 2 problems in 1 dataset\n"));
    assert_eq!(said.out, "no.h5: no such file\ntext.h5: not an HDF5 file\n");
    let said = folder.chunk(["verify", "--json", "no.h5"]);
    let object: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(object, serde_json::json!({ "place": "no.h5", "problem": "no.h5: no such file" }));
}
