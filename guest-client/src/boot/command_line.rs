//! Whether the kernel's command line rules out a shell in the initrd (T35).
//!
//! A shell there, in a mode for recovery or after a failure, belongs to whoever sits at the console: the host. A key is requested only
//! if none can open. The broker's policy demands the same of the measured command line; this check refuses before anything is asked,
//! and also where a policy forgot it.
//!
//! The kernel, systemd and the scripts of an initrd split and unquote the line in different ways. Refused is what any of them could
//! read; accepted as protection is what all of them read, so every `panic=`, `rd.shell` and `rd.emergency` has to be right.

use super::initrd::Initrd;

/// Why a shell could open in the initrd.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShellRisk {
    /// An argument opens a shell, or may.
    #[error("the kernel argument `{argument}` can open a shell: boot without it")]
    Opens {
        /// The argument as it is written.
        argument: String,
    },
    /// Memory from a disk would replace the kernel that was measured, in the phase `initrd`.
    #[error(
        "the kernel argument `{argument}` resumes from a disk, which the host can write: boot without it"
    )]
    Resumes {
        /// The argument as it is written.
        argument: String,
    },
    /// Nothing keeps initramfs-tools from opening a shell when it fails.
    #[error(
        "an initrd that fails would open a shell: boot with the kernel argument panic=-1, and no other panic="
    )]
    InitramfsTools,
    /// Nothing keeps dracut from opening a shell when it fails.
    #[error(
        "an initrd that fails would open a shell: boot with the kernel arguments rd.shell=0 rd.emergency=reboot, and no others of these names"
    )]
    Dracut,
}

/// Checks the text of `/proc/cmdline` for an initrd of this kind.
///
/// # Errors
/// [`ShellRisk`] names the first argument that opens a shell or resumes, or what is missing.
pub fn check_command_line(line: &[u8], initrd: Initrd) -> Result<(), ShellRisk> {
    let words = words(line);
    if let Some(argument) = words.iter().find(|word| opens_shell(word)) {
        return Err(ShellRisk::Opens { argument: argument.clone() });
    }
    if let Some(argument) = words.iter().find(|word| word.starts_with("resume=")) {
        return Err(ShellRisk::Resumes { argument: argument.clone() });
    }
    match initrd {
        Initrd::InitramfsTools => only(&words, "panic", reboots).ok_or(ShellRisk::InitramfsTools),
        Initrd::Dracut => only(&words, "rd.shell", |value| value == "0")
            .and_then(|()| only(&words, "rd.emergency", |value| EMERGENCY_ACTIONS.contains(&value)))
            .ok_or(ShellRisk::Dracut),
    }
}

/// Everything between spaces, without quotes. For the kernel's `isspace()`, which is Latin-1, byte 0xa0 is a space too.
fn words(line: &[u8]) -> Vec<String> {
    let words = line.split(|byte| byte.is_ascii_whitespace() || matches!(byte, 0x0b | 0xa0));
    let unquoted = words.map(|word| {
        let plain: Vec<u8> = word.iter().copied().filter(|byte| !matches!(byte, b'"' | b'\'')).collect();
        String::from_utf8_lossy(&plain).into_owned()
    });
    unquoted.filter(|word| !word.is_empty()).collect()
}

fn opens_shell(word: &str) -> bool {
    if word.contains("SYSTEMD_SULOGIN_FORCE") {
        return true;
    }
    let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
    if name == "rd.shell" {
        return value != Some("0");
    }
    // systemd reads `-` and `_` alike, and names with `rd.` in the initrd alone.
    let name = name.replace('-', "_");
    let name = name.strip_prefix("rd.").unwrap_or(&name);
    match (name, value) {
        ("init", Some(path)) => !INITS.contains(&path),
        ("rdinit", Some(path)) => !["/init", "/sbin/init"].contains(&path),
        ("systemd.unit", Some(unit)) => !UNITS.contains(&unit),
        (name, None) if RECOVERY.contains(&name) => true,
        (name, _) => OPENERS.contains(&name),
    }
}

/// `Some` if arguments of this name exist and the value of each is allowed.
fn only(words: &[String], name: &str, allowed: impl Fn(&str) -> bool) -> Option<()> {
    let values = words.iter().filter_map(|word| match word.strip_prefix(name)? {
        "" => Some(""),
        rest => rest.strip_prefix('='),
    });
    let mut values = values.peekable();
    values.peek()?;
    values.all(allowed).then_some(())
}

/// Whether `panic()` of initramfs-tools reboots before its shell: for a number of seconds, or for -1. Anything but digits means a
/// shell for older versions, and 0 means to stop for the kernel, for ever.
fn reboots(value: &str) -> bool {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    value == "-1" || (digits && value.bytes().any(|byte| byte != b'0'))
}

/// Words that select a mode for recovery (systemd, src/basic/unit-file.c, `runlevel_to_target`). What follows `--` goes to init, which
/// has options for the same. `-` is written as `_` here.
const RECOVERY: [&str; 9] = ["emergency", "rescue", "single", "1", "s", "S", "_s", "_b", "__"];

/// Arguments that open a shell whatever their value; that run commands or add units, arguments or variables; or that leave out units,
/// such as the one that closes the latch, or let the console skip them.
const OPENERS: [&str; 14] = [
    "break",
    "cmdline",
    "rdbreak",
    "rdshell",
    "systemd.break",
    "systemd.confirm_spawn",
    "systemd.crash_shell",
    "systemd.debug_shell",
    "systemd.mask",
    "systemd.run",
    "systemd.set_credential",
    "systemd.set_credential_binary",
    "systemd.setenv",
    "systemd.wants",
];

/// The usual places of init.
const INITS: [&str; 4] = ["/sbin/init", "/usr/sbin/init", "/lib/systemd/systemd", "/usr/lib/systemd/systemd"];

/// Targets of an ordinary boot.
const UNITS: [&str; 4] = ["initrd.target", "default.target", "multi-user.target", "graphical.target"];

/// Values of `rd.emergency` that end the boot (dracut, 98dracut-systemd/dracut-emergency.sh).
const EMERGENCY_ACTIONS: [&str; 3] = ["reboot", "poweroff", "halt"];

#[cfg(test)]
mod tests;
