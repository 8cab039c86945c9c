//! The byte budget of a run.

use std::fmt;
use std::fs;
use std::str::FromStr;

use crate::{Bytes, Error, Result};

/// How many bytes a run may hold at once: slabs in flight, the scratch of every node, and what sources hold.
///
/// It is a promise about the process: peak resident memory stays within the budget over what the program needed
/// before, plus a small constant for threads and libraries.
///
/// ```
/// use chunk_core::Budget;
///
/// let budget: Budget = "512M".parse()?;
/// assert_eq!(budget.bytes(), 512 << 20);
/// assert!("0".parse::<Budget>().is_err());
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Budget(Bytes);

const LEAST_DEFAULT: u64 = 64 << 20;
const WITHOUT_KNOWLEDGE: u64 = 1 << 30;

impl Budget {
    /// A budget of `bytes`.
    ///
    /// # Errors
    /// [`Error::InvalidBytes`] for zero.
    pub fn new(bytes: u64) -> Result<Self> {
        if bytes == 0 {
            return Err(Error::InvalidBytes { text: "0".to_owned(), reason: "a budget is at least one byte" });
        }
        Ok(Budget(Bytes(bytes)))
    }

    /// The budget in bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.0.0
    }
}

impl Default for Budget {
    /// A quarter of the memory that the machine, or the control group of this process, has available now.
    fn default() -> Self {
        let available = available_memory().map_or(WITHOUT_KNOWLEDGE, |bytes| bytes / 4);
        Budget(Bytes(available.max(LEAST_DEFAULT)))
    }
}

impl FromStr for Budget {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let Bytes(bytes) = text.parse()?;
        Budget::new(bytes)
            .map_err(|_| Error::InvalidBytes { text: text.to_owned(), reason: "a budget is at least one byte" })
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What Linux says is available; `None` elsewhere.
fn available_memory() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| meminfo_available(&text));
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    match (machine, group) {
        (Some(machine), Some(group)) => Some(u64::min(machine, group)),
        (machine, group) => machine.or(group),
    }
}

fn meminfo_available(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_zero_by_its_own_text() {
        let message = "0M".parse::<Budget>().unwrap_err().to_string();
        assert!(message.contains("\"0M\""), "{message}");
    }

    #[test]
    fn reads_what_linux_says_is_available() {
        let text = "MemTotal:  100 kB\nMemAvailable:   24 kB\n";
        assert_eq!(meminfo_available(text), Some(24 << 10));
        assert_eq!(meminfo_available("MemTotal: 1 kB\n"), None);
    }

    #[test]
    fn has_a_default() {
        assert!(Budget::default().bytes() >= LEAST_DEFAULT);
    }
}
