//! What a policy refers to: digests and ids, baselines, secrets and namespaces.

use super::*;

#[test]
fn t38_malformed_digests_and_ids_are_refused() {
    let digest = "ab".repeat(48);
    for text in
        [digest.to_uppercase(), digest[2..].to_owned(), format!("{digest}ab"), format!("0x{}", &digest[2..])]
    {
        let found =
            check(&with("\"MEASUREMENT\"".replace("MEASUREMENT", &digest).as_str(), &format!("\"{text}\"")))
                .unwrap_err();
        let claim = "principal.snp.measurement".to_owned();
        assert_eq!(found, [CheckError::MalformedLiteral { id: ID(), claim, text }]);
    }
    for text in ["0x4d2", "01234567890", "123456789O", "18446744073709551616", "my-project"] {
        let found = check(&with("\"1234567890\"", &format!("\"{text}\""))).unwrap_err();
        let claim = "principal.vtpm.instance.project_number".to_owned();
        assert_eq!(found, [CheckError::MalformedLiteral { id: ID(), claim, text: text.to_owned() }]);
    }
    for condition in [
        "[\"AB\"].contains(principal.snp.measurement)",
        "principal.snp.measurement != \"AB\"",
        "\"AB\" == principal.snp.measurement",
        "(if principal.vtpm.secure_boot.enabled then \"AB\" else \"AC\") == principal.snp.measurement",
        "principal.snp.measurement like \"ab*\"",
        "principal.vtpm has efi_applications && principal.vtpm.efi_applications.containsAny([\"AB\"])",
        "principal.vtpm has stub_sections && principal.vtpm.stub_sections.contains(\".linux\")",
        "principal.vtpm has pcrs && principal.vtpm.pcrs.pcr7 == \"00\"",
        "principal.vtpm.secure_boot has db && principal.vtpm.secure_boot.db == \"00\"",
        "principal.snp has current_mitigations && principal.snp.current_mitigations == \"3\"",
    ] {
        let text =
            with("!principal.snp.policy.debug", &format!("!principal.snp.policy.debug && ({condition})"));
        let found = check(&text).unwrap_err();
        assert!(matches!(found[..], [CheckError::MalformedLiteral { .. }]), "{condition}: {found:?}");
    }
}

#[test]
fn t38_unknown_and_foreign_baselines_are_refused() {
    assert_eq!(check(&with("prod/web", "shared/web")), Ok(()));
    let found = check(&with("prod/web", "prod/wbe")).unwrap_err();
    assert_eq!(found, [CheckError::UnknownBaseline { id: ID(), name: name("prod/wbe") }]);
    let found = check(&with("prod/web", "dev/web")).unwrap_err();
    assert_eq!(found, [CheckError::ForeignBaseline { id: ID(), name: name("dev/web") }]);
    let error = CompiledPolicy::compile(&name("prod/p"), &with("prod/web", "web")).unwrap_err();
    assert_eq!(error, PolicyError::BaselineName { id: ID(), name: "web".to_owned() });
}

#[test]
fn t38_secrets_of_another_namespace_are_refused() {
    for (scope, foreign) in [
        ("resource == Secret::\"prod/db/disk\"", None),
        ("resource in Namespace::\"prod\"", None),
        ("resource == Secret::\"dev/db/disk\"", Some("dev/db/disk")),
        ("resource in Namespace::\"dev\"", Some("dev")),
        ("resource is Secret in Namespace::\"dev\"", Some("dev")),
    ] {
        let expected =
            foreign.map(|name| vec![CheckError::ForeignResource { id: ID(), name: name.to_owned() }]);
        assert_eq!(check(&with("resource is Secret", scope)).err(), expected, "{scope}");
    }
}

#[test]
fn t53_baselines_count_by_their_lists() {
    let measurement = format!("principal.snp.measurement == \"{}\" &&", "ab".repeat(48));
    let text = with(&measurement, "");
    let two = text.replace(
        "principal in Baseline::\"prod/web\"",
        "principal in [Baseline::\"prod/web\", Baseline::\"prod/old\"]",
    );
    let both = text.replace(
        "principal in Baseline::\"prod/web\"",
        "principal in Baseline::\"prod/web\" && principal in Baseline::\"prod/old\"",
    );
    let (listed, open) = (firmware_baseline(&["snp"]), firmware_baseline(&["tdx"]));
    let check = |text: &str, old: &Baseline| {
        let mut known = KnownBaselines::default();
        known.insert(name("prod/web"), &listed, false);
        known.insert(name("prod/old"), old, false);
        let found = policy(text).check(&known, NOW);
        found.err().map(|found| found.as_slice().to_vec()).unwrap_or_default()
    };
    let firmware = Gap::Firmware { claim: "principal.snp.measurement" };
    assert_eq!(check(&text, &open), []);
    assert_eq!(check(&two, &listed), []);
    // If one of two is sufficient, each must list the firmware. If both are required, one is enough.
    assert_eq!(check(&two, &open), [CheckError::Gap { id: ID(), gap: firmware }]);
    assert_eq!(check(&both, &open), []);
}

#[test]
fn t28_a_permit_that_rests_on_a_baseline_without_members_is_refused() {
    let baseline = firmware_baseline(&["snp"]);
    let mut known = KnownBaselines::default();
    known.insert(name("prod/web"), &baseline, true);
    let found = policy(&disk()).check(&known, NOW).unwrap_err();
    assert_eq!(found.as_slice(), [CheckError::RevokedBaseline { id: ID(), name: name("prod/web") }]);
    known.insert(name("prod/web"), &baseline, false);
    let ends_at = baseline.ends_at;
    assert!(policy(&disk()).check(&known, UnixTime(ends_at.0 - 1)).is_ok());
    let found = policy(&disk()).check(&known, ends_at).unwrap_err();
    assert_eq!(found.as_slice(), [CheckError::EndedBaseline { id: ID(), name: name("prod/web"), ends_at }]);
}
