//! An update: the digests of its files beside those of today, so that the boot before and the boot after are members.
//!
//! Mixtures of both are members too, such as the old kernel with the new initrd: whoever wants none of them puts a
//! baseline of the new boot alone once every VM has been restarted.

use vouchsafe_attestation::reference_values::{ReferenceComponent, ReferenceValues};

use super::component::Component;
use super::digest::LogDigest;
use super::document::Baseline;
use super::parse::BaselineError;

/// Why an update cannot be allowed beside what a baseline allows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// A component that one of the boots must have and the other lacks.
    #[error(
        "{component} is {}: one baseline cannot allow both boots, learn one of the new boot instead",
        if *.in_baseline { "in the baseline and not in the update" } else { "in the update and not in the baseline" }
    )]
    OtherBoot {
        /// Which one.
        component: Component,
        /// Whether the baseline has it.
        in_baseline: bool,
    },
    /// A section that one of the images has and the other lacks.
    #[error("section {name} is in one of the images only: learn a baseline of the new boot instead")]
    OtherSections {
        /// Its name.
        name: String,
    },
    /// The result would be no baseline.
    #[error(transparent)]
    Baseline(#[from] BaselineError),
}

impl Baseline {
    /// Allows the boot that these values are of, beside what is allowed already.
    ///
    /// # Errors
    /// When no baseline can allow both.
    pub fn allow_update(&self, values: &ReferenceValues) -> Result<Self, UpdateError> {
        let mut updated = self.clone();
        self.check_kind(values)?;
        for event in &values.events {
            updated.allow(&event.component, event.digest.into());
        }
        updated.check()?;
        Ok(updated)
    }

    /// What is required has to be in both boots.
    fn check_kind(&self, values: &ReferenceValues) -> Result<(), UpdateError> {
        let has = |wanted: &ReferenceComponent| values.events.iter().any(|event| event.component == *wanted);
        for (component, listed, wanted) in [
            (Component::Shim, &self.shim, ReferenceComponent::Shim),
            (Component::Grub, &self.grub, ReferenceComponent::Grub),
            (Component::Uki, &self.uki, ReferenceComponent::Uki),
            (Component::Kernel, &self.kernel, ReferenceComponent::Kernel),
            (Component::Initrd, &self.initrd, ReferenceComponent::Initrd),
        ] {
            let in_baseline = !listed.is_empty();
            // EventName starts a unified kernel image stays as it is.
            let stays = matches!(component, Component::Shim | Component::Grub)
                && has(&ReferenceComponent::Uki)
                && !has(&wanted);
            if in_baseline != has(&wanted) && !stays {
                return Err(UpdateError::OtherBoot { component, in_baseline });
            }
        }
        let section = |name: &String| ReferenceComponent::Section { name: name.clone() };
        if let Some(name) = self.sections.keys().find(|name| !has(&section(name))) {
            return Err(UpdateError::OtherSections { name: name.clone() });
        }
        for event in &values.events {
            if let ReferenceComponent::Section { name } = &event.component
                && !self.sections.contains_key(name)
            {
                return Err(UpdateError::OtherSections { name: name.clone() });
            }
        }
        Ok(())
    }

    fn allow(&mut self, component: &ReferenceComponent, digest: LogDigest) {
        // Whether the kernel is measured as an application, and whether its EFI stub measures what it is given, is up
        // to the boot loader: as today.
        let as_today = |list: &mut Vec<LogDigest>| {
            if !list.is_empty() {
                insert(list, digest);
            }
        };
        match component {
            ReferenceComponent::Shim => insert(&mut self.shim, digest),
            ReferenceComponent::Grub => insert(&mut self.grub, digest),
            ReferenceComponent::Uki => insert(&mut self.uki, digest),
            ReferenceComponent::KernelImage => as_today(&mut self.kernel_image),
            ReferenceComponent::Configuration => insert(&mut self.configuration, digest),
            ReferenceComponent::Kernel => insert(&mut self.kernel, digest),
            ReferenceComponent::Initrd => insert(&mut self.initrd, digest),
            ReferenceComponent::GrubCommand { text } => insert(&mut self.grub_commands, text.clone()),
            ReferenceComponent::CommandLine { text } => insert(&mut self.command_lines, text.clone()),
            ReferenceComponent::Section { name } => {
                insert(self.sections.entry(name.clone()).or_default(), digest);
            }
            // Names of sections are those of the map.
            ReferenceComponent::SectionName { .. } => {}
            ReferenceComponent::LoadOptions => as_today(&mut self.load_options),
            ReferenceComponent::LoadedInitrd => as_today(&mut self.loaded_initrd),
        }
    }
}

fn insert<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}
