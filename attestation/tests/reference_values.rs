//! Predictions compared with captured logs whose inputs are partly known: texts are in the logs, files are
//! not.

use vouchsafe_attestation::event_log::{EventKind, EventLog, EventType, ReplayedLog};
use vouchsafe_captured::read as log;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::reference_values::{ReferenceComponent, ReferenceEvent, ReferenceValues};
use vouchsafe_reference_values::test_util::ImageBuilder;
use vouchsafe_reference_values::{BootLog, DefaultEntry, EarlierBoot, EfiImage, GrubBoot, UnifiedBoot};

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
        earlier: None,
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

/// The commands of a log.
fn commands<'a>(log: &BootLog<'a>) -> Vec<&'a str> {
    log.commands().collect()
}

/// What GRUB does with a configuration of Debian 13, followed beside the log of a boot with it.
#[test]
fn a_new_kernel_of_debian_13_follows_from_the_log_of_the_boot_before() {
    let Some(bytes) = log("lab/trixie257-shim-grub-dracut/eventlog.bin") else { return };
    let log = BootLog::parse(&bytes).expect("a log");
    let commands = commands(&log);
    let [kernel, initrd] = ["linux ", "initrd "].map(|start| {
        commands.iter().find_map(|command| command.strip_prefix(start)).expect("a command").to_owned()
    });
    let name = kernel.split(' ').next().expect("a path");
    let version = name.strip_prefix("/boot/vmlinuz-").expect("a kernel's name");
    let entry = commands.iter().find(|command| command.starts_with("menuentry ")).expect("an entry");
    let (_, block) = entry.split_once('{').expect("a block");
    let first = "search --no-floppy --label --set=root labroot\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n";
    let configuration = |block: &str| {
        format!(
            "if [ -s $prefix/grubenv ]; then\n load_env\nfi\nset default=\"0\"\n\
             if [ x\"${{feature_menuentry_id}}\" = xy ]; then\n menuentry_id_option=\"--id\"\nelse\n \
             menuentry_id_option=\"\"\nfi\nexport menuentry_id_option\nserial --unit=0\n\
             terminal_input serial console\nterminal_output serial console\n\
             if [ x$feature_timeout_style = xy ]; then\n set timeout_style=menu\n set timeout=0\nfi\n\
             menuentry 'Debian GNU/Linux' --class debian --class gnu-linux --class gnu --class os \
             $menuentry_id_option 'gnulinux-simple-labroot' {{{block}\n"
        )
    };
    let follow = |block: &str| {
        let files = [first.to_owned(), configuration(block)];
        let files = files.each_ref().map(String::as_str);
        let earlier = EarlierBoot { commands: &commands, environment: "" };
        (DefaultEntry::of(&files, Some(earlier)), texts(&files, earlier))
    };
    let (same, ran) = follow(block);
    let same = same.expect("followed");
    assert_eq!((&same.command_line, &same.initrds), (&kernel, &vec![initrd.clone()]));
    // Every command of that boot, in its order.
    assert_eq!(
        ran.iter().filter(|text| **text != kernel).collect::<Vec<_>>(),
        commands.iter().collect::<Vec<_>>()
    );
    let (updated, _) = follow(&block.replace(version, "6.12.999+deb13-cloud-amd64"));
    let updated = updated.expect("followed");
    assert_eq!(updated.command_line, kernel.replace(version, "6.12.999+deb13-cloud-amd64"));
    assert_eq!(updated.initrds, [initrd.replace(version, "6.12.999+deb13-cloud-amd64")]);
}

/// The texts that a boot of this configuration measures into PCR 8.
fn texts(files: &[&str], earlier: EarlierBoot<'_>) -> Vec<String> {
    let (image, grub) = (ImageBuilder::program(b"any").bytes(), ImageBuilder::grub("2.12").bytes());
    let parsed = |image| EfiImage::parse(image).expect("an image");
    let boot = GrubBoot {
        shim: None,
        grub: parsed(&grub),
        kernel: parsed(&image),
        kernel_file: &image,
        initrds: vec![b"initrd"],
        command_line: None,
        configuration: files.to_vec(),
        first_commands: Some(Vec::new()),
        earlier: Some(earlier),
    };
    let Ok(values) = boot.reference_values() else { return Vec::new() };
    let text = |event: &ReferenceEvent| match &event.component {
        ReferenceComponent::GrubCommand { text } | ReferenceComponent::CommandLine { text } => {
            Some(text.clone())
        }
        _ => None,
    };
    values.of_pcr(8).filter_map(text).collect()
}

/// Ubuntu's configuration on Compute Engine has functions and boots without an initrd.
#[test]
fn ubuntu_on_compute_engine_follows_from_its_log() {
    let Some(bytes) = log("field/gce-ubuntu-sev-secureboot-6.14.log.bin") else { return };
    let log = BootLog::parse(&bytes).expect("a log");
    let commands = commands(&log);
    let entries: Vec<&&str> = commands.iter().filter(|command| command.contains("menu")).collect();
    let block = |start: &str| {
        let entry = entries.iter().find(|entry| entry.starts_with(start)).expect("an entry");
        entry.split_once('{').expect("a block").1.to_owned()
    };
    let configuration = UBUNTU
        .replace("SIMPLE", &block("menuentry Ubuntu"))
        .replace("ADVANCED", &block("submenu "))
        .replace("FIRMWARE", &block("menuentry UEFI"));
    let first = "search.fs_uuid 8b8d2f19-f53c-4803-9931-220a72d8ce63 root\nset prefix=($root)'/grub'\nconfigfile $prefix/grub.cfg\n";
    let follow = |configuration: &str| {
        DefaultEntry::of(&[first, configuration], Some(EarlierBoot { commands: &commands, environment: "" }))
    };
    let line = commands.iter().find_map(|command| command.strip_prefix("linux ")).expect("a kernel");
    let entry = follow(&configuration).expect("followed");
    assert_eq!((entry.command_line.as_str(), entry.initrds.len()), (line, 0));
    let (old, new) = ("6.14.0-1016-gcp", "6.14.0-1017-gcp");
    let entry = follow(&configuration.replace(old, new)).expect("followed");
    assert_eq!(entry.command_line, line.replace(old, new));
}

/// A configuration that runs what is in the log; the blocks of its menu are put in.
const UBUNTU: &str = r#"
if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
  load_env
fi
if [ "${initrdfail}" = 2 ]; then
   set initrdfail=
elif [ "${initrdfail}" = 1 ]; then
   set next_entry="${prev_entry}"
   save_env prev_entry
fi
if [ "${next_entry}" ]; then
   set default="${next_entry}"
   set boot_once=true
else
   set default="0"
fi
if [ x"${feature_menuentry_id}" = xy ]; then
  menuentry_id_option="--id"
else
  menuentry_id_option=""
fi
export menuentry_id_option
if [ "${prev_saved_entry}" ]; then
  set saved_entry="${prev_saved_entry}"
fi
function initrdfail {
    if [ -n "${have_grubenv}" ]; then if [ -n "${partuuid}" ]; then
      if [ -z "${initrdfail}" ]; then
        set initrdfail=1
        if [ -n "${boot_once}" ]; then
          set prev_entry="${default}"
          save_env prev_entry
        fi
      fi
      save_env initrdfail
    fi; fi
}
function recordfail {
  set recordfail=1
  if [ -n "${have_grubenv}" ]; then if [ -z "${boot_once}" ]; then save_env recordfail; fi; fi
}
function load_video {
  if [ x$feature_all_video_module = xy ]; then
    insmod all_video
  else
    insmod efi_gop
  fi
}
serial
terminal_input serial
terminal_output serial
if [ "${recordfail}" = 1 ]; then
  set timeout=30
else
  if [ x$feature_timeout_style = xy ]; then
    set timeout_style=hidden
    set timeout=0.1
  elif sleep --interruptible 0; then
    set timeout=0
  fi
fi
if [ -n "${have_grubenv}" ]; then
  if [ -n "${initrdless_boot_fallback_triggered}" ]; then
    set next=1
  fi
  unset initrdless_boot_fallback_triggered
  save_env initrdless_boot_fallback_triggered
fi
set menu_color_normal=white/black
set menu_color_highlight=black/light-gray
set partuuid=a460d7b4-9a27-4ff3-90ef-aa492c77302a
function gfxmode {
	set gfxpayload="${1}"
	if [ "${1}" = "keep" ]; then
		set vt_handoff=vt.handoff=7
	else
		set vt_handoff=
	fi
}
if [ "${recordfail}" != 1 ]; then
  if [ -e ${prefix}/gfxblacklist.txt ]; then
    if [ ${grub_platform} != pc ]; then
      set linux_gfx_mode=keep
    elif hwmatch ${prefix}/gfxblacklist.txt 3; then
      set linux_gfx_mode=keep
    else
      set linux_gfx_mode=text
    fi
  else
    set linux_gfx_mode=keep
  fi
else
  set linux_gfx_mode=text
fi
export linux_gfx_mode
menuentry 'Ubuntu' --class ubuntu --class gnu-linux --class gnu --class os $menuentry_id_option 'gnulinux-simple-d7216b02-44fe-40ee-88a7-3e23d3b839f3' {SIMPLE
submenu 'Advanced options for Ubuntu' $menuentry_id_option 'gnulinux-advanced-d7216b02-44fe-40ee-88a7-3e23d3b839f3' {ADVANCED
if [ "$grub_platform" = "efi" ]; then
	insmod bli
fi
if [ "$grub_platform" = "efi" ]; then
	fwsetup --is-supported
	if [ "$?" = 0 ]; then
		menuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {FIRMWARE
	fi
fi
if [ -f  ${config_directory}/custom.cfg ]; then
  source ${config_directory}/custom.cfg
elif [ -z "${config_directory}" -a -f  $prefix/custom.cfg ]; then
  source $prefix/custom.cfg
fi
"#;
