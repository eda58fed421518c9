//! GRUB's texts on an Ubuntu image of GCE.

/// Commands before its modules and grub.cfg are read.
pub(super) const GRUB_SETUP: [&str; 2] =
    ["search.fs_uuid 94f07b36-6512-4b02-849a-286e93dcebf7 root", "set prefix=(hd0,gpt16)/grub"];

/// Files it reads.
pub(super) const GRUB_FILES: [&str; 7] = [
    "(hd0,gpt16)/grub/x86_64-efi/command.lst",
    "(hd0,gpt16)/grub/x86_64-efi/fs.lst",
    "(hd0,gpt16)/grub/x86_64-efi/crypto.lst",
    "(hd0,gpt16)/grub/x86_64-efi/terminal.lst",
    "(hd0,gpt16)/grub/grub.cfg",
    "(hd0,gpt16)/grub/grubenv",
    "(hd0,gpt16)/grub/grubenv",
];

/// Commands of grub.cfg.
pub(super) const GRUB_COMMANDS: [&str; 52] = [
    "configfile (hd0,gpt16)/grub/grub.cfg",
    "[ -s (hd0,gpt16)/grub/grubenv ]",
    "set have_grubenv=true",
    "load_env",
    "[  = 2 ]",
    "[  = 1 ]",
    "[  ]",
    "set default=0",
    "[ xy = xy ]",
    "menuentry_id_option=--id",
    "export menuentry_id_option",
    "[  ]",
    "terminal_input console",
    "terminal_output console",
    "[  = 1 ]",
    "[ xy = xy ]",
    "set timeout_style=hidden",
    "set timeout=0.1",
    "[ -n true ]",
    "[ -n  ]",
    "set menu_color_normal=white/black",
    "set menu_color_highlight=black/light-gray",
    "[  != 1 ]",
    "[ -e (hd0,gpt16)/grub/gfxblacklist.txt ]",
    "[ efi != pc ]",
    "set linux_gfx_mode=keep",
    "export linux_gfx_mode",
    "[ efi = efi ]",
    "insmod bli",
    "[ efi = efi ]",
    "fwsetup --is-supported",
    "[ 0 = 0 ]",
    "menuentry UEFI Firmware Settings --id uefi-firmware {\n\t\t\tfwsetup\n\t\t}",
    "[ -f (hd0,gpt16)/grub/custom.cfg ]",
    "[ -z (hd0,gpt16)/grub -a -f (hd0,gpt16)/grub/custom.cfg ]",
    "setparams Ubuntu",
    "recordfail",
    "set recordfail=1",
    "[ -n true ]",
    "save_env recordfail",
    "load_video",
    "[ xy = xy ]",
    "insmod all_video",
    "gfxmode keep",
    "set gfxpayload=keep",
    "[ keep = keep ]",
    "set vt_handoff=vt.handoff=7",
    "insmod gzio",
    "insmod part_gpt",
    "insmod ext2",
    "search --no-floppy --fs-uuid --set=root 94f07b36-6512-4b02-849a-286e93dcebf7",
    "[  = 1 ]",
];

/// The menu with its submenu of older kernels and recovery modes, about as long as Ubuntu's.
pub(super) fn menu(line: &str) -> String {
    let entry = |title: &str, options: &str| {
        format!(
            "menuentry '{title}' --class ubuntu --class gnu-linux --class gnu --class os --id gnulinux-simple {{\n\
             \t\trecordfail\n\t\tload_video\n\t\tgfxmode $linux_gfx_mode\n\t\tinsmod gzio\n\t\tinsmod part_gpt\n\
             \t\tinsmod ext2\n\t\tsearch --no-floppy --fs-uuid --set=root 94f07b36-6512-4b02-849a-286e93dcebf7\n\
             \t\tlinux\t{line} {options}\n\t\tinitrd\t/initrd.img-6.8.0-1010-gcp\n\t}}\n"
        )
    };
    let kernels = ["Ubuntu", "Ubuntu, with Linux 6.8.0-1010-gcp", "Ubuntu, with Linux 6.8.0-1009-gcp"];
    kernels
        .map(|title| entry(title, "") + &entry(&format!("{title} (recovery mode)"), "single nomodeset"))
        .concat()
}
