//! Predictions compared with captured logs whose inputs are partly known: texts are in the logs, files are
//! not.

use vouchsafe_attestation::event_log::{EventKind, EventLog, EventType, ReplayedLog};
use vouchsafe_captured::read as log;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::reference_values::{ReferenceComponent, ReferenceValues};
use vouchsafe_reference_values::test_util::ImageBuilder;
use vouchsafe_reference_values::{EfiImage, GrubBoot, UnifiedBoot};

fn values(configuration: &[&str], line: Option<&str>, first: Option<Vec<&str>>) -> ReferenceValues {
    let (image, grub) = (ImageBuilder::program(b"any").bytes(), ImageBuilder::grub("2.12").bytes());
    let parsed = |image| EfiImage::parse(image).expect("an image");
    let boot = GrubBoot {
        shim: Some(parsed(&image)),
        grub: parsed(&grub),
        kernel: parsed(&image),
        kernel_file: &image,
        initrds: vec![b"initrd"],
        command_line: line,
        configuration: configuration.to_vec(),
        first_commands: first,
    };
    boot.reference_values().expect("followed")
}

fn extended(digests: &[Digest32]) -> Digest32 {
    digests
        .iter()
        .fold(Digest32([0; 32]), |value, digest| Digest32::of_parts(&[value.as_bytes(), digest.as_bytes()]))
}

/// The complete configuration of the laboratory's boot: the log has the digest of this text.
const LAB: &str = "set timeout=0\nserial --unit=0\nterminal_output serial console\nmenuentry lab {\n \
    linux /vmlinuz console=ttyS0 panic=-1 lab.broker=http://10.0.2.2:18091 \n initrd /initrd\n}\n";
/// What the image of Debian's GRUB runs before it.
const DEBIAN: [&str; 4] = [
    "[ -z (hd0)/EFI/debian -o ! -e (hd0)/EFI/debian ]",
    "[ -e (hd0)/EFI/debian/x86_64-efi/grub.cfg ]",
    "[ -e (hd0)/EFI/debian/grub.cfg ]",
    "source (hd0)/EFI/debian/grub.cfg",
];

#[test]
fn pcr_8_of_a_real_boot_follows_from_its_configuration() {
    let Some(log) = log("lab-boot/secure-boot/eventlog.bin") else { return };
    let replayed = ReplayedLog::from_bytes(&log).expect("accepted").replayed;
    let values = values(&[LAB], None, Some(DEBIAN.to_vec()));
    let pcr8 = values.values.iter().find(|value| value.pcr == 8).expect("known");
    assert_eq!(Some(&pcr8.value), replayed.values().get(&8));
    let configuration = values.of_pcr(9).next().map(|event| event.digest);
    let log = EventLog::parse(&log).expect("a log");
    let first = log.events().iter().find(|event| event.pcr == 9);
    assert_eq!(configuration, first.and_then(|event| event.digest.sha256()));
}

#[test]
fn command_line_and_load_options_are_those_of_real_boots() {
    for name in ["ubuntu-2404-amd-sevsnp", "gdc-host"] {
        let Some(bytes) = log(&format!("gce/vtpm/eventlogs/{name}.bin")) else { return };
        let log = EventLog::parse(&bytes).expect("a log");
        let label = b"kernel_cmdline: ";
        let event = log.events().iter().find(|event| event.data.starts_with(label)).expect("a command line");
        let text = std::str::from_utf8(&event.data[label.len()..event.data.len() - 1]).expect("text");
        let options =
            log.events().iter().find(|event| event.pcr == 9 && event.event_type == EventType::EVENT_TAG);
        let values = values(&[], Some(text), None);
        let digest = |wanted: &dyn Fn(&ReferenceComponent) -> bool| -> Vec<Digest32> {
            values.events.iter().filter(|event| wanted(&event.component)).map(|event| event.digest).collect()
        };
        let line = digest(&|component| matches!(component, ReferenceComponent::CommandLine { .. }));
        assert_eq!(line, [event.digest], "{name}");
        let predicted = digest(&|component| *component == ReferenceComponent::LoadOptions);
        assert_eq!(predicted, [options.expect("options").digest], "{name}");
        // The command before it.
        let command = digest(&|component| matches!(component, ReferenceComponent::GrubCommand { .. }));
        assert!(log.events().iter().any(|event| command == [event.digest]), "{name}");
    }
}

#[test]
fn debian_13_measures_the_first_file_of_its_configuration_twice() {
    let Some(bytes) = log("lab/trixie257-shim-grub-dracut/eventlog.bin") else { return };
    let log = EventLog::parse(&bytes).expect("a log");
    let files = log.events().iter().filter(|event| event.pcr == 9 && event.event_type == EventType::IPL);
    let files: Vec<Digest32> = files.filter_map(|event| event.digest.sha256()).collect();
    assert_eq!(files.first(), files.get(1), "the file is measured twice");
    // The same events from a single file that loads kernel and initrd.
    let values = values(&[LAB], None, Some(Vec::new()));
    let mut digests: Vec<Digest32> = values.of_pcr(9).map(|event| event.digest).collect();
    digests.insert(0, digests[0]);
    let twice = extended(&digests);
    let found = values.values.iter().find(|value| value.pcr == 9 && value.value == twice);
    assert!(found.is_some_and(|found| found.when.contains("Debian 13")));
}

/// Events of boots with Debian's stubs: the files are not available, but the sequence of events and the
/// options are known.
#[test]
fn events_of_unified_images_are_those_of_real_boots() {
    for (name, version) in [("trixie257-uki", 257), ("sid262-uki", 262), ("sid262-uki-secboot-capable", 262)]
    {
        let Some(bytes) = log(&format!("lab/{name}/eventlog.bin")) else { return };
        let line = log(&format!("lab/{name}/cmdline")).expect("a command line");
        let log = EventLog::parse(&bytes).expect("a log");
        let known = [".linux", ".osrel", ".cmdline", ".initrd", ".uname", ".sbat", ".pcrsig"];
        let image = ImageBuilder::stub_of(version, &known)
            .section(".linux", &ImageBuilder::program(b"kernel").bytes())
            .section(".osrel", b"ID=debian")
            .section(".cmdline", &line)
            .section(".initrd", b"initrd")
            .section(".uname", b"6.12")
            .section(".sbat", b"sbat")
            .bytes();
        let values = UnifiedBoot::parse(&image).expect("a unified kernel image").reference_values();
        let of = |pcr: u8, event_type| {
            let events = log.events().iter().filter(move |event| event.pcr == pcr);
            events.filter(move |event| event.event_type == event_type)
        };
        assert_eq!(
            values.of_pcr(4).count(),
            of(4, EventType::EFI_BOOT_SERVICES_APPLICATION).count(),
            "{name}: images"
        );
        let names: Vec<Digest32> = values
            .of_pcr(11)
            .filter(|event| matches!(event.component, ReferenceComponent::SectionName { .. }))
            .map(|event| event.digest)
            .collect();
        let measured: Vec<Digest32> =
            of(11, EventType::IPL).step_by(2).filter_map(|event| event.digest.sha256()).collect();
        assert_eq!(names, measured, "{name}: names of sections");
        let options = values.of_pcr(9).find(|event| event.component == ReferenceComponent::LoadOptions);
        let tagged = of(9, EventType::EVENT_TAG).next().expect("options");
        assert_eq!(options.map(|event| event.digest), tagged.digest.sha256(), "{name}: options");
        // The composed initrd is reported as unknown: it is the event after the options, and no PCR value is
        // predicted.
        assert!(values.values.iter().all(|value| value.pcr != 9), "{name}");
        let unknown = values.unknown.iter().filter_map(|unknown| unknown.event.as_ref());
        let unknown: Vec<_> = unknown.map(|event| (event.pcr, &event.component)).collect();
        assert_eq!(unknown, [(9, &ReferenceComponent::LoadedInitrd)], "{name}");
        assert_eq!(of(9, EventType::EVENT_TAG).count(), 2, "{name}");
    }
}

#[test]
fn the_action_before_the_applications_is_that_of_real_boots() {
    for name in ["lab-boot/secure-boot/eventlog.bin", "gce/vtpm/eventlogs/ubuntu-2404-amd-sevsnp.bin"] {
        let Some(log) = log(name) else { return };
        let boot = ReplayedLog::from_bytes(&log).expect("accepted").boot;
        let pcr4 = boot.events.get(&4).expect("PCR 4");
        let before = pcr4.iter().take_while(|event| event.kind != EventKind::EfiApplication);
        let before: Vec<Digest32> = before.filter_map(|event| event.digest.sha256()).collect();
        let values = values(&[LAB], None, None);
        let applications: Vec<Digest32> = values.of_pcr(4).map(|event| event.digest).collect();
        let once = extended(&[before, applications].concat());
        assert!(values.values.iter().any(|value| value.pcr == 4 && value.value == once), "{name}");
    }
}
