//! Unified kernel images that the firmware starts.

use vouchsafe_protocol::reference_values::ReferenceComponent;
use vouchsafe_reference_values::{BootLog, EfiImage, UnifiedBoot};

use super::error::UpdateError;
use super::files::Files;
use super::next::NextBoots;

/// Adds the image that this boot started, as it is now, and the newest one beside it, which the firmware or a boot loader
/// may start by default.
pub(super) fn add(next: &mut NextBoots, files: &Files, log: &BootLog<'_>) -> Result<(), UpdateError> {
    let started: Vec<String> = log.events.iter().filter_map(|event| event.application()).collect();
    let paths: Vec<&String> = started.iter().filter(|path| !path.is_empty()).collect();
    let Some((image, loaders)) = paths.split_last() else { return Err(UpdateError::OtherLoader) };
    for loader in loaders {
        let path = files.of_firmware(loader)?;
        let content = files.read(&path)?;
        let digest = EfiImage::parse(&content.bytes).map(|image| image.digest());
        // What a baseline has of boot loaders before a unified kernel image stays in it.
        if !log.events.iter().any(|event| digest == Ok(event.digest)) {
            next.cannot_say(format!("{}, which was changed since this boot", files.shown(&path).display()));
        }
    }
    let started = files.of_firmware(image)?;
    let folder = started.parent().map(ToOwned::to_owned).unwrap_or_default();
    let names = files.names(&folder);
    let newest = names.iter().rfind(|name| name.to_ascii_lowercase().ends_with(".efi"));
    let newest = newest.filter(|_| folder.file_name().is_some_and(|name| name.eq_ignore_ascii_case("Linux")));
    let images = [Some(started), newest.map(|name| folder.join(name))];
    for (number, path) in images.into_iter().flatten().enumerate() {
        let content = files.read(&path)?;
        let image = match UnifiedBoot::parse(&content.bytes) {
            Ok(image) => image,
            Err(source) if number == 0 => {
                return Err(UpdateError::Unified { path: files.shown(&path), source });
            }
            Err(source) => {
                next.cannot_say(format!("{}: {source}", files.shown(&path).display()));
                continue;
            }
        };
        let shown = files.shown(&path).display().to_string();
        next.add_values(&image.reference_values(), |component| match component {
            ReferenceComponent::SectionName { .. } => String::new(),
            _ => shown.clone(),
        });
    }
    Ok(())
}
