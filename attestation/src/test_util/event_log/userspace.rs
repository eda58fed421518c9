//! What systemd extends after the firmware's log, and its log of that.

use vouchsafe_protocol::Digest32;

use super::Bank;

/// One entry of systemd's measurement log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltEntry {
    /// PCR that was extended; `None` for an NV index.
    pub pcr: Option<u8>,
    /// The content according to the log.
    pub content: String,
    /// The measured data, if it is not the content.
    pub measured: Option<Vec<u8>>,
}

/// Entries in the making.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserspaceBuilder {
    /// The entries, in order.
    pub entries: Vec<BuiltEntry>,
}

impl UserspaceBuilder {
    /// Nothing was measured.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The initrd of a UKI with systemd before 259: Debian 13.
    #[must_use]
    pub fn initrd_257() -> Self {
        Self::new().word(11, "enter-initrd")
    }

    /// The initrd of a UKI with systemd 261 or later, without NvPCRs.
    #[must_use]
    pub fn initrd_262() -> Self {
        Self::initrd_262_with(&[])
    }

    /// The initrd of a UKI with systemd 261 or later and a signed policy for NvPCRs of these names.
    #[must_use]
    pub fn initrd_262_with(nv_pcrs: &[&str]) -> Self {
        let separated = [0, 1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 14].into_iter();
        let separated = separated.fold(Self::new(), |entries, pcr| entries.word(pcr, "os-separator"));
        let named = |entries: Self, (index, name): (usize, &&str)| entries.word(9, &nv_pcr_init(name, index));
        let initialised = nv_pcrs.iter().enumerate().fold(separated.word(11, "enter-initrd"), named);
        initialised.word(9, "nvpcr-separator")
    }

    /// What systemd extends after switch-root, following its own initrd.
    #[must_use]
    pub fn after_switch_root() -> Self {
        Self::new()
            .word(11, "leave-initrd")
            .word(15, "machine-id:0ab438a6a41546a7bd361c8c337a479c")
            .word(11, "sysinit")
            .word(11, "ready")
    }

    /// Adds an entry whose content is what was measured.
    #[must_use]
    pub fn word(mut self, pcr: u8, word: &str) -> Self {
        self.entries.push(BuiltEntry { pcr: Some(pcr), content: word.to_owned(), measured: None });
        self
    }

    /// Adds an entry whose content is not what was measured, like that of a volume key.
    #[must_use]
    pub fn secret(mut self, pcr: u8, content: &str, measured: &[u8]) -> Self {
        let measured = Some(measured.to_vec());
        self.entries.push(BuiltEntry { pcr: Some(pcr), content: content.to_owned(), measured });
        self
    }

    /// Adds an entry of an NV index, which extends no PCR.
    #[must_use]
    pub fn nv_index(mut self, content: &str) -> Self {
        self.entries.push(BuiltEntry { pcr: None, content: content.to_owned(), measured: None });
        self
    }

    /// The entries of both.
    #[must_use]
    pub fn then(mut self, later: Self) -> Self {
        self.entries.extend(later.entries);
        self
    }

    /// What to extend into the SHA-256 bank, in order.
    #[must_use]
    pub fn extends(&self) -> Vec<(u8, Digest32)> {
        let digest = |entry: &BuiltEntry| Some((entry.pcr?, Digest32::of(entry.measured())));
        self.entries.iter().filter_map(digest).collect()
    }

    /// The log in systemd's format.
    #[must_use]
    pub fn log(&self) -> Vec<u8> {
        self.entries.iter().flat_map(BuiltEntry::line).collect()
    }
}

impl BuiltEntry {
    fn measured(&self) -> &[u8] {
        self.measured.as_deref().unwrap_or(self.content.as_bytes())
    }

    fn line(&self) -> Vec<u8> {
        let digest = |(name, bank): (&str, Bank)| serde_json::json!({ "hashAlg": name, "digest": hex::encode(bank.digest(self.measured())) });
        let banks = [("sha1", Bank::Sha1), ("sha256", Bank::Sha256), ("sha384", Bank::Sha384)];
        let content = serde_json::json!({
            "string": self.content,
            "bootId": "a0f9e25f14be40dd8f7be487f171749a",
            "timestamp": 70_008_376,
            "eventType": self.content.split(':').next(),
        });
        let digests: Vec<_> = banks.map(digest).into();
        let register = self.pcr.map_or(("nv_index", 0x01d1_0200), |pcr| ("pcr", u32::from(pcr)));
        let entry = serde_json::json!({
            register.0: register.1,
            "digests": digests,
            "content_type": "systemd",
            "content": content,
        });
        format!("\u{1e}{entry}\n").into_bytes()
    }
}

/// The word that systemd-tpm2-setup extends for an NvPCR.
#[must_use]
pub fn nv_pcr_init(name: &str, index: usize) -> String {
    format!("nvpcr-init:{name}:{:#x}:000b{}", 0x01d1_0200 + index, Digest32::of(name.as_bytes()))
}
