//! Keeps secrets in this process's memory out of swap and core dumps.

use rustix::io::Errno;
pub use vouchsafe_system::memory::Locked;

/// Lockable memory, in bytes, that this program needs.
pub(crate) const ENOUGH: u64 = 256 * 1024 * 1024;

/// Turns core dumps off and locks all memory of this process, as far as it may.
///
/// # Errors
/// What the kernel said when it refused to turn core dumps off.
pub fn protect() -> Result<Locked, Errno> {
    vouchsafe_system::memory::protect(ENOUGH)
}
