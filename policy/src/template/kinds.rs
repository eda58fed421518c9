//! Requirements of a new policy for reports, quotes and tokens.

use vouchsafe_attestation::anchors::Product;
use vouchsafe_attestation::google_token::{GoogleTokenClaims, SoftwareName};
use vouchsafe_attestation::snp::{SnpClaims, Tcb};
use vouchsafe_attestation::tdx::{TcbStatus, TdxClaims};
use vouchsafe_protocol::Digest48;

use super::conditions::{Conditions, literal};
use super::error::TemplateError;
use super::root::TemplateRoot;

/// Requirements for the SNP report.
#[derive(Clone, Debug)]
pub struct SnpTemplate {
    /// Root of the report.
    pub root: TemplateRoot,
    /// Product line: `milan`, `genoa`, `turin`.
    pub product: &'static str,
    /// Launch measurement.
    pub measurement: Digest48,
    /// Minimum firmware.
    pub floor: Tcb,
}

/// Requirements for the TDX quote.
#[derive(Clone, Debug)]
pub struct TdxTemplate {
    /// Root of the quote.
    pub root: TemplateRoot,
    /// Measurement of the firmware.
    pub mr_td: Digest48,
    /// Intel's TCB status, with the evaluation data number of its list; absent without an appraisal.
    pub tcb: Option<(TcbStatus, u32)>,
    /// Minimum version of the TDX module, major and minor.
    pub module: (u8, u8),
}

/// Requirements for a token in addition to other evidence.
#[derive(Clone, Debug)]
pub struct TokenTemplate {
    /// Root of the token.
    pub root: TemplateRoot,
    /// A plain VM, or a Confidential Space image that is not a debug image.
    pub software: SoftwareName,
    /// Digest of the container of Confidential Space.
    pub image_digest: Option<String>,
    /// Service accounts that the VM must have, all of them.
    pub service_accounts: Vec<String>,
}

impl SnpTemplate {
    /// `None` while the report's root is withheld.
    pub(super) fn of(claims: &SnpClaims) -> Option<Self> {
        Some(Self {
            root: TemplateRoot::of(claims.root?, TemplateRoot::Amd),
            product: match claims.product {
                Product::Milan => "milan",
                Product::Genoa => "genoa",
                Product::Turin => "turin",
            },
            measurement: claims.measurement,
            floor: claims.reported_tcb,
        })
    }

    pub(super) fn conditions(&self, conditions: &mut Conditions) {
        conditions.add("A genuine report of AMD's secure processor.", "principal has snp.root");
        conditions.more(format!("principal.snp.root == Root::\"{}\"", self.root.name()));
        conditions.more(format!("principal.snp.product == Product::\"{}\"", self.product));
        conditions.add(
            "The firmware that the VM was launched with.",
            format!("principal.snp.measurement == \"{}\"", self.measurement),
        );
        conditions.add("The host may not debug it.", "!principal.snp.policy.debug");
        conditions.add(
            "No older firmware than this.",
            format!("principal.snp.reported_tcb.boot_loader >= {}", self.floor.boot_loader),
        );
        let floors = [("tee", self.floor.tee), ("snp", self.floor.snp), ("microcode", self.floor.microcode)];
        for (component, floor) in floors {
            conditions.more(format!("principal.snp.reported_tcb.{component} >= {floor}"));
        }
    }
}

impl TdxTemplate {
    pub(super) fn of(claims: &TdxClaims) -> Self {
        let [minor, major, ..] = claims.tee_tcb_svn.0;
        Self {
            root: TemplateRoot::of(claims.root, TemplateRoot::Intel),
            mr_td: claims.mr_td,
            tcb: claims.tcb.as_ref().map(|tcb| (tcb.status, tcb.evaluation_data_number)),
            module: (major, minor),
        }
    }

    pub(super) fn conditions(&self, conditions: &mut Conditions) {
        let test = if self.tcb.is_some() { "principal has tdx.tcb" } else { "principal has tdx" };
        conditions.add("A genuine TDX quote.", test);
        conditions.more(format!("principal.tdx.root == Root::\"{}\"", self.root.name()));
        conditions.add(
            "The firmware that the VM was launched with.",
            format!("principal.tdx.mr_td == \"{}\"", self.mr_td),
        );
        if let Some((status, number)) = self.tcb {
            conditions.add(
                "Intel's appraisal of the platform, by this TCB list or a later one.",
                format!("principal.tdx.tcb.status == TcbStatus::\"{}\"", status.name()),
            );
            conditions.more(format!("principal.tdx.tcb.evaluation_data_number >= {number}"));
        }
        let (major, minor) = self.module;
        conditions
            .add("No older TDX module than this.", format!("principal.tdx.tee_tcb.module_major >= {major}"));
        conditions.more(format!("principal.tdx.tee_tcb.module_minor >= {minor}"));
    }
}

impl TokenTemplate {
    pub(super) fn of(claims: &GoogleTokenClaims) -> Result<Self, TemplateError> {
        if claims.software_name == SoftwareName::ConfidentialSpace && claims.debug_disabled != Some(true) {
            return Err(TemplateError::DebugImage);
        }
        Ok(Self {
            root: TemplateRoot::of(claims.root, TemplateRoot::Google),
            software: claims.software_name,
            image_digest: claims.container.as_ref().map(|container| container.image_digest.clone()),
            service_accounts: claims.service_accounts.clone(),
        })
    }

    pub(super) fn conditions(&self, conditions: &mut Conditions) {
        conditions.add("Google's statement on the VM.", "principal has google_token.root");
        conditions.more(format!("principal.google_token.root == Root::\"{}\"", self.root.name()));
        conditions.add(
            "Plain VM or Confidential Space image.",
            format!("principal.google_token.software_name == SoftwareName::\"{}\"", self.software.name()),
        );
        if self.software == SoftwareName::ConfidentialSpace {
            conditions.add("Not a debug image.", "principal.google_token has debug_disabled");
            conditions.more("principal.google_token.debug_disabled".to_owned());
        }
        if let Some(digest) = &self.image_digest {
            conditions.add("The container.", "principal.google_token has container");
            conditions.more(format!("principal.google_token.container.image_digest == {}", literal(digest)));
        }
        if !self.service_accounts.is_empty() {
            let accounts: Vec<String> =
                self.service_accounts.iter().map(|account| literal(account)).collect();
            conditions.add(
                "The service account that it runs under.",
                "principal.google_token has service_accounts",
            );
            conditions.more(format!(
                "principal.google_token.service_accounts.containsAll([{}])",
                accounts.join(", ")
            ));
        }
    }
}
