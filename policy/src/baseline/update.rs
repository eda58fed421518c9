//! Updates: adds the digests of new files to the current ones, so that both the old and the new boot are
//! members.
//!
//! Mixtures of both are members too, such as the old kernel with the new initrd. To exclude them, put a
//! baseline of only the new boot once every VM has been restarted.

use vouchsafe_protocol::reference_values::{ReferenceComponent, ReferenceEvent, ReferenceValues};

use super::component::Component;
use super::digest::LogDigest;
use super::document::Baseline;
use super::parse::BaselineError;

/// Why an update cannot be added to a baseline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// One of the boots requires a component that the other lacks.
    #[error(
        "{component} is {}: one baseline cannot allow both boots, learn one of the new boot instead",
        if *.in_baseline { "in the baseline and not in the update" } else { "in the update and not in the baseline" }
    )]
    OtherBoot {
        /// The component.
        component: Component,
        /// Whether the baseline has it.
        in_baseline: bool,
    },
    /// One of the images has a section that the other lacks.
    #[error("section {name} is in one of the images only: learn a baseline of the new boot instead")]
    OtherSections {
        /// Its name.
        name: String,
    },
    /// The result would not be a valid baseline.
    #[error(transparent)]
    Baseline(#[from] BaselineError),
}

impl Baseline {
    /// Allows the boot with these reference values, in addition to what is already allowed.
    ///
    /// # Errors
    /// When no baseline can allow both.
    pub fn allow_update(&self, values: &ReferenceValues) -> Result<Self, UpdateError> {
        self.allow_events(&values.events)
    }

    /// The same, for the events of a boot, or of all mixtures of two.
    pub(super) fn allow_events(&self, events: &[ReferenceEvent]) -> Result<Self, UpdateError> {
        let mut updated = self.clone();
        self.check_kind(events)?;
        for event in events {
            updated.allow(event);
        }
        updated.check()?;
        Ok(updated)
    }

    /// Checks that required components are in both boots.
    fn check_kind(&self, events: &[ReferenceEvent]) -> Result<(), UpdateError> {
        let has = |wanted: &ReferenceComponent| events.iter().any(|event| event.component == *wanted);
        for (component, listed, wanted) in [
            (Component::Shim, &self.shim, ReferenceComponent::Shim),
            (Component::Grub, &self.grub, ReferenceComponent::Grub),
            (Component::Uki, &self.uki, ReferenceComponent::Uki),
            (Component::Kernel, &self.kernel, ReferenceComponent::Kernel),
            (Component::Initrd, &self.initrd, ReferenceComponent::Initrd),
        ] {
            let in_baseline = !listed.is_empty();
            // Starting a unified kernel image works as before.
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
        for event in events {
            if let ReferenceComponent::Section { name } = &event.component
                && !self.sections.contains_key(name)
            {
                return Err(UpdateError::OtherSections { name: name.clone() });
            }
        }
        Ok(())
    }

    /// Whether GRUB may read a file with this digest before the kernel. A prediction does not tell the environment block from
    /// other files, and a digest is listed once.
    pub(super) fn reads_before_kernel(&self, digest: &LogDigest) -> bool {
        self.configuration.contains(digest) || self.grubenv.contains(digest)
    }

    pub(super) fn allow(&mut self, event: &ReferenceEvent) {
        let digest = LogDigest::from(event.digest);
        // Whether the kernel is measured as an application, and whether its EFI stub measures its input,
        // depends on the boot loader: as before.
        let as_today = |list: &mut Vec<LogDigest>| {
            if !list.is_empty() {
                insert(list, digest);
            }
        };
        match &event.component {
            ReferenceComponent::Shim => insert(&mut self.shim, digest),
            ReferenceComponent::Grub => insert(&mut self.grub, digest),
            ReferenceComponent::Uki => insert(&mut self.uki, digest),
            ReferenceComponent::KernelImage => as_today(&mut self.kernel_image),
            ReferenceComponent::Configuration if self.reads_before_kernel(&digest) => {}
            ReferenceComponent::Configuration => self.configuration.push(digest),
            ReferenceComponent::Kernel => insert(&mut self.kernel, digest),
            ReferenceComponent::Initrd => insert(&mut self.initrd, digest),
            ReferenceComponent::GrubCommand { text } => insert(&mut self.grub_commands, text.clone()),
            ReferenceComponent::CommandLine { text } => insert(&mut self.command_lines, text.clone()),
            ReferenceComponent::Section { name } => {
                insert(self.sections.entry(name.clone()).or_default(), digest);
            }
            // The section names are the keys of the map.
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
