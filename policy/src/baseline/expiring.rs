//! Entries that expire: what an update replaces stays allowed until a stated time, so that VMs which have not
//! restarted yet are members, and mixtures of old and new components too. Afterwards only what the baseline lists
//! without a time is allowed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use vouchsafe_attestation::claims::Claims;
use vouchsafe_protocol::UnixTime;

use super::document::Baseline;
use super::entries::{ExpiringEntries, add};
use super::parse::{BaselineError, MAX_EXPIRIES};

impl Baseline {
    /// The first time after `now` at which entries expire.
    #[must_use]
    pub fn next_expiry(&self, now: UnixTime) -> Option<UnixTime> {
        self.until.keys().copied().find(|until| *until > now)
    }

    /// The baseline with every entry that is allowed at `now` in its lists.
    pub(super) fn at(&self, now: UnixTime) -> Cow<'_, Self> {
        self.with_those_until(now.plus(1))
    }

    /// The baseline with those entries in its lists that expire at `first` or later.
    fn with_those_until(&self, first: UnixTime) -> Cow<'_, Self> {
        let mut allowed = Cow::Borrowed(self);
        for entries in self.until.range(first..).map(|(_, entries)| entries) {
            allowed.to_mut().add(entries);
        }
        allowed
    }

    /// When a boot that is not a member any more last was one, if that is because entries have expired.
    pub(super) fn expired(&self, claims: &Claims, now: UnixTime) -> Option<UnixTime> {
        let expired = self.until.range(..=now).rev().map(|(until, _)| *until);
        let mut allowing = expired.filter(|until| self.with_those_until(*until).check_boot(claims).is_ok());
        allowing.next()
    }

    /// What it lists without a time, in the lists that an update can change.
    #[must_use]
    pub fn entries(&self) -> ExpiringEntries {
        ExpiringEntries {
            command_lines: self.command_lines.clone(),
            configuration: self.configuration.clone(),
            grub: self.grub.clone(),
            grub_commands: self.grub_commands.clone(),
            initrd: self.initrd.clone(),
            kernel: self.kernel.clone(),
            kernel_image: self.kernel_image.clone(),
            load_options: self.load_options.clone(),
            loaded_initrd: self.loaded_initrd.clone(),
            sections: self.sections.clone(),
            shim: self.shim.clone(),
            uki: self.uki.clone(),
        }
    }

    pub(super) fn add(&mut self, entries: &ExpiringEntries) {
        let ExpiringEntries { shim, grub, uki, kernel_image, kernel, initrd, configuration, .. } = entries;
        let ExpiringEntries { grub_commands, command_lines, sections, load_options, loaded_initrd, .. } =
            entries;
        add(&mut self.shim, shim);
        add(&mut self.grub, grub);
        add(&mut self.uki, uki);
        add(&mut self.kernel_image, kernel_image);
        add(&mut self.kernel, kernel);
        add(&mut self.initrd, initrd);
        add(&mut self.configuration, configuration);
        add(&mut self.grub_commands, grub_commands);
        add(&mut self.command_lines, command_lines);
        for (name, digests) in sections {
            add(self.sections.entry(name.clone()).or_default(), digests);
        }
        add(&mut self.load_options, load_options);
        add(&mut self.loaded_initrd, loaded_initrd);
    }

    /// Checks that the baseline is closed before, between and after all expiries.
    pub(super) fn check_until(&self) -> Result<(), BaselineError> {
        if self.until.is_empty() {
            return Ok(());
        }
        if self.until.len() > MAX_EXPIRIES {
            return Err(BaselineError::TooManyExpiries { count: self.until.len() });
        }
        for entries in self.until.values() {
            self.check_entries(entries)?;
        }
        // More entries make no list of a component empty, so what is closed with all of them is closed with some.
        let all = Self { until: BTreeMap::new(), ..self.with_those_until(UnixTime(0)).into_owned() };
        all.check()
    }

    /// A boot has each of these components exactly if the baseline lists it: one that is only listed until a time
    /// would be required of every boot until then.
    fn check_entries(&self, entries: &ExpiringEntries) -> Result<(), BaselineError> {
        let lists = [
            ("shim", &entries.shim, &self.shim),
            ("grub", &entries.grub, &self.grub),
            ("uki", &entries.uki, &self.uki),
            ("kernel_image", &entries.kernel_image, &self.kernel_image),
            ("kernel", &entries.kernel, &self.kernel),
            ("initrd", &entries.initrd, &self.initrd),
            ("load_options", &entries.load_options, &self.load_options),
            ("loaded_initrd", &entries.loaded_initrd, &self.loaded_initrd),
        ];
        let only_until = lists.iter().find(|(_, until, stays)| !until.is_empty() && stays.is_empty());
        if let Some((list, ..)) = only_until {
            return Err(BaselineError::OnlyUntil { list: (*list).to_owned() });
        }
        match entries.sections.keys().find(|name| !self.sections.contains_key(*name)) {
            Some(name) => Err(BaselineError::OnlyUntil { list: format!("sections {name:?}") }),
            None => Ok(()),
        }
    }
}
