//! Kernel arguments that may occur repeatedly, of which the last one takes effect.
//!
//! The kernel, initramfs-tools and dracut each use the last `panic=`, `rd.shell` and `rd.emergency`. A set
//! has no order, so only the effective one becomes a member of the claim `arguments`. The kernel keeps quoted
//! text together, scripts split at every space: if the two see different values, none is effective and the
//! claim has none.

use vouchsafe_attestation::event_log::CommandLine;

/// The arguments of a measured command line, as in the claim.
pub(super) fn effective(arguments: &[String], line: Option<&str>) -> Vec<String> {
    let words: Vec<&str> = line.map(|line| line.split(' ').collect()).unwrap_or_default();
    let last = |name: &str| {
        let of_kernel = arguments.iter().rev().find(|argument| is_named(argument, name))?;
        let of_scripts = words.iter().rev().find(|word| is_named(word, name))?;
        (of_kernel == of_scripts).then_some(of_kernel)
    };
    let single: Vec<&String> = LAST_COUNTS.iter().filter_map(|name| last(name)).collect();
    let kept = |argument: &&String| match LAST_COUNTS.iter().any(|name| is_named(argument, name)) {
        true => single.contains(argument),
        false => true,
    };
    arguments.iter().filter(kept).cloned().collect()
}

/// The arguments of a command line, as written in a policy.
pub(super) fn effective_of_line(line: &str) -> Vec<String> {
    effective(&CommandLine::split(line), Some(line))
}

/// Whether an initrd of initramfs-tools reboots when it fails: `panic=-1`, or `panic=` with a number of
/// seconds. For the kernel 0 means to wait for ever; for initramfs-tools anything but digits means a shell.
pub(super) fn reboots(argument: &str) -> bool {
    let Some(seconds) = argument.strip_prefix("panic=") else { return false };
    let digits = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
    seconds == "-1" || (digits && seconds.bytes().any(|digit| digit != b'0'))
}

/// The arguments that together rule out a shell in dracut.
pub(super) const DRACUT: [&str; 2] = ["rd.shell=0", "rd.emergency=reboot"];

/// `name` or `name=…`.
fn is_named(argument: &str, name: &str) -> bool {
    argument.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
}

const LAST_COUNTS: [&str; 3] = ["panic", "rd.shell", "rd.emergency"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t35_the_last_one_counts() {
        for (line, expected) in [
            ("/k ro panic=-1", &["/k", "ro", "panic=-1"][..]),
            ("/k panic=0 panic=-1", &["/k", "panic=-1"]),
            ("/k panic=-1 ro panic=0", &["/k", "ro", "panic=0"]),
            ("/k panic=-1 panic", &["/k", "panic"]),
            ("/k rd.shell=0 rd.shell rd.emergency=reboot", &["/k", "rd.shell", "rd.emergency=reboot"]),
            ("/k panic_print=1 panic=5", &["/k", "panic_print=1", "panic=5"]),
            // Scripts see a later panic= within the quotes, and quotes that the kernel removes.
            ("/k panic=-1 a=\"b panic=0\"", &["/k", "a=b panic=0"]),
            ("/k panic=\"-1\"", &["/k"]),
        ] {
            assert_eq!(effective_of_line(line), expected, "{line}");
        }
        assert_eq!(effective(&["panic=-1".to_owned()], None), [""; 0]);
    }
}
