//! Keeps memory of the process out of swap, core dumps and the reach of other processes.
//!
//! Core dumps and debuggers of the same user are ruled out, or the process does not start. Locking memory
//! needs a privilege (`ulimit -l`, CAP_IPC_LOCK); a warning says when it is missing.

use rustix::io::Errno;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// The result of [`protect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Nothing of this process is swapped out.
    Locked,
    /// The process may not lock enough memory.
    NotLocked,
}

/// Disables core dumps, then locks all memory if permitted.
///
/// # Errors
/// The kernel's error when core dumps cannot be disabled.
pub fn protect() -> Result<Memory, Errno> {
    no_core_dumps()?;
    let limit = raise(Resource::Memlock);
    if limit.is_some_and(|bytes| bytes < ENOUGH_MEMORY) {
        return Ok(Memory::NotLocked);
    }
    match mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT) {
        Ok(()) => Ok(Memory::Locked),
        Err(_) => Ok(Memory::NotLocked),
    }
}

/// Disables core dumps, and debuggers other than root's.
///
/// # Errors
/// The kernel's error.
pub fn no_core_dumps() -> Result<(), Errno> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
}

/// Raises the limit of open files to the hard limit, and returns it; `None` for no limit.
#[must_use]
pub fn raise_open_files() -> Option<u64> {
    raise(Resource::Nofile)
}

fn raise(resource: Resource) -> Option<u64> {
    let Rlimit { maximum, .. } = getrlimit(resource);
    // If that fails, the old soft limit is read back.
    let _refused = setrlimit(resource, Rlimit { current: maximum, maximum });
    getrlimit(resource).current
}

// The allocator never returns locked memory: what a burst of requests needed stays resident, within the
// broker's limits.
/// Below this limit of lockable memory a later allocation could fail, so nothing is locked.
const ENOUGH_MEMORY: u64 = 4 * 1024 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t34_there_are_no_core_dumps() {
        no_core_dumps().unwrap();
        assert_eq!(getrlimit(Resource::Core), Rlimit { current: Some(0), maximum: Some(0) });
        let dumpable = rustix::process::dumpable_behavior().unwrap();
        assert_eq!(dumpable, DumpableBehavior::NotDumpable);
    }
}
