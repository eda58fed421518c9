//! A unified kernel image that the firmware starts: what systemd-stub and the kernel's EFI stub measure.

use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::reference_values::ReferenceComponent as Component;
use vouchsafe_protocol::reference_values::ReferenceValues;

use crate::image::EfiImage;
use crate::image::ImageError;
use crate::record::Record as _;
use crate::record::before_applications;
use crate::record::utf16;

/// Why measurements of a unified kernel image cannot be predicted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnifiedError {
    /// The file is not an EFI image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The kernel in it is not an EFI image.
    #[error("section .linux: {0}")]
    Kernel(ImageError),
    /// It contains no kernel.
    #[error("there is no section .linux: not a unified kernel image")]
    NotUnified,
    /// A section that the stub reads occurs twice.
    #[error("section {name} occurs twice")]
    SecondSection {
        /// Its name.
        name: &'static str,
    },
    /// A section is longer in memory than in the file.
    #[error("section {name} is longer in memory than in the file")]
    SectionNotInFile {
        /// Its name.
        name: &'static str,
    },
    /// The stub is older than systemd 252, or not systemd's: it measures no sections.
    #[error("its stub is not that of systemd 252 or later")]
    OtherStub,
    /// The boot selects one of several alternatives.
    #[error("section {name} makes the boot depend on the machine or on a selection")]
    Alternatives {
        /// Its name.
        name: &'static str,
    },
}

/// A unified kernel image.
#[derive(Debug)]
pub struct UnifiedBoot<'a> {
    image: EfiImage<'a>,
    kernel: Digest32,
    sections: Vec<(&'static str, &'a [u8])>,
    /// Version of the systemd stub, if it contains one.
    stub: Option<u32>,
}

impl<'a> UnifiedBoot<'a> {
    /// Reads an image.
    ///
    /// # Errors
    /// [`UnifiedError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, UnifiedError> {
        let image = EfiImage::parse(bytes)?;
        let (mut sections, mut stub) = (Vec::new(), Vec::new());
        for (name, content) in image.sections() {
            let Some(name) = SECTIONS.into_iter().find(|known| known.as_bytes() == name) else {
                stub.extend(content);
                continue;
            };
            if sections.iter().any(|(other, _)| *other == name) {
                return Err(UnifiedError::SecondSection { name });
            }
            sections.push((name, content.ok_or(UnifiedError::SectionNotInFile { name })?));
        }
        // The stub ignores sections without content.
        sections.retain(|(_, content)| !content.is_empty());
        let has = |name: &str| sections.iter().any(|(other, _)| *other == name);
        if !has(LINUX) {
            return Err(UnifiedError::NotUnified);
        }
        if let Some(name) = ALTERNATIVES.into_iter().find(|name| has(name)) {
            return Err(UnifiedError::Alternatives { name });
        }
        // Versions of the stub differ in the sections that they support. Each contains the names of its
        // sections, and measures them in the order of SECTIONS; later versions only add sections.
        let knows = |name: &str| stub.iter().any(|content| contains(content, name));
        if !knows(LINUX) || !knows(PCR_SIGNATURE) {
            return Err(UnifiedError::OtherStub);
        }
        sections.retain(|(name, _)| knows(name));
        sections.sort_by_key(|(name, _)| SECTIONS.iter().position(|other| other == name));
        let content =
            sections.iter().find(|(name, _)| *name == LINUX).map_or(&[][..], |(_, content)| content);
        let kernel = EfiImage::parse(content).map_err(UnifiedError::Kernel)?.digest();
        let stub = stub.iter().find_map(|content| stub_version(content));
        Ok(Self { image, kernel, sections, stub })
    }

    /// Predicts the measurements of a boot whose boot entry adds no options.
    #[must_use]
    pub fn reference_values(&self) -> ReferenceValues {
        let mut values = ReferenceValues::default();
        values.add(4, Component::Uki, self.image.digest());
        let measures_kernel = self.stub.is_none_or(|version| version < KERNEL_NOT_MEASURED);
        if measures_kernel {
            values.add(4, Component::KernelImage, self.kernel);
        }
        // systemd-stub(7): name with its NUL, then content; the signatures for PCR 11 itself are never
        // measured.
        for (name, content) in self.sections.iter().filter(|(name, _)| *name != PCR_SIGNATURE) {
            let name = (*name).to_owned();
            let digest = Digest32::of_parts(&[name.as_bytes(), b"\0"]);
            values.add(11, Component::SectionName { name: name.clone() }, digest);
            values.add(11, Component::Section { name }, Digest32::of(content));
        }
        let complete = self.add_kernel_events(&mut values);
        self.add_applications(&mut values);
        if complete {
            values.value(9, KERNEL_MEASURES, values.digests(9));
        }
        values.value(11, BEFORE_USER_SPACE, values.digests(11));
        values.cannot_say(PCR_2_ON_TDX);
        values.cannot_say(BESIDE_THE_IMAGE);
        values
    }

    /// PCR 4: newer stubs start the kernel without the firmware, which then does not measure it.
    fn add_applications(&self, values: &mut ReferenceValues) {
        let image = before_applications().into_iter().chain([self.image.digest()]);
        let both = image.clone().chain([self.kernel]);
        match self.stub {
            Some(version) if version <= KERNEL_MEASURED => values.value(4, APPLICATIONS, both),
            Some(version) if version >= KERNEL_NOT_MEASURED => values.value(4, APPLICATIONS, image),
            _ => {
                values.value(4, KERNEL_BY_FIRMWARE, both);
                values.value(4, KERNEL_BY_STUB, image);
                values.cannot_say(KERNEL_IN_PCR_4);
            }
        }
    }

    /// What the kernel's EFI stub gets: options and initrd. Returns whether both are known.
    fn add_kernel_events(&self, values: &mut ReferenceValues) -> bool {
        let options = self.content(".cmdline").map(load_options);
        match options {
            Some(Some(ref options)) => values.add(9, Component::LoadOptions, Digest32::of(options)),
            Some(None) => values.cannot_say_event(9, Component::LoadOptions, ODD_COMMAND_LINE),
            None => values.cannot_say_event(9, Component::LoadOptions, NO_COMMAND_LINE),
        }
        let composed = self.composed_initrd();
        let initrd = self.content(".initrd");
        match (composed, initrd) {
            (Some(reason), _) => values.cannot_say_event(9, Component::LoadedInitrd, reason),
            (None, Some(initrd)) => values.add(9, Component::LoadedInitrd, Digest32::of(initrd)),
            (None, None) => {}
        }
        matches!(options, Some(Some(_))) && composed.is_none()
    }

    /// Why the initrd that the kernel measures differs from the section: the stub may add files to it.
    fn composed_initrd(&self) -> Option<&'static str> {
        let adds = |names: &[&str]| names.iter().any(|name| self.has(name));
        match self.stub {
            Some(SECRET_IN_INITRD..) => Some(INITRD_PER_MACHINE),
            Some(RELEASE_IN_INITRD..) if self.has(".osrel") => Some(COMPOSED_INITRD),
            None if adds(&[".osrel", ".initrd"]) => Some(INITRD_BY_VERSION),
            _ if adds(&[".initrd"]) && adds(&[".pcrpkey", ".ucode", PCR_SIGNATURE]) => Some(COMPOSED_INITRD),
            _ => None,
        }
    }

    fn has(&self, name: &str) -> bool {
        self.content(name).is_some()
    }

    fn content(&self, name: &str) -> Option<&'a [u8]> {
        self.sections.iter().find(|(other, _)| *other == name).map(|(_, content)| *content)
    }
}

/// The command line as systemd-stub passes it: UTF-16 with a NUL, control characters replaced by spaces,
/// trailing ones stripped. `None` if versions differ for this text.
fn load_options(section: &[u8]) -> Option<Vec<u8>> {
    let text = section.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = std::str::from_utf8(text).ok()?;
    let text: String = text.chars().map(|c| if c <= '\u{1f}' { ' ' } else { c }).collect();
    let text = text.trim_end_matches(' ');
    if text.is_empty() || text.starts_with(' ') || !text.is_ascii() {
        return None;
    }
    let mut options = utf16(text);
    options.extend([0, 0]);
    Some(options)
}

/// The version in a text such as `systemd-stub 257.7-1`, which the stub has in a section of its own.
fn stub_version(content: &[u8]) -> Option<u32> {
    let at = content.windows(STUB_MAGIC.len()).position(|window| window == STUB_MAGIC)?;
    let rest = content.get(at + STUB_MAGIC.len()..)?;
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    std::str::from_utf8(rest.get(..digits)?).ok()?.parse().ok()
}

/// Whether the stub's own data contains this name as text.
fn contains(content: &[u8], name: &str) -> bool {
    let text = [name.as_bytes(), b"\0"].concat();
    content.windows(text.len()).any(|window| window == text)
}

const STUB_MAGIC: &[u8] = b"#### LoaderInfo: systemd-stub ";
/// The last version with which the firmware loads and measures the kernel.
const KERNEL_MEASURED: u32 = 257;
/// Since this version the stub loads the kernel itself.
const KERNEL_NOT_MEASURED: u32 = 262;
/// Since this version the initrd contains the os-release.
const RELEASE_IN_INITRD: u32 = 257;
/// Since this version the initrd contains a secret of the machine.
const SECRET_IN_INITRD: u32 = 261;
const LINUX: &str = ".linux";
const PCR_SIGNATURE: &str = ".pcrsig";

/// The sections that the stub reads, in the order in which it measures them (UAPI.5, "UKI TPM PCR
/// Measurements").
const SECTIONS: [&str; 15] = [
    LINUX,
    ".osrel",
    ".cmdline",
    ".initrd",
    ".ucode",
    ".splash",
    ".dtb",
    ".uname",
    ".sbat",
    PCR_SIGNATURE,
    ".pcrpkey",
    ".profile",
    ".dtbauto",
    ".hwids",
    ".efifw",
];
/// Sections among which the boot selects.
const ALTERNATIVES: [&str; 4] = [".profile", ".dtbauto", ".hwids", ".efifw"];

const APPLICATIONS: &str = "the firmware starts the image itself and measures it into PCR 4";
const KERNEL_BY_FIRMWARE: &str = "the stub has the firmware start the kernel, as systemd 257 and earlier do";
const KERNEL_BY_STUB: &str = "the stub starts the kernel without the firmware, as systemd 262 does";
const KERNEL_IN_PCR_4: &str =
    "whether the kernel is measured into PCR 4: the stub is of a version that may do either";
const KERNEL_MEASURES: &str = "the kernel's EFI stub measures its options and initrd (Linux 6.1 and later)";
const BEFORE_USER_SPACE: &str = "before systemd-pcrphase extends it from user space";
const PCR_2_ON_TDX: &str = "PCR 4 and 2 where the firmware measures applications into PCR 2, as Google's does on TDX: \
    PCR 2 has the partition table too, which is no file";
const BESIDE_THE_IMAGE: &str = "PCR 12 and 13: nothing, unless the boot entry has options or credentials, add-ons or \
    extensions lie beside the image";
const ODD_COMMAND_LINE: &str =
    "the event of the kernel's load options: .cmdline begins with a space or is not ASCII";
const NO_COMMAND_LINE: &str =
    "the event of the kernel's load options: there is no .cmdline, so that the boot entry gives it";
const COMPOSED_INITRD: &str =
    "the event of the initrd that the kernel loads: the stub composes it from .initrd and more";
const INITRD_PER_MACHINE: &str = "the event of the initrd that the kernel loads: since systemd 261 the stub adds a secret \
    of machine and disk, so that it differs on each; let sections vouch for it in the baseline (composed_initrd)";
const INITRD_BY_VERSION: &str = "the event of the initrd that the kernel loads: the stub does not say its version, and \
    later ones compose it from .initrd and more";
