//! Literals that can never match a claim: misspelt digests and ids.

use cedar_policy::pst::{BinaryOp, Expr};

use super::super::expression::{self, ClaimPath};

/// What a claim's text looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// So many lower-case hex digits.
    Hex(usize),
    /// A 64-bit number in decimal.
    Number,
    /// A section's name, `=`, 64 lower-case hex digits.
    Section,
}

impl Form {
    pub(super) fn fits(self, text: &str) -> bool {
        match self {
            Self::Hex(digits) => is_hex(text, digits),
            Self::Number => text.parse::<u64>().is_ok_and(|number| number.to_string() == text),
            Self::Section => {
                text.split_once('=').is_some_and(|(name, digest)| name.starts_with('.') && is_hex(digest, 64))
            }
        }
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The first text that is compared with a claim of a fixed form and does not have it.
pub(super) fn malformed(expr: &Expr) -> Option<(ClaimPath, String)> {
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
        // A pattern is not a whole digest or id.
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
    Some(match names.as_slice() {
        ["vtpm", "instance", "project_number" | "instance_id"] => Form::Number,
        ["vtpm", "ak_public" | "ak_certificate" | "efi_applications" | "efi_drivers" | "grub_files"] => {
            Form::Hex(64)
        }
        ["vtpm", "pcrs", _] => Form::Hex(64),
        ["vtpm", "secure_boot", "pk" | "kek" | "db" | "dbx" | "authorities"] => Form::Hex(64),
        ["vtpm", "stub_sections"] => Form::Section,
        ["snp", "vek" | "host_data"] => Form::Hex(64),
        ["snp", "measurement" | "id_key_digest" | "author_key_digest"] => Form::Hex(96),
        ["snp", "family_id" | "image_id"] => Form::Hex(32),
        ["snp", "launch_mitigations" | "current_mitigations"] => Form::Hex(16),
        _ => return None,
    })
}
