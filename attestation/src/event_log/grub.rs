//! What GRUB measures into PCR 8: its commands and the kernel's command line (GRUB manual, Measured Boot).
//!
//! The label before a text (`grub_cmd: `, `kernel_cmdline: `) is not measured, so whoever writes the log can
//! swap labels. A text that does not match its digest is refused. Everything else is accepted, since the
//! digests are in the log and baselines appraise them. The command line is a claim only if the texts can be
//! read in exactly one way:
//!
//! - exactly one text is a `linux` command, and the next text is what GRUB makes of its arguments, with an
//!   absolute path;
//! - every other text starts with the name of a known command, since any other text may be the command line
//!   of a kernel: GRUB's rescue mode measures no command before it;
//! - none of them starts anything but a Linux kernel (`chainloader`) or runs a loader through a wrapper
//!   (`time linux`);
//! - none of them writes to memory or devices, which could change the loaded command line (`write_dword`), or
//!   exits to rescue mode.
//!
//! All of this relies on the GRUB that wrote the texts: its digest is among the EFI applications, those of
//! its modules are in PCR 9.

use super::boot::EventKind;
use super::command_line::Ambiguity;
use super::command_line::CommandLine;
use super::command_line::Source;
use super::error::EventLogError;
use super::event::Event;

/// The texts of PCR 8.
#[derive(Default)]
pub(super) struct Grub {
    texts: Vec<Text>,
}

/// One event of PCR 8.
struct Text {
    event: usize,
    label: EventKind,
    content: Result<String, Ambiguity>,
}

/// The effect of a text, if GRUB ran it as a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect<'t> {
    /// It loads a Linux kernel with these arguments.
    LoadsLinux(&'t str),
    /// It runs a loader of Linux kernels through another command.
    RunsLoader,
    /// It starts something whose command line GRUB does not measure as a Linux command line.
    StartsOther,
    /// It changes memory, or enters a mode whose commands are not measured.
    Escapes,
    /// It is a command that loads nothing.
    Harmless,
    /// No known command.
    Unknown,
}

impl Grub {
    /// Processes the next event of PCR 8; returns its kind according to the label, and its text.
    pub(super) fn step(&mut self, event: &Event<'_>) -> Result<(EventKind, Option<String>), EventLogError> {
        let number = event.number;
        let (label, content) = match labelled(event.data) {
            Some((label, text)) => (label, plain_text(covered_text(event, text)?, number)),
            None => (EventKind::Other, Err(Ambiguity::UnlabelledText { event: number })),
        };
        let text = content.as_ref().ok().cloned();
        self.texts.push(Text { event: number, label, content });
        Ok((label, text))
    }

    /// The command line, if the texts have exactly one reading.
    pub(super) fn command_line(&self) -> Source {
        match self.read() {
            _ if self.texts.is_empty() => Source::Nothing,
            Ok(Some(line)) => Source::Line(line),
            Ok(None) => Source::NoLine,
            Err(ambiguity) => Source::Ambiguous(ambiguity),
        }
    }

    fn read(&self) -> Result<Option<CommandLine>, Ambiguity> {
        let (mut line, mut other_loader) = (None, None);
        for (number, text) in self.texts.iter().enumerate() {
            let event = text.event;
            let content = text.content.as_ref().map_err(Clone::clone)?;
            let before = number.checked_sub(1).and_then(|number| self.texts.get(number));
            if before.is_some_and(|loader| loads(loader, content)) {
                if text.label != EventKind::KernelCommandLine {
                    return Err(Ambiguity::Relabelled { event, text: content.clone() });
                }
                if line.replace((content, event)).is_some() {
                    return Err(Ambiguity::SecondKernel { event });
                }
            } else if self.starts_other(number, text, content)? {
                other_loader = Some(event);
            }
        }
        match (line, other_loader) {
            (Some(_), Some(event)) => Err(Ambiguity::OtherLoader { event }),
            (Some((content, event)), None) => CommandLine::new(content, event).map(Some),
            (None, _) => Ok(None),
        }
    }

    /// Whether a text that is not a loader's command line starts something other than Linux.
    fn starts_other(&self, number: usize, text: &Text, content: &str) -> Result<bool, Ambiguity> {
        let event = text.event;
        if text.label == EventKind::KernelCommandLine {
            return Err(Ambiguity::Unexplained { event });
        }
        let after = self.texts.get(number + 1).and_then(|text| text.content.as_deref().ok());
        match effect(content) {
            Effect::Harmless => Ok(false),
            Effect::StartsOther => Ok(true),
            Effect::LoadsLinux(_) if after.is_some_and(|line| loads(text, line)) => Ok(false),
            Effect::LoadsLinux(_) => Err(Ambiguity::LineMissing { event }),
            Effect::RunsLoader => Err(Ambiguity::WrappedLoader { event }),
            Effect::Escapes => Err(Ambiguity::UnsafeCommand { event, text: content.to_owned() }),
            Effect::Unknown => Err(Ambiguity::Relabelled { event, text: content.to_owned() }),
        }
    }

    /// All texts except the command line, if that is a claim: a closed set of commands must contain these
    /// texts, whatever their labels.
    ///
    /// # Errors
    /// A text that is not printable.
    pub(super) fn commands(&self, line: Option<&CommandLine>) -> Result<Vec<String>, Ambiguity> {
        let is_line = |text: &&Text| line.is_some_and(|line| line.event() == text.event);
        self.texts.iter().filter(|text| !is_line(text)).map(|text| text.content.clone()).collect()
    }
}

/// Whether the text is the command line that GRUB passes to the kernel loaded by the preceding command.
fn loads(loader: &Text, line: &str) -> bool {
    let Ok(Effect::LoadsLinux(arguments)) = loader.content.as_deref().map(effect) else { return false };
    // A relative path of a file on a network device could also be the name of a command.
    line.starts_with(['/', '(']) && gives(arguments, line)
}

/// Whether GRUB turns these arguments into this line: it quotes spaces and escapes quotes with backslashes;
/// versions differ in whether `\x2d` is kept, gets another backslash or is decoded.
fn gives(arguments: &str, line: &str) -> bool {
    let line = without_quoting(line.as_bytes());
    line == without_quoting(arguments.as_bytes()) || line == without_quoting(&decoded(arguments.as_bytes()))
}

fn without_quoting(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(|byte| !b"\"'\\".contains(byte)).collect()
}

/// The text with each `\xHH` decoded.
fn decoded(mut text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    while let Some((&byte, rest)) = text.split_first() {
        let escaped = text.strip_prefix(b"\\x").and_then(|rest| {
            let (digits, rest) = rest.split_at_checked(2)?;
            Some((u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?, rest))
        });
        let (byte, rest) = escaped.unwrap_or((byte, rest));
        decoded.push(byte);
        text = rest;
    }
    decoded
}

fn effect(text: &str) -> Effect<'_> {
    let (name, arguments) = text.split_once(' ').unwrap_or((text, ""));
    if LINUX_LOADERS.contains(&name) {
        return Effect::LoadsLinux(arguments);
    }
    if OTHER_LOADERS.contains(&name) {
        return Effect::StartsOther;
    }
    if ESCAPES.contains(&name) {
        return Effect::Escapes;
    }
    if WRAPPERS.contains(&name) {
        return match effect(arguments) {
            Effect::LoadsLinux(_) => Effect::RunsLoader,
            other => other,
        };
    }
    if COMMANDS.contains(&name) || is_assignment(name) { Effect::Harmless } else { Effect::Unknown }
}

/// `name=value`.
fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

/// Whether the data has one of GRUB's labels.
pub(super) fn is_labelled(data: &[u8]) -> bool {
    labelled(data).is_some()
}

/// Label and text; the last two labels are those of older GRUBs, such as RHEL 8's.
fn labelled(data: &[u8]) -> Option<(EventKind, &[u8])> {
    LABELS.iter().find_map(|(label, kind)| Some((*kind, data.strip_prefix(label.as_bytes())?)))
}

/// The text without its NUL. The digest covers the text, in old versions including the NUL.
fn covered_text<'a>(event: &Event<'a>, text: &'a [u8]) -> Result<&'a [u8], EventLogError> {
    let bare = text.strip_suffix(b"\0").unwrap_or(text);
    if !event.digest.covers(&[bare]) && !event.digest.covers(&[text]) {
        let Event { number, pcr, event_type, .. } = *event;
        return Err(EventLogError::DigestMismatch { event: number, pcr, event_type });
    }
    Ok(bare)
}

fn plain_text(text: &[u8], event: usize) -> Result<String, Ambiguity> {
    match std::str::from_utf8(text) {
        Ok(text) if !text.contains('\0') => Ok(text.to_owned()),
        _ => Err(Ambiguity::NotUtf8 { event }),
    }
}

const LABELS: [(&str, EventKind); 5] = [
    ("grub_cmd: ", EventKind::GrubCommand),
    ("kernel_cmdline: ", EventKind::KernelCommandLine),
    ("module_cmdline: ", EventKind::GrubModuleCommandLine),
    ("grub_cmd ", EventKind::GrubCommand),
    ("grub_kernel_cmdline ", EventKind::KernelCommandLine),
];
const LINUX_LOADERS: [&str; 3] = ["linux", "linuxefi", "linux16"];
/// Commands that run their arguments as a command, without GRUB measuring that command.
const WRAPPERS: [&str; 2] = ["!", "time"];
/// Commands that start an image or load a kernel themselves; `legacy_kernel` runs `linux` without measuring
/// it.
const OTHER_LOADERS: [&str; 24] = [
    "appleloader",
    "chainloader",
    "freedos",
    "kfreebsd",
    "knetbsd",
    "kopenbsd",
    "legacy_kernel",
    "module",
    "module2",
    "multiboot",
    "multiboot2",
    "ntldr",
    "plan9",
    "truecrypt",
    "uki",
    "xen_hypervisor",
    "xen_linux",
    "xen_module",
    "xnu_kernel",
    "xnu_kernel64",
    "xnu_kext",
    "xnu_mkext",
    "xnu_ramdisk",
    "xnu_resume",
];
/// Commands that write to memory, where kernel and command line wait for `boot`, or to devices that can;
/// `acpi` loads code that the kernel interprets. In rescue mode, which `normal_exit` enters, a relative path
/// may look like the name of a command.
const ESCAPES: [&str; 12] = [
    "acpi",
    "fakebios",
    "loadbios",
    "normal_exit",
    "outb",
    "outl",
    "outw",
    "setpci",
    "write_byte",
    "write_dword",
    "write_word",
    "wrmsr",
];
/// Commands that load no kernel, including those added by distributions, and the functions in the
/// configurations that distributions generate.
#[rustfmt::skip]
const COMMANDS: &[&str] = &[
    ".", "[", "[[", "append_add_db_cert", "append_add_db_hash", "append_add_dbx_cert",
    "append_add_dbx_hash", "append_list_db", "append_list_dbx", "append_verify", "authenticate",
    "background_color", "background_image", "backtrace", "badram", "blocklist", "blscfg", "blsuki", "boot",
    "boottime", "break", "btrfs-get-default-subvol", "btrfs-info", "btrfs-list-subvols", "btrfs-mount-subvol",
    "cat", "cbmemc", "clear", "cmosclean", "cmosdump", "cmosset", "cmostest", "cmp", "configfile", "continue",
    "coreboot_boottime", "cpuid", "crc", "cryptocheck", "cryptomount", "cutmem", "date", "decrement",
    "devicetree", "distrust_certificate", "distrust_signature", "drivemap", "dump", "echo", "efifwsetup",
    "efitextmode", "eval", "exit", "export", "extract_entries_configfile", "extract_entries_source",
    "extract_legacy_entries_configfile", "extract_legacy_entries_source",
    "extract_syslinux_entries_configfile", "extract_syslinux_entries_source", "false", "file",
    "fix_video", "fwconfig", "fwsetup", "getenv", "gettext", "gfxmode", "gptprio.next", "gptpriority",
    "gptrepair", "gptsync", "halt", "hashsum", "hdparm", "hello", "help", "hexdump", "hwmatch", "inb",
    "increment", "initrd", "initrd16", "initrdefi", "initrdfail", "inl", "insmod", "inw", "keymap",
    "keystatus", "legacy_check_password", "legacy_configfile", "legacy_initrd", "legacy_initrd_nounzip",
    "legacy_password", "legacy_source", "list_certificates", "list_env", "list_trusted", "load_env",
    "load_video", "loadfont", "loopback", "ls", "lsacpi", "lsapm", "lsefi", "lsefimmap",
    "lsefisystab", "lsfonts", "lsmmap", "lsmod", "lspci", "lssal", "macppcbless", "mactelbless", "md5sum",
    "menuentry", "nativedisk", "net_add_addr", "net_add_dns", "net_add_route", "net_arp", "net_bootp",
    "net_bootp6", "net_del_addr", "net_del_dns", "net_del_route", "net_dhcp", "net_dhcp6",
    "net_get_dhcp_option", "net_ipv6_autoconf", "net_ls_addr", "net_ls_cards", "net_ls_dns", "net_ls_routes",
    "net_nslookup", "net_set_vlan", "normal", "parttool", "password",
    "password_pbkdf2", "pcidump", "plainmount", "play", "pop_env", "probe", "progress", "push_env", "rdmsr",
    "read", "read_byte", "read_dword", "read_word", "reboot", "recordfail", "regexp", "return", "rmmod",
    "save_env", "savedefault", "search", "search.file", "search.fs_label", "search.fs_uuid", "search_fs_file",
    "search_fs_uuid", "search_label", "sendkey", "serial", "set", "setparams", "sha1sum",
    "sha256sum", "sha512sum", "shift", "sleep", "smbios", "source", "submenu", "syslinux_configfile",
    "syslinux_source", "terminal_input", "terminal_output", "terminfo", "test", "test_blockarg", "testload",
    "testspeed", "tpm2_key_protector_clear", "tpm2_key_protector_init", "tpm_record_pcrs", "tr", "true",
    "trust", "trust_certificate", "unset", "uppermem", "usb", "vbeinfo", "vbetest", "verify_detached",
    "version", "versioncheck", "videoinfo", "videotest",
    "xnu_devprop_load", "xnu_splash", "xnu_uuid", "zfs-bootfs", "zfsinfo", "zfskey",
];
