use crate::common::{Folder, example};

#[test]
fn the_exit_status_tells_whether_there_are_differences() {
    let folder = Folder::with_example();
    let mut other = example();
    other[20] += 0.5;
    folder.write("same.h5::/d", &[8, 6], &[2, 2], &example());
    folder.write("other.h5::/d", &[8, 6], &[8, 1], &other);
    let same = folder.chunk(["diff", "x.h5", "same.h5"]);
    assert_eq!((same.status, same.out.as_str(), same.err.as_str()), (0, "", ""));
    let differs = folder.chunk(["diff", "x.h5", "other.h5"]);
    assert_eq!((differs.status, differs.err.as_str()), (1, ""));
    assert_eq!(differs.out, "[3, 2]  0.0  |  0.5\n1 of 48 values differ\n");
    assert_eq!(folder.chunk(["diff", "x.h5", "other.h5", "--atol", "1"]).done(), "");
}

#[test]
fn shapes_that_differ_are_told() {
    let folder = Folder::with_example();
    folder.write("y.h5::/d", &[6, 8], &[6, 8], &example());
    let said = folder.chunk(["diff", "x.h5", "y.h5"]);
    assert_eq!((said.status, said.out.as_str()), (1, "shape  (8, 6)  |  (6, 8)\n"));
}
