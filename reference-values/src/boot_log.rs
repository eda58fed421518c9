//! What the firmware's log says about the boot that is running, as far as it helps to predict the next one.
//!
//! Nothing in it is checked: it is not evidence here. An entry that is wrong leads to a prediction that is wrong,
//! and so to a boot that the broker refuses.

use vouchsafe_protocol::Digest32;

/// Why a log cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootLogError {
    /// It is not a log of a TPM 2.0.
    #[error("not an event log of a TPM 2.0")]
    NotALog,
    /// It ends within an event, or an event names an algorithm that the header does not.
    #[error("the event log is damaged at byte {at}")]
    Damaged {
        /// Where the event begins.
        at: usize,
    },
    /// It has no SHA-256 digests.
    #[error("the event log has no SHA-256 digests")]
    NoSha256,
}

/// An event of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedEvent<'a> {
    /// The PCR.
    pub pcr: u32,
    /// The type (TCG PC Client Platform Firmware Profile 1.06, table 27).
    pub kind: u32,
    /// The digest of the SHA-256 bank.
    pub digest: Digest32,
    /// The event's data.
    pub data: &'a [u8],
}

/// The events of a boot, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootLog<'a> {
    /// The events.
    pub events: Vec<LoggedEvent<'a>>,
}

impl<'a> BootLog<'a> {
    /// Reads a log in the crypto-agile format (PFP 1.06 §10.2).
    ///
    /// # Errors
    /// [`BootLogError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BootLogError> {
        let mut reader = Reader { rest: bytes };
        let header = header(&mut reader).ok_or(BootLogError::NotALog)?;
        let sizes = sizes(header).ok_or(BootLogError::NotALog)?;
        if !sizes.iter().any(|(algorithm, size)| *algorithm == SHA256 && *size == 32) {
            return Err(BootLogError::NoSha256);
        }
        let mut events = Vec::new();
        while !reader.rest.is_empty() {
            let at = bytes.len() - reader.rest.len();
            events.push(event(&mut reader, &sizes).ok_or(BootLogError::Damaged { at })?);
        }
        Ok(Self { events })
    }

    /// The commands that GRUB ran, in order.
    pub fn commands(&self) -> impl Iterator<Item = &'a str> {
        self.events.iter().filter_map(LoggedEvent::command)
    }
}

impl<'a> LoggedEvent<'a> {
    /// The path in the device path of an application that the firmware measured, into PCR 4 or as Google's into PCR 2;
    /// empty if it has none, as a kernel in memory.
    #[must_use]
    pub fn application(&self) -> Option<String> {
        if ![2, 4].contains(&self.pcr) || self.kind != EV_EFI_BOOT_SERVICES_APPLICATION {
            return None;
        }
        // PFP 1.06 §10.2.3, UEFI_IMAGE_LOAD_EVENT: address, length and link time address of the image, then the length of
        // the device path, 8 bytes each.
        let mut nodes = Reader { rest: self.data.get(32..).unwrap_or_default() };
        let mut path = String::new();
        // UEFI 2.10 §10.3: type, subtype, length of the node with this header.
        while let Some([kind, subtype, low, high]) = nodes.array() {
            let length = usize::from(u16::from_le_bytes([low, high]));
            let Some(content) = length.checked_sub(4).and_then(|length| nodes.take(length)) else { break };
            if (kind, subtype) == FILE_PATH {
                let units = content.chunks_exact(2).map(|pair| pair.iter().rev().fold(0, high_first));
                path.extend(char::decode_utf16(units.take_while(|unit| *unit != 0)).flatten());
            }
        }
        Some(path)
    }

    /// The file that GRUB read, in its own form.
    #[must_use]
    pub fn file(&self) -> Option<&'a str> {
        (self.pcr == 9).then(|| self.text()).flatten()
    }

    /// The command that GRUB ran.
    #[must_use]
    pub fn command(&self) -> Option<&'a str> {
        if self.pcr != 8 {
            return None;
        }
        let text = self.text()?;
        text.strip_prefix("grub_cmd: ").or_else(|| text.strip_prefix("grub_cmd "))
    }

    /// The command line that GRUB gave to the kernel.
    #[must_use]
    pub fn command_line(&self) -> Option<&'a str> {
        if self.pcr != 8 {
            return None;
        }
        let text = self.text()?;
        text.strip_prefix("kernel_cmdline: ").or_else(|| text.strip_prefix("kernel_cmdline "))
    }

    fn text(&self) -> Option<&'a str> {
        if self.kind != EV_IPL {
            return None;
        }
        let text = std::str::from_utf8(self.data).ok()?;
        Some(text.trim_end_matches('\0'))
    }
}

const fn high_first(value: u16, byte: &u8) -> u16 {
    value << 8 | *byte as u16
}

/// The data of the first event, which is in the older format: PCR, type, a SHA-1 digest, data.
fn header<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let (_pcr, kind) = (reader.number()?, reader.number()?);
    reader.take(20)?;
    let length = usize::try_from(reader.number()?).ok()?;
    let data = reader.take(length)?;
    (kind == EV_NO_ACTION && data.starts_with(SIGNATURE)).then_some(data)
}

/// Algorithms and the sizes of their digests (PFP 1.06 §10.4.5.1).
fn sizes(header: &[u8]) -> Option<Vec<(u16, usize)>> {
    let mut reader = Reader { rest: header.get(24..)? };
    let count = reader.number()?;
    if count > MAX_ALGORITHMS {
        return None;
    }
    let one = |_| Some((reader.short()?, usize::from(reader.short()?)));
    (0..count).map(one).collect()
}

fn event<'a>(reader: &mut Reader<'a>, sizes: &[(u16, usize)]) -> Option<LoggedEvent<'a>> {
    let (pcr, kind, count) = (reader.number()?, reader.number()?, reader.number()?);
    if count > MAX_ALGORITHMS {
        return None;
    }
    let mut digest = None;
    for _ in 0..count {
        let algorithm = reader.short()?;
        let (_, size) = sizes.iter().find(|(known, _)| *known == algorithm)?;
        let bytes = reader.take(*size)?;
        if algorithm == SHA256 {
            digest = bytes.try_into().ok().map(Digest32);
        }
    }
    let length = usize::try_from(reader.number()?).ok()?;
    Some(LoggedEvent { pcr, kind, digest: digest?, data: reader.take(length)? })
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn number(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn short(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }
}

const EV_NO_ACTION: u32 = 0x3;
const EV_IPL: u32 = 0xd;
/// What the kernel's EFI stub measures: options and initrd.
pub const EV_EVENT_TAG: u32 = 0x6;
const EV_EFI_BOOT_SERVICES_APPLICATION: u32 = 0x8000_0003;
const SIGNATURE: &[u8] = b"Spec ID Event03\0";
/// `TPM_ALG_SHA256`.
const SHA256: u16 = 0x000b;
const MAX_ALGORITHMS: u32 = 16;
/// Media device path, file path (UEFI 2.10 §10.3.5.4).
const FILE_PATH: (u8, u8) = (4, 4);
