//! `vouchsafe-guest luks status`

use std::path::Path;
use std::process::ExitCode;

use vouchsafe_guest_client::GuestConfig;
use vouchsafe_guest_client::luks::{CIPHER, CopyError, HeaderCopy, copy_path};
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::text::printable;

use crate::cli::failure::Failure;
use crate::deliver::descriptor::Sink;

#[derive(clap::Args)]
pub(in crate::cli) struct Status {
    /// The volume, by its name in the table `volumes` of the configuration.
    volume: String,
}

/// Prints what the header on the disk says, and whether the copy in memory is the same.
pub(super) fn run(config: &Path, command: &Status) -> Result<ExitCode, Failure> {
    let config = GuestConfig::read(config)?;
    let device = config.keys.device(&command.volume)?;
    let disk = HeaderCopy::read(device)?;
    let copy = HeaderCopy::reopen(&copy_path(&command.volume));
    let mut text = String::new();
    for (name, value) in lines(device, &disk, copy) {
        text.push_str(&format!("{name:<10}{}\n", printable(&value)));
    }
    Sink::open(None)?.write(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn lines(device: &Path, disk: &HeaderCopy, copy: Result<HeaderCopy, CopyError>) -> Vec<(String, String)> {
    let (header, digest) = (disk.header(), disk.digest());
    let (bits, sectors) = (header.key_bits(), header.sector_size());
    let mut lines = vec![
        ("device".to_owned(), device.display().to_string()),
        ("uuid".to_owned(), header.uuid().to_owned()),
        (
            "data".to_owned(),
            format!("{CIPHER}, {bits} bits, sectors of {sectors} bytes, from byte {}", header.data_offset()),
        ),
    ];
    let slots = header.keyslots().iter().map(|slot| (format!("slot {}", slot.slot), slot.kdf.to_string()));
    lines.extend(slots);
    if !header.flags().is_empty() {
        lines.push(("flags".to_owned(), header.flags().join(", ")));
    }
    lines.push(("digest".to_owned(), digest.to_string()));
    lines.push(("copy".to_owned(), compared(digest, copy)));
    lines
}

/// How the copy that volumes are opened with relates to the disk.
fn compared(digest: Digest32, copy: Result<HeaderCopy, CopyError>) -> String {
    match copy.map(|copy| copy.digest()) {
        Ok(other) if other == digest => "of this header".to_owned(),
        Ok(other) => format!("of another header: {other}"),
        Err(error) => format!("none: {error}"),
    }
}
