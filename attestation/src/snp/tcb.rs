//! TCB versions of the firmware, compared component by component, never as one number.

use std::fmt;

use serde::Serialize;

use crate::anchors::Product;

/// Security versions of the firmware's components.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Tcb {
    /// FMC firmware; `None` before Turin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fmc: Option<u8>,
    /// Boot loader of the secure processor.
    pub boot_loader: u8,
    /// Operating system of the secure processor.
    pub tee: u8,
    /// SNP firmware.
    pub snp: u8,
    /// Microcode, lowest patch level of all cores.
    pub microcode: u8,
}

/// A component of a [`Tcb`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TcbComponent {
    /// FMC firmware.
    Fmc,
    /// Boot loader.
    BootLoader,
    /// Operating system of the secure processor.
    Tee,
    /// SNP firmware.
    Snp,
    /// Microcode.
    Microcode,
}

impl fmt::Display for TcbComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fmc => "FMC",
            Self::BootLoader => "boot loader",
            Self::Tee => "TEE",
            Self::Snp => "SNP firmware",
            Self::Microcode => "microcode",
        })
    }
}

/// A chip and a TCB: each pair has its own key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChipTcb {
    /// Chip id, hex; `None` if the host masks it, or for a VLEK, which many chips use.
    pub chip: Option<String>,
    /// The TCB.
    pub tcb: Tcb,
}

impl fmt::Display for ChipTcb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tcb { fmc, boot_loader, tee, snp, microcode } = self.tcb;
        write!(f, "chip {} with TCB ", self.chip.as_deref().unwrap_or("unknown"))?;
        if let Some(fmc) = fmc {
            write!(f, "FMC {fmc}, ")?;
        }
        write!(f, "boot loader {boot_loader}, TEE {tee}, SNP {snp}, microcode {microcode}")
    }
}

impl Tcb {
    /// `TCB_VERSION`; `None` if a reserved byte is not zero.
    ///
    /// AMD 56860 §2.2: the layout differs since Turin.
    pub(super) const fn parse(bytes: [u8; 8], product: Product) -> Option<Self> {
        match (product, bytes) {
            (Product::Milan | Product::Genoa, [boot_loader, tee, 0, 0, 0, 0, snp, microcode]) => {
                Some(Self { fmc: None, boot_loader, tee, snp, microcode })
            }
            (Product::Turin, [fmc, boot_loader, tee, snp, 0, 0, 0, microcode]) => {
                Some(Self { fmc: Some(fmc), boot_loader, tee, snp, microcode })
            }
            _ => None,
        }
    }

    /// Encodes `TCB_VERSION` as reports do (AMD 56860 §2.2): in the Turin layout if there is an FMC version,
    /// otherwise in the layout before Turin.
    pub(super) const fn to_bytes(self) -> [u8; 8] {
        let Self { fmc, boot_loader, tee, snp, microcode } = self;
        match fmc {
            Some(fmc) => [fmc, boot_loader, tee, snp, 0, 0, 0, microcode],
            None => [boot_loader, tee, 0, 0, 0, 0, snp, microcode],
        }
    }

    /// The components; an absent one counts as 0.
    pub(super) fn components(self) -> [(TcbComponent, u8); 5] {
        [
            (TcbComponent::Fmc, self.fmc.unwrap_or(0)),
            (TcbComponent::BootLoader, self.boot_loader),
            (TcbComponent::Tee, self.tee),
            (TcbComponent::Snp, self.snp),
            (TcbComponent::Microcode, self.microcode),
        ]
    }

    /// The first component in which this version is above `other`.
    pub(super) fn exceeds(self, other: Self) -> Option<TcbComponent> {
        let pairs = self.components().into_iter().zip(other.components());
        pairs.into_iter().find(|((_, this), (_, that))| this > that).map(|((component, _), _)| component)
    }
}
