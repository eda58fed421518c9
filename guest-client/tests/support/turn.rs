//! One test of a process at a time has machines.
//!
//! tpm2-tss opens its connections without O_CLOEXEC. A program that another test starts meanwhile inherits them, and swtpm, which
//! serves one connection at a time, would wait for it to end before it serves the next one.

use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::{self, ThreadId};

/// Held by each machine. The thread of a test may have several.
pub(crate) struct Turn;

struct Holder {
    thread: ThreadId,
    machines: usize,
}

impl Turn {
    /// Waits for the machines of other tests.
    pub(crate) fn take() -> Self {
        let thread = thread::current().id();
        let holder = HOLDER.lock().unwrap_or_else(PoisonError::into_inner);
        let others = |holder: &mut Option<Holder>| holder.as_ref().is_some_and(|one| one.thread != thread);
        let mut holder = FREED.wait_while(holder, others).unwrap_or_else(PoisonError::into_inner);
        holder.get_or_insert(Holder { thread, machines: 0 }).machines += 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut holder = HOLDER.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(one) = holder.as_mut() {
            one.machines -= 1;
        }
        *holder = holder.take().filter(|one| one.machines > 0);
        drop(holder);
        FREED.notify_all();
    }
}

static HOLDER: Mutex<Option<Holder>> = Mutex::new(None);
static FREED: Condvar = Condvar::new();
