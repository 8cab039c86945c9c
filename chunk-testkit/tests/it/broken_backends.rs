//! Backends that break one rule each: the suite must find that one, and no other.

use chunk_testkit::{Failure, backend_rules};

use crate::small_backend::{Fault, SmallBackend};
use Fault::*;

/// Each fault and the rule that it breaks.
const FAULTS: [(Fault, &str); 53] = [
    (ShoutsItsName, "its_name_and_extensions_are_well_formed"),
    (RecognisesEverything, "its_name_and_extensions_are_well_formed"),
    (HasAnotherExtension, "is_found_by_the_registry"),
    (ListsAnotherName, "list_names_what_open_opens"),
    (QuietsNans, "round_trips_every_dtype_it_claims"),
    (RefusesScalars, "round_trips_every_rank_it_claims"),
    (RefusesEmptyArrays, "round_trips_zero_length_axes"),
    (ForgetsTheFillValue, "elements_never_written_hold_the_fill_value"),
    (FillsCutChunks, "writes_slabs_that_cut_chunks"),
    (RacesWithItself, "writes_from_many_threads_at_once"),
    (ForgetsTheSecondThread, "writes_the_same_with_any_worker"),
    (ForgetsWhatWasThereWhenItGrows, "appends_along_growth_axes"),
    (TakesSlabsOutside, "refuses_slabs_and_buffers_that_do_not_fit"),
    (TakesShortBuffers, "refuses_slabs_and_buffers_that_do_not_fit"),
    (IgnoresFilters, "refuses_an_unknown_filter"),
    (HidesScratch, "writing_stays_within_its_cost"),
    (NeedsAGigabyte, "copies_within_a_budget"),
    (CreatesAtOnce, "making_a_sink_creates_nothing"),
    (LeavesALockFile, "a_finished_output_is_whole"),
    (WritesUnderTheFinalName, "an_unfinished_output_is_invisible"),
    (LeavesTheTemporaryFile, "an_unfinished_output_is_invisible"),
    (ReplacesWithoutAsking, "an_existing_output_is_refused_and_kept"),
    (LeavesItBesideTheOld, "overwriting_keeps_the_old_until_finish"),
    (RemovesTheOldFirst, "overwriting_keeps_the_old_until_finish"),
    (HasOneIdentityForAll, "identity_changes_with_the_content_and_only_then"),
    (HasAnotherIdentityEachTime, "identity_changes_with_the_content_and_only_then"),
    (OpensWhatIsNotThere, "missing_files_give_errors"),
    (OpensAnyDataset, "missing_datasets_give_errors"),
    (PadsWhatIsMissing, "truncated_files_give_errors"),
    (PanicsOnAnUnknownDType, "damaged_files_never_panic"),
    (LeavesTheEndUnwritten, "damaged_files_never_panic"),
    (NamesNoPath, "errors_name_the_path_and_keep_their_cause"),
    (RepeatsTheCause, "errors_name_the_path_and_keep_their_cause"),
    (CutsWhatIsUnwritten, "a_partly_written_output_is_complete"),
    (TrustsGarbage, "damaged_files_take_little_memory"),
    (TakesAnyDType, "refuses_what_it_does_not_claim"),
    (HidesWhatItHolds, "opening_holds_no_more_than_it_says"),
    (ReplacesWhatAppeared, "an_output_that_appeared_meanwhile_is_kept"),
    (WantsSlabsInOrder, "appends_to_what_is_there"),
    (LosesTheOldWhenDropped, "an_unfinished_append_changes_nothing"),
    (OverwritesWhatIsCommitted, "an_append_keeps_what_was_committed"),
    (AppendsToNothing, "refuses_to_append_where_it_cannot"),
    (LetsTwoAppend, "an_append_has_one_writer"),
    (MendsSoundFiles, "sound_files_have_no_problems"),
    (PanicsOverDamage, "recovery_never_panics"),
    (PublishesWhenPrepared, "preparing_an_output_publishes_nothing"),
    (LosesWhatWasPrepared, "preparing_an_output_publishes_nothing"),
    (LeavesItsShard, "a_shard_becomes_the_output"),
    (HoldsWithAnyChecksum, "a_dropped_shard_is_continued"),
    (SearchesAllShards, "shards_are_joined"),
    (TakesAnyShard, "refuses_what_is_no_shard_of_it"),
    (TakesShortBuffersOfShards, "a_shard_has_one_writer"),
    (BelievesItsLog, "a_damaged_shard_is_never_believed"),
];

#[test]
fn each_fault_breaks_its_rule_and_no_other() {
    chunk_testkit::alone(|| {
        let mut wrong = Vec::new();
        for (fault, broken) in FAULTS {
            let backend = SmallBackend::description(fault);
            let found: Vec<_> = backend_rules::RULES.iter().filter_map(|rule| rule.check(&backend).err()).collect();
            if found.iter().map(Failure::rule).ne([broken]) {
                wrong.push(format!("{fault:?}: {found:#?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    });
}

#[test]
fn every_rule_is_broken_by_some_fault() {
    for rule in backend_rules::RULES {
        assert!(FAULTS.iter().any(|(_, broken)| *broken == rule.name()), "{}", rule.name());
    }
}
