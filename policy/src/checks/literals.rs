//! Literals that can never match a claim: misspelt digests and ids.

use cedar_policy::pst::{BinaryOp, Expr};

use super::super::expression::{self, ClaimPath};

/// The form of a claim's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// This many lower-case hex digits.
    Hex(usize),
    /// A 64-bit number in decimal.
    Number,
    /// A section's name, `=`, and this number of lower-case hex digits.
    Section(usize),
    /// `sha256:` and 64 lower-case hex digits.
    Image,
    /// `INTEL-SA-` and five digits.
    Advisory,
}

impl Form {
    pub(super) fn fits(self, text: &str) -> bool {
        match self {
            Self::Hex(digits) => is_hex(text, digits),
            Self::Number => text.parse::<u64>().is_ok_and(|number| number.to_string() == text),
            Self::Section(digits) => text
                .split_once('=')
                .is_some_and(|(name, digest)| name.starts_with('.') && is_hex(digest, digits)),
            Self::Image => text.strip_prefix("sha256:").is_some_and(|digest| is_hex(digest, 64)),
            Self::Advisory => text
                .strip_prefix("INTEL-SA-")
                .is_some_and(|number| number.len() == 5 && number.bytes().all(|byte| byte.is_ascii_digit())),
        }
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The first text that does not have the form of the claim that it is compared with.
pub(crate) fn malformed(expr: &Expr) -> Option<(ClaimPath, String)> {
    expression::walk(expr).find_map(|expr| match expr {
        Expr::BinaryOp { op, left, right } if compares(*op) => {
            let sides = [left.as_ref(), right.as_ref()];
            let claims = sides.iter().flat_map(|side| expression::paths(side));
            let mut formed = claims.filter_map(|claim| form(&claim).map(|form| (claim, form)));
            formed.find_map(|(claim, form)| {
                let mut texts = sides.iter().flat_map(|side| expression::texts(side));
                let text = texts.find(|text| !form.fits(text))?;
                Some((claim, text.to_owned()))
            })
        }
        // Digests and ids are compared whole: `like` on one is a mistake, whatever the pattern.
        Expr::Like { expr, .. } => {
            let claim = expression::path(expr).filter(|claim| form(claim).is_some())?;
            Some((claim, "like".to_owned()))
        }
        _ => None,
    })
}

const fn compares(op: BinaryOp) -> bool {
    matches!(
        op,
        BinaryOp::Eq | BinaryOp::NotEq | BinaryOp::Contains | BinaryOp::ContainsAll | BinaryOp::ContainsAny
    )
}

fn form(claim: &ClaimPath) -> Option<Form> {
    if claim.context {
        return None;
    }
    let names: Vec<&str> = claim.names.iter().map(String::as_str).collect();
    match names.as_slice() {
        ["vtpm" | "google_token", "instance", "project_number" | "instance_id"] => Some(Form::Number),
        ["vtpm", "ak_public" | "ak_certificate"] => Some(Form::Hex(64)),
        ["vtpm", "pcrs", _] => Some(Form::Hex(64)),
        ["vtpm", claim @ ..] => boot(claim, 64),
        ["snp" | "tdx", "endorsement", claim] => endorsement(claim),
        ["snp", claim] => snp(claim),
        ["tdx", "boot", claim @ ..] => boot(claim, 96),
        ["tdx", "rtmrs", _] => Some(Form::Hex(96)),
        ["tdx", "attributes", "raw"] => Some(Form::Hex(16)),
        ["tdx", "tcb", "advisory_ids"] => Some(Form::Advisory),
        ["tdx", claim] => tdx(claim),
        ["google_token", "container", "image_digest" | "image_id"] => Some(Form::Image),
        _ => None,
    }
}

/// The form of a boot claim, with SHA-256 (64 digits) or SHA-384 digests (96).
fn boot(claim: &[&str], digits: usize) -> Option<Form> {
    match claim {
        ["efi_applications" | "efi_drivers" | "grub_files"]
        | ["secure_boot", "pk" | "kek" | "db" | "dbx" | "authorities"] => Some(Form::Hex(digits)),
        ["stub_sections"] => Some(Form::Section(digits)),
        _ => None,
    }
}

fn snp(claim: &str) -> Option<Form> {
    Some(match claim {
        "vek" | "host_data" => Form::Hex(64),
        "measurement" | "id_key_digest" | "author_key_digest" => Form::Hex(96),
        "family_id" | "image_id" => Form::Hex(32),
        "launch_mitigations" | "current_mitigations" => Form::Hex(16),
        _ => return None,
    })
}

fn tdx(claim: &str) -> Option<Form> {
    Some(match claim {
        "mr_td" | "mr_seam" | "mr_signer_seam" | "mr_config_id" | "mr_owner" | "mr_owner_config"
        | "mr_service_td" => Form::Hex(96),
        "platform_id" => Form::Hex(64),
        "tee_tcb_svn" | "tee_tcb_svn2" => Form::Hex(32),
        "xfam" => Form::Hex(16),
        "fmspc" => Form::Hex(12),
        _ => return None,
    })
}

fn endorsement(claim: &str) -> Option<Form> {
    Some(match claim {
        "digest" => Form::Hex(64),
        "firmware_digest" => Form::Hex(96),
        "commit" => Form::Hex(40),
        "cl_spec" => Form::Number,
        _ => return None,
    })
}
