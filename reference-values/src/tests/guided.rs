//! Configurations that depend on the machine, followed beside an earlier boot.

use crate::{DefaultEntry, EarlierBoot, ScriptError};

/// In the form that grub-mkconfig writes.
const CONFIGURATION: &str = r#"
if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
  load_env
fi
if [ "${next_entry}" ] ; then
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
if loadfont unicode ; then
  set gfxmode=auto
  load_video
  insmod gfxterm
fi
terminal_output gfxterm
set timeout=5
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'simple-1' {
	recordfail
	load_video
	gfxmode $linux_gfx_mode
	insmod gzio
	if [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi
	search --no-floppy --fs-uuid --set=root 1111-2222
	echo	'Loading Linux 6.1.0-9 ...'
	linux	/vmlinuz-6.1.0-9 root=/dev/mapper/root ro panic=-1
	echo	'Loading initial ramdisk ...'
	initrd	/initrd.img-6.1.0-9
}
submenu 'Advanced options' $menuentry_id_option 'advanced-1' {
	menuentry 'Debian, with Linux 6.1.0-9' {
		linux /vmlinuz-6.1.0-9
	}
}
if [ "$grub_platform" = "efi" ]; then
	fwsetup --is-supported
	if [ "$?" = 0 ]; then
		menuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {
			fwsetup
		}
	fi
fi
if [ -f  ${config_directory}/custom.cfg ]; then
  source ${config_directory}/custom.cfg
elif [ -z "${config_directory}" -a -f  $prefix/custom.cfg ]; then
  source $prefix/custom.cfg
fi
"#;

/// What a machine ran with it; the functions `gfxmode` and so on are built in here.
const COMMANDS: [&str; 38] = [
    "[ -s (hd0,gpt2)/grub/grubenv ]",
    "set have_grubenv=true",
    "load_env",
    "[  ]",
    "set default=0",
    "[ xy = xy ]",
    "menuentry_id_option=--id",
    "export menuentry_id_option",
    "loadfont unicode",
    "terminal_output gfxterm",
    "set timeout=5",
    "menuentry Debian GNU/Linux --class debian --id simple-1 {…}",
    "submenu Advanced options --id advanced-1 {…}",
    "[ efi = efi ]",
    "fwsetup --is-supported",
    "[ 0 = 0 ]",
    "menuentry UEFI Firmware Settings --id uefi-firmware {…}",
    "[ -f (hd0,gpt2)/grub/custom.cfg ]",
    "[ -z (hd0,gpt2)/grub -a -f (hd0,gpt2)/grub/custom.cfg ]",
    "setparams Debian GNU/Linux",
    "recordfail",
    "set recordfail=1",
    "[ -n true ]",
    "[ -z  ]",
    "save_env recordfail",
    "load_video",
    "[ xy = xy ]",
    "insmod all_video",
    "gfxmode keep",
    "insmod gzio",
    "[ xefi = xxen ]",
    "search --no-floppy --fs-uuid --set=root 1111-2222",
    "echo Loading Linux 6.1.0-9 ...",
    "linux /vmlinuz-6.1.0-9 root=/dev/mapper/root ro panic=-1",
    "echo Loading initial ramdisk ...",
    "initrd /initrd.img-6.1.0-9",
    "boot",
    "after",
];

fn follow(configuration: &str, commands: &[&str], environment: &str) -> Result<DefaultEntry, ScriptError> {
    DefaultEntry::of(&[configuration], Some(EarlierBoot { commands, environment }))
}

fn entry(version: &str) -> DefaultEntry {
    DefaultEntry {
        command_line: format!("/vmlinuz-{version} root=/dev/mapper/root ro panic=-1"),
        initrds: vec![format!("/initrd.img-{version}")],
    }
}

#[test]
fn the_boot_that_ran_follows_again() {
    assert_eq!(follow(CONFIGURATION, &COMMANDS, ""), Ok(entry("6.1.0-9")));
}

#[test]
fn a_new_kernel_follows_in_the_same_way() {
    let new = CONFIGURATION.replace("6.1.0-9", "6.1.0-10");
    assert_eq!(follow(&new, &COMMANDS, ""), Ok(entry("6.1.0-10")));
    // Another entry before it, and another line without an effect.
    let more =
        new.replace("set timeout=5", "set timeout=7\nmenuentry 'memory test' {\n true\n}\nset default=1");
    assert_eq!(follow(&more, &COMMANDS, ""), Ok(entry("6.1.0-10")));
}

#[test]
fn the_environment_block_of_now_counts() {
    // The next boot is another entry, by its id; the earlier boot did not take this branch.
    let error = follow(CONFIGURATION, &COMMANDS, "next_entry=simple-1\n").expect_err("another branch");
    assert_eq!(error, ScriptError::Differs { command: "[ simple-1 ]".to_owned() });
    let saved = CONFIGURATION.replace("set default=\"0\"", "set default=\"${saved_entry}\"");
    assert_eq!(follow(&saved, &COMMANDS, "# GRUB\nsaved_entry=simple-1\n"), Ok(entry("6.1.0-9")));
    assert_eq!(follow(&saved, &COMMANDS, "saved_entry=advanced-1\n"), Err(ScriptError::NoEntry));
    assert_eq!(follow(&saved, &COMMANDS, "saved_entry=elsewhere\n"), Err(ScriptError::NoEntry));
}

#[test]
fn what_the_earlier_boot_does_not_show_ends_the_prediction() {
    let differs = |command: &str| Err(ScriptError::Differs { command: command.to_owned() });
    let added = CONFIGURATION.replace("set timeout=5", "insmod lvm\nset timeout=5");
    assert_eq!(follow(&added, &COMMANDS, ""), differs("insmod lvm"));
    let moved = CONFIGURATION.replace("1111-2222", "3333-4444");
    assert_eq!(follow(&moved, &COMMANDS, ""), differs("search --no-floppy --fs-uuid --set=root 3333-4444"));
    let tested =
        CONFIGURATION.replace("set timeout=5", "if loadfont unicode; then\n insmod a\nelse\n insmod b\nfi");
    let mut commands = COMMANDS.to_vec();
    commands.insert(10, "loadfont unicode");
    commands.insert(11, "insmod c");
    let condition = Err(ScriptError::Condition { command: "loadfont unicode".to_owned() });
    assert_eq!(follow(&tested, &commands, ""), condition);
    let unknown = CONFIGURATION.replace("ro panic=-1", "ro $added x");
    assert_eq!(follow(&unknown, &COMMANDS, ""), Err(ScriptError::Variable { name: "added".to_owned() }));
    let entries = CONFIGURATION.replace("set timeout=5", "blscfg");
    let mut commands = COMMANDS.to_vec();
    commands.insert(10, "blscfg");
    assert_eq!(follow(&entries, &commands, ""), Err(ScriptError::Command { command: "blscfg".to_owned() }));
}

#[test]
fn hostile_configurations_end() {
    let recursion = "function f {\n f\n}\nf\n";
    assert_eq!(follow(recursion, &["f"; 64], ""), Err(ScriptError::TooDeep));
    let nested = format!("{}true{}", "if true; then ".repeat(64), "; fi".repeat(64));
    assert_eq!(follow(&nested, &[], ""), Err(ScriptError::TooDeep));
    for text in
        ["if true; then", "if true", "fi", "else", "function", "function f", "while true; do", "$", "${a"]
    {
        follow(text, &[], "").expect_err(text);
    }
}
