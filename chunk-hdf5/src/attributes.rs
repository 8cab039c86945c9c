//! Attributes, as people read them.

use chunk_core::Scalar;
use hdf5::types::{TypeDescriptor, VarLenUnicode};
use hdf5::{Attribute, Dataset, Location};

use crate::file::Found;
use crate::library::Class;
use crate::{dtype, library};

/// Longer lists are counted, not shown.
const MOST_SHOWN: usize = 8;

/// The attributes of a group or dataset: name and value.
pub(crate) fn read(file: &hdf5::File, name: &str, found: &Found) -> Vec<(String, String)> {
    match found {
        Found::Group => file.group(name).map(|group| of_location(&group)),
        Found::Dataset => file.dataset(name).map(|dataset| of_location(&dataset)),
        _ => return Vec::new(),
    }
    .unwrap_or_default()
}

fn of_location(location: &Location) -> Vec<(String, String)> {
    let names = location.attr_names().unwrap_or_default();
    let show = |name: String| {
        let value = location.attr(&name).ok().and_then(|attribute| value(&attribute));
        (name, value.unwrap_or_else(|| "(not shown)".to_owned()))
    };
    names.into_iter().map(show).collect()
}

/// Whether PyTables wrote the dataset: it says so in an attribute.
pub(crate) fn is_by_pytables(dataset: &Dataset) -> bool {
    const CLASSES: [&str; 5] = ["ARRAY", "CARRAY", "EARRAY", "VLARRAY", "TABLE"];
    let class = dataset.attr("CLASS").ok().filter(|class| class.size() == 1);
    let bytes = class.and_then(|class| {
        let kind = class.dtype().ok()?;
        let is_text = matches!(library::class(&kind).ok()?, Class::FixedString { .. });
        is_text.then(|| library::attribute_bytes(&class, &kind).ok())?
    });
    let text = bytes.unwrap_or_default();
    CLASSES.iter().any(|class| text.trim_ascii_end().strip_suffix(b"\0").unwrap_or(&text) == class.as_bytes())
}

fn value(attribute: &Attribute) -> Option<String> {
    let count = attribute.size();
    let kind = attribute.dtype().ok()?;
    if matches!(kind.to_descriptor(), Ok(TypeDescriptor::VarLenUnicode | TypeDescriptor::VarLenAscii)) {
        let texts = attribute.read_raw::<VarLenUnicode>().ok()?;
        return Some(join(attribute.ndim(), count, texts.iter().map(|text| format!("{:?}", text.as_str()))));
    }
    let stored = dtype::stored(&kind, false).ok().filter(|stored| stored.conversion.is_in_place())?;
    let mut bytes = library::attribute_bytes(attribute, &kind).ok()?;
    stored.conversion.apply_in_place(&mut bytes);
    let size = stored.dtype.size().max(1);
    let elements = bytes.chunks_exact(size).map(|element| {
        Scalar::from_bytes(stored.dtype.clone(), element).map_or_else(|error| error.to_string(), |s| s.to_string())
    });
    Some(join(attribute.ndim(), count, elements))
}

fn join(ndim: usize, count: usize, elements: impl Iterator<Item = String>) -> String {
    let shown: Vec<_> = elements.take(MOST_SHOWN).collect();
    match (ndim, count > MOST_SHOWN) {
        (0, _) => shown.concat(),
        (_, false) => format!("[{}]", shown.join(", ")),
        (_, true) => format!("[{}, .. {count} elements]", shown.join(", ")),
    }
}
