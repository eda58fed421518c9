//! Logs of boots, with the events that predictions look at and SHA-256 digests alone.

use vouchsafe_protocol::Digest32;

/// A log to build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogBuilder {
    events: Vec<u8>,
}

impl LogBuilder {
    /// With an application that was started from a file.
    #[must_use]
    pub fn application(self, path: &str, digest: Digest32) -> Self {
        let mut name: Vec<u8> = path.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        let mut node = vec![4, 4];
        node.extend(u16::try_from(name.len() + 4).expect("short").to_le_bytes());
        node.append(&mut name);
        self.event(4, 0x8000_0003, digest, &[&[0; 32], node.as_slice(), &END].concat())
    }

    /// With a kernel that a boot loader started from memory.
    #[must_use]
    pub fn kernel_in_memory(self, digest: Digest32) -> Self {
        self.event(4, 0x8000_0003, digest, &[0; 32])
    }

    /// With a command of GRUB.
    #[must_use]
    pub fn command(self, text: &str) -> Self {
        self.text(8, "grub_cmd: ", text)
    }

    /// With the command line that GRUB gave to the kernel.
    #[must_use]
    pub fn command_line(self, text: &str) -> Self {
        self.text(8, "kernel_cmdline: ", text)
    }

    /// With a file that GRUB read.
    #[must_use]
    pub fn file(self, name: &str, content: &[u8]) -> Self {
        self.event(9, 0xd, Digest32::of(content), format!("{name}\0").as_bytes())
    }

    /// With an event of the kernel's EFI stub.
    #[must_use]
    pub fn tagged(self, content: &[u8]) -> Self {
        self.event(9, 0x6, Digest32::of(content), b"tagged")
    }

    /// With another event of the boot loader.
    #[must_use]
    pub fn section(self, content: &[u8]) -> Self {
        self.event(11, 0xd, Digest32::of(content), b"")
    }

    fn text(self, pcr: u32, start: &str, text: &str) -> Self {
        self.event(pcr, 0xd, Digest32::of(text.as_bytes()), format!("{start}{text}\0").as_bytes())
    }

    fn event(mut self, pcr: u32, kind: u32, digest: Digest32, data: &[u8]) -> Self {
        for number in [pcr, kind, 1] {
            self.events.extend(number.to_le_bytes());
        }
        self.events.extend(SHA256.to_le_bytes());
        self.events.extend(digest.as_bytes());
        self.events.extend(u32::try_from(data.len()).expect("short").to_le_bytes());
        self.events.extend(data);
        self
    }

    /// The log.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut header = b"Spec ID Event03\0".to_vec();
        header.extend([0, 0, 0, 0, 0, 2, 0, 2]);
        header.extend(1_u32.to_le_bytes());
        header.extend(SHA256.to_le_bytes());
        header.extend(32_u16.to_le_bytes());
        header.push(0);
        let mut log = [0_u32.to_le_bytes(), 3_u32.to_le_bytes()].concat();
        log.extend([0; 20]);
        log.extend(u32::try_from(header.len()).expect("short").to_le_bytes());
        log.extend(header);
        log.extend(&self.events);
        log
    }
}

/// The node that ends a device path.
const END: [u8; 4] = [0x7f, 0xff, 4, 0];
const SHA256: u16 = 0x000b;
