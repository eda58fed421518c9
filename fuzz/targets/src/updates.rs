//! What a guest reads to predict its next boot: its own log, and GRUB's configuration.

use vouchsafe_reference_values::{BootLog, DefaultEntry, EarlierBoot, EfiImage, UnifiedBoot};

/// The firmware's log, as a guest reads it.
pub fn boot_log(data: &[u8]) {
    let Ok(log) = BootLog::parse(data) else { return };
    for event in &log.events {
        assert!(event.data.len() <= data.len());
        // An event is at most one of these.
        let found = [event.application().is_some(), event.file().is_some(), event.command().is_some()];
        assert!(found.into_iter().filter(|found| *found).count() <= 1);
        let _ = event.command_line();
    }
}

/// A configuration of GRUB, alone and beside the commands of an earlier boot, which follow a line of dashes.
pub fn grub_configuration(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (configuration, commands) = text.split_once("\n---\n").unwrap_or((&text, ""));
    let alone = DefaultEntry::of(&[configuration], None);
    let commands: Vec<&str> = commands.lines().collect();
    let earlier = EarlierBoot { commands: &commands, environment: "saved_entry=a\n" };
    let guided = DefaultEntry::of(&[configuration], Some(earlier));
    if let (Ok(alone), Ok(guided)) = (alone, guided) {
        // What does not depend on the machine is the same on this one.
        assert_eq!(alone, guided);
    }
}

/// An EFI image, and what it measures as a unified kernel image.
pub fn efi_image(data: &[u8]) {
    let image = EfiImage::parse(data);
    if let Ok(unified) = UnifiedBoot::parse(data) {
        let digest = image.expect("a unified kernel image is an image").digest();
        assert!(unified.reference_values().of_pcr(4).any(|event| event.digest == digest));
    }
}
