use chunk_core::ChunkSourceExt;

use crate::common::{Folder, example};

#[test]
fn makes_what_is_not_there() {
    let folder = Folder::with_example();
    folder.write("z.h5::/more", &[2, 6], &[1, 6], &[0.5; 12]);
    let said = folder.chunk(["append", "y.h5", "x.h5::/g/data", "z.h5", "--chunks", "3,4"]);
    assert!(said.err.starts_with("chunk: 2 datasets -> y.h5::/g/data: 480 B in "), "{said:?}");
    assert_eq!(said.done(), "");
    let y = folder.open("y.h5::/g/data");
    assert_eq!(y.info().shape[..], [10, 6]);
    assert_eq!(y.info().max_shape, Some(vec![None, Some(6)]));
    assert_eq!(y.read_all::<f64>().unwrap(), [example(), vec![0.5; 12]].concat());
    assert_eq!(folder.names(), ["x.h5", "y.h5", "z.h5"]);
}

#[test]
fn joins_along_another_axis_what_the_pattern_names() {
    let folder = Folder::new();
    for (name, value) in [("day-1.h5::/d", 1_i16), ("day-2.h5::/d", 2)] {
        folder.write(name, &[2, 3], &[2, 3], &[value; 6]);
    }
    folder.chunk(["append", "all.h5", "day-*.h5::/d", "--axis", "-1", "--progress", "never"]).done();
    let rows = folder.open("all.h5::/d").read_all::<i16>().unwrap();
    assert_eq!(rows, [1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2]);
}

#[test]
fn inputs_that_do_not_fit_leave_nothing() {
    let folder = Folder::with_example();
    folder.write("flat.h5::/d", &[6], &[6], &[0.5; 6]);
    folder.write("other.h5::/d", &[2, 6], &[2, 6], &[1_i32; 12]);
    let before = folder.names();
    for (bad, part) in [("flat.h5", "has 1 axes"), ("other.h5", "holds int32, not float64"), ("no.h5", "no such file")]
    {
        let complaint = folder.chunk(["append", "y.h5", "x.h5", bad]).complaint(1);
        assert!(complaint.contains(bad) && complaint.contains(part), "{complaint}");
        assert_eq!(folder.names(), before);
    }
}
