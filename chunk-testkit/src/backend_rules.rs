//! The rules that every [`Backend`] and its sinks keep, one function each.
//!
//! Each takes a [`Description`] of the backend, and what that does not claim is not asked for.

use std::sync::Arc;

use chunk_core::{Backend, ChunkSource, DatasetInfo, Entry, EntryKind, Location, Registry, Result as CoreResult};

use crate::failure::{Failure, Outcome, ensure, works};
use crate::source_rules::reads_as;
use crate::{Description, Rule};

pub use crate::bad_files::{
    damaged_files_never_panic, damaged_files_take_little_memory, errors_name_the_path_and_keep_their_cause,
    missing_datasets_give_errors, missing_files_give_errors, opening_holds_no_more_than_it_says,
    truncated_files_give_errors,
};
pub use crate::growing::{
    an_append_has_one_writer, an_append_keeps_what_was_committed, an_unfinished_append_changes_nothing,
    appends_to_what_is_there, recovery_never_panics, refuses_to_append_where_it_cannot, sound_files_have_no_problems,
};
pub use crate::outputs::{
    a_finished_output_is_whole, a_partly_written_output_is_complete, an_existing_output_is_refused_and_kept,
    an_output_that_appeared_meanwhile_is_kept, an_unfinished_output_is_invisible,
    identity_changes_with_the_content_and_only_then, making_a_sink_creates_nothing,
    overwriting_keeps_the_old_until_finish, preparing_an_output_publishes_nothing,
};
pub use crate::sharding::{
    a_damaged_shard_is_never_believed, a_dropped_shard_is_continued, a_shard_becomes_the_output,
    a_shard_has_one_writer, refuses_what_is_no_shard_of_it, shards_are_joined,
};
pub use crate::writing::{
    appends_along_growth_axes, copies_within_a_budget, elements_never_written_hold_the_fill_value,
    refuses_an_unknown_filter, refuses_slabs_and_buffers_that_do_not_fit, refuses_what_it_does_not_claim,
    round_trips_every_dtype_it_claims, round_trips_every_rank_it_claims, round_trips_zero_length_axes,
    writes_from_many_threads_at_once, writes_slabs_that_cut_chunks, writes_the_same_with_any_worker,
    writing_stays_within_its_cost,
};

/// All rules.
pub const RULES: &[Rule<Description>] = crate::__backend_rules!(table());

/// The name is a scheme that people can write before a path, the extensions are lower case and without a dot, and
/// neither an empty file nor noise is taken for the format.
pub fn its_name_and_extensions_are_well_formed(backend: &Description) -> Outcome {
    let name = backend.name();
    let parsed: CoreResult<Location> = format!("{name}:x").parse();
    let scheme = parsed.ok().and_then(|location| location.scheme().map(str::to_owned));
    ensure(scheme.as_deref() == Some(name), || {
        Failure::new(name, "a name of two or more lower-case letters, digits or `-`", format!("{name:?}"))
    })?;
    for extension in backend.backend.extensions() {
        let plain = !extension.is_empty() && !extension.contains('.') && **extension == extension.to_lowercase();
        ensure(plain, || Failure::new(name, "extensions in lower case, without the dot", format!("{extension:?}")))?;
    }
    let noise = crate::pattern(&chunk_core::DType::U8, 4096);
    for (what, head) in [("an empty file", &[][..]), ("one byte", &noise[5..6]), ("noise", &noise[5..])] {
        ensure(!backend.backend.recognises(head), || {
            Failure::new(name, format!("{what} not recognised"), "recognised")
        })?;
    }
    Ok(())
}

/// A registry finds the backend by its scheme; where it has files, also without a scheme, to write and to read.
pub fn is_found_by_the_registry(backend: &Description) -> Outcome {
    let place = backend.place();
    let array = backend.array(&backend.dtype(), backend.rank());
    backend.write(&place, &array)?;
    let registry = registry(backend);
    let named = place.location.clone().with_scheme(backend.name());
    reads_as(&*works(registry.open(&named), &named, "opening by scheme")?, &array)?;
    if backend.has_files() {
        reads_as(&*works(registry.open(&place.location), &place.location, "opening without a scheme")?, &array)?;
        works(registry.backend_to_write(&place.location), &place.location, "choosing a backend by the file's name")?;
    }
    Ok(())
}

/// Each dataset that `list` names is opened by that name and is what the list says; the only one also without a name.
pub fn list_names_what_open_opens(backend: &Description) -> Outcome {
    let place = backend.place();
    let array = backend.array(&backend.dtype(), backend.rank());
    backend.write(&place, &array)?;
    let entries = works(backend.backend.list(place.path()), &place.location, "listing")?;
    let names: Vec<&String> = entries.iter().filter(|entry| is_dataset(entry)).map(|entry| &entry.name).collect();
    ensure(names.len() == 1, || {
        Failure::new(&place.location, "a list with the one dataset that was written", format!("datasets {names:?}"))
    })?;
    for name in names {
        let named = Location::new(place.path()).with_dataset(name.clone());
        reads_as(&*works(backend.backend.open(&named), &named, "opening by the listed name")?, &array)?;
    }
    for info in entries.iter().filter_map(listed) {
        ensure(info.shape == array.info().shape && info.dtype == array.info().dtype, || {
            let expected = format!("a list that says {} {}", array.info().shape, array.info().dtype);
            Failure::new(&place.location, expected, format!("{} {}", info.shape, info.dtype))
        })?;
    }
    let only = Location::new(place.path());
    reads_as(&*works(backend.backend.open(&only), &only, "opening the only dataset without a name")?, &array)
}

fn is_dataset(entry: &Entry) -> bool {
    listed(entry).is_some()
}

fn listed(entry: &Entry) -> Option<&DatasetInfo> {
    match &entry.kind {
        EntryKind::Dataset(dataset) => Some(&dataset.info),
        _ => None,
    }
}

/// A registry with this backend alone.
pub(crate) fn registry(backend: &Description) -> Registry {
    Registry::new().with(Arc::clone(&backend.backend))
}
