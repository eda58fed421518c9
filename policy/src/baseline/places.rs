//! Count and order of the components of a boot.

use std::collections::BTreeMap;

use vouchsafe_attestation::event_log::EventKind;

use super::component::Component;
use super::digest::LogDigest;
use super::document::Baseline;
use super::log::{Log, Seen};
use super::mismatch::BaselineMismatch;

/// Checks count and order of components, event by event.
pub(super) struct Places {
    components: BTreeMap<LogDigest, Vec<Component>>,
    listed: Vec<Component>,
    counts: BTreeMap<Component, usize>,
    /// Number of remaining events of each digest in this register.
    coming: BTreeMap<LogDigest, usize>,
    last: Option<(Component, LogDigest)>,
}

impl Places {
    pub(super) fn new(allowed: &[(Component, &[LogDigest])]) -> Self {
        let mut components: BTreeMap<LogDigest, Vec<Component>> = BTreeMap::new();
        for (component, digests) in allowed {
            for digest in *digests {
                components.entry(*digest).or_default().push(*component);
            }
        }
        let listed = allowed.iter().filter(|(_, digests)| !digests.is_empty());
        Self {
            components,
            listed: listed.map(|(component, _)| *component).collect(),
            counts: BTreeMap::new(),
            coming: BTreeMap::new(),
            last: None,
        }
    }

    /// Starts a register with these events; its components come after those of the previous register.
    /// Otherwise, if the firmware starts a kernel directly and measures it into another register than its
    /// loaders, their measurements could be extended afterwards.
    pub(super) fn go_on(&mut self, events: &[Seen]) {
        self.coming.clear();
        for event in events {
            *self.coming.entry(event.digest).or_insert(0) += 1;
        }
    }

    /// The component of an event. If a digest is listed both for GRUB's initrd and the kernel's, GRUB's comes
    /// first; components that failed come before those that run.
    fn component(&mut self, digest: &LogDigest) -> Option<Component> {
        let candidates = self.components.get(digest)?;
        let is_free = |component: &&Component| !self.counts.contains_key(component);
        let mut free = candidates.iter().filter(|component| !component.is_unlimited()).filter(is_free);
        let coming = self.coming.get_mut(digest).map_or(0, |coming| {
            let now = *coming;
            *coming = now.saturating_sub(1);
            now
        });
        let unlimited = candidates.iter().find(|component| component.is_unlimited());
        if unlimited.is_some() && coming > free.clone().count() {
            return unlimited.copied();
        }
        free.next().or(unlimited).or_else(|| candidates.first()).copied()
    }

    pub(super) fn take(&mut self, log: &Log, register: u8, event: &Seen) -> Result<(), BaselineMismatch> {
        let digest = event.digest;
        let component = self.component(&digest).ok_or_else(|| log.unlisted(register, event))?;
        let again = self.counts.entry(component).or_insert(0);
        *again += 1;
        // If both shim and GRUB take part in starting a kernel, both measure it: one image, twice in a row.
        // Early initrds are distinct.
        let repeats = component.is_unlimited()
            || component == Component::EarlyInitrd && self.last != Some((component, digest))
            || component == Component::KernelImage && self.last == Some((component, digest));
        if *again > 1 && !repeats {
            return Err(BaselineMismatch::Repeated { component, digest, what: event.what() });
        }
        if component == Component::Driver {
            return Ok(());
        }
        let (previous, previous_digest) = self.last.unwrap_or((component, digest));
        let out_of_order = match component {
            // Between two loaders or after GRUB, but not after the component that runs.
            Component::OtherImage => matches!(previous, Component::Uki | Component::KernelImage),
            _ => previous.rank() > component.rank(),
        };
        if out_of_order {
            let (what, previous_digest) = (event.what(), Box::new(previous_digest));
            return Err(BaselineMismatch::Order { component, digest, what, previous, previous_digest });
        }
        if component != Component::OtherImage {
            self.last = Some((component, digest));
        }
        Ok(())
    }

    pub(super) fn finish(&self, required: &[Component]) -> Result<(), BaselineMismatch> {
        let missing = self
            .listed
            .iter()
            .find(|component| required.contains(component) && !self.counts.contains_key(component));
        match missing {
            Some(component) => Err(BaselineMismatch::Missing { component: *component }),
            None => Ok(()),
        }
    }
}

/// Checks the texts that GRUB ran, and counts the command lines.
pub(super) struct Texts {
    commands: Vec<LogDigest>,
    others: Vec<LogDigest>,
    lines: Vec<LogDigest>,
    /// The remaining command lines.
    coming: Vec<LogDigest>,
    count: usize,
}

impl Texts {
    pub(super) fn new(baseline: &Baseline, log: &Log, register: u8) -> Self {
        let lines = log.events(register).iter().filter(|event| event.kind == EventKind::KernelCommandLine);
        Self {
            commands: log.text_digests(&baseline.grub_commands),
            others: log.text_digests(&baseline.other_command_lines),
            lines: log.text_digests(&baseline.command_lines),
            coming: lines.map(|event| event.digest).collect(),
            count: 0,
        }
    }

    /// Whether the event is a listed text.
    pub(super) fn take(&mut self, event: &Seen) -> Result<bool, BaselineMismatch> {
        let digest = &event.digest;
        if event.kind != EventKind::KernelCommandLine {
            return Ok(self.commands.contains(digest));
        }
        if let Some(at) = self.coming.iter().position(|coming| coming == digest) {
            self.coming.remove(at);
        }
        let is_line = self.lines.contains(digest);
        // The command line of an entry that failed comes before the one that runs, also if both are equal.
        let is_other = self.others.contains(digest) && (!is_line || self.coming.contains(digest));
        if !is_line && !is_other {
            return Ok(false);
        }
        if self.count > 0 {
            let (component, digest, what) = (Component::CommandLine, *digest, event.what());
            return Err(BaselineMismatch::Repeated { component, digest, what });
        }
        self.count += usize::from(!is_other);
        Ok(true)
    }

    pub(super) fn finish(self) -> Result<(), BaselineMismatch> {
        if self.count == 0 && !self.lines.is_empty() {
            return Err(BaselineMismatch::Missing { component: Component::CommandLine });
        }
        Ok(())
    }
}
