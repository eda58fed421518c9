//! Boots through GRUB: shim, GRUB, its configuration, and the kernel that it starts by default.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::reference_values::ReferenceComponent as Component;
use vouchsafe_reference_values::{BootLog, DefaultEntry, EarlierBoot, EfiImage, GrubBoot};

use super::error::UpdateError;
use super::files::{Content, Files};
use super::grub_log::GrubLog;
use super::loader_entries;
use super::next::NextBoots;

/// Adds what boots through GRUB may measure.
pub(super) fn add(next: &mut NextBoots, files: &Files, log: &BootLog<'_>) -> Result<(), UpdateError> {
    let grub_log = GrubLog::of(log);
    let images = Images::find(files, &grub_log)?;
    let environment = environment(files, &grub_log);
    if grub_log.commands.contains(&"blscfg") {
        images.add(next);
        loader_entries::add(next, files, log, &grub_log, &environment)?;
    } else if let Err(error) = default_boot(next, files, &grub_log, &images, &environment) {
        next.cannot_say(format!("the commands that GRUB runs, and the command line: {error}"));
        images.add(next);
        add_files(next, files, &grub_log);
    }
    images.add_installed(next, files);
    for file in &grub_log.others {
        // Entries of the boot loader specification come and go with the kernels.
        if loader_entries::is_entry(file.name) {
            continue;
        }
        match files.of_grub(file.name).and_then(|path| Ok((files.shown(&path), files.read(&path)?))) {
            Ok((path, content)) => {
                next.add(9, Component::Configuration, content.digest, &path.display().to_string());
            }
            Err(error) => next.cannot_say(error.to_string()),
        }
    }
    Ok(())
}

/// Shim and GRUB as they are in the EFI system partition.
struct Images {
    shim: Option<Image>,
    grub: Image,
}

struct Image {
    path: PathBuf,
    shown: String,
    content: Rc<Content>,
}

impl Image {
    fn read(files: &Files, path: PathBuf) -> Result<Self, UpdateError> {
        let content = files.read(&path)?;
        Ok(Self { shown: files.shown(&path).display().to_string(), path, content })
    }

    fn parse(&self) -> Result<EfiImage<'_>, UpdateError> {
        let fault = |source| UpdateError::Image { path: PathBuf::from(&self.shown), source };
        EfiImage::parse(&self.content.bytes).map_err(fault)
    }
}

impl Images {
    fn find(files: &Files, log: &GrubLog<'_>) -> Result<Self, UpdateError> {
        let read = |name: &String| Image::read(files, files.of_firmware(name)?);
        let images = match log.images.as_slice() {
            [grub] => Self { shim: None, grub: read(grub)? },
            [shim, grub, ..] => Self { shim: Some(read(shim)?), grub: read(grub)? },
            [] => return Err(UpdateError::OtherLoader),
        };
        for image in images.shim.iter().chain([&images.grub]) {
            image.parse()?;
        }
        Ok(images)
    }

    fn add(&self, next: &mut NextBoots) {
        let component =
            |image: &Image| if image.path == self.grub.path { Component::Grub } else { Component::Shim };
        for image in self.shim.iter().chain([&self.grub]) {
            if let Ok(parsed) = image.parse() {
                next.add(4, component(image), parsed.digest(), &image.shown);
            }
        }
    }

    /// Adds the images of installed packages, which `grub-install` copies to the EFI system partition.
    fn add_installed(&self, next: &mut NextBoots, files: &Files) {
        let shim: &[&str] = if self.shim.is_some() { &INSTALLED_SHIM } else { &[] };
        let shim = shim.iter().map(|path| (Component::Shim, *path));
        for (component, path) in shim.chain(INSTALLED_GRUB.map(|path| (Component::Grub, path))) {
            let image = Image::read(files, files.below(path));
            if let Ok(image) = image
                && let Ok(parsed) = image.parse()
            {
                next.add(4, component, parsed.digest(), &image.shown);
            }
        }
    }
}

/// Adds the boot of the entry that GRUB starts by default.
fn default_boot(
    next: &mut NextBoots,
    files: &Files,
    log: &GrubLog<'_>,
    images: &Images,
    environment: &str,
) -> Result<(), UpdateError> {
    let mut scripts = Vec::new();
    for script in &log.scripts {
        let path = files.of_grub(script.name)?;
        let content = files.read(&path)?;
        let text = String::from_utf8_lossy(&content.bytes).into_owned();
        scripts.push((files.shown(&path).display().to_string(), text));
    }
    let configuration: Vec<&str> = scripts.iter().map(|(_, text)| text.as_str()).collect();
    let earlier = Some(EarlierBoot { commands: &log.commands, environment });
    let entry = DefaultEntry::of(&configuration, earlier)?;
    let name = entry.command_line.split(' ').next().unwrap_or_default();
    let kernel = Image::read(files, files.of_grub(name)?)?;
    let initrds: Vec<Image> = entry
        .initrds
        .iter()
        .map(|name| Image::read(files, files.of_grub(name)?))
        .collect::<Result<_, _>>()?;
    let boot = GrubBoot {
        shim: images.shim.as_ref().map(Image::parse).transpose()?,
        grub: images.grub.parse()?,
        kernel: kernel.parse()?,
        kernel_file: &kernel.content.bytes,
        initrds: initrds.iter().map(|initrd| initrd.content.bytes.as_slice()).collect(),
        command_line: None,
        configuration,
        first_commands: Some(log.first_commands.clone()),
        earlier,
    };
    let values = boot.reference_values()?;
    let shown = |component: &Component| match component {
        Component::Shim => images.shim.as_ref().map(|shim| shim.shown.clone()).unwrap_or_default(),
        Component::Grub => images.grub.shown.clone(),
        Component::Kernel | Component::KernelImage => kernel.shown.clone(),
        Component::Initrd | Component::LoadedInitrd => list(&initrds),
        Component::Configuration => {
            scripts.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>().join(", ")
        }
        _ => String::new(),
    };
    next.add_values(&values, shown);
    Ok(())
}

fn list(images: &[Image]) -> String {
    images.iter().map(|image| image.shown.as_str()).collect::<Vec<_>>().join(", ")
}

/// Where the commands are unknown: the configuration's files, and the newest kernel.
fn add_files(next: &mut NextBoots, files: &Files, log: &GrubLog<'_>) {
    for script in &log.scripts {
        match files.of_grub(script.name).and_then(|path| Ok((files.shown(&path), files.read(&path)?))) {
            Ok((path, content)) => {
                next.add(9, Component::Configuration, content.digest, &path.display().to_string());
            }
            Err(error) => next.cannot_say(error.to_string()),
        }
    }
    let folder = files.below("boot");
    let names = files.names(&folder);
    if let Some(version) = names.iter().rev().find_map(|name| name.strip_prefix("vmlinuz-")) {
        add_kernel(next, files, &folder.join(format!("vmlinuz-{version}")));
        add_initrd(next, files, &folder.join(format!("initrd.img-{version}")));
    }
}

pub(super) fn add_kernel(next: &mut NextBoots, files: &Files, path: &Path) {
    let image = match Image::read(files, path.to_owned()) {
        Ok(image) => image,
        Err(error) => return next.cannot_say(error.to_string()),
    };
    next.add(9, Component::Kernel, image.content.digest, &image.shown);
    match image.parse() {
        Ok(parsed) => next.add(4, Component::KernelImage, parsed.digest(), &image.shown),
        Err(error) => next.cannot_say(error.to_string()),
    }
}

pub(super) fn add_initrd(next: &mut NextBoots, files: &Files, path: &Path) {
    match files.read(path) {
        Ok(content) => {
            let shown = files.shown(path).display().to_string();
            next.add(9, Component::Initrd, content.digest, &shown);
            next.add(9, Component::LoadedInitrd, content.digest, &shown);
        }
        Err(error) => next.cannot_say(error.to_string()),
    }
}

/// The options that GRUB's image of the kernel's EFI stub measures for a command line.
pub(super) fn load_options(line: &str) -> [Digest32; 2] {
    let options: Vec<u8> = format!("BOOT_IMAGE={line}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    [Digest32::of(&options), Digest32::of_parts(&[&options, &[0, 0]])]
}

/// GRUB's environment block as it is now; empty if this boot read none.
fn environment(files: &Files, log: &GrubLog<'_>) -> String {
    let block = log.others.iter().find(|file| file.name.ends_with("/grubenv"));
    let content = block.and_then(|file| files.read(&files.of_grub(file.name).ok()?).ok());
    let text = content.map(|content| String::from_utf8_lossy(&content.bytes).into_owned());
    text.unwrap_or_default()
}

/// Debian's and Ubuntu's packages.
const INSTALLED_SHIM: [&str; 2] =
    ["usr/lib/shim/shimx64.efi.signed", "usr/lib/shim/shimx64.efi.signed.latest"];
const INSTALLED_GRUB: [&str; 1] = ["usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"];
