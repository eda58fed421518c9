//! Keeps the memory of the process out of swap and core dumps, and away from debuggers.

use rustix::io::Errno;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{CapabilitySet, capabilities};

pub use rustix::process::Resource;

/// The outcome of [`protect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locked {
    /// All memory of the process is locked, including later allocations.
    Yes,
    /// The process may not lock enough memory (`ulimit -l`, or CAP_IPC_LOCK).
    NotAllowed,
}

/// Turns core dumps off and locks all memory of this process, as far as it may.
///
/// Core dumps are ruled out first, and failing that is an error: it needs no privilege. Memory is locked where the process may
/// lock `enough` bytes: below that a later allocation could fail for want of lockable memory.
///
/// # Errors
/// The system's error when core dumps cannot be turned off.
pub fn protect(enough: u64) -> Result<Locked, Errno> {
    no_core_dumps()?;
    let limit = raise_limit(Resource::Memlock);
    if limit.is_some_and(|bytes| bytes < enough) && !holds_ipc_lock() {
        return Ok(Locked::NotAllowed);
    }
    match mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT) {
        Ok(()) => Ok(Locked::Yes),
        Err(_) => Ok(Locked::NotAllowed),
    }
}

/// Prevents core dumps of this process, and debugging by users other than root.
///
/// # Errors
/// The kernel's error.
pub fn no_core_dumps() -> Result<(), Errno> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
}

/// Raises the soft limit to the hard one, and returns it; `None` for no limit.
pub fn raise_limit(resource: Resource) -> Option<u64> {
    let Rlimit { maximum, .. } = getrlimit(resource);
    // If that fails, the old soft limit is read back.
    let _refused = setrlimit(resource, Rlimit { current: maximum, maximum });
    getrlimit(resource).current
}

/// `RLIMIT_MEMLOCK` is for processes without this capability (`mlock(2)`). Root in a container often is one.
fn holds_ipc_lock() -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK))
}
