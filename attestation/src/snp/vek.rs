//! Chip and firmware according to a VCEK or VLEK certificate: AMD 57230 §3.1, tables of X.509 extensions.

use der::asn1::ObjectIdentifier;

use super::claims::SignerKind;
use super::error::SnpError;
use super::error::VekField;
use super::tcb::ChipTcb;
use super::tcb::Tcb;
use super::tcb::TcbComponent;
use crate::anchors::Product;
use crate::x509::Certificate;
use crate::x509::der as raw;

/// The endorsement of a verified certificate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vek<'a> {
    certificate: &'a Certificate,
    pub(super) kind: SignerKind,
    pub(super) product: Product,
}

impl<'a> Vek<'a> {
    pub(super) fn parse(certificate: &'a Certificate) -> Result<Self, SnpError> {
        let malformed = |field| SnpError::VekMalformed { field };
        let kind = match common_name(&certificate.subject) {
            Some(b"SEV-VCEK") => SignerKind::Vcek,
            Some(b"SEV-VLEK") => SignerKind::Vlek,
            _ => return Err(malformed(VekField::Subject)),
        };
        let product = product(certificate).ok_or(malformed(VekField::Product))?;
        let issuer = common_name(&certificate.issuer).and_then(|name| name.strip_prefix(b"SEV-"));
        let line = match kind {
            SignerKind::Vcek => issuer,
            SignerKind::Vlek => issuer.and_then(|name| name.strip_prefix(b"VLEK-")),
        };
        if line != Some(product.name().as_bytes()) {
            return Err(malformed(VekField::Issuer));
        }
        Ok(Self { certificate, kind, product })
    }

    /// `hwID`: the raw bytes, without DER around them. In a VCEK only.
    pub(super) fn hardware_id(&self) -> Result<Option<&'a [u8]>, SnpError> {
        let id = self.certificate.extension(HARDWARE_ID);
        let length = if self.product == Product::Turin { 8 } else { 64 };
        match (self.kind, id) {
            (SignerKind::Vcek, Some(id)) if id.len() == length => Ok(Some(id)),
            (SignerKind::Vlek, None) => Ok(None),
            _ => Err(SnpError::VekMalformed { field: VekField::HardwareId }),
        }
    }

    /// `cspID`, in a VLEK only (AMD 57230 §3.1).
    pub(super) fn csp_id(&self) -> Result<Option<&'a str>, SnpError> {
        let malformed = SnpError::VekMalformed { field: VekField::CspId };
        match (self.kind, self.certificate.extension(CSP_ID)) {
            (SignerKind::Vlek, Some(value)) => ia5(value).map(Some).ok_or(malformed),
            (SignerKind::Vcek, None) => Ok(None),
            _ => Err(malformed),
        }
    }

    /// Security patch level of a component; the FMC's is 0 if the product has none.
    pub(super) fn level(&self, component: TcbComponent) -> Result<u8, SnpError> {
        let malformed = SnpError::VekMalformed { field: VekField::Tcb(component) };
        let oid = match component {
            TcbComponent::BootLoader => BOOT_LOADER,
            TcbComponent::Tee => TEE,
            TcbComponent::Snp => SNP,
            TcbComponent::Microcode => MICROCODE,
            TcbComponent::Fmc => FMC,
        };
        match self.certificate.extension(oid) {
            Some(value) => level(value).ok_or(malformed),
            None if component == TcbComponent::Fmc && self.product != Product::Turin => Ok(0),
            None => Err(malformed),
        }
    }

    /// The chip and TCB whose key it certifies, if they can be read.
    pub(super) fn chip_tcb(&self) -> Option<ChipTcb> {
        let level = |component| self.level(component).ok();
        let tcb = Tcb {
            fmc: if self.product == Product::Turin { Some(level(TcbComponent::Fmc)?) } else { None },
            boot_loader: level(TcbComponent::BootLoader)?,
            tee: level(TcbComponent::Tee)?,
            snp: level(TcbComponent::Snp)?,
            microcode: level(TcbComponent::Microcode)?,
        };
        Some(ChipTcb { chip: self.hardware_id().ok()?.map(hex::encode), tcb })
    }

    /// Levels 4 to 7 correspond to reserved bytes of the TCB (AMD 56860 §2.2), which are zero in the report.
    pub(super) fn reserved_levels_are_zero(&self) -> Result<(), SnpError> {
        let levels = RESERVED.iter().filter_map(|oid| self.certificate.extension(*oid));
        if levels.map(level).all(|level| level == Some(0)) {
            return Ok(());
        }
        Err(SnpError::VekMalformed { field: VekField::ReservedLevel })
    }
}

/// `productName`, such as `Milan-B0` or `Genoa`: the line before the stepping.
fn product(certificate: &Certificate) -> Option<Product> {
    let name = ia5(certificate.extension(PRODUCT_NAME)?)?;
    let line = name.split_once('-').map_or(name, |(line, _)| line);
    [Product::Milan, Product::Genoa, Product::Turin].into_iter().find(|product| product.name() == line)
}

/// Text of an IA5String.
fn ia5(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(raw::content_of(0x16, value)?).ok()?;
    text.is_ascii().then_some(text)
}

/// An INTEGER of 0 to 255.
pub(super) fn level(value: &[u8]) -> Option<u8> {
    match raw::content_of(raw::INTEGER, value)? {
        [level @ 0..=0x7f] | [0, level @ 0x80..=0xff] => Some(*level),
        _ => None,
    }
}

/// The common name, if the Name has exactly one.
fn common_name(name: &[u8]) -> Option<&[u8]> {
    // 2.5.4.3
    const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
    let mut found = None;
    let mut sets = raw::content_of(raw::SEQUENCE, name)?;
    while !sets.is_empty() {
        let mut attributes = raw::take(&mut sets)?.content;
        while !attributes.is_empty() {
            let mut attribute = raw::take(&mut attributes)?.content;
            let (kind, value) = (raw::take(&mut attribute)?, raw::take(&mut attribute)?);
            if kind.content == COMMON_NAME && found.replace(value.content).is_some() {
                return None;
            }
        }
    }
    found
}

// AMD 57230 §3.1.
const PRODUCT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.2");
pub(super) const BOOT_LOADER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.1");
pub(super) const TEE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.2");
pub(super) const SNP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.3");
const RESERVED: [ObjectIdentifier; 4] = [
    ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.4"),
    ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.5"),
    ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.6"),
    ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.7"),
];
pub(super) const MICROCODE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.8");
pub(super) const FMC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.9");
pub(super) const HARDWARE_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.4");
const CSP_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.5");
