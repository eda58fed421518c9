//! `vouchsafe baseline predict`: what a boot will measure, from the files of an update.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use vouchsafe_policy::{Baseline, LogDigest, MAX_BASELINE};
use vouchsafe_protocol::reference_values::{ReferenceComponent, ReferenceEvent, ReferenceValues};
use vouchsafe_reference_values::{EfiImage, GrubBoot, UnifiedBoot};

use super::super::failure::Failure;
use super::super::output;

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("boot").required(true).args(["uki", "kernel"]))]
pub(super) struct Predict {
    /// A unified kernel image that the firmware starts.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["shim", "grub", "initrd", "cmdline", "grub_cfg", "grub_start"])]
    uki: Option<PathBuf>,
    /// First boot loader; leave it out if the firmware starts GRUB directly.
    #[arg(long, value_name = "FILE")]
    shim: Option<PathBuf>,
    /// GRUB.
    #[arg(long, value_name = "FILE", requires = "kernel")]
    grub: Option<PathBuf>,
    /// The kernel.
    #[arg(long, value_name = "FILE", requires = "grub")]
    kernel: Option<PathBuf>,
    /// The initrd; repeat it for each file that the command `initrd` names.
    #[arg(long, value_name = "FILE")]
    initrd: Vec<PathBuf>,
    /// The kernel's command line as in GRUB's configuration, starting with the kernel's path; optional if --grub-cfg
    /// contains it.
    #[arg(long, value_name = "TEXT")]
    cmdline: Option<String>,
    /// A file of GRUB's configuration; repeat it for further ones, in the order in which GRUB reads them.
    #[arg(long, value_name = "FILE")]
    grub_cfg: Vec<PathBuf>,
    /// File with the commands that GRUB's image runs before it reads the first of them, one per line, as in the log
    /// of an earlier boot.
    #[arg(long, value_name = "FILE", requires = "grub_cfg")]
    grub_start: Option<PathBuf>,
    /// Print this baseline, extended to also allow the update.
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
    /// Write the extended baseline to this new file instead of standard output.
    #[arg(long, value_name = "FILE", requires = "into")]
    out: Option<PathBuf>,
}

impl Predict {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let values = match &self.uki {
            Some(path) => {
                let file = output::read_input(path, MAX_FILE)?;
                let image = UnifiedBoot::parse(&file).map_err(|error| Failure::file(path, error))?;
                image.reference_values()
            }
            None => self.grub_values()?,
        };
        match &self.into {
            Some(into) => self.merge(into, &values),
            None if json => output::print_json(&values),
            None => output::print(&human(&values)),
        }
    }

    fn grub_values(&self) -> Result<ReferenceValues, Failure> {
        let shim = self.shim.as_deref().map(read).transpose()?;
        let grub = read(required(self.grub.as_deref(), "grub")?)?;
        let kernel = read(required(self.kernel.as_deref(), "kernel")?)?;
        let initrds: Vec<Vec<u8>> =
            self.initrd.iter().map(|path| output::read_input(path, MAX_FILE)).collect::<Result<_, _>>()?;
        let text = |path: &PathBuf| output::read_text(path, MAX_TEXT_FILE);
        let configuration: Vec<String> = self.grub_cfg.iter().map(text).collect::<Result<_, _>>()?;
        let start = self.grub_start.as_ref().map(text).transpose()?;
        let boot = GrubBoot {
            shim: shim.as_ref().map(Read::image).transpose()?,
            grub: grub.image()?,
            kernel: kernel.image()?,
            kernel_file: &kernel.bytes,
            initrds: initrds.iter().map(Vec::as_slice).collect(),
            command_line: self.cmdline.as_deref(),
            configuration: configuration.iter().map(String::as_str).collect(),
            first_commands: start.as_ref().map(|text| text.lines().collect()),
            earlier: None,
        };
        boot.reference_values().map_err(|error| Failure::Usage(error.to_string()))
    }

    fn merge(&self, into: &Path, values: &ReferenceValues) -> Result<ExitCode, Failure> {
        let text = output::read_text(into, MAX_BASELINE)?;
        let today = Baseline::parse(&text).map_err(|error| Failure::file(into, error))?;
        let updated = today.allow_update(values).map_err(|error| Failure::file(into, error))?;
        let mut heading = HEADING.to_owned();
        for unknown in &values.unknown {
            heading.push_str("\nNot predicted: ");
            heading.push_str(&unknown.text);
        }
        let text = updated.to_commented(&heading, &names(values));
        output::write_document(
            &text,
            self.out.as_deref(),
            "Read it, then: vouchsafe baseline put NAMESPACE/NAME FILE",
        )
    }
}

/// A file and its path.
struct Read<'a> {
    path: &'a Path,
    bytes: Vec<u8>,
}

impl Read<'_> {
    fn image(&self) -> Result<EfiImage<'_>, Failure> {
        EfiImage::parse(&self.bytes).map_err(|error| Failure::file(self.path, error))
    }
}

fn read(path: &Path) -> Result<Read<'_>, Failure> {
    Ok(Read { path, bytes: output::read_input(path, MAX_FILE)? })
}

fn required<'a>(path: Option<&'a Path>, name: &str) -> Result<&'a Path, Failure> {
    path.ok_or_else(|| Failure::Usage(format!("give --{name}")))
}

/// Names for the new digests, used in comments.
fn names(values: &ReferenceValues) -> BTreeMap<LogDigest, String> {
    let name =
        |event: &ReferenceEvent| (event.digest.into(), format!("The update's {}.", label(&event.component)));
    values.events.iter().map(name).collect()
}

fn human(values: &ReferenceValues) -> String {
    let row = |event: &ReferenceEvent| {
        vec![event.pcr.to_string(), event.digest.to_string(), label(&event.component)]
    };
    let mut text =
        output::table(&["PCR", "EVENT", "WHAT"], &values.events.iter().map(row).collect::<Vec<_>>());
    let finals: Vec<_> = values
        .values
        .iter()
        .map(|value| vec![value.pcr.to_string(), value.value.to_string(), value.when.clone()])
        .collect();
    text.push('\n');
    text.push_str(&output::table(&["PCR", "FINAL VALUE", "WHEN"], &finals));
    for unknown in &values.unknown {
        text.push_str(&format!("\nCannot say: {}.\n", unknown.text));
    }
    text
}

fn label(component: &ReferenceComponent) -> String {
    match component {
        ReferenceComponent::Shim => "shim".to_owned(),
        ReferenceComponent::Grub => "GRUB".to_owned(),
        ReferenceComponent::Uki => "unified kernel image".to_owned(),
        ReferenceComponent::KernelImage => "kernel as an EFI application".to_owned(),
        ReferenceComponent::Configuration => "GRUB's configuration".to_owned(),
        ReferenceComponent::Kernel => "kernel".to_owned(),
        ReferenceComponent::Initrd => "initrd".to_owned(),
        ReferenceComponent::GrubCommand { text } => format!("command: {}", text.replace('\n', " ")),
        ReferenceComponent::CommandLine { text } => format!("command line: {text}"),
        ReferenceComponent::Section { name } => format!("section {name}"),
        ReferenceComponent::SectionName { name } => format!("name of section {name}"),
        ReferenceComponent::LoadOptions => "options that the kernel's EFI stub measures".to_owned(),
        ReferenceComponent::LoadedInitrd => "initrd that the kernel's EFI stub measures".to_owned(),
    }
}

const HEADING: &str = "What was allowed before, and the update beside it. Mixtures of both are members too: once every VM has been\n\
    restarted, put a baseline of the new boot alone. A line that begins with two slashes is a comment.";
/// Bytes of a file of the boot.
const MAX_FILE: usize = 1 << 30;
/// Bytes of a file of GRUB's configuration.
const MAX_TEXT_FILE: usize = 1 << 20;
