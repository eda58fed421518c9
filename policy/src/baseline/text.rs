//! The readable form of a baseline: JSON in which a line that starts with `//` is a comment.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use vouchsafe_attestation::claims::Claims;
use vouchsafe_attestation::event_log::BootLog;

use super::digest::LogDigest;
use super::document::Baseline;

impl Baseline {
    /// The document with an explanation above each member, and with names beside digests.
    #[must_use]
    pub fn to_commented(&self, heading: &str, names: &BTreeMap<LogDigest, String>) -> String {
        let mut text = String::new();
        for line in heading.lines() {
            comment(&mut text, "", line);
        }
        for line in self.to_json().lines() {
            let indent = &line[..line.len() - line.trim_start().len()];
            let word = line.trim_start().trim_start_matches('"').split('"').next().unwrap_or_default();
            let member = MEMBERS.iter().find(|(name, _)| indent.len() == 2 && *name == word);
            let note = member.map(|(_, note)| (*note).to_owned());
            let name = word.parse().ok().and_then(|digest: LogDigest| names.get(&digest).cloned());
            if let Some(note) = note.or(name) {
                comment(&mut text, indent, &note);
            }
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// Remarks on how a learned baseline compares, for the person who reviews it, each on separate lines.
    #[must_use]
    pub fn remarks(&self, claims: &Claims) -> String {
        let words = claims.vtpm.iter().flat_map(|vtpm| &vtpm.userspace);
        // In other registers all words are constants.
        let words = words.filter(|(_, words)| words.iter().any(|word| word.contains(':')));
        let words: BTreeMap<String, _> = words.map(|(pcr, words)| (pcr.to_string(), words)).collect();
        let listed = (!words.is_empty()).then(|| {
            format!(
                "User space extended words of the image or of the machine, and any words of systemd's grammar are taken. To take these\n\
                 alone, add \"userspace_words\": {}",
                serde_json::json!(words)
            )
        });
        let all = self.said_of_composed_initrd().into_iter().chain(listed);
        all.fold(String::new(), |text, remark| text + "\n" + &remark)
    }

    /// The log's names of images and files. They are not measured.
    #[must_use]
    pub fn untrusted_names(boot: &BootLog) -> BTreeMap<LogDigest, String> {
        let events = [2, 4, 9, 12, 13].iter().filter_map(|register| boot.events.get(register)).flatten();
        events.filter_map(|event| Some((event.digest.into(), event.untrusted_name.clone()?))).collect()
    }
}

/// Writes one comment, whatever the text contains.
fn comment(out: &mut String, indent: &str, text: &str) {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    writeln!(out, "{indent}// {}", text.trim_end()).expect("a string takes everything");
}

const MEMBERS: [(&str, &str); 36] = [
    ("version", "Security version: policies may ask for at least so much (context.baseline_version)."),
    ("ends_at", "From this time on, in seconds since 1970, nothing is a member."),
    ("technology", "none, sev, sev-es, sev-snp or tdx."),
    ("firmware", "Firmware; what is not listed is not looked at."),
    ("shim", "PCR 4: Authenticode digests of shim."),
    ("boot_manager", "PCR 4: Authenticode digests of a boot manager such as systemd-boot."),
    ("grub", "PCR 4: Authenticode digests of GRUB."),
    ("uki", "PCR 4 (2 on Google's TDX firmware): Authenticode digests of the unified kernel image."),
    ("kernel_image", "PCR 4: Authenticode digests of the kernel, where firmware or shim measures it."),
    (
        "other_images",
        "PCR 4: images that may be started or loaded before the one that runs. That they failed is not measured.",
    ),
    ("drivers", "PCR 2: EFI drivers; they may occur or not."),
    (
        "kernel",
        "PCR 9: the kernel's file. Which file it is was told by its name, which nobody measured: compare.",
    ),
    ("initrd", "PCR 9: the initrd's file. Told by its name as well: compare with sha256sum of the file."),
    ("early_initrd", "PCR 9: files that the command initrd loads before it, such as microcode."),
    (
        "other_files",
        "PCR 9: kernels and initrds that GRUB may load before those that run. That they failed is not measured: each is\n\
         allowed to run.",
    ),
    ("configuration", "PCR 9: what else GRUB reads before the kernel: configuration, modules, fonts."),
    ("grubenv", "PCR 9: GRUB's environment block. The boot writes it: list each content that it takes."),
    ("grub_commands", "PCR 8: commands that GRUB may run."),
    ("command_lines", "PCR 8: the kernel's command lines, its path first."),
    ("other_command_lines", "PCR 8: command lines of entries that GRUB may load before the one that runs."),
    ("sections", "PCR 11: sections of the unified kernel image; each occurs exactly once."),
    ("load_options", "PCR 9: options that the kernel's EFI stub was given; at most once."),
    ("loaded_initrd", "PCR 9: initrd that the kernel's EFI stub loaded; at most once."),
    (
        "composed_initrd",
        "listed: loaded_initrd has its digest. by-sections: systemd-stub composed it; image, sections, PCR 12 and 13 vouch for it.",
    ),
    (
        "options",
        "PCR 12: command lines of boot entries, at least one of which occurs; or options and add-ons of a unified kernel\n\
         image, each of which occurs.",
    ),
    ("pcr12", "PCR 12: credentials and other files from beside a unified kernel image."),
    ("pcr13", "PCR 13: system extensions from beside a unified kernel image."),
    ("other_events", "PCR 2, 4, 8, 9: what is neither image nor text nor file; they may occur or not."),
    (
        "userspace_words",
        "By PCR: the only words that user space may extend there. A PCR that is not named takes any of systemd's grammar.",
    ),
    ("log", "Which log the digests are of: vtpm (SHA-256), or ccel (SHA-384) of a TDX guest."),
    ("register1", "CCEL, RTMR 0: configuration and Secure Boot; compared only where something is listed."),
    ("register2", "CCEL, RTMR 1: further events of the boot loader."),
    ("register3", "CCEL, RTMR 2: further events of GRUB, kernel and initrd."),
    (
        "until",
        "By time, in seconds since 1970: entries of these lists that are allowed until then, such as those of the boot before an update.",
    ),
    ("update_signers", "Whose signed component lists approve proposed updates; nobody's if it is missing."),
    (
        "update_version",
        "Component lists of a lower version do not count. An update that a list has approved raises it.",
    ),
];

#[cfg(test)]
mod tests {
    use vouchsafe_protocol::{UnixTime, UpdateSigner};

    use super::super::digest::BaselineLog;
    use super::super::document::{ComposedInitrd, FirmwareSet};
    use super::super::entries::ExpiringEntries;
    use super::*;

    /// A baseline in which every member is set, so that each is written.
    fn full() -> Baseline {
        let list = || vec![LogDigest::Sha256(vouchsafe_protocol::Digest32([1; 32]))];
        let texts = || vec!["text".to_owned()];
        Baseline {
            description: "of nothing".to_owned(),
            version: 1,
            ends_at: UnixTime(1),
            technology: "sev-snp".to_owned(),
            log: BaselineLog::Ccel,
            firmware: FirmwareSet::default(),
            shim: list(),
            boot_manager: list(),
            grub: list(),
            uki: list(),
            kernel_image: list(),
            other_images: list(),
            drivers: list(),
            kernel: list(),
            initrd: list(),
            early_initrd: list(),
            other_files: list(),
            configuration: list(),
            grubenv: list(),
            grub_commands: texts(),
            command_lines: texts(),
            other_command_lines: texts(),
            sections: [(".linux".to_owned(), list())].into(),
            load_options: list(),
            loaded_initrd: list(),
            composed_initrd: ComposedInitrd::BySections,
            options: texts(),
            pcr12: list(),
            pcr13: list(),
            other_events: [(4, list())].into(),
            userspace_words: [(9, texts())].into(),
            register1: list(),
            register2: list(),
            register3: list(),
            until: [(UnixTime(1), ExpiringEntries { kernel: list(), ..ExpiringEntries::default() })].into(),
            update_signers: vec![UpdateSigner::from([1; 32])],
            update_version: 1,
        }
    }

    #[test]
    fn every_member_is_explained_in_the_file_and_on_the_page() {
        let page = include_str!("../../../docs/baselines.md");
        let document = serde_json::to_value(full()).unwrap();
        let members: Vec<&String> = document.as_object().unwrap().keys().collect();
        for member in &members {
            let explained = MEMBERS.iter().any(|(name, _)| name == *member);
            assert!(explained || *member == "description", "{member} has no comment");
            assert_eq!(
                page.matches(&format!("\n| `{member}` |")).count(),
                1,
                "{member} in docs/baselines.md"
            );
        }
        for row in page.lines().filter_map(|line| line.strip_prefix("| `")) {
            let name = row.split('`').next().unwrap().to_owned();
            assert!(members.contains(&&name), "docs/baselines.md has {name}, which no baseline has");
        }
    }
}
