//! Why a claim is absent, for explanations.

use vouchsafe_attestation::Withheld;
use vouchsafe_attestation::anchors::Product;
use vouchsafe_attestation::claims::Claims;

use super::expression::ClaimPath;
use super::schema::reference::absent_when;
use super::vm::BootVisibility;

/// Why a VM with these claims has nothing at `path`: what verification withheld, or what this kind of
/// evidence lacks. `None` if unknown.
pub(super) fn reason(claims: &Claims, visibility: BootVisibility, path: &ClaimPath) -> Option<String> {
    if path.context {
        return absent_when(&path.to_string()).map(str::to_owned);
    }
    let dotted = path.dotted();
    if let Some(withheld) = withheld(claims, &dotted) {
        return Some(format!("{} ({})", withheld.detail, withheld.reason));
    }
    let mut names = path.names.iter().map(String::as_str);
    let (kind, member) = (names.next()?, names.next());
    let is_there = match kind {
        "vtpm" => claims.vtpm.is_some(),
        "snp" => claims.sev_snp.is_some(),
        "tdx" => claims.tdx.is_some(),
        "google_token" => claims.google_token.is_some(),
        _ => return absent_when(&path.to_string()).map(str::to_owned),
    };
    if !is_there {
        return absent_when(&format!("principal.{kind}")).map(str::to_owned);
    }
    let log = claims.tdx.as_ref().and_then(|tdx| tdx.unconfirmed_boot.as_ref());
    match (kind, member) {
        ("tdx", Some("boot")) if log.is_none() => Some("the evidence has no CCEL log".to_owned()),
        ("tdx", Some("boot")) if visibility == BootVisibility::RegistersOnly => Some(
            "the firmware that wrote the log is not known: mr_td is neither endorsed nor listed by a baseline of the policy"
                .to_owned(),
        ),
        ("snp", Some("root")) if claims.sev_snp.as_ref().is_some_and(|snp| snp.product == Product::Milan) => {
            Some("reports of EPYC Milan can be forged".to_owned())
        }
        // The first part of the path that can be absent determines the reason.
        _ => ancestors(path).find_map(|path| absent_when(&path)).map(str::to_owned),
    }
}

/// The reason why the claim, or the record that it is in, was withheld. Claims made from the command line are
/// withheld with it.
fn withheld(claims: &Claims, dotted: &str) -> Option<Withheld> {
    let all = claims.all_withheld();
    let of = |claim: &str, dotted: &str| {
        let claim =
            claim.strip_prefix("sev_snp").map_or_else(|| claim.to_owned(), |rest| format!("snp{rest}"));
        dotted.strip_prefix(claim.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let find = |dotted: &str| all.iter().find(|withheld| of(withheld.claim, dotted)).cloned();
    let line = dotted.strip_suffix(".arguments").or_else(|| dotted.strip_suffix(".words"));
    find(dotted).or_else(|| find(&format!("{}.command_line", line?)))
}

/// The path and its enclosing records, outermost first, without the evidence itself.
fn ancestors(path: &ClaimPath) -> impl Iterator<Item = String> {
    let names = &path.names;
    (2..=names.len()).map(|length| {
        format!("principal.{}", names.iter().take(length).cloned().collect::<Vec<_>>().join("."))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::claims;
    use super::*;

    fn of(claims: &Claims, path: &str) -> Option<String> {
        let names = path.split('.').map(str::to_owned).collect();
        reason(claims, BootVisibility::RegistersOnly, &ClaimPath { context: false, names })
    }

    #[test]
    fn withheld_claims_have_reasons() {
        let mut claims = claims();
        claims.withheld = vec![
            Withheld::new("sev_snp.endorsement", "launch-expired", "it ended"),
            Withheld::new("vtpm.command_line", "event-log-ambiguous", "two texts"),
        ];
        assert_eq!(of(&claims, "snp.endorsement.svn").as_deref(), Some("it ended (launch-expired)"));
        assert_eq!(of(&claims, "snp.endorsement").as_deref(), Some("it ended (launch-expired)"));
        for path in ["vtpm.command_line", "vtpm.arguments", "vtpm.words"] {
            assert_eq!(of(&claims, path).as_deref(), Some("two texts (event-log-ambiguous)"), "{path}");
        }
        assert_ne!(of(&claims, "vtpm.command_lines").as_deref(), Some("two texts (event-log-ambiguous)"));
    }

    #[test]
    fn evidence_that_is_not_there_is_named() {
        let claims = Claims { sev_snp: None, ..claims() };
        assert_eq!(of(&claims, "snp.root").as_deref(), Some("the evidence has no SEV-SNP report"));
        assert_eq!(of(&claims, "tdx.tcb.status").as_deref(), Some("the evidence has no TDX quote"));
        assert_eq!(
            of(&claims, "vtpm.instance.zone").as_deref(),
            Some("the certificate does not identify a production instance")
        );
        let context = ClaimPath { context: true, names: vec!["baseline_version".to_owned()] };
        let found = reason(&claims, BootVisibility::ConfirmedBoot, &context);
        assert_eq!(found.as_deref(), Some("the VM is not a member of any of them"));
    }
}
