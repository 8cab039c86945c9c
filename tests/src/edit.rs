//! Changes what is in a file once: to be killed over it.

use chunk_core::{Backend, CreateOptions, DatasetInfo, Location, MemorySource, Run};
use chunk_hdf5::{Hdf5, Hdf5Editor};

/// `FILE create|replace|remove|move`.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, change] = arguments.as_slice() else { return Err("FILE CHANGE".into()) };
    match change.as_str() {
        "create" => write(path, "/new/group/d", false)?,
        "replace" => write(path, "/g/x", true)?,
        "remove" => edit(path, |editor| editor.remove("/g"))?,
        "move" => edit(path, |editor| editor.rename("/g/h", "/moved/h"))?,
        other => return Err(format!("{other}: no such change").into()),
    }
    Ok(())
}

fn write(path: &str, name: &str, overwrite: bool) -> chunk_core::Result<()> {
    let location = Location::new(path).with_dataset(name);
    let info = DatasetInfo::new([60, 8], chunk_core::DType::I32).with_chunk_shape([16, 8]);
    let source = MemorySource::new([60, 8], &(0..480).collect::<Vec<i32>>())?;
    let options = CreateOptions::default().with_overwrite(overwrite).with_filter("gzip:1");
    let sink = Hdf5::default().create(&location, info, &options)?;
    Run::new().threads(1).copy(&source, sink)?;
    Ok(())
}

fn edit(path: &str, change: impl Fn(&Hdf5Editor) -> chunk_core::Result<()>) -> chunk_core::Result<()> {
    let editor = Hdf5Editor::open(path)?;
    change(&editor)?;
    editor.finish()
}
