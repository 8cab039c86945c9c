//! A folder of another job, or one that was damaged, is refused or done again: it never makes a wrong output.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use chunk_core::{
    Casting, ChunkSource, CreateOptions, DType, Error, Job, JobFolder, Location, MemorySource, Output, Run, cast,
};
use serde_json::json;

use crate::jobs::{Place, SINKS, Sink, Work, count, json, program, refuse, registry, stderr, succeed, write};

/// A job of which a part is done.
fn begun(sink: Sink, work: Work) -> Place {
    let place = Place::new(sink, work);
    succeed(&mut place.command(&["--part=0/2", "--progress=never"]));
    place
}

/// A command over the folder of the job, which it is refused.
fn refused(place: &Place, words: &[&str], part: &str) {
    let (input, target) = (format!("{}::/x", place.text("in.h5")), place.target());
    let all = [&[words[0], &input, &target], &words[1..], &["--resume", "--progress=never"]].concat();
    let message = refuse(&mut program(&all));
    assert!(message.contains(part), "{words:?}: {message}");
    assert!(!place.output().exists(), "{words:?}");
}

#[test]
fn another_job_is_refused_with_the_difference() {
    let place = begun(Sink::New, Work::Along);
    let along = ["--chunks=1,96", "--memory=200K"];
    let with = |words: &[&'static str]| [words, &along[..]].concat();
    refused(&place, &with(&["fft", "--axis=0"]), "parameters and kernels");
    refused(&place, &with(&["fft", "--axis=1", "--inverse"]), "operations: ifft, not fft");
    refused(&place, &with(&["convert"]), "operations: copy, not fft");
    refused(&place, &["fft", "--axis=1", "--chunks=6,96"], "outputs: ");
    let place = begun(Sink::New, Work::Convert);
    refused(&place, &["convert", "--chunks=1,96"], "operations: copy, not astype");
    // What the shards are of.
    let words = ["convert", "--dtype=f4", "--casting=same_kind", "--chunks=1,96", "--filter=none"];
    refused(&place, &words, "filter");
}

#[test]
fn a_changed_input_is_refused() {
    let place = begun(Sink::New, Work::Along);
    write(&Location::new(place.path("in.h5")).with_dataset("/x"), [192, 96], [12, 96], 5.0);
    let message = refuse(&mut place.command(&["--resume"]));
    assert!(message.contains("contents of the inputs"), "{message}");
    assert!(!place.output().exists());
    let place = begun(Sink::New, Work::Along);
    let touched = Command::new("touch").args(["-d", "2001-01-01"]).arg(place.path("in.h5")).status().unwrap();
    assert!(touched.success());
    let message = refuse(&mut place.command(&["--resume"]));
    assert!(message.contains("contents of the inputs"), "{message}");
}

#[test]
fn a_record_that_was_changed_is_refused() {
    let place = begun(Sink::Npy, Work::Across);
    let record = place.job().join("job.json");
    let text = fs::read_to_string(&record).unwrap();
    for change in ["version", "tasks"] {
        let mut changed = json(&text);
        let at = if change == "version" { &mut changed["job"] } else { &mut changed["job"]["stages"][0] };
        at[change] = json!(count(at, change) + 1);
        fs::write(&record, changed.to_string()).unwrap();
        let message = refuse(&mut place.command(&["--resume"]));
        assert!(message.contains("the plan was made for something else"), "{message}");
    }
    let mut slabs = json(&text);
    slabs["job"]["stages"][1]["slab_shape"] = json!([192, 1]);
    fs::write(&record, slabs.to_string()).unwrap();
    assert!(refuse(&mut place.command(&["--resume"])).contains("tiling"));
    for cut in (0..text.len() - 1).step_by(7) {
        fs::write(&record, &text[..cut]).unwrap();
        let message = refuse(&mut place.command(&["--resume"]));
        assert!(message.contains("job.json"), "{cut}: {message}");
        assert_eq!(message.trim_end().lines().count(), 1);
    }
    fs::write(&record, "{}").unwrap();
    for words in [["job", "status"], ["job", "finish"], ["job", "clear"], ["work", ""]] {
        let folder = place.job().to_str().unwrap().to_owned();
        let all: Vec<&str> = [words[0], &folder, words[1]].into_iter().filter(|word| !word.is_empty()).collect();
        assert!(refuse(&mut program(&all)).contains("job.json"), "{words:?}");
    }
    fs::write(&record, text).unwrap();
    succeed(&mut place.command(&["--resume", "--progress=never"]));
}

#[test]
fn every_byte_of_a_record_may_change_without_a_wrong_output() {
    let origin = begun(Sink::Npy, Work::Across);
    let expected = origin.expected();
    let text = fs::read(origin.job().join("job.json")).unwrap();
    let record = origin.job().join("job.json");
    for at in (0..text.len()).step_by(23) {
        let mut changed = text.clone();
        changed[at] ^= 1;
        fs::write(&record, changed).unwrap();
        let output = origin.command(&["--part=0/2", "--progress=never"]).output().unwrap();
        assert!(matches!(output.status.code(), Some(0 | 1)), "byte {at}: {}", stderr(&output));
    }
    fs::write(&record, text).unwrap();
    succeed(&mut origin.command(&["--resume", "--progress=never"]));
    origin.check_made(&expected, "after all changes");
}

#[test]
fn marks_that_are_cut_or_damaged_cost_tasks_and_nothing_else() {
    for sink in SINKS {
        let place = begun(sink, Work::Along);
        let expected = place.expected();
        let marks = place.job().join("part-0-of-2.marks");
        let bytes = fs::read(&marks).unwrap();
        let (all, _) = place.marked().unwrap();
        for cut in 0..bytes.len() {
            fs::write(&marks, &bytes[..cut]).unwrap();
            let left = place.marked().unwrap().0;
            assert!(left < all, "{sink:?}: cut at {cut}");
        }
        let header = bytes.len() - all as usize * 32;
        for at in (0..bytes.len()).step_by(5) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            fs::write(&marks, damaged).unwrap();
            match JobFolder::open(&place.job()).unwrap().status() {
                Ok(status) => assert!(status.stages[0].done < all, "{sink:?}: byte {at}"),
                Err(Error::WrongFormat { .. }) => assert!(at < 16, "{sink:?}: byte {at}"),
                Err(error) => panic!("{sink:?}: byte {at}: {error}"),
            }
        }
        for cut in [0, 7, header - 1, header + 33, bytes.len() - 3] {
            fs::write(&marks, &bytes[..cut]).unwrap();
            let record = json(&succeed(&mut place.command(&["--part=0/2", "--json", "--progress=never"])));
            assert_eq!(count(&record, "kept") + count(&record, "done"), all, "{sink:?}: cut at {cut}: {record}");
        }
        succeed(&mut place.command(&["--resume", "--progress=never"]));
        place.check_made(&expected, &format!("{sink:?}"));
    }
}

#[test]
fn marks_of_another_job_are_refused() {
    let place = begun(Sink::New, Work::Along);
    let other = begun(Sink::New, Work::Convert);
    let marks = |place: &Place| place.job().join("part-0-of-2.marks");
    fs::copy(marks(&other), marks(&place)).unwrap();
    let message = refuse(&mut place.command(&["--resume"]));
    assert!(message.contains("part-0-of-2.marks") && message.contains("operations"), "{message}");
    fs::write(marks(&place), "something else").unwrap();
    assert!(refuse(&mut place.command(&["--resume"])).contains("not a log"));
    assert!(!place.output().exists());
}

/// Flips bytes of each shard, one after another, and lets `repair` make the output.
fn damage(work: Work, sinks: &[Sink], begin: &[&str], repair: &dyn Fn(&Place, &str)) {
    for sink in sinks {
        let sink = *sink;
        let expected = Place::new(sink, work).expected();
        let names = |place: &Place| {
            let mut names: Vec<_> = fs::read_dir(place.job()).unwrap().map(|entry| entry.unwrap().path()).collect();
            names.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("stage-"));
            names.sort();
            names
        };
        let make = || {
            let place = Place::new(sink, work);
            succeed(&mut place.command(&[begin, &["--progress=never"]].concat()));
            place
        };
        let shards = names(&make()).len();
        for (number, part) in (0..shards).flat_map(|number| [(number, 1), (number, 2), (number, 5)]) {
            let place = make();
            let path = &names(&place)[number];
            let mut bytes = fs::read(path).unwrap();
            let at = bytes.len() * part / 6;
            let end = (at + 40).min(bytes.len());
            bytes[at..end].iter_mut().for_each(|byte| *byte ^= 0x55);
            fs::write(path, bytes).unwrap();
            let when = format!("{sink:?} {work:?}: {} at {at}", path.file_name().unwrap().to_string_lossy());
            repair(&place, &when);
            place.check_made(&expected, &when);
        }
    }
}

#[test]
fn damaged_shards_of_a_process_are_done_again() {
    for work in [Work::Along, Work::Across] {
        damage(work, &SINKS, &["--part=0/2"], &|place, when| {
            let record = succeed(&mut place.command(&["--part=0/2", "--json", "--progress=never"]));
            let _ = when;
            assert!(count(&json(&record), "missing") > 0 || work == Work::Along);
            succeed(&mut place.command(&["--resume", "--progress=never"]));
        });
    }
}

#[test]
fn damaged_shards_of_others_never_make_a_wrong_output() {
    for work in [Work::Along, Work::Across] {
        damage(work, &SINKS, &["--part=0/2"], &|place, when| {
            let output = place.command(&["--resume", "--progress=never"]).output().unwrap();
            assert!(output.status.success(), "{when}: {}", stderr(&output));
        });
    }
}

#[test]
fn something_without_identity_is_refused_before_anything_is_created() {
    let folder = tempfile::tempdir().unwrap();
    let source: Arc<dyn ChunkSource> = Arc::new(MemorySource::new([4, 4], &[1.5; 16]).unwrap());
    let source: Arc<dyn ChunkSource> = if source.info().identity.is_some() {
        Arc::new(Anonymous { info: chunk_core::DatasetInfo::new([4, 4], DType::F64), inner: source })
    } else {
        source
    };
    let source: Arc<dyn ChunkSource> = Arc::new(cast(source, &DType::F32, Casting::SameKind).unwrap());
    let registry = registry();
    let location: Location = Location::new(folder.path().join("y.npy"));
    let info = source.info().clone();
    let output = Output::at(source, info, &registry, location, CreateOptions::default()).unwrap();
    let job = Job::plan(&Run::new(), &[output], folder.path()).unwrap();
    let begun = JobFolder::begin(&folder.path().join("job"), &job, json!({}));
    assert!(matches!(begun, Err(Error::Unidentified { .. })), "{begun:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// An array that nobody can tell from another.
#[derive(Debug)]
struct Anonymous {
    info: chunk_core::DatasetInfo,
    inner: Arc<dyn ChunkSource>,
}

impl ChunkSource for Anonymous {
    fn info(&self) -> &chunk_core::DatasetInfo {
        &self.info
    }

    fn operation(&self) -> Option<&dyn chunk_core::Operation> {
        None
    }

    fn held_bytes(&self) -> u64 {
        self.inner.held_bytes()
    }

    fn cost(&self, slab: &chunk_core::Slab, threads: usize) -> chunk_core::Result<chunk_core::Cost> {
        self.inner.cost(slab, threads)
    }

    fn read_into(
        &self,
        slab: &chunk_core::Slab,
        out: &mut [u8],
        worker: &chunk_core::Worker,
    ) -> chunk_core::Result<()> {
        self.inner.read_into(slab, out, worker)
    }
}
