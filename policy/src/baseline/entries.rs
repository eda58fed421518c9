//! Entries of a baseline beside those in its lists.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vouchsafe_protocol::reference_values::{ReferenceComponent, ReferenceEvent};

use super::digest::LogDigest;

/// Entries of a baseline that expire together, in the lists that an update can change. Each is allowed in addition to
/// what the list of the same name in the baseline has.
///
/// Records of the log have it: members are in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpiringEntries {
    /// As the list `command_lines` of a baseline.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command_lines: Vec<String>,
    /// As the list `configuration` of a baseline.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub configuration: Vec<LogDigest>,
    /// As the list `grub` of a baseline.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grub: Vec<LogDigest>,
    /// As the list `grub_commands` of a baseline.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grub_commands: Vec<String>,
    /// As the list `initrd` of a baseline.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub initrd: Vec<LogDigest>,
    /// As the list `kernel` of a baseline.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kernel: Vec<LogDigest>,
    /// As the list `kernel_image` of a baseline.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kernel_image: Vec<LogDigest>,
    /// As the list `load_options` of a baseline.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub load_options: Vec<LogDigest>,
    /// As the list `loaded_initrd` of a baseline.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub loaded_initrd: Vec<LogDigest>,
    /// As the list `sections` of a baseline.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sections: BTreeMap<String, Vec<LogDigest>>,
    /// As the list `shim` of a baseline.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shim: Vec<LogDigest>,
    /// As the list `uki` of a baseline.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uki: Vec<LogDigest>,
}

impl ExpiringEntries {
    /// Adds the entries of `others`.
    pub fn extend(&mut self, others: &Self) {
        add(&mut self.shim, &others.shim);
        add(&mut self.grub, &others.grub);
        add(&mut self.uki, &others.uki);
        add(&mut self.kernel_image, &others.kernel_image);
        add(&mut self.kernel, &others.kernel);
        add(&mut self.initrd, &others.initrd);
        add(&mut self.configuration, &others.configuration);
        add(&mut self.grub_commands, &others.grub_commands);
        add(&mut self.command_lines, &others.command_lines);
        for (name, digests) in &others.sections {
            add(self.sections.entry(name.clone()).or_default(), digests);
        }
        add(&mut self.load_options, &others.load_options);
        add(&mut self.loaded_initrd, &others.loaded_initrd);
    }

    /// Those that `others` does not have.
    #[must_use]
    pub fn without(mut self, others: &Self) -> Self {
        self.shim.retain(|item| !others.shim.contains(item));
        self.grub.retain(|item| !others.grub.contains(item));
        self.uki.retain(|item| !others.uki.contains(item));
        self.kernel_image.retain(|item| !others.kernel_image.contains(item));
        self.kernel.retain(|item| !others.kernel.contains(item));
        self.initrd.retain(|item| !others.initrd.contains(item));
        self.configuration.retain(|item| !others.configuration.contains(item));
        self.grub_commands.retain(|item| !others.grub_commands.contains(item));
        self.command_lines.retain(|item| !others.command_lines.contains(item));
        for (name, digests) in &mut self.sections {
            let others = others.sections.get(name).map(Vec::as_slice).unwrap_or_default();
            digests.retain(|item| !others.contains(item));
        }
        self.sections.retain(|_, digests| !digests.is_empty());
        self.load_options.retain(|item| !others.load_options.contains(item));
        self.loaded_initrd.retain(|item| !others.loaded_initrd.contains(item));
        self
    }

    /// Whether the entry of this event is one of these.
    pub(crate) fn has(&self, event: &ReferenceEvent) -> bool {
        let digest = LogDigest::from(event.digest);
        match &event.component {
            ReferenceComponent::Shim => self.shim.contains(&digest),
            ReferenceComponent::Grub => self.grub.contains(&digest),
            ReferenceComponent::Uki => self.uki.contains(&digest),
            ReferenceComponent::KernelImage => self.kernel_image.contains(&digest),
            ReferenceComponent::Configuration => self.configuration.contains(&digest),
            ReferenceComponent::Kernel => self.kernel.contains(&digest),
            ReferenceComponent::Initrd => self.initrd.contains(&digest),
            ReferenceComponent::GrubCommand { text } => self.grub_commands.contains(text),
            ReferenceComponent::CommandLine { text } => self.command_lines.contains(text),
            ReferenceComponent::Section { name } => {
                self.sections.get(name).is_some_and(|list| list.contains(&digest))
            }
            // No list has the names: a baseline that lists the section has its name.
            ReferenceComponent::SectionName { .. } => false,
            ReferenceComponent::LoadOptions => self.load_options.contains(&digest),
            ReferenceComponent::LoadedInitrd => self.loaded_initrd.contains(&digest),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows().is_empty()
    }

    /// Every entry as a text, with its list, and the name of its section if it is of one: lists in the order of their
    /// names, sections last.
    pub(crate) fn rows(&self) -> Vec<(&'static str, &str, String)> {
        let digests = |list: &[LogDigest]| list.iter().map(LogDigest::to_string).collect::<Vec<_>>();
        let lists = [
            ("command_lines", self.command_lines.clone()),
            ("configuration", digests(&self.configuration)),
            ("grub", digests(&self.grub)),
            ("grub_commands", self.grub_commands.clone()),
            ("initrd", digests(&self.initrd)),
            ("kernel", digests(&self.kernel)),
            ("kernel_image", digests(&self.kernel_image)),
            ("load_options", digests(&self.load_options)),
            ("loaded_initrd", digests(&self.loaded_initrd)),
            ("shim", digests(&self.shim)),
            ("uki", digests(&self.uki)),
        ];
        let mut rows = Vec::new();
        for (list, entries) in lists {
            rows.extend(entries.into_iter().map(|entry| (list, "", entry)));
        }
        for (name, list) in &self.sections {
            rows.extend(digests(list).into_iter().map(|entry| ("sections", name.as_str(), entry)));
        }
        rows
    }

    /// The entries of these events. GRUB's commands and configuration are left out.
    #[must_use]
    pub fn of_components<'a>(events: impl IntoIterator<Item = &'a ReferenceEvent>) -> Self {
        let mut entries = Self::default();
        for ReferenceEvent { component, digest, .. } in events {
            let list = match component {
                ReferenceComponent::Shim => &mut entries.shim,
                ReferenceComponent::Grub => &mut entries.grub,
                ReferenceComponent::Uki => &mut entries.uki,
                ReferenceComponent::KernelImage => &mut entries.kernel_image,
                ReferenceComponent::Kernel => &mut entries.kernel,
                ReferenceComponent::Initrd => &mut entries.initrd,
                ReferenceComponent::Section { name } => entries.sections.entry(name.clone()).or_default(),
                ReferenceComponent::LoadOptions => &mut entries.load_options,
                ReferenceComponent::LoadedInitrd => &mut entries.loaded_initrd,
                ReferenceComponent::CommandLine { text } => {
                    add(&mut entries.command_lines, std::slice::from_ref(text));
                    continue;
                }
                ReferenceComponent::Configuration
                | ReferenceComponent::GrubCommand { .. }
                | ReferenceComponent::SectionName { .. } => continue,
            };
            add(list, &[(*digest).into()]);
        }
        entries
    }
}

pub(super) fn add<T: Clone + PartialEq>(list: &mut Vec<T>, items: &[T]) {
    for item in items {
        if !list.contains(item) {
            list.push(item.clone());
        }
    }
}
