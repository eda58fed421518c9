//! Whether a disk's initrd can drop to a shell (T35).
//!
//! initramfs-tools reboots when `panic=` has a number, dracut when it is told `rd.shell=0` and `rd.emergency=reboot`. The last
//! one of each counts, to the kernel and to scripts alike; of a VM, the claim `arguments` has only that one.

use super::chain::closes_rtmr2;
use super::facts::Facts;
use crate::arguments;

/// The command line of one of the logs rules out a shell.
pub(super) fn is_ruled_out(facts: &Facts<'_>) -> bool {
    let vtpm = facts.counts("vtpm") && in_log(facts, "vtpm");
    vtpm || (facts.counts("tdx") && closes_rtmr2(facts) && in_log(facts, "tdx.boot"))
}

fn in_log(facts: &Facts<'_>, boot: &str) -> bool {
    let line = |line: &str| {
        let effective = arguments::effective_of_line(line);
        rules_out(effective.iter().map(String::as_str))
    };
    // `words` has what a line may mean to somebody: it shows what is absent, and proves no argument.
    facts.each(&format!("{boot}.command_line"), line)
        || rules_out(facts.members(&format!("{boot}.arguments")))
}

fn rules_out<'a>(arguments: impl Iterator<Item = &'a str>) -> bool {
    let found: Vec<&str> = arguments.collect();
    found.iter().any(|argument| arguments::reboots(argument))
        || arguments::DRACUT.iter().all(|argument| found.contains(argument))
}
