//! What was found out about the next boots.

use std::collections::BTreeSet;

use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::reference_values::{ReferenceComponent, ReferenceEvent, ReferenceValues};
use vouchsafe_reference_values::{BootLog, EV_EVENT_TAG};

/// An event of a next boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// The event.
    pub event: ReferenceEvent,
    /// The file that it measures; empty for a text.
    pub file: String,
    /// Whether this boot measured the same.
    pub known: bool,
}

/// What the next boots may measure: those of all files that they may consist of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NextBoots {
    /// Events, each once.
    pub events: Vec<Measured>,
    /// What cannot be told, with the reason.
    pub unknown: Vec<String>,
}

impl NextBoots {
    /// Adds an event, unless it is there.
    pub(super) fn add(&mut self, pcr: u8, component: ReferenceComponent, digest: Digest32, file: &str) {
        let event = ReferenceEvent { pcr, component, digest };
        if !self.events.iter().any(|other| other.event == event) {
            self.events.push(Measured { event, file: file.to_owned(), known: false });
        }
    }

    /// Adds the events of a prediction. `name` says which file an event measures.
    pub(super) fn add_values(
        &mut self,
        values: &ReferenceValues,
        name: impl Fn(&ReferenceComponent) -> String,
    ) {
        for event in &values.events {
            self.add(event.pcr, event.component.clone(), event.digest, &name(&event.component));
        }
        for unknown in values.unknown.iter().filter(|unknown| unknown.event.is_some()) {
            self.cannot_say(unknown.text.clone());
        }
    }

    pub(super) fn cannot_say(&mut self, text: String) {
        if !self.unknown.contains(&text) {
            self.unknown.push(text);
        }
    }

    /// Leaves out what this machine's boots do not measure, and marks what this boot did measure.
    pub(super) fn compare(&mut self, log: &BootLog<'_>) {
        let stub = log.events.iter().filter(|event| event.pcr == 9 && event.kind == EV_EVENT_TAG).count();
        // An application without a path of its own is a kernel that a boot loader has read.
        let kernel_image =
            log.events.iter().any(|event| event.application().is_some_and(|path| path.is_empty()));
        self.events.retain(|measured| match measured.event.component {
            ReferenceComponent::KernelImage => kernel_image,
            ReferenceComponent::LoadOptions => stub > 0,
            ReferenceComponent::LoadedInitrd => stub > 1,
            _ => true,
        });
        // Where Google's firmware measures applications into PCR 2, their digests are the same.
        let logged: BTreeSet<Digest32> = log.events.iter().map(|event| event.digest).collect();
        for measured in &mut self.events {
            measured.known = logged.contains(&measured.event.digest);
        }
    }

    /// Events that this boot did not have.
    pub fn new_events(&self) -> impl Iterator<Item = &Measured> {
        self.events.iter().filter(|measured| !measured.known)
    }
}

/// What an event is about, for people.
#[must_use]
pub fn label(component: &ReferenceComponent) -> String {
    let first_line = |text: &str| {
        let line = text.lines().next().unwrap_or_default();
        if line.len() == text.len() { line.to_owned() } else { format!("{line} …") }
    };
    match component {
        ReferenceComponent::Shim => "shim".to_owned(),
        ReferenceComponent::Grub => "GRUB".to_owned(),
        ReferenceComponent::Uki => "unified kernel image".to_owned(),
        ReferenceComponent::KernelImage => "kernel, as the firmware measures it".to_owned(),
        ReferenceComponent::Configuration => "file that GRUB reads".to_owned(),
        ReferenceComponent::Kernel => "kernel".to_owned(),
        ReferenceComponent::Initrd => "initrd".to_owned(),
        ReferenceComponent::GrubCommand { text } => format!("GRUB's command: {}", first_line(text)),
        ReferenceComponent::CommandLine { text } => format!("command line: {}", first_line(text)),
        ReferenceComponent::Section { name } => format!("section {name}"),
        ReferenceComponent::SectionName { name } => format!("name of section {name}"),
        ReferenceComponent::LoadOptions => "options that the kernel measures".to_owned(),
        ReferenceComponent::LoadedInitrd => "initrd that the kernel measures".to_owned(),
    }
}
