//! GRUB's texts: which are accepted, which have one reading, and which are withheld.

use super::*;
use crate::event_log::EventKind;
use crate::event_log::command_line::MAX_COMMAND_LINE;
use crate::test_util::event_log::BuiltEvent;
use crate::test_util::event_log::presets;

fn before_exit(log: &mut EventLogBuilder, event: BuiltEvent) {
    log.insert_before_exit(event);
}

fn command(text: &str) -> BuiltEvent {
    BuiltEvent::grub("grub_cmd: ", text)
}

/// Inserts commands before the one that loads the kernel.
fn with_commands(texts: &[&str]) -> EventLogBuilder {
    let mut log = ubuntu();
    for text in texts {
        log.insert_before(|event| event.data.starts_with(b"grub_cmd: linux "), command(text));
    }
    log
}

#[test]
fn unlabelled_text_in_pcr_8_gives_no_command_line() {
    for data in
        [&b""[..], b"\0", b"linux /vmlinuz", b"grub_cmd:x", &crate::test_util::event_log::utf16("quiet")]
    {
        let mut log = ubuntu();
        before_exit(&mut log, BuiltEvent::covered(8, IPL, data));
        assert_eq!(withheld(&log), "grub-text-unlabelled");
        // A closed set of commands would not contain it.
        let boot = judge(&log).expect("accepted");
        assert!(boot.grub_commands.is_empty());
        assert!(boot.withheld.iter().any(|withheld| withheld.claim == "grub_commands"));
        assert_eq!(boot.events[&8].last().expect("some").kind, EventKind::Other);
    }
}

#[test]
fn grub_text_that_is_not_utf8_gives_no_command_line() {
    for text in [&b"caf\xe9"[..], b"a\0b"] {
        let mut log = ubuntu();
        let data = [b"grub_cmd: ", text, b"\0"].concat();
        before_exit(&mut log, BuiltEvent::measuring(8, IPL, text, data));
        assert_eq!(withheld(&log), "grub-text-not-utf8");
        assert!(judge(&log).expect("accepted").grub_commands.is_empty());
    }
}

#[test]
fn t23_text_that_its_digest_does_not_cover_is_refused() {
    for label in ["grub_cmd: ", "kernel_cmdline: ", "module_cmdline: ", "grub_cmd ", "grub_kernel_cmdline "] {
        let mut log = ubuntu();
        let mut event = BuiltEvent::grub(label, "/vmlinuz ro");
        event.measured = Some(b"/vmlinuz init=/bin/sh".to_vec());
        before_exit(&mut log, event);
        let position = log.position(|event| event.data.ends_with(b"/vmlinuz ro\0"));
        assert_eq!(refusal(&log), mismatch(position, 8, IPL));
    }
}

#[test]
fn old_labels_and_digests_with_the_nul_are_accepted() {
    let mut log = ubuntu();
    let line = log.event_with("kernel_cmdline: ");
    let text = line.measured.clone().expect("measured");
    line.data = [b"grub_kernel_cmdline ", &text[..], b"\0"].concat();
    line.measured = Some([&text[..], b"\0"].concat());
    let command = log.event_with("grub_cmd: linux ");
    command.data = String::from_utf8_lossy(&command.data).replacen("grub_cmd: ", "grub_cmd ", 1).into_bytes();
    let boot = judge(&log).expect("accepted");
    assert_eq!(boot.kernel_command_line, judge(&ubuntu()).expect("accepted").kernel_command_line);
}

/// GRUB loads a second kernel.
fn load_again(log: &mut EventLogBuilder, line: &str) {
    before_exit(log, command(&format!("linux {line}")));
    before_exit(log, BuiltEvent::grub("kernel_cmdline: ", line));
}

#[test]
fn t24_of_two_kernels_neither_gives_the_command_line() {
    let mut log = ubuntu();
    load_again(&mut log, "/vmlinuz init=/bin/sh");
    assert_eq!(withheld(&log), "second-kernel-command-line");
    // Both texts are among what GRUB measured.
    let boot = judge(&log).expect("accepted");
    assert!(boot.grub_commands.iter().any(|text| text == "/vmlinuz init=/bin/sh"));
}

#[test]
fn t22_kernel_command_line_relabelled_as_a_command_gives_none() {
    // GRUB loads the approved kernel, then another over it; the log labels the second command line as a
    // command.
    let mut log = ubuntu();
    load_again(&mut log, "/vmlinuz init=/bin/sh");
    log.event_with("kernel_cmdline: /vmlinuz init").data = b"grub_cmd: /vmlinuz init=/bin/sh\0".to_vec();
    assert_eq!(withheld(&log), "kernel-command-line-relabelled");
}

#[test]
fn t22_command_relabelled_as_kernel_command_line_gives_none() {
    // grub.cfg runs the text of an approved command line as a command; the log labels that as the command
    // line.
    let mut log = ubuntu();
    let position = log.position(|event| event.data.starts_with(b"kernel_cmdline: "));
    log.events[position].data.splice(..16, *b"grub_cmd: ");
    assert_eq!(withheld(&log), "kernel-command-line-relabelled");

    let mut log = ubuntu();
    log.events.retain(|event| !event.data.starts_with(b"kernel_cmdline: "));
    before_exit(&mut log, BuiltEvent::grub("kernel_cmdline: ", "/vmlinuz root=/dev/approved"));
    assert_eq!(withheld(&log), "kernel-command-line-missing");
    log.events.retain(|event| !event.data.starts_with(b"grub_cmd: linux "));
    assert_eq!(withheld(&log), "kernel-command-line-unexplained");
}

#[test]
fn t22_a_command_line_that_does_not_follow_from_the_command_is_withheld() {
    let mut log = ubuntu();
    let position = log.position(|event| event.data.starts_with(b"kernel_cmdline: "));
    log.events[position] = BuiltEvent::grub("kernel_cmdline: ", &format!("{} ro", presets::UBUNTU_KERNEL));
    assert_eq!(withheld(&log), "kernel-command-line-missing");
}

#[test]
fn kernel_command_line_with_quotes_follows_from_its_command() {
    let mut log = ubuntu();
    let line = format!(r#"{} ro "dm=1 vroot""#, presets::UBUNTU_KERNEL);
    *log.event_with("grub_cmd: linux ") = command(&format!("linux {}", line.replace('"', "")));
    *log.event_with("kernel_cmdline: ") = BuiltEvent::grub("kernel_cmdline: ", &line);
    assert_eq!(judge(&log).expect("accepted").kernel_arguments, ["ro", "dm=1 vroot"]);
}

#[test]
fn t35_command_line_that_is_read_in_two_ways_is_withheld() {
    for (arguments, reason) in [
        ("ro\ninit=/bin/sh", "kernel-command-line-text"),
        ("ro\tquiet", "kernel-command-line-text"),
        ("ro \u{7f}", "kernel-command-line-text"),
        ("name=\u{e0}", "kernel-command-line-latin1-space"),
        ("ro\u{a0}init=/bin/sh", "kernel-command-line-latin1-space"),
    ] {
        assert_eq!(withheld(&ubuntu().with_kernel_arguments(arguments)), reason, "{arguments:?}");
    }
    let boot = judge(&ubuntu().with_kernel_arguments("name=\u{e9}")).expect("accepted");
    assert_eq!(boot.kernel_arguments, ["name=\u{e9}"]);
}

#[test]
fn t35_command_line_longer_than_the_kernel_keeps_is_withheld() {
    let fits = |size: usize| {
        let fixed = presets::UBUNTU_KERNEL.len() + " init=/bin/sh  panic=-1".len();
        ubuntu().with_kernel_arguments(&format!("init=/bin/sh {} panic=-1", "x".repeat(size - fixed)))
    };
    let boot = judge(&fits(MAX_COMMAND_LINE)).expect("accepted");
    assert_eq!(boot.kernel_arguments.last().expect("some"), "panic=-1");
    assert_eq!(withheld(&fits(MAX_COMMAND_LINE + 1)), "kernel-command-line-too-long");
}

#[test]
fn t35_words_after_two_dashes_are_not_kernel_arguments() {
    for (arguments, taken) in [
        ("ro -- panic=-1", &["ro"][..]),
        ("ro --", &["ro"]),
        (r#"ro "--" panic=-1"#, &["ro"]),
        ("-- init=/bin/sh", &[]),
        ("ro --- --x --=1", &["ro", "---", "--x", "--=1"]),
    ] {
        let boot = judge(&ubuntu().with_kernel_arguments(arguments)).expect("accepted");
        assert_eq!(boot.kernel_arguments, taken, "{arguments}");
        assert_eq!(boot.kernel_path.as_deref(), Some(presets::UBUNTU_KERNEL));
        assert!(boot.kernel_command_line.is_some_and(|line| line.ends_with(arguments)));
        let words: Vec<String> = arguments.split(' ').map(|word| word.replace('"', "")).collect();
        assert!(boot.kernel_words.ends_with(&words));
    }
}

#[test]
fn t24_command_lines_of_grub_and_of_a_uki_are_one_too_many() {
    let mut log = ubuntu();
    for event in BuiltEvent::stub_section(".cmdline", b"ro") {
        before_exit(&mut log, event);
    }
    assert_eq!(withheld(&log), "several-boot-loaders");
}

#[test]
fn t52_commands_of_distributions_leave_the_command_line() {
    let line = judge(&ubuntu()).expect("accepted").kernel_command_line;
    for texts in [
        &["insmod blscfg", "blscfg"][..],
        &["insmod serial", "serial"],
        &["[[ -f /x ]]"],
        &["[  ]", "[ -s /grub/grubenv ]"],
        &["! [ -e (hd0)/x ]", ". /x", "time ls"],
        &["hwmatch /gfxblacklist.txt 3", "recordfail", "savedefault", "font=unicode"],
        &["menuentry x {\n\tlinux /evil init=/bin/sh\n\tchainloader /y\n}", "submenu x { linux /y }"],
        &["echo Loading Linux ...", "echo linux /x", "export linux_gfx_mode", "set x=linux /y"],
        &["eval echo x", "search --no-floppy --fs-uuid --set=root x"],
    ] {
        let boot = judge(&with_commands(texts)).expect("accepted");
        assert_eq!(boot.kernel_command_line, line, "{texts:?}");
        assert!(texts.iter().all(|text| boot.grub_commands.iter().any(|command| command == text)));
        assert!(boot.withheld.is_empty());
    }
}

#[test]
fn t52_texts_that_are_no_known_commands_are_accepted() {
    for text in [
        "",
        " ",
        " quiet",
        "my+function a",
        "fünc",
        "x.y-z",
        "linux_x a",
        "/vmlinuz",
        "(hd0)/x",
        "0+100",
        "a/b=c",
    ] {
        let log = with_commands(&[text]);
        assert_eq!(withheld(&log), "kernel-command-line-relabelled", "{text}");
        assert!(judge(&log).expect("accepted").grub_commands.iter().any(|command| command == text));
    }
}

#[test]
fn t52_escapes_are_read_as_grub_writes_them() {
    let kernel = presets::UBUNTU_KERNEL;
    let line = |given: &str, measured: &str| {
        let mut log = ubuntu();
        *log.event_with("grub_cmd: linux ") = command(&format!("linux {kernel} {given}"));
        *log.event_with("kernel_cmdline: ") =
            BuiltEvent::grub("kernel_cmdline: ", &format!("{kernel} {measured}"));
        judge(&log).expect("accepted")
    };
    for (given, measured, argument) in [
        (r"systemd.mask=dev\x2dsda.swap", r"systemd.mask=dev-sda.swap", "systemd.mask=dev-sda.swap"),
        (r"systemd.mask=dev\x2dsda.swap", r"systemd.mask=dev\x2dsda.swap", r"systemd.mask=dev\x2dsda.swap"),
        (r"systemd.mask=dev\x2dsda.swap", r"systemd.mask=dev\\x2dsda.swap", r"systemd.mask=dev\\x2dsda.swap"),
        (r"a=\x2", r"a=\\x2", r"a=\\x2"),
        ("dyndbg=file a.c +p", r#"dyndbg="file a.c +p""#, "dyndbg=file a.c +p"),
        ("dm=it's", r"dm=it\'s", r"dm=it\'s"),
    ] {
        let boot = line(given, measured);
        assert_eq!(boot.kernel_arguments, [argument], "{given}");
        assert_eq!(boot.kernel_path.as_deref(), Some(kernel));
    }
    let reason = |boot| withheld_reason(&boot);
    assert_eq!(reason(line("a b", "a c")).as_deref(), Some("kernel-command-line-missing"));
    // What exceeded GRUB's buffer was cut off.
    assert_eq!(reason(line("a b", "a")).as_deref(), Some("kernel-command-line-missing"));
    // An escape that does not decode to text.
    let nul = [format!("{kernel} a=").as_bytes(), b"\0"].concat();
    let mut log = ubuntu();
    *log.event_with("grub_cmd: linux ") = command(&format!(r"linux {kernel} a=\x00b"));
    *log.event_with("kernel_cmdline: ") = BuiltEvent::measuring(
        8,
        IPL,
        [&nul[..], b"b"].concat(),
        [b"kernel_cmdline: ", &nul[..], b"b\0"].concat(),
    );
    assert_eq!(withheld(&log), "kernel-command-line-missing");
}

#[test]
fn t52_a_second_entry_that_grub_falls_back_to_gives_no_command_line() {
    // The first kernel was loaded and did not start.
    let mut log = ubuntu();
    load_again(&mut log, "/vmlinuz.old ro");
    assert_eq!(withheld(&log), "second-kernel-command-line");
    // The first kernel was missing.
    let log = with_commands(&["linux /missing ro", "initrd /missing.img", "setparams Old"]);
    assert_eq!(withheld(&log), "kernel-command-line-missing");
}

#[test]
fn grub_that_starts_no_kernel_has_no_command_line_to_withhold() {
    let mut log = ubuntu();
    log.events.retain(|event| {
        !event.data.starts_with(b"kernel_cmdline: ") && !event.data.starts_with(b"grub_cmd: linux ")
    });
    before_exit(&mut log, command("chainloader /EFI/Linux/uki.efi"));
    let boot = judge(&log).expect("accepted");
    assert_eq!((boot.kernel_command_line, boot.withheld), (None, Vec::new()));
}

/// xorshift: the same numbers on every run.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).expect("64 bits") % limit
    }

    pub(super) fn pick<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.below(texts.len())]
    }
}

/// The parts of random command lists.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "", " ", "[", "]", "[[", "!", "time", "set", "x=y", "insmod", "blscfg", "serial", "eval", "/vmlinuz",
    "(hd0)/x", "--", "fünc", "a+b", "\\x2d", "\"", "'", "{", "}", "\n", "\t", "\u{a0}", "\u{7f}",
    "menuentry", "chainloader", "initrd", "0+1", "linux_gfx_mode", "-o", "=", "$x", "*", "multiboot", "🐧",
];

#[test]
fn t52_no_list_of_commands_is_refused() {
    let labels = ["grub_cmd: ", "kernel_cmdline: ", "module_cmdline: ", "grub_cmd ", "grub_kernel_cmdline "];
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for round in 0..3000 {
        let mut log = ubuntu();
        log.events.retain(|event| event.pcr != 8);
        let mut texts = Vec::new();
        for _ in 0..random.below(6) {
            let words: Vec<&str> = (0..random.below(5)).map(|_| random.pick(WORDS)).collect();
            texts.push(words.join(" "));
        }
        // An earlier text again, as the end of another.
        if let Some(text) = texts.first().cloned() {
            texts.push(format!("insmod {text}"));
            texts.push(text);
        }
        for text in &texts {
            let label = if random.below(4) == 0 { random.pick(&labels) } else { "grub_cmd: " };
            before_exit(&mut log, BuiltEvent::grub(label, text));
        }
        let boot = judge(&log).unwrap_or_else(|error| panic!("round {round}: {texts:?}: {error}"));
        assert_eq!(boot.kernel_command_line, None, "{texts:?}");
        assert_eq!(boot.grub_commands, texts);
    }
}

#[test]
fn t35_commands_that_can_change_the_loaded_kernel_give_no_command_line() {
    for text in [
        "write_dword 0x8090000 0x6e696973",
        "write_byte 0x0 0x0",
        "write_word 0x0 0x0",
        "wrmsr 0x1b 0",
        "outb 0xcf9 6",
        "outw 0x0 0",
        "outl 0xcf8 0x80000000",
        "setpci -s 00:02.0 4.w=7",
        "acpi (hd0,gpt1)/evil.aml",
        "loadbios (hd0,gpt1)/bios.bin",
        "fakebios",
        "time write_dword 0x8090000 0x6e696973",
    ] {
        // Typed at a console, between loading the kernel and starting it.
        let mut log = ubuntu();
        before_exit(&mut log, command(text));
        assert_eq!(withheld(&log), "grub-command-unsafe", "{text}");
        // The texts are measured, so a closed set of commands detects them.
        assert!(judge(&log).expect("accepted").grub_commands.iter().any(|known| known == text));
    }
}

#[test]
fn t22_a_rescue_mode_line_that_looks_like_a_command_is_withheld() {
    // Rescue mode measures no command, and accepts a file with this name from a network device.
    let mut log = with_commands(&["normal_exit"]);
    before_exit(&mut log, command("echo init=/bin/sh"));
    assert_eq!(withheld(&log), "grub-command-unsafe");
}
