//! Shim, GRUB and a kernel: what the firmware, GRUB and the kernel's EFI stub measure.

use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::reference_values::ReferenceComponent as Component;
use vouchsafe_protocol::reference_values::ReferenceValues;

use crate::image::EfiImage;
use crate::record::Record as _;
use crate::record::before_applications;
use crate::record::utf16;
use crate::script;
use crate::script::Inputs;
use crate::script::ScriptError;
use crate::script::Step;

/// The files of a boot through GRUB.
#[derive(Debug)]
pub struct GrubBoot<'a> {
    /// First boot loader; `None` if the firmware starts GRUB directly.
    pub shim: Option<EfiImage<'a>>,
    /// GRUB.
    pub grub: EfiImage<'a>,
    /// The kernel.
    pub kernel: EfiImage<'a>,
    /// The kernel's file.
    pub kernel_file: &'a [u8],
    /// Files that `initrd` loads, in its order.
    pub initrds: Vec<&'a [u8]>,
    /// The command line, starting with the kernel's path in GRUB's form; `None` to take it from the
    /// configuration.
    pub command_line: Option<&'a str>,
    /// The files of GRUB's configuration in the order in which it reads them.
    pub configuration: Vec<&'a str>,
    /// Commands that GRUB's image runs before it reads the first of them, from the log of an earlier boot.
    pub first_commands: Option<Vec<&'a str>>,
    /// An earlier boot of this machine, which says what the configuration does where that depends on the machine.
    pub earlier: Option<EarlierBoot<'a>>,
}

/// What is known of an earlier boot of the same machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct EarlierBoot<'a> {
    /// The commands that GRUB ran once it had read the first file of its configuration.
    pub commands: &'a [&'a str],
    /// GRUB's environment block as it is now: `name=value`, one a line.
    pub environment: &'a str,
}

/// What the default entry of a menu starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultEntry {
    /// The command line, starting with the kernel's path in GRUB's form.
    pub command_line: String,
    /// The initrds in GRUB's form.
    pub initrds: Vec<String>,
}

impl DefaultEntry {
    /// Follows a configuration as [`GrubBoot::reference_values`] does, to learn which files the boot needs.
    ///
    /// # Errors
    /// When what the configuration does is not known.
    pub fn of(configuration: &[&str], earlier: Option<EarlierBoot<'_>>) -> Result<Self, ScriptError> {
        let steps = script::run(inputs(configuration, earlier))?;
        let line = kernel(&steps)?.to_owned();
        let initrds = steps.into_iter().filter_map(|step| match step {
            Step::Initrd(path) => Some(path),
            _ => None,
        });
        Ok(Self { command_line: line, initrds: initrds.collect() })
    }
}

fn inputs<'a>(files: &'a [&'a str], earlier: Option<EarlierBoot<'a>>) -> Inputs<'a> {
    Inputs {
        files,
        earlier: earlier.map(|earlier| earlier.commands),
        environment: earlier.map_or("", |earlier| earlier.environment),
    }
}

/// The command line of the only kernel.
fn kernel(steps: &[Step]) -> Result<&str, ScriptError> {
    let lines = steps.iter().filter_map(|step| match step {
        Step::Kernel(line) => Some(line.as_str()),
        _ => None,
    });
    let lines: Vec<&str> = lines.collect();
    let [line] = lines.as_slice() else { return Err(ScriptError::Kernels { count: lines.len() }) };
    Ok(line)
}

impl GrubBoot<'_> {
    /// Predicts what a boot of these files will measure.
    ///
    /// # Errors
    /// When the command line or the initrds do not match the configuration.
    pub fn reference_values(&self) -> Result<ReferenceValues, ScriptError> {
        let mut values = ReferenceValues::default();
        self.add_images(&mut values);
        let script = self.script();
        let given = self.command_line.map(str::to_owned);
        let line = match &script {
            Ok(steps) => Some(self.checked_line(steps, given)?),
            Err(_) => given,
        };
        match &script {
            Ok(steps) => self.add_script(&mut values, steps),
            Err(error) => {
                self.add_without_script(&mut values);
                values.cannot_say(format!("the commands that GRUB runs, and with them PCR 8 and 9: {error}"));
            }
        }
        match line {
            Some(line) => self.add_command_line(&mut values, script.is_ok(), line),
            None => values.cannot_say(NO_COMMAND_LINE),
        }
        self.add_values(&mut values, script.is_ok());
        Ok(values)
    }

    fn script(&self) -> Result<Vec<Step>, ScriptError> {
        script::run(inputs(&self.configuration, self.earlier))
    }

    fn checked_line(&self, steps: &[Step], given: Option<String>) -> Result<String, ScriptError> {
        let line = kernel(steps)?;
        if given.is_some_and(|given| given != line) {
            return Err(ScriptError::OtherCommandLine { found: line.to_owned() });
        }
        let count = steps.iter().filter(|step| matches!(step, Step::Initrd(_))).count();
        if count != self.initrds.len() {
            return Err(ScriptError::Initrds { count });
        }
        Ok(line.to_owned())
    }

    fn add_images(&self, values: &mut ReferenceValues) {
        if let Some(shim) = &self.shim {
            values.add(4, Component::Shim, shim.digest());
        }
        values.add(4, Component::Grub, self.grub.digest());
        values.add(4, Component::KernelImage, self.kernel.digest());
    }

    /// Every command and file in order.
    fn add_script(&self, values: &mut ReferenceValues, steps: &[Step]) {
        for text in self.first_commands.iter().flatten() {
            add_command(values, text);
        }
        let (mut files, mut initrds) = (self.configuration.iter(), self.initrds.iter());
        for step in steps {
            match step {
                Step::Command(text) => add_command(values, text),
                Step::File => {
                    let digest = files.next().map(|file| Digest32::of(file.as_bytes()));
                    digest.into_iter().for_each(|digest| values.add(9, Component::Configuration, digest));
                }
                Step::Kernel(line) => {
                    values.add(9, Component::Kernel, Digest32::of(self.kernel_file));
                    add_line(values, line);
                }
                Step::Initrd(_) => {
                    let digest = initrds.next().map(|initrd| Digest32::of(initrd));
                    digest.into_iter().for_each(|digest| values.add(9, Component::Initrd, digest));
                }
            }
        }
    }

    /// Only the files, which GRUB measures whatever else it does.
    fn add_without_script(&self, values: &mut ReferenceValues) {
        for file in &self.configuration {
            values.add(9, Component::Configuration, Digest32::of(file.as_bytes()));
        }
        values.add(9, Component::Kernel, Digest32::of(self.kernel_file));
        for initrd in &self.initrds {
            values.add(9, Component::Initrd, Digest32::of(initrd));
        }
    }

    fn add_command_line(&self, values: &mut ReferenceValues, in_script: bool, line: String) {
        if !in_script {
            // GRUB adds quotes and backslashes to the command line that are not in its command.
            if line.contains(['"', '\'', '\\']) {
                values.cannot_say(QUOTED_COMMAND_LINE);
            } else {
                add_command(values, &format!("linux {line}"));
            }
            add_line(values, &line);
        }
        // GRUB 2.12 and later start the kernel as an EFI application, with these options.
        let mut options = utf16(&format!("BOOT_IMAGE={line}"));
        let version = self.minor_version();
        if version >= Some(OPTIONS_WITH_NUL) {
            options.extend([0, 0]);
        }
        match version {
            Some(_) => values.add(9, Component::LoadOptions, Digest32::of(&options)),
            None => values.cannot_say_event(9, Component::LoadOptions, UNKNOWN_GRUB),
        }
        if let [initrd] = self.initrds.as_slice() {
            values.add(9, Component::LoadedInitrd, Digest32::of(initrd));
        } else if !self.initrds.is_empty() {
            values.cannot_say_event(9, Component::LoadedInitrd, SEVERAL_INITRDS);
        }
    }

    /// The minor version, 12 for GRUB 2.12, from the image's .sbat section: `grub,5,Free Software
    /// Foundation,grub,2.12,…`.
    fn minor_version(&self) -> Option<u32> {
        let (_, content) = self.grub.sections().find(|(name, _)| *name == b".sbat")?;
        let text = std::str::from_utf8(content?).ok()?;
        let version = text.lines().find_map(|line| line.strip_prefix("grub,")?.split(',').nth(3))?;
        let minor = version.strip_prefix("2.")?;
        let digits = minor.find(|c: char| !c.is_ascii_digit()).unwrap_or(minor.len());
        minor.get(..digits)?.parse().ok()
    }

    fn add_values(&self, values: &mut ReferenceValues, whole: bool) {
        let applications: Vec<Digest32> =
            before_applications().into_iter().chain(values.digests(4)).collect();
        let kernel = self.kernel.digest();
        let without = applications.split_last().map_or(&[][..], |(_, rest)| rest);
        values.value(4, KERNEL_TWICE, applications.iter().copied().chain([kernel]));
        values.value(4, KERNEL_ONCE, applications.iter().copied());
        values.value(4, KERNEL_NEVER, without.iter().copied());
        if !whole {
            return;
        }
        if self.first_commands.is_some() {
            values.value(8, "", values.digests(8));
        } else {
            values.cannot_say(NO_FIRST_COMMANDS);
        }
        let files = values
            .of_pcr(9)
            .filter(|event| !matches!(event.component, Component::LoadOptions | Component::LoadedInitrd));
        let files: Vec<Digest32> = files.map(|event| event.digest).collect();
        values.value(9, FILES_ONLY, files);
        let has_options = values.of_pcr(9).any(|event| event.component == Component::LoadOptions);
        if has_options && self.initrds.len() < 2 {
            values.value(9, FILES_AND_STUB, values.digests(9));
            // GRUB opens the first file of its configuration twice: to look for it and to read it.
            let first = values.of_pcr(9).next().filter(|event| event.component == Component::Configuration);
            if let Some(first) = first.map(|event| event.digest) {
                values.value(9, FIRST_FILE_TWICE, [vec![first], values.digests(9)].concat());
            }
        }
    }
}

fn add_command(values: &mut ReferenceValues, text: &str) {
    values.add(8, Component::GrubCommand { text: text.to_owned() }, Digest32::of(text.as_bytes()));
}

fn add_line(values: &mut ReferenceValues, line: &str) {
    values.add(8, Component::CommandLine { text: line.to_owned() }, Digest32::of(line.as_bytes()));
}

/// Since this version GRUB passes the options to the kernel's EFI stub with the terminating NUL.
const OPTIONS_WITH_NUL: u32 = 14;
const KERNEL_TWICE: &str = "shim and GRUB both measure the kernel (Debian 12 with Secure Boot)";
const KERNEL_ONCE: &str = "the kernel is measured once";
const KERNEL_NEVER: &str =
    "GRUB starts the kernel without shim or firmware measuring it (Ubuntu's GRUB 2.12)";
const FILES_ONLY: &str =
    "GRUB reads each file once, and starts the kernel past its EFI entry (Debian's GRUB 2.06)";
const FILES_AND_STUB: &str = "GRUB reads each file once, and the kernel's EFI stub measures its options and initrd (GRUB 2.12 and later)";
const FIRST_FILE_TWICE: &str = "GRUB measures the first file of its configuration twice, and the kernel's EFI stub measures its options and \
     initrd (GRUB 2.12 and 2.14 of Debian 13 and later)";
const NO_COMMAND_LINE: &str = "the kernel's command line: it is not given";
const QUOTED_COMMAND_LINE: &str = "the command `linux`: the command line has quotes or backslashes";
const UNKNOWN_GRUB: &str = "the event of the options that the kernel's EFI stub measures: GRUB's image does not say its version, on which their \
    end depends";
const SEVERAL_INITRDS: &str = "the initrd that the kernel loads: GRUB joins several";
const NO_FIRST_COMMANDS: &str = "PCR 8: which commands GRUB's image runs before it reads its configuration";
