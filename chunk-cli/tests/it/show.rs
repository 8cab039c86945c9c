use crate::common::Folder;

#[test]
fn prints_the_values() {
    let folder = Folder::with_example();
    let text = folder.chunk(["show", "x.h5"]).done();
    assert_eq!(text.lines().next(), Some("[[-4. -3.  0.  5.  1. -1.]"), "{text}");
    assert_eq!(text.lines().count(), 8);
    assert_eq!(text, folder.chunk(["show", "x.h5::/g/data", "--memory", "64K", "--threads", "1"]).done());
    assert!(folder.chunk(["show", "x.h5", "--dry-run"]).done().contains("slabs"));
}

#[test]
fn shows_what_is_selected() {
    let folder = Folder::with_example();
    assert_eq!(folder.chunk(["show", "x.h5::/g/data[1, ::-2]"]).done(), "[-4.  0.  1.]\n");
    assert_eq!(folder.chunk(["show", "x.h5[0, 0]"]).done(), "-4.\n");
    let complaint = folder.chunk(["show", "x.h5[8]"]).complaint(1);
    assert!(complaint.contains("x.h5: index 8 is out of bounds for axis 0 with size 8"), "{complaint}");
    let complaint = folder.chunk(["show", "x.h5[1:2:0]"]).complaint(1);
    assert!(complaint.contains("x.h5: slice step cannot be zero"), "{complaint}");
}

#[test]
fn a_file_whose_name_ends_in_brackets_is_opened() {
    let folder = Folder::with_example();
    std::fs::copy(folder.path("x.h5"), folder.path("run[3]")).unwrap();
    let whole = folder.chunk(["show", "x.h5"]).done();
    assert_eq!(folder.chunk(["show", "run[3]"]).done(), whole);
    assert_eq!(folder.chunk(["show", "run[3]::/g/data[0, 0]"]).done(), "-4.\n");
    assert_eq!(folder.chunk(["show", "run[3][0, 0]"]).done(), "-4.\n");
}
