//! Keeps what the process holds out of swap, core dumps and the hands of other processes.
//!
//! Core dumps and debuggers of the same user are ruled out, or the process does not start. Locked memory
//! needs a privilege (`ulimit -l`, CAP_IPC_LOCK) and is said to be missing where it is.

use rustix::io::Errno;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// What came of [`protect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Nothing of this process is written to swap.
    Locked,
    /// The process may not lock enough memory.
    NotLocked,
}

/// Turns core dumps off, then locks all memory as far as the process may.
///
/// # Errors
/// What the kernel said when it refused to turn core dumps off.
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

/// No core dump of this process, and no debugger but root's.
///
/// # Errors
/// What the kernel said.
pub fn no_core_dumps() -> Result<(), Errno> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
}

/// Raises the number of files the process may open to what it is allowed, and gives it; `None` is no limit.
#[must_use]
pub fn raise_open_files() -> Option<u64> {
    raise(Resource::Nofile)
}

fn raise(resource: Resource) -> Option<u64> {
    let Rlimit { maximum, .. } = getrlimit(resource);
    // A refusal leaves the old soft limit, which is what is read back.
    let _refused = setrlimit(resource, Rlimit { current: maximum, maximum });
    getrlimit(resource).current
}

// The allocator gives no locked memory back: what a burst of requests once needed stays resident, within the broker's limits.
/// Below this a later allocation could fail for want of lockable memory, so nothing is locked.
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
