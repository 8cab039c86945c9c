//! Free space, before an intermediate is put somewhere.

use std::io;

/// Bytes that may still be written below `directory`, where the system says so.
pub(crate) fn free_bytes(directory: &std::path::Path) -> io::Result<Option<u64>> {
    #[cfg(unix)]
    return Ok(rustix::fs::statvfs(directory).map(|system| Some(system.f_bavail.saturating_mul(system.f_frsize)))?);
    #[cfg(not(unix))]
    return std::fs::metadata(directory).map(|_| None);
}
