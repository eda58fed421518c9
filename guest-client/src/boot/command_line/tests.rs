use super::*;

const KINDS: [(Initrd, &str); 2] = [
    (Initrd::InitramfsTools, "BOOT_IMAGE=/vmlinuz root=/dev/mapper/root ro console=ttyS0 panic=-1"),
    (
        Initrd::Dracut,
        "BOOT_IMAGE=/vmlinuz root=/dev/mapper/root ro console=ttyS0 rd.shell=0 rd.emergency=reboot",
    ),
];

fn check(line: &str, initrd: Initrd) -> Result<(), ShellRisk> {
    check_command_line(line.as_bytes(), initrd)
}

/// Asserts that this argument is refused in every initrd, wherever it is, and that the message names it as `shown`.
fn opens(argument: &str, shown: &str) {
    for (initrd, line) in KINDS {
        let opens = Err(ShellRisk::Opens { argument: shown.to_owned() });
        assert_eq!(check(&format!("{line} {argument}\n"), initrd), opens, "{argument}");
        assert_eq!(check(&format!("{argument} {line}\n"), initrd), opens, "{argument}");
    }
}

/// Asserts that this argument changes nothing.
fn is_harmless(argument: &str) {
    for (initrd, line) in KINDS {
        assert_eq!(check(&format!("{line} {argument}\n"), initrd), Ok(()), "{argument}");
    }
}

#[test]
fn t35_an_ordinary_line_is_accepted() {
    is_harmless("");
    is_harmless("quiet splash systemd.show_status=1 rd.luks=1 ip=dhcp net.ifnames=0 mitigations=auto 3 2");
}

#[test]
fn t35_modes_for_recovery_are_refused() {
    for argument in ["rescue", "emergency", "single", "1", "s", "S", "-s", "-b", "rd.rescue", "rd.emergency"]
    {
        opens(argument, argument);
    }
    for argument in ["11", "rescued", "S1", "rescue=no", "single=1"] {
        is_harmless(argument);
    }
}

#[test]
fn t35_break_points_are_refused() {
    for argument in [
        "break",
        "break=mount",
        "break=",
        "rd.break",
        "rd.break=pre-mount",
        "rdbreak",
        "rdbreak=cleanup",
        "systemd.break=pre-udev",
        "rd.systemd.break",
    ] {
        opens(argument, argument);
    }
    is_harmless("breakfast=1 hung_task_panic=1 usbcore.break=1");
}

#[test]
fn t35_shells_are_refused() {
    for argument in [
        "rd.shell",
        "rd.shell=1",
        "rd.shell=",
        "rd.shell=no",
        "rdshell",
        "systemd.debug_shell",
        "systemd.debug-shell=ttyS0",
        "rd.systemd.debug_shell=1",
        "rd.systemd.debug-shell",
        "systemd.crash_shell",
        "rd.systemd.crash-shell=1",
        "SYSTEMD_SULOGIN_FORCE=1",
        "systemd.setenv=SYSTEMD_SULOGIN_FORCE=1",
        "rd.systemd.setenv=SYSTEMD_SULOGIN_FORCE=1",
    ] {
        opens(argument, argument);
    }
}

#[test]
fn t35_commands_and_units_from_the_command_line_are_refused() {
    for argument in [
        "rd.cmdline=ask",
        "systemd.run=/bin/sh",
        "rd.systemd.run=/bin/sh",
        "systemd.wants=debug-shell.service",
        "rd.systemd.wants=debug-shell.service",
        "rd.systemd.mask=vouchsafe-latch.service",
        "systemd.mask=vouchsafe-latch.service",
        "systemd.confirm_spawn=ttyS0",
        "systemd.set_credential=systemd.extra-unit.x.service:text",
        "systemd.set-credential-binary=systemd.extra-unit.x.service:dGV4dA",
        "systemd.setenv=LD_PRELOAD=/x.so",
    ] {
        opens(argument, argument);
    }
    opens("-- --unit=emergency.target", "--");
}

#[test]
fn t35_another_init_is_refused() {
    for argument in ["init=/bin/sh", "init=/bin/bash", "init=", "init=sbin/init", "rdinit=/bin/sh", "rdinit="]
    {
        opens(argument, argument);
    }
    for path in ["/sbin/init", "/usr/sbin/init", "/lib/systemd/systemd", "/usr/lib/systemd/systemd"] {
        is_harmless(&format!("init={path}"));
    }
    is_harmless("rdinit=/init rdinit=/sbin/init initcall_debug init");
}

#[test]
fn t35_units_other_than_those_of_a_boot_are_refused() {
    for unit in [
        "rescue.target",
        "emergency.target",
        "rescue",
        "emergency",
        "rescue.service",
        "runlevel1.target",
        "kbrequest.target",
        "debug-shell.service",
        "",
    ] {
        opens(&format!("systemd.unit={unit}"), &format!("systemd.unit={unit}"));
        opens(&format!("rd.systemd.unit={unit}"), &format!("rd.systemd.unit={unit}"));
    }
    is_harmless("systemd.unit=multi-user.target systemd.unit=graphical.target rd.systemd.unit=initrd.target");
}

#[test]
fn t35_every_way_of_splitting_and_unquoting_counts() {
    opens("\"rescue\"", "rescue");
    opens("'rescue'", "rescue");
    opens("res\"cue\"", "rescue");
    opens("init=\"/bin/sh\"", "init=/bin/sh");
    opens("\"init=/bin/sh\"", "init=/bin/sh");
    // One argument for the kernel, two for scripts.
    opens("dyndbg=\"file x.c rd.break\"", "rd.break");
    for space in ["\t", "\n", "\r", "\x0b", "\x0c"] {
        opens(&format!("quiet{space}rescue"), "rescue");
    }
    let (initrd, line) = KINDS[0];
    let latin = [line.as_bytes(), b" x\xa0rescue"].concat();
    assert_eq!(check_command_line(&latin, initrd), Err(ShellRisk::Opens { argument: "rescue".to_owned() }));
}

#[test]
fn t35_initramfs_tools_has_to_reboot_when_it_fails() {
    let line = |panic: &str| check(&format!("root=/dev/mapper/root ro {panic}\n"), Initrd::InitramfsTools);
    for panic in ["panic=-1", "panic=1", "panic=30", "panic=030", "panic=-1 panic=5", "panic=\"-1\""] {
        assert_eq!(line(panic), Ok(()), "{panic}");
    }
    for panic in [
        "",
        "panic",
        "panic=",
        "panic=0",
        "panic=00",
        "panic=-2",
        "panic=1.5",
        "panic=5s",
        "panic=--1",
        "panic=never",
        "panic_print=1",
        // What counts is up to the reader: all of them have to be right.
        "panic=-1 panic=0",
        "panic=0 panic=-1",
        "panic=-1 panic",
        // Other initrds' arguments are none of its own.
        "rd.shell=0 rd.emergency=reboot",
    ] {
        assert_eq!(line(panic), Err(ShellRisk::InitramfsTools), "{panic}");
    }
}

#[test]
fn t35_dracut_has_to_end_the_boot_when_it_fails() {
    let line = |shell: &str| check(&format!("root=/dev/mapper/root ro {shell}\n"), Initrd::Dracut);
    for action in ["reboot", "poweroff", "halt"] {
        assert_eq!(line(&format!("rd.shell=0 rd.emergency={action}")), Ok(()));
        assert_eq!(line(&format!("rd.emergency={action} rd.shell=0 rd.shell=0")), Ok(()));
    }
    for shell in [
        "",
        "panic=-1",
        "rd.shell=0",
        "rd.emergency=reboot",
        "rd.shell=0 rd.emergency=",
        "rd.shell=0 rd.emergency=shell",
        "rd.shell=0 rd.emergency=reboot rd.emergency=ignore",
        "rd.shell=0 emergency=reboot panic=-1",
    ] {
        assert_eq!(line(shell), Err(ShellRisk::Dracut), "{shell}");
    }
}

#[test]
fn messages_name_the_argument_and_the_remedy() {
    let (initrd, line) = KINDS[0];
    let message = |line: &str, initrd| check(line, initrd).unwrap_err().to_string();
    assert_eq!(
        message(&format!("{line} rd.break"), initrd),
        "the kernel argument `rd.break` can open a shell: boot without it"
    );
    assert!(message("ro", Initrd::InitramfsTools).contains("panic=-1"));
    assert!(message("ro", Initrd::Dracut).contains("rd.shell=0 rd.emergency=reboot"));
}

#[test]
fn t31_memory_from_a_disk_is_not_resumed() {
    for (initrd, rest) in
        [(Initrd::InitramfsTools, "panic=-1"), (Initrd::Dracut, "rd.shell=0 rd.emergency=reboot")]
    {
        for argument in ["resume=/dev/vdb", "resume=UUID=1"] {
            let error = check_command_line(format!("ro {argument} {rest}").as_bytes(), initrd).unwrap_err();
            assert_eq!(error, ShellRisk::Resumes { argument: argument.to_owned() });
        }
        check_command_line(format!("ro noresume {rest}").as_bytes(), initrd).unwrap();
    }
}
