//! Logs written by an attacker who knows the rules. The TPM has measured the events of `booted`; the forged
//! log replays to the same PCRs, so only the state machine can detect the forgery: it must refuse the log, or
//! derive no claim from the forged part.

use super::*;
use crate::event_log::EventKind;
use crate::event_log::PcrRule;
use crate::event_log::command_line::CommandLine;
use crate::test_util::event_log::BuiltEvent;
use crate::test_util::event_log::presets;
use crate::test_util::event_log::utf16;

const EVIL: &str = "/vmlinuz init=/bin/sh";

/// Inserts an event before ExitBootServices; returns its position.
fn insert(log: &mut EventLogBuilder, event: BuiltEvent) -> usize {
    let position = log.position(|event| event.data == b"Exit Boot Services Invocation");
    log.events.insert(position, event);
    position
}

/// Verifies `forged` as the log of a TPM that measured `booted`.
fn release(booted: &EventLogBuilder, forged: &EventLogBuilder) -> Result<BootLog, EventLogError> {
    assert_eq!(booted.pcrs(), forged.pcrs(), "the forgery has to fit the quote");
    let log = ReplayedLog::from_bytes(&forged.bytes())?;
    log.replayed.check_against(&booted.pcrs(), PcrRule::Release, None)?;
    Ok(BootLog::clone(&log.boot))
}

#[test]
fn t22_application_relabelled_as_partition_table_is_refused() {
    // The digest of an application is a SHA-256 over its bytes: the same bytes as event data are "covered" by
    // it.
    for (mut booted, pcr) in [(uki(), 2), (ubuntu(), 5)] {
        let image = b"MZ a loader that extends the approved digests".to_vec();
        let mut application = presets::application(pcr, "evil", "evil");
        application.measured = Some(image.clone());
        let position = insert(&mut booted, application);
        let mut forged = booted.clone();
        forged.events[position].event_type = EventType::EFI_GPT_EVENT;
        forged.events[position].data = image;
        let refused = EventLogError::MalformedPartitionTable { event: number(position) };
        assert_eq!(release(&booted, &forged), Err(refused));
    }
}

#[test]
fn t22_application_relabelled_as_driver_is_still_listed() {
    let mut booted = uki();
    let position = insert(&mut booted, presets::application(2, "evil", "evil"));
    let mut forged = booted.clone();
    forged.events[position].event_type = EventType::EFI_BOOT_SERVICES_DRIVER;
    let boot = release(&booted, &forged).expect("accepted");
    assert_eq!(boot.efi_drivers, [presets::content_digest("evil")]);
}

#[test]
fn t22_command_line_of_a_wrapped_loader_gives_none() {
    // The second command line is measured; the log labels it as a command.
    for command in
        ["! linux", "time linux", "! time linux", "legacy_kernel --type=linux", "multiboot", "x linux"]
    {
        for (line, measured) in [
            (EVIL, EVIL),
            ("(hd0,gpt1)/vmlinuz init=/bin/sh", "(hd0,gpt1)/vmlinuz init=/bin/sh"),
            // From a network device the path may have no slash; GRUB escapes and quotes only in the command
            // line.
            ("vmlinuz init=/bin/sh", "vmlinuz init=/bin/sh"),
            ("set init=/bin/sh", "set init=/bin/sh"),
            ("vmlinuz x='a b' init=/bin/sh", r#"vmlinuz "x=\'a b\'" init=/bin/sh"#),
        ] {
            let mut booted = ubuntu();
            insert(&mut booted, BuiltEvent::grub("grub_cmd: ", &format!("{command} {line}")));
            let position = insert(&mut booted, BuiltEvent::grub("kernel_cmdline: ", measured));
            for label in ["kernel_cmdline: ", "grub_cmd: ", "grub_cmd ", "module_cmdline: "] {
                let mut forged = booted.clone();
                forged.events[position] = BuiltEvent::grub(label, measured);
                let boot = release(&booted, &forged).expect("accepted");
                assert_eq!(boot.kernel_command_line, None, "{command} {line}");
                assert!(withheld_reason(&boot).is_some());
            }
        }
    }
}

#[test]
fn t22_text_that_begins_with_no_command_gives_no_command_line() {
    // GRUB's rescue mode measures only the command line. The text is empty for a kernel whose path exceeds
    // GRUB's buffer.
    for text in [
        "",
        EVIL,
        "(hd0)/vmlinuz",
        "0+100 init=/bin/sh",
        "+100",
        r#"" +100" init=/bin/sh"#,
        "a/b",
        "a/b=c",
        "vmlinuz a",
    ] {
        let mut log = ubuntu();
        insert(&mut log, BuiltEvent::grub("grub_cmd: ", text));
        let boot = release(&log, &log).expect("accepted");
        assert_eq!(withheld_reason(&boot).as_deref(), Some("kernel-command-line-relabelled"), "{text}");
    }
}

#[test]
fn commands_that_grub_runs_are_accepted() {
    let texts = [
        "! [ -e (hd0)/x ]",
        ". /x",
        "a=/b c",
        "eval linux_x a",
        "linux_x a",
        "[ a = (hd0) ]",
        "load_video",
        "x.y-z",
    ];
    let mut log = ubuntu();
    for text in texts {
        insert(&mut log, BuiltEvent::grub("grub_cmd: ", text));
    }
    let boot = release(&log, &log).expect("accepted");
    assert!(boot.grub_commands.ends_with(&texts.map(str::to_owned)));
}

/// Boots of `EVIL` through GRUB, in every way in which GRUB starts a kernel, with what GRUB measures.
fn hostile_boots() -> Vec<Vec<&'static str>> {
    vec![
        vec!["linux /vmlinuz init=/bin/sh", EVIL],
        vec!["linuxefi /vmlinuz init=/bin/sh", EVIL],
        vec!["! linux /vmlinuz init=/bin/sh", EVIL],
        vec!["time linux /vmlinuz init=/bin/sh", EVIL],
        vec!["legacy_kernel /vmlinuz init=/bin/sh", EVIL],
        vec!["eval linux /vmlinuz init=/bin/sh", "linux /vmlinuz init=/bin/sh", EVIL],
        vec!["wrapper /vmlinuz init=/bin/sh", "linux /vmlinuz init=/bin/sh", EVIL],
        // Rescue mode, and a kernel whose path exceeds GRUB's buffer.
        vec![EVIL],
        vec!["vmlinuz init=/bin/sh"],
        vec!["linux /too/long", ""],
        vec!["chainloader /vmlinuz init=/bin/sh"],
        vec!["! chainloader /vmlinuz init=/bin/sh"],
        vec!["multiboot /vmlinuz init=/bin/sh", EVIL],
        vec!["uki /evil.efi"],
        // An approved kernel that fails, then the other one.
        vec!["linux /approved panic=-1", "chainloader /vmlinuz init=/bin/sh"],
        vec!["linux /approved panic=-1", "/approved panic=-1", "linux /vmlinuz init=/bin/sh", EVIL],
    ]
}

#[test]
fn t22_no_labels_and_no_later_texts_make_a_command_line_wrong() {
    let approved = ["linux /approved panic=-1", "/approved panic=-1"];
    let noise = [
        "",
        "insmod blscfg",
        "blscfg",
        "linux /approved",
        "chainloader /x",
        "[ a ]",
        "/approved",
        "setparams x",
    ];
    let labels = [
        "grub_cmd: ",
        "kernel_cmdline: ",
        "module_cmdline: ",
        "grub_cmd ",
        "grub_kernel_cmdline ",
        "no label",
    ];
    let mut random = grub::Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..4000 {
        let boots = hostile_boots();
        let mut texts: Vec<&str> = vec!["search x", "set y=z"];
        texts.extend(&boots[random.below(boots.len())]);
        // Root extends PCR 8 further after boot, and labels every text at will.
        for _ in 0..random.below(3) {
            texts.push(random.pick(&noise));
        }
        texts.extend(approved);
        for _ in 0..random.below(2) {
            texts.push(random.pick(&noise));
        }
        let build = |label: &mut dyn FnMut() -> &'static str| {
            let mut log = ubuntu();
            log.events.retain(|event| event.pcr != 8);
            for text in &texts {
                insert(&mut log, BuiltEvent::grub(label(), text));
            }
            log
        };
        let booted = build(&mut || "grub_cmd: ");
        let mut forged = build(&mut || random.pick(&labels));
        if random.below(2) == 0 {
            // The most likely forgery: only the approved text is labelled as a command line.
            forged = booted.clone();
            let last =
                forged.events.iter().rposition(|event| event.data == b"grub_cmd: /approved panic=-1\0");
            let position = last.expect("there");
            forged.events[position].data = b"kernel_cmdline: /approved panic=-1\0".to_vec();
        }
        let boot = release(&booted, &forged).expect("accepted");
        assert_eq!(boot.kernel_command_line, None, "round {round}: {texts:?}");
        assert!(
            boot.kernel_arguments.is_empty() && boot.kernel_words.is_empty() && boot.kernel_path.is_none()
        );
    }
}

#[test]
fn t22_command_line_of_grub_says_nothing_about_a_stub_that_ran_after_it() {
    let mut log = ubuntu();
    for event in BuiltEvent::stub_section(".linux", b"evil") {
        insert(&mut log, event);
    }
    let boot = release(&log, &log).expect("accepted");
    assert_eq!((boot.kernel_command_line, boot.kernel_path), (None, None));
    assert!(boot.kernel_arguments.is_empty() && boot.kernel_words.is_empty());

    let mut log = ubuntu();
    insert(&mut log, BuiltEvent::covered(12, IPL, utf16("init=/bin/sh")));
    assert_eq!(release(&log, &log).expect("accepted").kernel_command_line, None);
}

#[test]
fn t22_command_line_of_grub_says_nothing_once_it_chain_loads() {
    // The approved text is that of a `linux` command that failed, run as a command; the kernel runs with
    // other options.
    for command in ["chainloader", "! chainloader", "time chainloader", "chainloader --force"] {
        let mut booted = ubuntu();
        let position = booted.position(|event| event.data.starts_with(b"kernel_cmdline: "));
        insert(&mut booted, BuiltEvent::grub("grub_cmd: ", &format!("{command} {EVIL}")));
        let text = booted.events[position].measured.clone().expect("measured");
        let mut forged = booted.clone();
        booted.events[position].data = [b"grub_cmd: ", &text[..], b"\0"].concat();
        forged.events[position].data = [b"kernel_cmdline: ", &text[..], b"\0"].concat();
        let boot = release(&booted, &forged).expect("accepted");
        assert_eq!((boot.kernel_command_line, boot.kernel_path), (None, None), "{command}");
        assert!(boot.kernel_arguments.is_empty() && boot.kernel_words.is_empty());
    }

    // The command itself is labelled as the command line of a `linux` command that failed.
    let mut log = ubuntu();
    log.events.retain(|event| !event.data.starts_with(b"kernel_cmdline: "));
    insert(&mut log, BuiltEvent::grub("grub_cmd: ", "linux chainloader /vmlinuz panic=-1"));
    insert(&mut log, BuiltEvent::grub("kernel_cmdline: ", "chainloader /vmlinuz panic=-1"));
    assert_eq!(release(&log, &log).expect("accepted").kernel_command_line, None);

    let mut log = ubuntu();
    insert(&mut log, BuiltEvent::grub("grub_cmd: ", "menuentry other {\n\tchainloader /x.efi\n}"));
    assert!(release(&log, &log).expect("accepted").kernel_command_line.is_some());
}

#[test]
fn t22_event_of_pcr_10_is_refused() {
    // PCR 10 is not part of a release's quote, so its events would be unchecked claims.
    let mut log = ubuntu();
    let position = insert(&mut log, BuiltEvent::covered(10, IPL, "claim"));
    let refused = EventLogError::UnexpectedEvent { event: number(position), pcr: 10, event_type: IPL };
    assert_eq!(refusal(&log), refused);
}

#[test]
fn t49_file_relabelled_as_the_kernels_own_event_is_still_listed() {
    let mut booted = ubuntu();
    let position = insert(&mut booted, BuiltEvent::file("/evil", b"evil initrd"));
    for tag in [1, 0x8f3b_22ec, 0x8f3b_22ed] {
        let mut forged = booted.clone();
        forged.events[position] = BuiltEvent::tagged(tag, "Linux initrd", b"evil initrd");
        let boot = release(&booted, &forged).expect("accepted");
        assert_eq!(boot.grub_files, release(&booted, &booted).expect("accepted").grub_files);
        assert_eq!(boot.grub_files.len(), boot.events[&9].len());
    }
}

#[test]
fn t31_boot_phase_passed_off_as_a_section_is_refused() {
    let mut booted = uki();
    let position = insert(&mut booted, BuiltEvent::measuring(11, IPL, "enter-initrd", utf16(".x")));
    assert_eq!(release(&booted, &booted), Err(EventLogError::StubSectionName { event: number(position) }));
}

#[test]
fn t22_startup_locality_of_another_boot_is_refused() {
    let booted = ubuntu();
    for locality in [3, 4] {
        let mut forged = booted.clone();
        forged.events.insert(0, BuiltEvent::no_action(0, [&b"StartupLocality\0"[..], &[locality]].concat()));
        assert!(matches!(release(&booted, &forged), Err(EventLogError::PcrMismatch { pcr: 0, .. })));
    }
}

#[test]
fn t22_no_relabelled_event_of_a_firmware_pcr_changes_its_claims() {
    let types = [
        EventType::POST_CODE,
        EventType::SEPARATOR,
        EventType::EFI_ACTION,
        EventType::EFI_VARIABLE_DRIVER_CONFIG,
        EventType::EFI_VARIABLE_AUTHORITY,
        EventType::NONHOST_INFO,
        EventType::EFI_GPT_EVENT,
        EventType::EFI_BOOT_SERVICES_APPLICATION,
        EventType::EFI_BOOT_SERVICES_DRIVER,
    ];
    let booted = ubuntu();
    let honest = release(&booted, &booted).expect("accepted");
    let claims = |boot: BootLog| {
        let kinds = [EventKind::EfiApplication, EventKind::EfiDriver];
        let listed = boot.events.values().flatten().filter(|event| kinds.contains(&event.kind)).count();
        (boot.technology, boot.secure_boot, boot.efi_applications, boot.efi_drivers, listed)
    };
    for position in 0..booted.events.len() {
        for event_type in types {
            let mut forged = booted.clone();
            forged.events[position].event_type = event_type;
            if let Ok(boot) = release(&booted, &forged) {
                assert_eq!(claims(boot), claims(honest.clone()), "event {position} as {event_type}");
            }
        }
    }
}

/// How Linux splits a line: quotes toggle, spaces outside them end an argument, an equals sign counts from
/// the second byte on, and for an opening quote before the argument or its value one closing quote is
/// dropped.
fn kernel_arguments(line: &str) -> Vec<String> {
    let mut rest = line.as_bytes();
    let mut arguments = Vec::new();
    loop {
        while let [b' ', tail @ ..] = rest {
            rest = tail;
        }
        let [first, ..] = rest else { return arguments };
        let opened = *first == b'"';
        let body = if opened { &rest[1..] } else { rest };
        let mut quoted = opened;
        let mut end = body.len();
        for (position, byte) in body.iter().enumerate() {
            if *byte == b' ' && !quoted {
                end = position;
                break;
            }
            quoted ^= *byte == b'"';
        }
        let mut argument = body[..end].to_vec();
        let equals = argument.iter().skip(1).position(|byte| *byte == b'=').map(|position| position + 1);
        let value_opened = equals.is_some_and(|equals| argument.get(equals + 1) == Some(&b'"'));
        if (opened || value_opened) && argument.last() == Some(&b'"') {
            argument.pop();
        }
        if let Some(equals) = equals
            && value_opened
            && argument.len() > equals + 1
        {
            argument.remove(equals + 1);
        }
        arguments.push(String::from_utf8(argument).expect("ASCII"));
        rest = &body[end..];
    }
}

#[test]
fn every_short_line_is_split_as_the_kernel_does() {
    let alphabet = ['a', '=', '"', ' ', '\''];
    for length in 0..=7_u32 {
        for number in 0..alphabet.len().pow(length) {
            let line: String = (0..length).map(|place| alphabet[number / 5_usize.pow(place) % 5]).collect();
            let arguments = CommandLine::new(&line, 0).expect("plain text").arguments();
            assert_eq!(arguments, kernel_arguments(&line), "{line:?}");
        }
    }
}
