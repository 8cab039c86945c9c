//! The intermediate on disk: what was written is read, from any slab to any slab.

use chunk_core::{ChunkSink, ChunkSource, DType, DatasetInfo, Error, Grid, Run, Shape, Slab, TileFile, Worker};
use proptest::prelude::*;

use crate::common::{array, part, read};

fn extents() -> impl Strategy<Value = (Vec<u64>, Vec<u64>, Vec<u64>, Vec<u64>)> {
    (0_usize..4).prop_flat_map(|ndim| {
        let shapes = || prop::collection::vec(1_u64..12, ndim);
        (prop::collection::vec(0_u64..12, ndim), shapes(), shapes(), shapes())
    })
}

proptest! {
    #[test]
    fn any_slabs_may_be_written_and_any_read((shape, tile, from, to) in extents(), threads in 1_usize..4) {
        let (source, _) = array(&DType::I32, &shape, None, 5);
        let directory = tempfile::tempdir().unwrap();
        let tiles = TileFile::new(source.info().clone(), tile, directory.path()).unwrap();
        let sink = tiles.sink();
        let worker = Worker::with_threads(threads);
        let written = Grid::new(shape.clone(), from);
        // From the last to the first: nothing depends on the order.
        for number in (0..written.len()).rev() {
            let slab = written.slab(&written.position(number));
            sink.write_from(&slab, &part(source.bytes(), &shape, &slab, 4), &worker).unwrap();
        }
        let wanted = Grid::new(shape.clone(), to);
        for number in 0..wanted.len() {
            let slab = wanted.slab(&wanted.position(number));
            prop_assert_eq!(read(&tiles.source(), &slab, threads), part(source.bytes(), &shape, &slab, 4));
        }
    }
}

#[test]
fn narrow_runs_of_large_slabs_are_gathered_in_pieces() {
    let shape = [700, 800];
    let (source, _) = array(&DType::F64, &shape, Some(&[350, 800]), 6);
    let directory = tempfile::tempdir().unwrap();
    for tile in [[700, 30], [700, 799], [3, 800], [1, 1000]] {
        let tiles = TileFile::new(source.info().clone(), tile, directory.path()).unwrap();
        Run::new().budget("16M".parse().unwrap()).threads(2).copy(&source, Box::new(tiles.sink())).unwrap();
        assert!(read(&tiles.source(), &Slab::whole(&shape), 2) == source.bytes(), "{tile:?}");
        let worker = Worker::with_threads(2);
        tiles.sink().write_from(&Slab::whole(&shape), source.bytes(), &worker).unwrap();
    }
}

#[test]
fn leaves_no_name_behind_and_makes_nothing_early() {
    let directory = tempfile::tempdir().unwrap();
    let entries = || std::fs::read_dir(directory.path()).unwrap().count();
    let tiles = TileFile::new(DatasetInfo::new([100, 100], DType::F64), [10, 100], directory.path()).unwrap();
    assert_eq!((tiles.bytes(), entries()), (80_000, 0));
    tiles.sink().write_from(&Slab::new([0, 0], [1, 1]), &[1; 8], &Worker::new()).unwrap();
    assert_eq!(entries(), 0);
    assert_eq!(read(&tiles.source(), &Slab::new([0, 0], [1, 2]), 1), [1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn errors_name_the_directory() {
    let nowhere = std::env::temp_dir().join("chunk-ops-no-such-directory");
    let tiles = TileFile::new(DatasetInfo::new([4], DType::U8), [2], &nowhere).unwrap();
    let error = tiles.sink().write_from(&Slab::whole(&[4]), &[1; 4], &Worker::new()).unwrap_err();
    assert!(error.to_string().starts_with(&nowhere.display().to_string()), "{error}");
    assert!(matches!(error, Error::Io { .. }));
}

#[test]
fn refuses_shapes_that_cannot_be() {
    let directory = std::env::temp_dir();
    let new = |shape: [u64; 2], tile: &[u64]| TileFile::new(DatasetInfo::new(shape, DType::F64), tile, &directory);
    assert!(new([4, 4], &[0, 1]).is_err());
    assert!(new([4, 4], &[1]).is_err());
    assert!(new([1 << 40, 1 << 40], &[1, 1]).is_err());
    assert_eq!(new([0, 4], &[1, 1]).unwrap().bytes(), 0);
}

#[test]
fn the_sink_has_no_chunks_and_the_source_has_tiles() {
    let tiles = TileFile::new(DatasetInfo::new([4, 4], DType::F64), [4, 2], &std::env::temp_dir()).unwrap();
    assert_eq!(tiles.sink().info().chunk_shape, None);
    assert_eq!(tiles.source().info().chunk_shape, Some(Shape::from([4, 2])));
}
