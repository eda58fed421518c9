//! What a new policy asks of quotes and tokens.

use vouchsafe_attestation::google_token::GoogleTokenClaims;
use vouchsafe_attestation::tdx::{TcbStatus, TdxClaims};
use vouchsafe_protocol::Digest48;

use super::{Conditions, TemplateRoot, literal};
use crate::policy::checks::Acceptance;

/// What a new policy asks of the TDX quote.
#[derive(Clone, Debug)]
pub struct TdxTemplate {
    /// Root of the quote.
    pub root: TemplateRoot,
    /// Measurement of the firmware.
    pub mr_td: Digest48,
    /// Intel's judgement, and the number of the list that it is of; absent where nobody judged.
    pub tcb: Option<(TcbStatus, u32)>,
    /// Least version of the TDX module, major and minor.
    pub module: (u8, u8),
}

/// What a new policy asks of a token beside other evidence.
#[derive(Clone, Debug)]
pub struct TokenTemplate {
    /// Root of the token.
    pub root: TemplateRoot,
    /// Service accounts, each of which the VM must run under.
    pub service_accounts: Vec<String>,
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
        match self.tcb {
            Some((status, number)) => {
                conditions.add(
                    "What Intel says of the platform, by this list or a later one.",
                    format!("principal.tdx.tcb.status == TcbStatus::\"{}\"", status.name()),
                );
                conditions.more(format!("principal.tdx.tcb.evaluation_data_number >= {number}"));
            }
            None => conditions.accept(Acceptance::TcbFloor, "nobody judged the platform"),
        }
        let (major, minor) = self.module;
        conditions
            .add("No older TDX module than this.", format!("principal.tdx.tee_tcb.module_major >= {major}"));
        conditions.more(format!("principal.tdx.tee_tcb.module_minor >= {minor}"));
    }
}

impl TokenTemplate {
    pub(super) fn of(claims: &GoogleTokenClaims) -> Self {
        Self {
            root: TemplateRoot::of(claims.root, TemplateRoot::Google),
            service_accounts: claims.service_accounts.clone(),
        }
    }

    pub(super) fn conditions(&self, conditions: &mut Conditions) {
        conditions.add("Google's word on the VM.", "principal has google_token.root");
        conditions.more(format!("principal.google_token.root == Root::\"{}\"", self.root.name()));
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
