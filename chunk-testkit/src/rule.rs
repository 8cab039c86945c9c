//! A rule with its name, and the macros that make a test of each.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::failure::{Failure, panic_message};

/// A rule: its name, and the function that checks it.
#[derive(Debug)]
pub struct Rule<Case> {
    name: &'static str,
    function: fn(&Case) -> Result<(), Failure>,
}

impl<Case> Rule<Case> {
    /// The rule that `function` checks.
    #[must_use]
    pub const fn new(name: &'static str, function: fn(&Case) -> Result<(), Failure>) -> Self {
        Rule { name, function }
    }

    /// Its name: that of the function, and of the test that the macros make of it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Checks it.
    ///
    /// # Errors
    /// How it is broken; a panic breaks any rule.
    pub fn check(&self, case: &Case) -> Result<(), Failure> {
        let checked = catch_unwind(AssertUnwindSafe(|| (self.function)(case)));
        let outcome = checked.unwrap_or_else(|panic| Err(Failure::new("a call", "no panic", panic_message(&*panic))));
        outcome.map_err(|failure| failure.of_rule(self.name))
    }
}

/// Checks the rule of this name, and panics with the report if it is broken: the body of a test.
#[doc(hidden)]
#[track_caller]
pub fn assert_rule<Case>(rules: &[Rule<Case>], name: &str, case: &Case) {
    let rule = rules.iter().find(|rule| rule.name == name).expect("the rule is in the list");
    if let Err(failure) = rule.check(case) {
        panic!("{failure}");
    }
}

/// Tests that a source keeps [all rules of sources](crate::source_rules): a module of the given name with a test for
/// each.
///
/// The expression is called for every test; it gives a source and the bytes that it must hold, or a
/// [`SourceCase`](crate::SourceCase) that says more.
///
/// ```
/// # fn main() {}
/// use chunk_core::{Element, MemorySource};
///
/// chunk_testkit::measure_memory!();
///
/// chunk_testkit::source_conformance!(counting, || {
///     let numbers: Vec<u32> = (0..35).collect();
///     (MemorySource::new([7, 5], &numbers).unwrap(), u32::as_bytes(&numbers).to_vec())
/// });
/// ```
#[macro_export]
macro_rules! source_conformance {
    ($name:ident, $make:expr) => {
        mod $name {
            #[allow(unused_imports, reason = "what the expression names")]
            use super::*;

            $crate::__source_rules!(tests($make));
        }
    };
}

/// Tests that a backend keeps [all its rules](crate::backend_rules), and that what it opens keeps
/// [those of sources](crate::source_rules): a module of the given name with a test for each.
///
/// The expression is called for every test and gives the backend's [`Description`](crate::Description).
///
/// ```
/// # fn main() {}
/// use chunk_core::MemoryBackend;
/// use chunk_testkit::Description;
///
/// chunk_testkit::measure_memory!();
///
/// chunk_testkit::conformance!(memory, || Description::in_memory(MemoryBackend::new()));
/// ```
#[macro_export]
macro_rules! conformance {
    ($name:ident, $make:expr) => {
        mod $name {
            #[allow(unused_imports, reason = "what the expression names")]
            use super::*;

            $crate::__backend_rules!(tests($make));

            mod as_a_source {
                #[allow(unused_imports, reason = "what the expression names")]
                use super::*;

                $crate::__source_rules!(tests(|| $crate::Description::from(($make)()).sample()));
            }
        }
    };
}

/// Makes [`PeakAlloc`](crate::PeakAlloc) the allocator of this program; once in a test binary.
#[macro_export]
macro_rules! measure_memory {
    () => {
        #[global_allocator]
        static PEAK_ALLOC: $crate::PeakAlloc = $crate::PeakAlloc;
    };
}

/// The rules of sources, once: for the table and for the tests.
#[doc(hidden)]
#[macro_export]
macro_rules! __source_rules {
    ($kind:ident $arguments:tt) => {
        $crate::__rules! {
            $kind source_rules SourceCase $arguments
            info_is_consistent
            reads_every_slab_equal_to_the_oracle
            overwrites_dirty_buffers
            refuses_out_of_bounds_slabs
            refuses_wrong_buffer_lengths
            same_bytes_from_many_threads_at_once
            same_bytes_with_any_worker
            scratch_is_within_cost
            holds_no_more_than_it_says
            reads_nothing_before_it_is_asked
            passes_on_the_errors_of_its_input
            a_nodes_cost_is_its_own
            shared_nodes_count_once
            over_the_same_inputs_is_the_same
            identity_is_its_own
            asks_only_for_what_is_inside
        }
    };
}

/// The rules of backends, once: for the table and for the tests.
#[doc(hidden)]
#[macro_export]
macro_rules! __backend_rules {
    ($kind:ident $arguments:tt) => {
        $crate::__rules! {
            $kind backend_rules Description $arguments
            its_name_and_extensions_are_well_formed
            is_found_by_the_registry
            list_names_what_open_opens
            round_trips_every_dtype_it_claims
            round_trips_every_rank_it_claims
            round_trips_zero_length_axes
            elements_never_written_hold_the_fill_value
            writes_slabs_that_cut_chunks
            writes_from_many_threads_at_once
            writes_the_same_with_any_worker
            appends_along_growth_axes
            a_partly_written_output_is_complete
            refuses_slabs_and_buffers_that_do_not_fit
            refuses_an_unknown_filter
            refuses_what_it_does_not_claim
            writing_stays_within_its_cost
            copies_within_a_budget
            making_a_sink_creates_nothing
            a_finished_output_is_whole
            an_unfinished_output_is_invisible
            preparing_an_output_publishes_nothing
            an_existing_output_is_refused_and_kept
            an_output_that_appeared_meanwhile_is_kept
            overwriting_keeps_the_old_until_finish
            identity_changes_with_the_content_and_only_then
            missing_files_give_errors
            missing_datasets_give_errors
            truncated_files_give_errors
            damaged_files_never_panic
            errors_name_the_path_and_keep_their_cause
            damaged_files_take_little_memory
            opening_holds_no_more_than_it_says
            appends_to_what_is_there
            an_unfinished_append_changes_nothing
            an_append_keeps_what_was_committed
            refuses_to_append_where_it_cannot
            an_append_has_one_writer
            sound_files_have_no_problems
            recovery_never_panics
            a_shard_becomes_the_output
            a_dropped_shard_is_continued
            shards_are_joined
            refuses_what_is_no_shard_of_it
            a_shard_has_one_writer
            a_damaged_shard_is_never_believed
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __rules {
    (table $module:ident $case:ident () $($rule:ident)*) => {
        &[$($crate::Rule::new(stringify!($rule), $rule)),*]
    };
    (tests $module:ident $case:ident ($make:expr) $($rule:ident)*) => {$(
        #[test]
        fn $rule() {
            $crate::alone_if(stringify!($rule), || {
                let case = $crate::$case::from(($make)());
                $crate::assert_rule($crate::$module::RULES, stringify!($rule), &case);
            });
        }
    )*};
}
