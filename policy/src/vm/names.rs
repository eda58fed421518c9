//! Closed vocabularies as values.

use vouchsafe_attestation::anchors::{Product, Root};
use vouchsafe_attestation::claims::Phase;
use vouchsafe_attestation::event_log::Technology;
use vouchsafe_attestation::google_token::{SoftwareName, TokenKind};
use vouchsafe_attestation::snp::SignerKind;
use vouchsafe_attestation::tdx::TcbStatus;
use vouchsafe_attestation::x509::Revocation;

use crate::schema::Kind;
use crate::value::Value;

pub(super) const fn root(root: Root) -> Value {
    Value::Member(
        Kind::Root,
        match root {
            Root::Amd => "amd",
            Root::Intel => "intel",
            Root::Google => "google",
            Root::Extra => "extra",
        },
    )
}

pub(super) const fn technology(technology: Technology) -> Value {
    Value::Member(Kind::Technology, technology.name())
}

pub(super) const fn product(product: Product) -> Value {
    Value::Member(
        Kind::Product,
        match product {
            Product::Milan => "milan",
            Product::Genoa => "genoa",
            Product::Turin => "turin",
        },
    )
}

pub(super) const fn revocation(revocation: Revocation) -> Value {
    Value::Member(
        Kind::Revocation,
        match revocation {
            Revocation::Fresh => "fresh",
            Revocation::Stale => "stale",
            Revocation::Absent => "absent",
            Revocation::NotOffered => "not-offered",
        },
    )
}

pub(super) const fn signer(signer: SignerKind) -> Value {
    Value::Member(
        Kind::Signer,
        match signer {
            SignerKind::Vcek => "vcek",
            SignerKind::Vlek => "vlek",
        },
    )
}

pub(super) const fn phase(phase: Phase) -> Value {
    Value::Member(
        Kind::Phase,
        match phase {
            Phase::Initrd => "initrd",
            Phase::Latched => "latched",
            Phase::Booted => "booted",
        },
    )
}

pub(super) const fn tcb_status(status: TcbStatus) -> Value {
    Value::Member(Kind::TcbStatus, status.name())
}

/// The CA that certified a platform.
pub(super) const fn pck_ca(name: &'static str) -> Value {
    Value::Member(Kind::PckCa, name)
}

pub(super) const fn token_kind(kind: TokenKind) -> Value {
    Value::Member(Kind::TokenForm, kind.name())
}

pub(super) const fn software_name(name: SoftwareName) -> Value {
    Value::Member(Kind::SoftwareName, name.name())
}
