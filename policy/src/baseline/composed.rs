//! The initrd that systemd-stub composes, which differs from machine to machine since systemd 261.
//!
//! The stub passes the kernel one initrd, composed of the section `.initrd` and of further files; the kernel
//! measures the whole into PCR 9. Each of these files is measured separately or part of the image: `.ucode`,
//! `.pcrpkey`, `.osrel` and `.profile` in PCR 11, `.pcrsig` with the image in PCR 4, credentials,
//! configuration extensions and add-ons in PCR 12, system extensions in PCR 13. Two are not:
//! `/.extra/boot-secret`, 32 bytes specific to the machine (since 261), and an initrd that the program which
//! started the image registered with the firmware.
//!
//! So the digest in PCR 9 may be omitted only if nothing can have registered an initrd. shim does not, and
//! neither does Google's firmware, which a policy's firmware condition requires. An EFI driver could. A boot
//! manager does, for an entry whose text is not measured (systemd-boot measures the path into PCR 12, but
//! only if it also passes it as an option), and GRUB can load code. Since any digest is accepted, its
//! position must show its origin: the last event in PCR 9, where only the kernel measures.
//!
//! Reference: systemd, `systemd-stub(7)`, `src/boot/stub.c` and `src/boot/boot.c`; `TPM2_PCR_MEASUREMENTS`.

use vouchsafe_attestation::event_log::EventKind;

use super::component::Component;
use super::digest::BaselineLog;
use super::document::{Baseline, ComposedInitrd};
use super::log::{Log, Seen};
use super::mismatch::BaselineMismatch;

/// Why sections cannot determine the composed initrd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComposedInitrdError {
    /// CCEL has sections, options and files in one register.
    #[error("the log is not the vTPM's")]
    OtherLog,
    /// The initrd is not known.
    #[error("no section .initrd is listed")]
    NoSection,
    /// The digest is listed as well.
    #[error("loaded_initrd lists digests as well")]
    AlsoListed,
    /// A component that can pass its own initrd.
    #[error(
        "{0} is listed: what starts the image can pass an initrd that only PCR 9 shows. Start it from the firmware or from shim, or \
         list digests in loaded_initrd"
    )]
    Loader(&'static str),
}

impl Baseline {
    /// Whether the initrd is measured: by GRUB, as part of a unified kernel image, or by the kernel's EFI
    /// stub. A stub that measures its options also measures its initrd, so if it lists none, none was loaded.
    pub(super) fn is_initrd_measured(&self) -> bool {
        let by_loader = !self.kernel.is_empty() || self.sections.contains_key(".linux");
        by_loader || !self.load_options.is_empty() || !self.loaded_initrd.is_empty()
    }

    pub(super) fn sections_vouch(&self) -> Result<(), ComposedInitrdError> {
        if self.log != BaselineLog::Vtpm {
            return Err(ComposedInitrdError::OtherLog);
        }
        if !self.sections.contains_key(".initrd") {
            return Err(ComposedInitrdError::NoSection);
        }
        if !self.loaded_initrd.is_empty() {
            return Err(ComposedInitrdError::AlsoListed);
        }
        let loaders = [
            ("boot_manager", &self.boot_manager),
            ("grub", &self.grub),
            ("drivers", &self.drivers),
            ("other_images", &self.other_images),
        ];
        // Events of PCR 2 and 4 that are listed only by digest may be images.
        let unnamed =
            [2, 4].iter().any(|pcr| self.other_events.get(pcr).is_some_and(|list| !list.is_empty()));
        let listed = loaders.iter().find(|(_, digests)| !digests.is_empty()).map(|(list, _)| *list);
        match listed.or(unnamed.then_some("other_events")) {
            Some(list) => Err(ComposedInitrdError::Loader(list)),
            None => Ok(()),
        }
    }

    /// The events of PCR 9 whose digests are compared. The composed initrd, if determined by sections, is the
    /// last event and not compared.
    pub(super) fn compared_files<'a>(&self, log: &'a Log) -> Result<&'a [Seen], BaselineMismatch> {
        let events = log.events(9);
        if self.composed_initrd == ComposedInitrd::Listed {
            return Ok(events);
        }
        match events.split_last() {
            Some((last, rest)) if last.kind == EventKind::KernelInitrd => Ok(rest),
            _ => Err(BaselineMismatch::Missing { component: Component::LoadedInitrd }),
        }
    }

    /// Omits the digest of the composed initrd if the captured boot allows it: when the kernel got another
    /// initrd than the section. Returns what was done.
    pub(super) fn settle_composed_initrd(&mut self, boot: &Log) {
        let section = self.sections.get(".initrd");
        let is_composed = section.is_some_and(|section| {
            let [loaded] = self.loaded_initrd.as_slice() else { return false };
            !section.contains(loaded)
        });
        if !is_composed {
            return;
        }
        let by_sections =
            Self { composed_initrd: ComposedInitrd::BySections, loaded_initrd: Vec::new(), ..self.clone() };
        if by_sections.sections_vouch().is_ok() && by_sections.compared_files(boot).is_ok() {
            *self = by_sections;
        }
    }

    /// A description of how the composed initrd is compared; `None` if there is none.
    pub(super) fn said_of_composed_initrd(&self) -> Option<String> {
        if self.composed_initrd == ComposedInitrd::BySections {
            return Some(
                "systemd-stub composed the initrd in PCR 9 (since systemd 261 it differs on every machine): its digest is left\n\
                 out, and the listed image, its sections, PCR 12 and PCR 13 vouch for it (composed_initrd). To pin this machine's,\n\
                 list it in loaded_initrd and take out composed_initrd."
                    .to_owned(),
            );
        }
        let section = self.sections.get(".initrd")?;
        if self.loaded_initrd.iter().all(|digest| section.contains(digest)) {
            return None;
        }
        let without = Self { loaded_initrd: Vec::new(), ..self.clone() };
        let why = without.sections_vouch().err().map(|error| format!(": {error}")).unwrap_or_default();
        Some(format!(
            "systemd-stub composed the initrd in PCR 9, and its digest is pinned in loaded_initrd{why}.\n\
             Since systemd 261 it differs on every machine, so that a fleet needs the digest of each."
        ))
    }
}
