//! Messages on standard error, and on the console of the machine.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use vouchsafe_guest_client::boot::Initrd;
use vouchsafe_protocol::text::printable;

/// Prints a line to standard error.
pub(super) fn note(line: &str) {
    // A closed console must not prevent the delivery of a secret.
    let _ = writeln!(io::stderr(), "vouchsafe-guest: {}", printable(line));
}

/// Prints nothing, where a boot has room for one line only.
pub(super) fn silent(_: &str) {}

/// Prints a line for whoever watches the boot: to the kernel's log, which reaches the serial console and the journal. To standard
/// error instead where that fails, or where a person runs the program in the system.
pub(super) fn report(line: &str) {
    let interactive = io::stderr().is_terminal() && Initrd::find(Path::new("/")).is_none();
    if interactive || write_kernel_log(Path::new("/dev/kmsg"), ERROR, line).is_err() {
        note(line);
    }
}

/// Says in an initrd what succeeded: to the kernel's log, and to nowhere else where that fails.
pub(super) fn inform(line: &str) {
    if Initrd::find(Path::new("/")).is_some() {
        let _ = write_kernel_log(Path::new("/dev/kmsg"), INFORMATION, line);
    }
}

/// One record of the kernel's log. An error is on the console even with the kernel argument `quiet`. The kernel
/// shows a record without a newline only once another one follows, since that might continue its line.
fn write_kernel_log(log: &Path, priority: u8, line: &str) -> io::Result<()> {
    let mut record = format!("<{priority}>vouchsafe-guest: {}", printable(line));
    record.truncate(record.floor_char_boundary(MAX_RECORD));
    record.push('\n');
    OpenOptions::new().append(true).open(log)?.write_all(record.as_bytes())
}

/// The kernel refuses records of 1024 bytes and more, its own prefix included (`LOG_LINE_MAX`, kernel/printk/printk.c).
const MAX_RECORD: usize = 960;
/// Priorities of records (`KERN_ERR` and `KERN_INFO`).
const ERROR: u8 = 3;
const INFORMATION: u8 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line_of_limited_length() {
        let log = tempfile::NamedTempFile::new().unwrap();
        write_kernel_log(log.path(), ERROR, "refused\n<0>another").unwrap();
        assert_eq!(std::fs::read(&log).unwrap(), b"<3>vouchsafe-guest: refused <0>another\n");
        std::fs::write(&log, "").unwrap();
        write_kernel_log(log.path(), INFORMATION, &"x".repeat(5000)).unwrap();
        assert_eq!(std::fs::read(&log).unwrap().len(), MAX_RECORD + 1);
        write_kernel_log(Path::new("/nowhere/kmsg"), ERROR, "x").unwrap_err();
    }
}
