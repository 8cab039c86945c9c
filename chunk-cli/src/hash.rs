//! `chunk hash`: SHA-256 of a dataset's values, whatever the file's layout, filters and byte order.
//!
//! Hashed are the elements in C order, little-endian: numbers, strings and opaque bytes as they are, structures field
//! by field without padding. Of elements of variable length each is hashed behind its length.

use std::fmt::Write as _;
use std::ops::Range;

use chunk_core::{ChunkSource, DType, Error, Result, Run};
use clap::Args;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::Context;
use crate::dataset::{Dataset, DatasetArg, dataset};
use crate::failure::{Failure, Outcome, say};
use crate::names::datasets_inside;
use crate::options::RunOptions;
use crate::output::{Out, one_line, print_json, print_now};
use crate::variable;

/// Prints the SHA-256 of each dataset's C-order little-endian bytes
#[derive(Debug, Args)]
pub(crate) struct HashArgs {
    /// Datasets, or files and groups with --recursive; *, ? and [..] in paths are expanded
    #[arg(value_name = "DATASET", required = true, value_parser = dataset())]
    datasets: Vec<DatasetArg>,
    /// Hashes every dataset of a file or group; one that cannot be read is a line that begins with `error`
    #[arg(short, long)]
    recursive: bool,
    /// Prints one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    run: RunOptions,
}

#[derive(Debug, Default)]
struct Tally {
    seen: usize,
    failed: usize,
}

#[derive(Serialize)]
struct HashRecord<'a> {
    dataset: &'a str,
    sha256: &'a str,
    bytes: u64,
}

#[derive(Serialize)]
struct ErrorRecord<'a> {
    dataset: &'a str,
    error: &'a str,
}

impl HashArgs {
    pub(crate) fn run(&self, context: &Context, out: &mut Out) -> Outcome {
        let run = self.run.to_run(context);
        let mut tally = Tally::default();
        for pattern in &self.datasets {
            match pattern.expand() {
                Ok(files) => {
                    for file in files {
                        self.hash_file(context, &run, &file, &mut tally, out)?;
                    }
                }
                Err(error) => self.tell(pattern, error, &mut tally, out)?,
            }
        }
        match tally {
            Tally { failed: 0, .. } => Ok(()),
            Tally { failed, seen } if self.lists_errors() => {
                Err(Failure::Check(format!("{failed} of {seen} could not be hashed")))
            }
            Tally { .. } => Err(Failure::Told),
        }
    }

    fn lists_errors(&self) -> bool {
        self.recursive || self.json
    }

    fn hash_file(&self, context: &Context, run: &Run, file: &DatasetArg, tally: &mut Tally, out: &mut Out) -> Outcome {
        if !self.recursive {
            return self.hash_dataset(context, run, file, tally, out);
        }
        match datasets_inside(&context.registry, file.whole()) {
            Ok(inside) => inside
                .into_iter()
                .try_for_each(|location| self.hash_dataset(context, run, &location.into(), tally, out)),
            Err(error) => self.tell(file, error, tally, out),
        }
    }

    fn hash_dataset(
        &self,
        context: &Context,
        run: &Run,
        dataset: &DatasetArg,
        tally: &mut Tally,
        out: &mut Out,
    ) -> Outcome {
        let name = dataset.to_string();
        let result = dataset.open(&context.registry).and_then(|Dataset { source, .. }| {
            if self.run.dry_run {
                return Ok((run.planner().read_contiguous(&source)?.describe(), 0));
            }
            let watched = self.run.watch(run, name.as_str());
            Ok((hash(&source, watched.run())?, source.info().bytes()))
        });
        let result = match result {
            Err(error @ Error::UnsupportedDType { .. }) if !self.run.dry_run => {
                match variable::digest(dataset.whole(), &context.cancel) {
                    Ok(Some((digest, bytes))) => Ok((hexadecimal(digest), bytes)),
                    Ok(None) => Err(error),
                    Err(other) => Err(other),
                }
            }
            other => other,
        };
        match result {
            Err(error) => self.tell(dataset, error, tally, out),
            Ok((text, bytes)) => {
                tally.seen += 1;
                match (self.run.dry_run, self.json) {
                    (true, _) => print_now(out, &text),
                    (false, true) => print_json(out, &HashRecord { dataset: &name, sha256: &text, bytes }),
                    (false, false) => print_now(out, &format!("{text}  {}", one_line(&name))),
                }
            }
        }
    }

    /// Says that a dataset cannot be hashed, and goes on, unless the run was cancelled.
    fn tell(&self, dataset: &DatasetArg, error: Error, tally: &mut Tally, out: &mut Out) -> Outcome {
        if matches!(error, Error::Cancelled) {
            return Err(error.into());
        }
        tally.seen += 1;
        tally.failed += 1;
        let (dataset, message) = (dataset.to_string(), error.report());
        if self.json {
            return print_json(out, &ErrorRecord { dataset: &dataset, error: &message });
        }
        if self.recursive {
            return print_now(out, &format!("error  {}  {}", one_line(&dataset), one_line(&message)));
        }
        say(&message);
        Ok(())
    }
}

/// The hexadecimal SHA-256 of all elements.
fn hash(source: &dyn ChunkSource, run: &Run) -> Result<String> {
    let mut packer = Packer::new(&source.info().dtype);
    let mut digest = Sha256::new();
    run.visit_in_order(source, |_, bytes| {
        packer.pack(bytes, |packed| digest.update(packed));
        Ok::<(), Error>(())
    })?;
    Ok(hexadecimal(digest))
}

fn hexadecimal(digest: Sha256) -> String {
    digest.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Turns elements as they are in memory, native and with padding, into little-endian ones without.
struct Packer {
    dtype: DType,
    /// Where the bytes that count are in an element.
    spans: Vec<Range<usize>>,
    /// Whether elements are already as they are to be.
    plain: bool,
    native: Vec<u8>,
    packed: Vec<u8>,
}

const BLOCK_BYTES: usize = 64 << 10;

impl Packer {
    fn new(dtype: &DType) -> Self {
        let mut spans = Vec::new();
        add_spans(dtype, 0, &mut spans);
        let whole = dtype.size() == 0 || matches!(spans.as_slice(), [span] if *span == (0..dtype.size()));
        let plain = whole && cfg!(target_endian = "little");
        Packer { dtype: dtype.clone(), spans, plain, native: Vec::new(), packed: Vec::new() }
    }

    /// Hands `bytes`, whole elements, on in pieces.
    fn pack(&mut self, bytes: &[u8], mut take: impl FnMut(&[u8])) {
        if self.plain {
            return take(bytes);
        }
        let size = self.dtype.size();
        let block = (BLOCK_BYTES / size).max(1) * size;
        for elements in bytes.chunks(block) {
            self.native.clear();
            self.native.extend_from_slice(elements);
            if cfg!(target_endian = "big") {
                self.dtype.swap_bytes(&mut self.native);
            }
            self.packed.clear();
            for element in self.native.chunks_exact(size) {
                self.spans.iter().for_each(|span| self.packed.extend_from_slice(&element[span.clone()]));
            }
            take(&self.packed);
        }
    }
}

/// Adds the spans of an element at `offset`, joined where they touch.
fn add_spans(dtype: &DType, offset: usize, spans: &mut Vec<Range<usize>>) {
    match dtype {
        DType::Struct(kind) => {
            kind.fields.iter().for_each(|field| add_spans(&field.dtype, offset + field.offset, spans));
        }
        DType::Array { element, shape } => {
            let count = shape.elements() as usize;
            (0..count).for_each(|number| add_spans(element, offset + number * element.size(), spans));
        }
        other => match spans.last_mut() {
            Some(last) if last.end == offset => last.end += other.size(),
            _ => spans.push(offset..offset + other.size()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Listed, chunk, chunk_with_failure};
    use chunk_core::{DatasetInfo, Field, MemoryBackend, MemorySource, Registry, StructType};

    fn registry(name: &str, source: MemorySource) -> Registry {
        let memory = MemoryBackend::new();
        memory.insert(name, source);
        Registry::new().with(Listed::example()).with(memory)
    }

    /// hashlib.sha256(numpy.arange(1000, dtype="<f8").tobytes()).hexdigest()
    const ARANGE: &str = "9157058038a1c22be0bcbbd5f835bf299e8598e2e5239a4847be42a27516847a";

    #[test]
    fn hashes_values_whatever_the_chunks_and_the_budget() {
        let elements: Vec<f64> = (0..1000).map(f64::from).collect();
        for (chunk_shape, memory, threads) in [([40, 25], "1M", "1"), ([7, 3], "3K", "3"), ([1, 25], "500", "2")] {
            let source = MemorySource::new([40, 25], &elements).unwrap().with_chunk_shape(chunk_shape).unwrap();
            let args = ["hash", "memory:x", "--memory", memory, "--threads", threads];
            let text = chunk(registry("x", source), args).unwrap();
            assert_eq!(text, format!("{ARANGE}  memory:x\n"));
        }
    }

    #[test]
    fn structures_are_hashed_without_padding() {
        // numpy.dtype([("a", "<u2"), ("b", [("x", "<f4"), ("y", "u1")], (2,))], align=True)
        let field = |name: &str, dtype, offset| Field { name: name.to_owned(), dtype, offset };
        let pair = StructType { fields: vec![field("x", DType::F32, 0), field("y", DType::U8, 4)], size: 8 };
        let pairs = DType::Array { element: DType::Struct(pair.into()).into(), shape: [2].into() };
        let record = StructType { fields: vec![field("a", DType::U16, 0), field("b", pairs, 4)], size: 20 };
        let dtype = DType::Struct(record.into());
        let mut packer = Packer::new(&dtype);
        assert_eq!(packer.spans, [0..2, 4..9, 12..17]);

        let element: Vec<u8> = (0..20).collect();
        let (mut taken, many) = (Vec::new(), element.repeat(10_000));
        packer.pack(&many, |packed| taken.extend_from_slice(packed));
        let expected = [0, 1, 4, 5, 6, 7, 8, 12, 13, 14, 15, 16].repeat(10_000);
        assert!(cfg!(target_endian = "big") || taken == expected);
    }

    #[test]
    fn elements_of_no_bytes_and_no_elements_have_the_hash_of_nothing() {
        let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for info in [DatasetInfo::new([3], DType::Bytes(0)), DatasetInfo::new([0, 3], DType::F64)] {
            let source = MemorySource::from_bytes(info, []).unwrap();
            let text = chunk(registry("x", source), ["hash", "memory:x"]).unwrap();
            assert_eq!(text, format!("{nothing}  memory:x\n"));
        }
    }

    #[test]
    fn a_dataset_that_cannot_be_read_is_a_line_and_the_rest_is_hashed() {
        let source = MemorySource::new([1], &[0_u8]).unwrap();
        let (text, failure) = chunk_with_failure(registry("x", source), ["hash", "--recursive", "listed:x"]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[0].ends_with("  listed:x::/a") && lines[3].ends_with("  listed:x::/small"), "{text}");
        assert!(lines[1].starts_with("error  listed:x::/broken  ") && lines[1].contains("32013 (zfp)"), "{text}");
        assert!(lines[2].starts_with("error  listed:x::/g/deep/d  "), "{text}");
        let failure = failure.unwrap();
        assert_eq!((failure.status(), failure.message().unwrap().as_str()), (1, "2 of 4 could not be hashed"));
    }

    #[test]
    fn a_missing_file_does_not_stop_the_others() {
        let source = MemorySource::new([1], &[0_u8]).unwrap();
        let args = ["hash", "--json", "memory:none", "memory:x", "listed:x::/small"];
        let (text, failure) = chunk_with_failure(registry("x", source), args);
        let objects: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(objects[0]["error"].as_str().unwrap().contains("no such file"));
        assert_eq!(objects[1]["bytes"], 1);
        assert_eq!(objects[2]["dataset"], "listed:x::/small");
        assert_eq!(failure.unwrap().status(), 1);
    }

    #[test]
    fn a_dry_run_prints_the_plan() {
        let source = MemorySource::new([1], &[0_u8]).unwrap();
        let text = chunk(registry("x", source), ["hash", "memory:x", "--dry-run"]).unwrap();
        assert!(text.contains("slabs    1 of (1,)"), "{text}");
    }
}
