//! Keeps what the process holds out of swap and out of core dumps.

use rustix::io::Errno;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{CapabilitySet, capabilities};

/// Below this limit a later allocation could fail for want of lockable memory, so nothing is locked.
pub(crate) const ENOUGH: u64 = 256 * 1024 * 1024;

/// What came of [`protect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locked {
    /// All memory of the process is locked, also what it allocates later.
    Yes,
    /// The process may not lock enough memory (`ulimit -l`, or CAP_IPC_LOCK).
    NotAllowed,
}

/// Turns core dumps off and locks all memory of this process, as far as it may.
///
/// Core dumps and debuggers of the same user are ruled out first, and failing that is an error: it needs
/// no privilege.
///
/// # Errors
/// What the kernel said when it refused to turn core dumps off.
pub fn protect() -> Result<Locked, Errno> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    let limit = raise_lock_limit();
    if limit.is_some_and(|bytes| bytes < ENOUGH) && !holds_ipc_lock() {
        return Ok(Locked::NotAllowed);
    }
    match mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT) {
        Ok(()) => Ok(Locked::Yes),
        Err(_) => Ok(Locked::NotAllowed),
    }
}

/// The limit is for processes without this capability. Root in a container often is one.
fn holds_ipc_lock() -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK))
}

/// Raises the soft limit to the hard one; `None` is no limit.
fn raise_lock_limit() -> Option<u64> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Memlock);
    // A refusal leaves the old soft limit, which only makes locking fail later.
    let _ = setrlimit(Resource::Memlock, Rlimit { current: maximum, maximum });
    getrlimit(Resource::Memlock).current
}
