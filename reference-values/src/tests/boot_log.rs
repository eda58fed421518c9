//! Logs as Linux exports them.

use vouchsafe_protocol::Digest32;

use crate::test_util::LogBuilder;
use crate::{BootLog, BootLogError};

fn log() -> Vec<u8> {
    LogBuilder::default()
        .application(r"\EFI\debian\shimx64.efi", Digest32([1; 32]))
        .command("set timeout=0")
        .file("(hd0,gpt1)/grub/grub.cfg", b"content")
        .kernel_in_memory(Digest32([2; 32]))
        .command_line("/vmlinuz ro")
        .bytes()
}

#[test]
fn events_say_what_was_read_and_run() {
    let bytes = log();
    let log = BootLog::parse(&bytes).expect("a log");
    let applications: Vec<String> = log.events.iter().filter_map(|event| event.application()).collect();
    assert_eq!(applications, [r"\EFI\debian\shimx64.efi", ""]);
    assert_eq!(log.commands().collect::<Vec<_>>(), ["set timeout=0"]);
    let file = log.events.iter().find(|event| event.file().is_some()).expect("a file");
    assert_eq!((file.file(), file.digest), (Some("(hd0,gpt1)/grub/grub.cfg"), Digest32::of(b"content")));
    assert_eq!(log.events.iter().find_map(|event| event.command_line()), Some("/vmlinuz ro"));
}

#[test]
fn what_is_no_log_is_refused() {
    let bytes = log();
    assert_eq!(BootLog::parse(b""), Err(BootLogError::NotALog));
    assert_eq!(BootLog::parse(&bytes[..40]), Err(BootLogError::NotALog));
    let mut other = bytes.clone();
    other[32] ^= 1;
    assert_eq!(BootLog::parse(&other), Err(BootLogError::NotALog));
    let first = LogBuilder::default().bytes().len();
    assert_eq!(BootLog::parse(&bytes[..bytes.len() - 1]).map(drop), {
        let last = bytes.len() - LogBuilder::default().command_line("/vmlinuz ro").bytes().len() + first;
        Err(BootLogError::Damaged { at: last })
    });
    let mut sha1 = bytes;
    // The only algorithm of the header.
    sha1[60..64].copy_from_slice(&[4, 0, 20, 0]);
    assert_eq!(BootLog::parse(&sha1), Err(BootLogError::NoSha256));
}
