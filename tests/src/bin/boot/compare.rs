//! Compares predictions with measurements, and the boot with baselines.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::sync::Arc;

use anyhow::Context as _;
use vouchsafe_attestation::claims::{AkClaims, ClockInfo, Phase, VtpmClaims};
use vouchsafe_attestation::event_log::{BootLog, EventKind, Technology, UserspaceWords};
use vouchsafe_attestation::{Claims, Revocation, Root, inspect_event_log};
use vouchsafe_policy::{Baseline, BaselineMismatch, ComposedInitrd, LogDigest};
use vouchsafe_protocol::{Digest32, UnixTime};

use crate::disk::Lab;
use crate::foretold::{Expected, Foretold, is_kind, predict_into};
use crate::machine::Report;
use crate::predict::Outcome;
use crate::say;

/// A boot and its predictions.
pub(crate) struct Comparison<'a> {
    foretold: &'a Foretold,
    boot: Boot<'a>,
    differences: usize,
}

/// The measurements of a boot, after comparing its log with its PCRs.
struct Boot<'a> {
    report: &'a Report,
    log: Arc<BootLog>,
    /// What user space extended after it.
    userspace: UserspaceWords,
}

impl<'a> Comparison<'a> {
    /// Compares the log with the PCRs first.
    pub(crate) fn new(foretold: &'a Foretold, report: &'a Report) -> anyhow::Result<Self> {
        for unknown in foretold.unknown() {
            say(&format!("  said beforehand: cannot say {unknown}"))?;
        }
        let boot = Boot::new(report)?;
        Ok(Self { foretold, boot, differences: 0 })
    }

    /// Compares every event of a PCR in order, and its final value.
    pub(crate) fn pcr(&mut self, pcr: u8) -> anyhow::Result<()> {
        let (measured, expected) = self.events(pcr);
        for position in 0..measured.len().max(expected.len()) {
            let (event, said) = (measured.get(position), expected.get(position));
            let mark = match (event, said) {
                (Some((digest, _)), Some(said)) if said.digest == Some(*digest) => "=",
                (Some((_, kind)), Some(said)) if said.digest.is_none() && is_kind(&said.component, *kind) => {
                    "cannot be known beforehand, as said:"
                }
                _ => "DIFFERS",
            };
            let digest = event.map_or_else(|| "nothing".to_owned(), |(digest, _)| short(digest));
            let what = said.map_or("not foretold", |said| said.what.as_str());
            say(&format!("  PCR {pcr:2} event {digest} {mark} {what}"))?;
            self.count(mark != "DIFFERS");
        }
        self.final_value(pcr, expected.iter().any(|expected| expected.digest.is_none()))
    }

    /// Requires that a PCR has no event and its initial value.
    pub(crate) fn nothing(&mut self, pcr: u8) -> anyhow::Result<()> {
        let untouched = self.boot.events(pcr).is_empty() && self.boot.value(pcr)? == Digest32([0; 32]);
        let mark = if untouched { "nothing, as said" } else { "DIFFERS: something was measured" };
        say(&format!("  PCR {pcr:2} {mark}"))?;
        self.count(untouched);
        Ok(())
    }

    /// Compares what user space extended, by PCR: systemd's words, or nothing.
    pub(crate) fn userspace(&mut self, by_systemd: bool) -> anyhow::Result<()> {
        let mut expected = BTreeMap::new();
        if by_systemd {
            for pcr in [0, 1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 14] {
                expected.insert(pcr, vec!["os-separator"]);
            }
            expected.entry(9).or_default().push("nvpcr-separator");
            expected.insert(11, vec!["enter-initrd"]);
        }
        let found = &self.boot.userspace;
        let same = self.boot.report.userspace.is_some() == by_systemd
            && found.len() == expected.len()
            && found
                .iter()
                .zip(&expected)
                .all(|(found, expected)| found.0 == expected.0 && found.1 == expected.1);
        for (pcr, words) in found {
            say(&format!("  PCR {pcr:2} then extended by user space: {}", words.join(", ")))?;
        }
        let mark = if same { "as it should be" } else { "DIFFERS" };
        say(&format!("  user space extended {} PCRs, {mark}", found.len()))?;
        self.count(same);
        Ok(())
    }

    /// The boot is a member of its own baseline, not of the previous boot's, and of that one with the update
    /// allowed. If the initrd's event cannot be predicted, sections determine the initrd; a baseline that
    /// lists digests lacks only this event.
    pub(crate) fn baselines(&mut self, lab: &Lab, name: &str, files: &[OsString]) -> anyhow::Result<()> {
        let own = self.boot.learned()?;
        self.verdict("learned from this boot", self.boot.membership(&own), true)?;
        let today = yesterday(&own);
        self.verdict("of another boot", self.boot.membership(&today), false)?;
        let file = lab.work.join(format!("{name}.json"));
        let update = |today: &Baseline| -> anyhow::Result<Baseline> {
            fs::write(&file, today.to_json())?;
            Ok(Baseline::parse(&predict_into(files, &file)?)?)
        };
        let verdict = self.boot.membership(&update(&today)?);
        self.verdict("of another boot, with the update foretold", verdict, true)?;
        let Some(event) = self.unknown_event(&self.boot) else { return Ok(()) };
        let mut updated = update(&pinned(&today, Digest32([0; 32]).into()))?;
        let which = "of another boot that lists its initrd's event, with the update foretold";
        self.lacks(which, self.boot.membership(&updated), event)?;
        updated.loaded_initrd.push(event);
        self.verdict("the same, with the event of this boot", self.boot.membership(&updated), true)
    }

    /// A later boot of the same image is a member of the baseline learned from this one. A baseline that
    /// lists the initrd's event accepts it if the stub composes the same initrd again, and otherwise lacks
    /// this event.
    pub(crate) fn later_boot(
        &mut self,
        which: &str,
        report: &Report,
        same_initrd: bool,
    ) -> anyhow::Result<()> {
        let (own, later) = (self.boot.learned()?, Boot::new(report)?);
        let learned = format!("learned from this boot, for {which}");
        self.verdict(&learned, later.membership(&own), true)?;
        let (Some(event), Some(own_event)) = (self.unknown_event(&later), self.unknown_event(&self.boot))
        else {
            self.count(false);
            return say("  DIFFERS: there is no initrd's event");
        };
        let (listing, verdict) =
            ("the same, with the initrd's event listed", later.membership(&pinned(&own, own_event)));
        if same_initrd { self.verdict(listing, verdict, true) } else { self.lacks(listing, verdict, event) }
    }

    /// A baseline that lacks exactly one event of a boot, in PCR 9.
    fn lacks(
        &mut self,
        which: &str,
        verdict: Result<(), BaselineMismatch>,
        event: LogDigest,
    ) -> anyhow::Result<()> {
        let this = |found: &BaselineMismatch| matches!(found, BaselineMismatch::Unlisted { pcr: 9, digest, .. } if *digest == event);
        if verdict.as_ref().is_err_and(this) {
            return say(&format!("  baseline {which}: lacks the initrd's event and nothing else, as said"));
        }
        self.verdict(which, verdict, false)?;
        say("  baseline: WRONG, it should lack the initrd's event")?;
        self.count(false);
        Ok(())
    }

    /// How much differed.
    pub(crate) fn finish(self, what: String) -> anyhow::Result<Outcome> {
        say(&format!("  {} differences", self.differences))?;
        let what = format!("{what}, {} s", self.boot.report.took.as_secs());
        Ok(Outcome { what, differences: self.differences })
    }

    /// Measured and predicted events, line by line. GRUB decides three things that do not follow from the
    /// files; the final value, which is predicted for each combination, shows its decisions.
    fn events(&self, pcr: u8) -> (Vec<(Digest32, EventKind)>, Vec<Expected>) {
        let mut measured = self.boot.events(pcr);
        let mut expected = self.foretold.events(pcr);
        if self.foretold.is_grub() {
            // Shim and GRUB may both measure the kernel, ...
            if pcr == 4 {
                measured.dedup_by_key(|(digest, _)| *digest);
            }
            // ... GRUB may measure the first file of its configuration when it looks for it and when it reads
            // it, ...
            if let (9, [(first, _), (second, _), ..]) = (pcr, measured.as_slice())
                && first == second
            {
                measured.remove(0);
            }
            // ... and may bypass the kernel's EFI stub.
            let by_stub = [EventKind::KernelLoadOptions, EventKind::KernelInitrd];
            if !measured.iter().any(|(_, kind)| by_stub.contains(kind)) {
                let is_stub = |component: &str| by_stub.iter().any(|kind| is_kind(component, *kind));
                expected.retain(|expected| !is_stub(&expected.component));
            }
        }
        (measured, expected)
    }

    fn final_value(&mut self, pcr: u8, has_unknown: bool) -> anyhow::Result<()> {
        let value = self.boot.value(pcr)?;
        let text = format!("  PCR {pcr:2} value {}", short(&value));
        let fits = self.foretold.values(pcr).find(|one| one.value == value);
        let as_said = has_unknown && self.foretold.values(pcr).next().is_none();
        match fits.map(|fits| fits.when.as_str()) {
            Some("") => say(&format!("{text} = foretold (certain)"))?,
            Some(when) => say(&format!("{text} = foretold ({when})"))?,
            None if as_said => say(&format!("{text} cannot be known beforehand, as said"))?,
            None => say(&format!("{text} DIFFERS"))?,
        }
        self.count(fits.is_some() || as_said);
        Ok(())
    }

    /// The measured event of the kernel's initrd, if the prediction says that it is unknown.
    fn unknown_event(&self, boot: &Boot<'_>) -> Option<LogDigest> {
        let expected = self.foretold.events(9).into_iter().find(|expected| expected.digest.is_none())?;
        let mut events = boot.events(9).into_iter();
        events.find(|(_, kind)| is_kind(&expected.component, *kind)).map(|(digest, _)| digest.into())
    }

    fn verdict(
        &mut self,
        which: &str,
        verdict: Result<(), BaselineMismatch>,
        member: bool,
    ) -> anyhow::Result<()> {
        let same = verdict.is_ok() == member;
        let mark = if same { "as it should be" } else { "WRONG" };
        let found =
            verdict.map_or_else(|mismatch| format!("no member ({mismatch})"), |()| "a member".to_owned());
        say(&format!("  baseline {which}: {found}, {mark}"))?;
        self.count(same);
        Ok(())
    }

    fn count(&mut self, same: bool) {
        self.differences += usize::from(!same);
    }
}

impl<'a> Boot<'a> {
    fn new(report: &'a Report) -> anyhow::Result<Self> {
        let log = inspect_event_log(&report.log, &report.pcrs, report.userspace.as_deref())
            .context("the logs do not give the PCRs")?;
        anyhow::ensure!(
            log.pcrs.phase == Some(Phase::Initrd),
            "the log does not show that this is an initrd"
        );
        anyhow::ensure!(log.withheld.is_empty(), "systemd's log is not readable");
        let events: usize = log.boot.events.values().map(Vec::len).sum();
        let (bytes, seconds) = (report.log.len(), report.took.as_secs());
        say(&format!("  booted in {seconds} s; log of {bytes} bytes, {events} events, replays to the PCRs"))?;
        Ok(Self { report, log: log.boot, userspace: log.pcrs.userspace })
    }

    /// Events of a PCR except those that every boot has.
    fn events(&self, pcr: u8) -> Vec<(Digest32, EventKind)> {
        let events = self.log.events.get(&pcr).into_iter().flatten();
        let own = |kind| !matches!(kind, EventKind::Separator | EventKind::BootAttempt);
        events
            .filter(|event| own(event.kind))
            .filter_map(|event| Some((event.digest.sha256()?, event.kind)))
            .collect()
    }

    /// The value of the PCR according to the firmware's log, before user space extended it.
    fn value(&self, pcr: u8) -> anyhow::Result<Digest32> {
        let measured = self.report.pcrs.get(&pcr).copied().context("a PCR is missing")?;
        if !self.userspace.contains_key(&pcr) {
            return Ok(measured);
        }
        let digests =
            self.log.events.get(&pcr).into_iter().flatten().filter_map(|event| event.digest.sha256());
        Ok(digests.fold(Digest32([0; 32]), |value, digest| {
            Digest32::of_parts(&[value.as_bytes(), digest.as_bytes()])
        }))
    }

    fn learned(&self) -> anyhow::Result<Baseline> {
        Ok(Baseline::capture(&self.claims(), 1, UnixTime(1))?)
    }

    fn membership(&self, baseline: &Baseline) -> Result<(), BaselineMismatch> {
        baseline.is_member(&self.claims(), UnixTime(0))
    }

    /// The claims that a Google VM would have whose firmware names a technology.
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
            userspace: self.userspace.clone(),
            boot: Arc::clone(&self.log),
        };
        Claims { technology: Some(Technology::None), vtpm: Some(vtpm), ..Claims::default() }
    }
}

/// A baseline that has a digest for the initrd's event.
fn pinned(baseline: &Baseline, event: LogDigest) -> Baseline {
    Baseline { composed_initrd: ComposedInitrd::Listed, loaded_initrd: vec![event], ..baseline.clone() }
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
