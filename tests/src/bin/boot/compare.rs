//! What was foretold beside what was measured, and the boot beside baselines.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::Value;
use vouchsafe_attestation::claims::{AkClaims, ClockInfo, Phase, VtpmClaims};
use vouchsafe_attestation::event_log::{BootLog, EventKind, Technology};
use vouchsafe_attestation::{Claims, Revocation, Root, inspect_event_log};
use vouchsafe_policy::{Baseline, LogDigest};
use vouchsafe_protocol::{Digest32, UnixTime};

use crate::disk::Lab;
use crate::machine::Report;
use crate::{predict_into, read, say};

/// A boot and what was foretold of it.
pub(crate) struct Comparison<'a> {
    foretold: &'a Value,
    report: &'a Report,
    boot: Arc<BootLog>,
    differences: usize,
}

impl<'a> Comparison<'a> {
    /// Holds the log against the PCRs first.
    pub(crate) fn new(foretold: &'a Value, report: &'a Report) -> anyhow::Result<Self> {
        let log =
            inspect_event_log(&report.log, &report.pcrs, None).context("the log does not give the PCRs")?;
        let events: usize = log.boot.events.values().map(Vec::len).sum();
        let (bytes, seconds) = (report.log.len(), report.took.as_secs());
        say(&format!("  booted in {seconds} s; log of {bytes} bytes, {events} events, replays to the PCRs"))?;
        Ok(Self { foretold, report, boot: log.boot, differences: 0 })
    }

    /// Every event of a PCR in order, and its final value.
    pub(crate) fn pcr(&mut self, pcr: u8) -> anyhow::Result<()> {
        let foretold = self.foretold_events(pcr)?;
        // An image that shim and GRUB both measure stands in the log twice; what the kernel's EFI stub measures is left
        // out where GRUB passes it by. What GRUB does of this is in the value's `when`.
        let mut once = self.measured(pcr);
        if pcr == 4 {
            once.dedup_by_key(|(digest, _)| *digest);
        }
        let by_stub = |kind| matches!(kind, EventKind::KernelLoadOptions | EventKind::KernelInitrd);
        let stub_measures = once.iter().any(|(_, kind)| by_stub(*kind));
        let counts = |what: &str| stub_measures || !matches!(what, "load-options" | "loaded-initrd");
        let expected: Vec<_> = foretold.iter().filter(|(_, what)| counts(what)).collect();
        let same =
            once.len() == expected.len() && once.iter().zip(&expected).all(|(one, two)| one.0 == two.0);
        for position in 0..once.len().max(expected.len()) {
            let (event, said) = (once.get(position), expected.get(position));
            let mark = if event.map(|event| event.0) == said.map(|said| said.0) { "=" } else { "DIFFERS" };
            let digest = event.map_or_else(|| "nothing".to_owned(), |event| short(&event.0));
            let what = said.map_or("not foretold", |said| said.1.as_str());
            say(&format!("  PCR {pcr:2} event {digest} {mark} {what}"))?;
        }
        self.count(same);
        let value = self.report.pcrs.get(&pcr).context("a PCR is missing")?;
        let values = self.foretold.get("values").and_then(Value::as_array).context("no values")?;
        let fits = values.iter().find(|one| {
            one.get("pcr").and_then(Value::as_u64) == Some(pcr.into())
                && one.get("value").and_then(Value::as_str) == Some(&value.to_string())
        });
        let when = fits.map(|fits| fits.get("when").and_then(Value::as_str).unwrap_or("certain"));
        let mark = if fits.is_some() { "=" } else { "DIFFERS" };
        say(&format!("  PCR {pcr:2} value {} {mark} foretold ({})", short(value), when.unwrap_or("-")))?;
        self.count(fits.is_some());
        Ok(())
    }

    /// The boot is a member of its own baseline, not of yesterday's, and of that one with the update allowed.
    pub(crate) fn baselines(&mut self, lab: &Lab, name: &str, files: &[OsString]) -> anyhow::Result<()> {
        let claims = self.claims();
        let (now, end) = (UnixTime(0), UnixTime(1));
        let own = Baseline::capture(&claims, 1, end)?;
        self.verdict("learned from this boot", own.is_member(&claims, now).is_ok(), true)?;
        let today = lab.write(&format!("{name}.json"), yesterday(&own).to_json().as_bytes())?;
        let old = Baseline::parse(&read(&today)?)?;
        self.verdict("of another boot", old.is_member(&claims, now).is_ok(), false)?;
        let updated = Baseline::parse(&predict_into(files, &today)?)?;
        let verdict = updated.is_member(&claims, now);
        if let Err(mismatch) = &verdict {
            say(&format!("  {mismatch}"))?;
        }
        self.verdict("of another boot, with the update foretold", verdict.is_ok(), true)
    }

    /// Whether nothing differed.
    pub(crate) fn finish(self) -> anyhow::Result<bool> {
        say(&format!("  {} differences", self.differences))?;
        Ok(self.differences == 0)
    }

    fn verdict(&mut self, which: &str, member: bool, expected: bool) -> anyhow::Result<()> {
        let verdict = if member { "a member" } else { "no member" };
        let mark = if member == expected { "as it should be" } else { "WRONG" };
        say(&format!("  baseline {which}: {verdict}, {mark}"))?;
        self.count(member == expected);
        Ok(())
    }

    fn count(&mut self, same: bool) {
        self.differences += usize::from(!same);
    }

    /// Events of a PCR without those that every boot has.
    fn measured(&self, pcr: u8) -> Vec<(Digest32, EventKind)> {
        let events = self.boot.events.get(&pcr).into_iter().flatten();
        let own = |kind| !matches!(kind, EventKind::Separator | EventKind::BootAttempt);
        events
            .filter(|event| own(event.kind))
            .filter_map(|event| Some((event.digest.sha256()?, event.kind)))
            .collect()
    }

    fn foretold_events(&self, pcr: u8) -> anyhow::Result<Vec<(Digest32, String)>> {
        let events = self.foretold.get("events").and_then(Value::as_array).context("no events")?;
        let of_pcr =
            events.iter().filter(|event| event.get("pcr").and_then(Value::as_u64) == Some(pcr.into()));
        let one = |event: &Value| {
            let text = |name: &str| event.get(name).and_then(Value::as_str);
            let digest = text("digest")?.parse().ok()?;
            let detail =
                text("text").or(text("name")).map(|detail| format!(" {}", detail.replace('\n', " ")));
            Some((digest, format!("{}{}", text("component")?, detail.unwrap_or_default())))
        };
        of_pcr.map(one).collect::<Option<_>>().context("an event is not as described")
    }

    /// Claims as they would be if this were a VM of Google's whose firmware names a technology.
    fn claims(&self) -> Claims {
        let vtpm = VtpmClaims {
            root: Root::Extra,
            revocation: Revocation::Absent,
            missing_crls: Vec::new(),
            crl_issuers: Vec::new(),
            ak: AkClaims {
                algorithm: "none",
                public_digest: Digest32([0; 32]),
                certificate_digest: Digest32([0; 32]),
            },
            instance: None,
            clock: ClockInfo { clock: 0, reset_count: 0, restart_count: 0, safe: true },
            pcrs: self.report.pcrs.clone(),
            firmware_pcrs: self.report.pcrs.clone(),
            phase: Phase::Initrd,
            userspace: BTreeMap::new(),
            boot: Arc::clone(&self.boot),
        };
        Claims { technology: Some(Technology::None), vtpm: Some(vtpm), ..Claims::default() }
    }
}

/// The baseline of a boot of the same kind from other files.
fn yesterday(own: &Baseline) -> Baseline {
    let other = |digests: &Vec<LogDigest>| -> Vec<LogDigest> {
        digests.iter().map(|digest| Digest32::of(digest.to_string().as_bytes()).into()).collect()
    };
    let sections: BTreeMap<_, _> =
        own.sections.iter().map(|(name, digests)| (name.clone(), other(digests))).collect();
    Baseline {
        shim: other(&own.shim),
        grub: other(&own.grub),
        uki: other(&own.uki),
        kernel_image: other(&own.kernel_image),
        kernel: other(&own.kernel),
        initrd: other(&own.initrd),
        configuration: other(&own.configuration),
        grub_commands: own.grub_commands.iter().map(|command| command.replace("quiet", "debug")).collect(),
        command_lines: own.command_lines.iter().map(|line| line.replace("quiet", "debug")).collect(),
        sections,
        load_options: other(&own.load_options),
        loaded_initrd: other(&own.loaded_initrd),
        ..own.clone()
    }
}

fn short(digest: &Digest32) -> String {
    digest.to_string().chars().take(16).collect()
}
