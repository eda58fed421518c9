//! Boot entries and boot options that failed before the one that runs.

use super::*;

#[test]
fn t49_a_kernel_that_failed_is_allowed_only_before_the_one_that_runs() {
    let failed = EventLogBuilder::gce_ubuntu(Technology::SevSnp).with_failed_entry();
    let plain = EventLogBuilder::gce_ubuntu(Technology::SevSnp);
    let baseline = learned(&failed);
    // The entry may work again, except for the commands of the one that failed.
    assert_eq!(baseline.is_member(&vtpm(&plain), NOW), Ok(()));
    assert!(learned(&plain).is_member(&vtpm(&failed), NOW).is_err());
    // Loaded after the kernel that runs, another one would replace it.
    let mut after = plain.clone();
    after.insert_before_exit(BuiltEvent::file("/vmlinuz-broken", &content("broken kernel")));
    assert_eq!(
        mismatch(&baseline, &after),
        order((Component::OtherFile, "broken kernel"), (Component::LoadedInitrd, "initrd"))
    );
    let mut after = plain;
    after.insert_before_exit(BuiltEvent::grub("kernel_cmdline: ", "/vmlinuz-broken ro"));
    let digest = Digest32::of(b"/vmlinuz-broken ro").into();
    let component = Component::CommandLine;
    let repeated = BaselineMismatch::Repeated { component, digest, what: EventName::Unnamed {} };
    assert_eq!(mismatch(&baseline, &after), repeated);
    // The one that runs must occur.
    let mut only = failed;
    only.events.retain(|event| event.pcr != 9 || event.measured != Some(content("kernel")));
    assert_eq!(mismatch(&baseline, &only), missing(Component::Kernel));
}

#[test]
fn t49_an_image_of_a_boot_option_that_returned_is_listed_by_itself() {
    let plain = EventLogBuilder::unified(Technology::SevSnp, &["shim", "uki"]);
    let baseline = learned(&plain);
    // Nothing of a boot option that failed ran.
    assert_eq!(baseline.is_member(&vtpm(&plain.clone().with_failed_option()), NOW), Ok(()));
    // An approved image that ran and returned is not the one that runs: here systemd-boot returned, and
    // another boot option was started.
    let entry = EventLogBuilder::type_1(Technology::SevSnp, &["systemd-boot", "kernel"]);
    let mut returned = entry.clone();
    let kernel = |event: &BuiltEvent| event.pcr == 4 && event.measured == Some(content("kernel"));
    returned.insert_before(kernel, BuiltEvent::action(4, "Returning from EFI Application from Boot Option"));
    returned.insert_before(kernel, BuiltEvent::action(4, "Calling EFI Application from Boot Option"));
    let found = mismatch(&learned(&entry), &returned);
    let digest = content_digest("systemd-boot").into();
    assert_eq!(found, BaselineMismatch::Unlisted { pcr: 4, digest, what: EventName::Unnamed {} });
    assert_eq!(learned(&returned).other_images, [digest]);
    assert_eq!(learned(&returned).is_member(&vtpm(&returned), NOW), Ok(()));
    // Another image after the one that runs.
    let mut listed = baseline;
    listed.other_images = vec![content_digest("other").into()];
    let mut before = plain.clone();
    let uki = |event: &BuiltEvent| event.measured == Some(content("uki"));
    before.insert_before(uki, application(4, "other", "other"));
    assert_eq!(listed.is_member(&vtpm(&before), NOW), Ok(()));
    let mut after = plain;
    after.insert_before_exit(application(4, "other", "other"));
    assert_eq!(mismatch(&listed, &after), order((Component::OtherImage, "other"), (Component::Uki, "uki")));
}
