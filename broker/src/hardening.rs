//! Keeps this process's memory out of swap and core dumps, and raises its limit of open files.

use rustix::io::Errno;
use vouchsafe_system::memory::{self, Resource};
pub use vouchsafe_system::memory::{Locked, no_core_dumps};

/// Turns core dumps off, or the process does not start, then locks all memory as far as the process may.
///
/// # Errors
/// The system's error when core dumps cannot be turned off.
pub fn protect() -> Result<Locked, Errno> {
    memory::protect(ENOUGH_MEMORY)
}

/// Raises the limit of open files to the hard limit, and returns it; `None` for no limit.
#[must_use]
pub fn raise_open_files() -> Option<u64> {
    memory::raise_limit(Resource::Nofile)
}

// The allocator never returns locked memory: what a burst of requests needed stays resident, within the
// broker's limits.
/// Lockable memory, in bytes, that the broker needs.
const ENOUGH_MEMORY: u64 = 4 * 1024 * 1024 * 1024;
