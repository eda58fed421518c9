//! Proposed updates: what a baseline would have to allow for the next boot of a member, and the baseline that does.

use vouchsafe_attestation::claims::Claims;
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::reference_values::{ReferenceComponent, ReferenceEvent};

use super::digest::{BaselineLog, LogDigest};
use super::document::Baseline;
use super::entries::ExpiringEntries;
use super::log::Log;
use super::update::UpdateError;

/// What a baseline lacks for a boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposedUpdate {
    /// Events whose entries are not listed, or only until a time. Empty if the boot is allowed as long as the baseline
    /// is in force.
    pub new: Vec<ReferenceEvent>,
    /// The entries of the boot that are listed already, except GRUB's commands and configuration.
    pub kept: ExpiringEntries,
    /// Where the boot is allowed for now because of entries that expire: until when.
    pub until: Option<UnixTime>,
}

/// How long what an update replaces stays allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepOld {
    /// Until this time.
    Until(UnixTime),
    /// As long as the baseline.
    Forever,
}

impl Baseline {
    /// Compares the events of a boot with the lists at `now`.
    ///
    /// # Errors
    /// When no baseline can allow both this boot and those that are allowed already.
    pub fn propose(&self, events: &[ReferenceEvent], now: UnixTime) -> Result<ProposedUpdate, UpdateError> {
        self.allow_events(events)?;
        let new: Vec<ReferenceEvent> = events.iter().filter(|event| !self.lists(event)).cloned().collect();
        let until = new.iter().map(|event| self.listed_until(event, now)).collect::<Option<Vec<_>>>();
        let kept = ExpiringEntries::of_components(events.iter().filter(|event| self.lists(event)));
        Ok(ProposedUpdate { kept, until: until.and_then(|times| times.into_iter().min()), new })
    }

    /// What a member's current boot has and its next one has not, of the components that both have: the entries that its
    /// update replaces. GRUB's commands and configuration are never among them, since not all of them can be predicted.
    #[must_use]
    pub fn replaced_by(&self, claims: &Claims, events: &[ReferenceEvent]) -> ExpiringEntries {
        let Some(log) = Log::of(claims, self.log).filter(|log| log.log == BaselineLog::Vtpm) else {
            return ExpiringEntries::default();
        };
        let of = |component: &ReferenceComponent| -> Vec<&ReferenceEvent> {
            events.iter().filter(|event| event.component == *component).collect()
        };
        let digests = |list: &[LogDigest], registers: &[u8], component: ReferenceComponent| {
            let next = of(&component);
            let is_next = |digest: &LogDigest| next.iter().any(|event| *digest == event.digest.into());
            let booted = |digest: &LogDigest| {
                let events = registers.iter().flat_map(|register| log.events(*register));
                events.into_iter().any(|event| event.digest == *digest)
            };
            let replaced =
                list.iter().filter(|digest| !next.is_empty() && booted(digest) && !is_next(digest));
            replaced.copied().collect::<Vec<_>>()
        };
        let sections = self.sections.iter().map(|(name, list)| {
            let replaced = digests(list, &[11], ReferenceComponent::Section { name: name.clone() });
            (name.clone(), replaced)
        });
        ExpiringEntries {
            shim: digests(&self.shim, IMAGES, ReferenceComponent::Shim),
            grub: digests(&self.grub, IMAGES, ReferenceComponent::Grub),
            uki: digests(&self.uki, IMAGES, ReferenceComponent::Uki),
            kernel_image: digests(&self.kernel_image, IMAGES, ReferenceComponent::KernelImage),
            kernel: digests(&self.kernel, &[9], ReferenceComponent::Kernel),
            initrd: digests(&self.initrd, &[9], ReferenceComponent::Initrd),
            command_lines: self.replaced_lines(&log, events),
            sections: sections.filter(|(_, replaced)| !replaced.is_empty()).collect(),
            load_options: digests(&self.load_options, &[9], ReferenceComponent::LoadOptions),
            loaded_initrd: digests(&self.loaded_initrd, &[9], ReferenceComponent::LoadedInitrd),
            ..ExpiringEntries::default()
        }
    }

    fn replaced_lines(&self, log: &Log, events: &[ReferenceEvent]) -> Vec<String> {
        let next: Vec<&String> = events
            .iter()
            .filter_map(|event| match &event.component {
                ReferenceComponent::CommandLine { text } => Some(text),
                _ => None,
            })
            .collect();
        let booted = |line: &String| {
            let digests = log.text_digests(std::slice::from_ref(line));
            log.events(8).iter().any(|event| digests.contains(&event.digest))
        };
        let replaced = self.command_lines.iter().filter(|line| booted(line) && !next.contains(line));
        replaced.filter(|_| !next.is_empty()).cloned().collect()
    }

    /// The baseline that allows these events, and what they replace only as long as `keep` says. What has expired is left
    /// out.
    ///
    /// # Errors
    /// When the result would not be a valid baseline.
    pub fn approve(
        &self,
        new: &[ReferenceEvent],
        replaced: &ExpiringEntries,
        keep: KeepOld,
        now: UnixTime,
    ) -> Result<Self, UpdateError> {
        let mut approved = self.clone();
        approved.until.retain(|until, _| *until > now);
        for event in new {
            approved.allow(event);
        }
        if let KeepOld::Until(until) = keep {
            let moved = approved.take(replaced, new);
            if moved != ExpiringEntries::default() {
                approved.until.entry(until).or_default().extend(&moved);
            }
        }
        approved.check()?;
        Ok(approved)
    }

    /// Takes those of these entries out of the lists that the update does not have, as long as others stay.
    fn take(&mut self, replaced: &ExpiringEntries, new: &[ReferenceEvent]) -> ExpiringEntries {
        let is_new = |digest: &LogDigest| new.iter().any(|event| LogDigest::from(event.digest) == *digest);
        let digests = |list: &mut Vec<LogDigest>, replaced: &[LogDigest]| {
            take(list, |digest| replaced.contains(digest) && !is_new(digest))
        };
        let lines = |list: &mut Vec<String>| take(list, |line| replaced.command_lines.contains(line));
        let mut sections = std::collections::BTreeMap::new();
        for (name, entries) in &replaced.sections {
            let taken = self.sections.get_mut(name).map(|list| digests(list, entries)).unwrap_or_default();
            if !taken.is_empty() {
                sections.insert(name.clone(), taken);
            }
        }
        ExpiringEntries {
            shim: digests(&mut self.shim, &replaced.shim),
            grub: digests(&mut self.grub, &replaced.grub),
            uki: digests(&mut self.uki, &replaced.uki),
            kernel_image: digests(&mut self.kernel_image, &replaced.kernel_image),
            kernel: digests(&mut self.kernel, &replaced.kernel),
            initrd: digests(&mut self.initrd, &replaced.initrd),
            command_lines: lines(&mut self.command_lines),
            sections,
            load_options: digests(&mut self.load_options, &replaced.load_options),
            loaded_initrd: digests(&mut self.loaded_initrd, &replaced.loaded_initrd),
            ..ExpiringEntries::default()
        }
    }

    /// Whether the entry of this event is listed, or the baseline does not list such events.
    fn lists(&self, event: &ReferenceEvent) -> bool {
        let digest = LogDigest::from(event.digest);
        let as_today = |list: &[LogDigest]| list.is_empty() || list.contains(&digest);
        match &event.component {
            ReferenceComponent::Shim => self.shim.contains(&digest),
            ReferenceComponent::Grub => self.grub.contains(&digest),
            ReferenceComponent::Uki => self.uki.contains(&digest),
            ReferenceComponent::KernelImage => as_today(&self.kernel_image),
            ReferenceComponent::Configuration => self.reads_before_kernel(&digest),
            ReferenceComponent::Kernel => self.kernel.contains(&digest),
            ReferenceComponent::Initrd => self.initrd.contains(&digest),
            ReferenceComponent::GrubCommand { text } => self.grub_commands.contains(text),
            ReferenceComponent::CommandLine { text } => self.command_lines.contains(text),
            ReferenceComponent::Section { name } => {
                self.sections.get(name).is_some_and(|list| list.contains(&digest))
            }
            // The section names are the keys of the map.
            ReferenceComponent::SectionName { .. } => true,
            ReferenceComponent::LoadOptions => as_today(&self.load_options),
            ReferenceComponent::LoadedInitrd => as_today(&self.loaded_initrd),
        }
    }

    /// Until when the entry of this event is allowed, if at all.
    fn listed_until(&self, event: &ReferenceEvent, now: UnixTime) -> Option<UnixTime> {
        let live = self.until.iter().rev().take_while(|(until, _)| **until > now);
        let mut times = live.filter(|(_, entries)| self.only(entries).lists(event)).map(|(until, _)| *until);
        times.next()
    }

    /// A baseline with only these entries beside those that stay.
    fn only(&self, entries: &ExpiringEntries) -> Self {
        let mut only = self.clone();
        only.until.clear();
        only.add(entries);
        only
    }
}

/// Takes the items out of the list, unless none would stay.
fn take<T: Clone>(list: &mut Vec<T>, is_taken: impl Fn(&T) -> bool) -> Vec<T> {
    let (taken, kept): (Vec<T>, Vec<T>) = list.iter().cloned().partition(is_taken);
    if kept.is_empty() {
        return Vec::new();
    }
    *list = kept;
    taken
}

/// Where EFI applications are measured.
const IMAGES: &[u8] = &[2, 4];
