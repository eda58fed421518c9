//! Keeps secrets in this process's memory out of swap and core dumps.

use rustix::io::Errno;
pub use vouchsafe_system::memory::Locked;

/// Lockable memory, in bytes, that this program needs.
pub(crate) const ENOUGH: u64 = 256 * 1024 * 1024;

/// Disables core dumps and locks all memory of this process if permitted.
///
/// # Errors
/// The kernel's error when core dumps cannot be disabled.
pub fn protect() -> Result<Locked, Errno> {
    vouchsafe_system::memory::protect(ENOUGH)
}
