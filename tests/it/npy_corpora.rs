//! The .npy and .npz files of the folder that `CHUNK_CORPORA` names.

use std::path::{Path, PathBuf};

use chunk_core::{Backend, Buffer, ChunkSource, DType, Location, Result, Slab, Worker};
use chunk_npy::Npy;
use sha2::{Digest, Sha256};

/// SHA-256 of all elements in little-endian order, as the manifest has it.
fn hash(location: &Location) -> Result<String> {
    let source = Npy::default().open(location)?;
    let info = source.info();
    let mut out = Buffer::zeroed(info.bytes() as usize)?;
    source.read_into(&Slab::whole(&info.shape), &mut out, &Worker::new())?;
    if cfg!(target_endian = "big") {
        info.dtype.swap_bytes(&mut out);
    }
    assert!(is_packed(&info.dtype), "the manifest hashes packed structures, {location} is not one");
    let digits = |text: String, byte: &u8| text + &format!("{byte:02x}");
    Ok(Sha256::digest(&out[..]).iter().fold(String::new(), digits))
}

fn is_packed(dtype: &DType) -> bool {
    let DType::Struct(kind) = dtype else { return true };
    kind.fields.iter().map(|field| field.dtype.size()).sum::<usize>() == kind.size
}

fn location(folder: &Path, columns: &[&str]) -> Location {
    let location = Location::new(folder.join(columns[1]));
    if columns[3].is_empty() { location } else { location.with_dataset(columns[3]) }
}

#[test]
fn arrays_hash_as_numpy_says_and_the_others_are_errors() {
    let Some(folder) = std::env::var_os("CHUNK_CORPORA").map(PathBuf::from) else {
        eprintln!("CHUNK_CORPORA is not set: nothing is compared");
        return;
    };
    let manifest = std::fs::read_to_string(folder.join("MANIFEST.tsv")).expect("the manifest of the corpora");
    let rows = manifest.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    let is_numpys = |name: &str| Path::new(name).extension().is_some_and(|ending| ending == "npy" || ending == "npz");
    let rows: Vec<_> = rows.filter(|columns| is_numpys(columns[1])).collect();
    let (mut equal, mut refused, mut wrong) = (0, 0, Vec::new());
    for columns in &rows {
        let (location, expected) = (location(&folder, columns), columns[11]);
        match hash(&location) {
            Ok(found) if found == expected => equal += 1,
            Err(error) if expected.len() != 64 => {
                assert!(error.to_string().contains(columns[1]), "{error} names the file");
                refused += 1;
            }
            found => wrong.push(format!("{location}: {found:?}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    assert!(equal > 80 && refused >= 6, "{equal} equal, {refused} refused");
}
