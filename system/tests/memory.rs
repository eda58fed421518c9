//! What `memory::protect` does to its process, seen from outside: in /proc.

use std::fs::read_to_string;

use vouchsafe_system::memory::{Locked, protect};

#[test]
fn t34_core_dumps_are_off_and_memory_is_locked() {
    let locked = protect(256 << 20).expect("core dumps can always be turned off");
    let limits = read_to_string("/proc/self/limits").expect("/proc is mounted");
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).expect("a limit");
    assert_eq!(core.split_whitespace().take(2).collect::<Vec<_>>(), ["0", "0"]);
    let dumpable = rustix::process::dumpable_behavior().expect("prctl works");
    assert_eq!(dumpable, rustix::process::DumpableBehavior::NotDumpable);
    let status = read_to_string("/proc/self/status").expect("/proc is mounted");
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmLck:")).expect("a line");
    let kilobytes: u64 = kilobytes.trim().trim_end_matches(" kB").parse().expect("a number");
    assert_eq!(kilobytes > 0, locked == Locked::Yes, "{kilobytes} kB, {locked:?}");
}
