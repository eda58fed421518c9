//! `memory::protect` in a process that may lock little memory by its limit.

use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use vouchsafe_system::memory::{Locked, protect};

#[test]
fn t34_the_capability_counts_more_than_the_limit() {
    let little = Rlimit { current: Some(65536), maximum: Some(65536) };
    setrlimit(Resource::Memlock, little).expect("a limit can be lowered");
    let held = capabilities(None).expect("capabilities can be read");
    let mut without = held;
    without.effective.remove(CapabilitySet::IPC_LOCK);
    set_capabilities(None, without).expect("a capability can be laid down");
    assert_eq!(protect(ENOUGH), Ok(Locked::NotAllowed));
    set_capabilities(None, held).expect("a permitted capability can be taken up again");
    let expected =
        if held.effective.contains(CapabilitySet::IPC_LOCK) { Locked::Yes } else { Locked::NotAllowed };
    assert_eq!(protect(ENOUGH), Ok(expected));
}

const ENOUGH: u64 = 1 << 30;
