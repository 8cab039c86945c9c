//! `chunk recover`: brings a file that a dead writer left back to its last committed state.

use chunk_core::{Error, Location, Result};
use clap::Args;

use crate::Context;
use crate::failure::Outcome;
use crate::names::expand;
use crate::options::location;
use crate::output::{Out, one_line, print_now};

/// Brings a file that a dead writer left back to its last committed state
///
/// Says what it did, a line each. A file in which nothing is wrong stays as it is.
#[derive(Debug, Args)]
pub(crate) struct RecoverArgs {
    /// Files; *, ? and [..] are expanded
    #[arg(value_name = "FILE", required = true, value_parser = location())]
    files: Vec<Location>,
    /// Says what is wrong, and changes nothing
    #[arg(long)]
    dry_run: bool,
}

impl RecoverArgs {
    pub(crate) fn run(&self, context: &Context, out: &mut Out) -> Outcome {
        for file in self.files.iter().map(expand).collect::<Result<Vec<_>>>()?.concat() {
            let name = file.path().display().to_string();
            for line in self.recover(context, &file)? {
                print_now(out, &one_line(&format!("{name}: {line}")))?;
            }
        }
        Ok(())
    }

    fn recover(&self, context: &Context, file: &Location) -> Result<Vec<String>> {
        let backend = context.registry.backend_to_read(file)?;
        let fail = |what: String| {
            let dataset = file.dataset().unwrap_or_default().to_owned();
            Err(Error::Unsupported { path: file.path().to_owned(), dataset, what })
        };
        if file.dataset().is_some() {
            return fail("whole files are recovered; leave out ::DATASET".to_owned());
        }
        let Some(growing) = backend.growing() else {
            return fail(format!("{} files are written whole: there is nothing to recover", backend.name()));
        };
        let lines = if self.dry_run { growing.problems(file.path()) } else { growing.recover(file.path()) }?;
        Ok(if lines.is_empty() { vec!["nothing is wrong".to_owned()] } else { lines })
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Listed, chunk};
    use chunk_core::{MemoryBackend, MemorySource, Registry};

    #[test]
    fn says_what_it_did_or_why_it_cannot() {
        let memory = MemoryBackend::new();
        memory.insert("x", MemorySource::new([2], &[0_u8; 2]).unwrap());
        let registry = || Registry::new().with(memory.clone()).with(Listed::example());
        assert_eq!(chunk(registry(), ["recover", "memory:x"]).unwrap(), "x: nothing is wrong\n");
        assert_eq!(chunk(registry(), ["recover", "--dry-run", "memory:x"]).unwrap(), "x: nothing is wrong\n");
        let message = |place| chunk(registry(), ["recover", place]).unwrap_err().message().unwrap();
        assert!(message("memory:y").contains("no such file"));
        assert!(message("memory:x::/d").contains("leave out ::DATASET"));
        assert!(message("listed:x").contains("nothing to recover"));
    }
}
