//! Which standard descriptors were closed when the program started.
//!
//! Rust's runtime opens `/dev/null` in place of a closed standard descriptor before `main`. What is written there is lost without an
//! error, so this looks before the runtime does. A descriptor that the caller has opened on `/dev/null` is not affected: its
//! output was meant to be dropped.

use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::{Errno, fcntl_getfd};
use rustix::stdio::{stderr, stdin, stdout};

/// Whether the standard descriptor `fd` was closed when the program started. False for every other descriptor.
pub(super) fn was_closed(fd: u32) -> bool {
    let index = usize::try_from(fd).unwrap_or(usize::MAX);
    CLOSED.get(index).is_some_and(|closed| closed.load(Ordering::Relaxed))
}

/// stdin, stdout and stderr.
static CLOSED: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];

#[used]
#[expect(unsafe_code, reason = "nothing else runs before Rust's runtime")]
// SAFETY: the C library calls the functions of this section before `main`, ignoring what they return. This one makes three system
// calls and needs neither the runtime nor the heap.
#[unsafe(link_section = ".init_array")]
static BEFORE_RUNTIME: extern "C" fn() = look;

extern "C" fn look() {
    for (closed, fd) in CLOSED.iter().zip([stdin(), stdout(), stderr()]) {
        closed.store(fcntl_getfd(fd) == Err(Errno::BADF), Ordering::Relaxed);
    }
}
