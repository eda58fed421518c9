//! One digest of a boot changed at a time: a policy that determines the boot refuses each, and names it.

use vouchsafe_attestation::claims::Claims;
use vouchsafe_attestation::event_log::{BootLog, EventDigest, EventKind};
use vouchsafe_protocol::{Digest32, Digest48};

use super::super::BaselineLog;

/// A boot with one thing changed.
pub(super) struct Flip {
    /// What was changed, for the test's messages.
    pub(super) what: String,
    /// The kind of the changed event; `None` for firmware.
    pub(super) kind: Option<EventKind>,
    /// The changed claims.
    pub(super) claims: Claims,
    /// One of these must be in the reason of a denial.
    pub(super) named: Vec<String>,
}

/// Every image, file, text and section of the boot, then the firmware, each with another digest.
pub(super) fn flips(claims: &Claims, log: BaselineLog) -> Vec<Flip> {
    let mut all = Vec::new();
    for (register, events) in &boot(claims, log).events {
        for (index, event) in events.iter().enumerate().filter(|(_, event)| is_code_or_text(event.kind)) {
            let mut changed = claims.clone();
            let digest = other(event.digest);
            change(&mut changed, log, |boot| {
                let event = &mut boot.events.get_mut(register).unwrap()[index];
                event.digest = digest;
                let place = events[..index].iter().filter(|before| before.kind == event.kind).count();
                // The digest of a section's name covers the name; the log lists sections again.
                match event.kind {
                    EventKind::StubSectionName => {
                        event.name = Some(".other".to_owned());
                        boot.stub_sections[place].name = ".other".to_owned();
                    }
                    EventKind::StubSection => boot.stub_sections[place].digest = digest,
                    _ => {}
                }
            });
            let section = events[..=index].iter().rev().find_map(|event| event.name.clone());
            let section = section.map(|name| format!("section {name}"));
            let named = [Some(digest.to_string()), section, Some("section .other".to_owned())];
            all.push(Flip {
                what: format!("{:?} {index} of register {register}", event.kind),
                kind: Some(event.kind),
                claims: changed,
                named: named.into_iter().flatten().collect(),
            });
        }
    }
    all.extend(firmware(claims, log));
    all
}

/// The firmware, according to the log and to the hardware.
fn firmware(claims: &Claims, log: BaselineLog) -> Vec<Flip> {
    let mut all = Vec::new();
    if boot(claims, log).firmware_version.is_some() {
        let mut changed = claims.clone();
        change(&mut changed, log, |boot| boot.firmware_version = Some("Another Firmware".to_owned()));
        all.push(Flip {
            what: "firmware version".to_owned(),
            kind: None,
            claims: changed,
            named: vec!["firmware".to_owned()],
        });
    }
    let mut changed = claims.clone();
    if let Some(snp) = &mut changed.sev_snp {
        snp.measurement.0[0] ^= 1;
        let named = vec![snp.measurement.to_string(), "the firmware is not listed".to_owned()];
        all.push(Flip { what: "SNP measurement".to_owned(), kind: None, claims: changed.clone(), named });
    }
    let mut changed = claims.clone();
    if let Some(tdx) = &mut changed.tdx {
        tdx.mr_td.0[0] ^= 1;
        let named = vec![tdx.mr_td.to_string(), "the firmware is not listed".to_owned()];
        all.push(Flip { what: "MRTD".to_owned(), kind: None, claims: changed, named });
    }
    all
}

fn boot(claims: &Claims, log: BaselineLog) -> &BootLog {
    match log {
        BaselineLog::Vtpm => &claims.vtpm.as_ref().unwrap().boot,
        BaselineLog::Ccel => claims.tdx.as_ref().unwrap().unconfirmed_boot.as_ref().unwrap(),
    }
}

fn change(claims: &mut Claims, log: BaselineLog, change: impl FnOnce(&mut BootLog)) {
    let boot = match log {
        BaselineLog::Vtpm => &mut claims.vtpm.as_mut().unwrap().boot,
        BaselineLog::Ccel => claims.tdx.as_mut().unwrap().unconfirmed_boot.as_mut().unwrap(),
    };
    change(std::sync::Arc::make_mut(boot));
}

const fn is_code_or_text(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::EfiApplication
            | EventKind::EfiDriver
            | EventKind::GrubCommand
            | EventKind::KernelCommandLine
            | EventKind::GrubModuleCommandLine
            | EventKind::GrubFile
            | EventKind::KernelLoadOptions
            | EventKind::KernelInitrd
            | EventKind::StubSectionName
            | EventKind::StubSection
    )
}

fn other(digest: EventDigest) -> EventDigest {
    match digest {
        EventDigest::Sha256(mut digest) => {
            digest.0[0] ^= 1;
            EventDigest::Sha256(Digest32(digest.0))
        }
        EventDigest::Sha384(mut digest) => {
            digest.0[0] ^= 1;
            EventDigest::Sha384(Digest48(digest.0))
        }
    }
}
