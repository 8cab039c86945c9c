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
