//! `attestation/vectors/refusal-names.txt` has the name of every refusal of evidence.
//!
//! Records contain these names for years. They are derived from the names of error variants, so a renamed or
//! new variant is detected here. `attestation/tests/refusal_names.rs` compares the verifier's names with the
//! same file.

use std::collections::BTreeSet;

use super::tree;

/// An error enum, the prefix of its names, and variants that only pass on another error's name.
struct Names {
    of: &'static str,
    prefixes: &'static [&'static str],
    passed_on: &'static [&'static str],
}

const fn names(
    of: &'static str,
    prefixes: &'static [&'static str],
    passed_on: &'static [&'static str],
) -> Names {
    Names { of, prefixes, passed_on }
}

const ALL: &[Names] = &[
    names(
        "VerifyError",
        &[""],
        &["TooLarge", "GoTpmTools", "Unlinked", "Vtpm", "Snp", "Tdx", "GoogleToken", "Launch"],
    ),
    names(
        "VtpmError",
        &["vtpm-"],
        &["Chain", "UnknownIssuer", "Attest", "Signature", "InstanceInfo", "EventLog"],
    ),
    names(
        "ChainError",
        &["ak-chain-", "vek-chain-", "pck-chain-", "google-token-chain-", "launch-signer-chain-"],
        &[],
    ),
    names("AttestError", &["quote-"], &[]),
    names("TpmSignatureError", &["quote-signature-"], &[]),
    names("InstanceInfoError", &["instance-info-"], &[]),
    names("EventLogError", &["event-log-", "ccel-"], &[]),
    names("CcelError", &["ccel-"], &["Log"]),
    names("SnpError", &["snp-"], &["Chain"]),
    names("QuoteError", &["tdx-quote-"], &[]),
    names("TdxError", &["tdx-"], &["Quote", "Chain", "EventLog"]),
    names("TokenError", &["google-token-"], &["Chain"]),
    names("LaunchError", &["launch-"], &["Chain"]),
    names("GoTpmToolsError", &["go-tpm-tools-"], &[]),
    names("UserspaceLogError", &["userspace-log-"], &[]),
];

/// Names that are not derived from a variant.
const OTHERS: &[&str] =
    &["evidence-too-large", "unlinked-vtpm", "unlinked-sev-snp", "unlinked-tdx", "unlinked-google-token"];

/// Variants of an enum in rustfmt's format: each at the start of a line, after four spaces.
fn variants<'s>(source: &'s str, of: &str) -> Option<Vec<&'s str>> {
    let (_, body) = source.split_once(&format!("\npub enum {of} {{\n"))?;
    let (body, _) = body.split_once("\n}\n")?;
    let lines = body.lines().filter_map(|line| line.strip_prefix("    "));
    let names = lines.filter_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric()).next());
    Some(names.filter(|name| name.starts_with(|first: char| first.is_ascii_uppercase())).collect())
}

fn kebab(variant: &str) -> String {
    let mut name = String::new();
    for character in variant.chars() {
        if character.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(character.to_ascii_lowercase());
    }
    name
}

#[test]
fn every_refusal_has_its_known_name() {
    let files = tree::files();
    let sources: Vec<_> = files.iter().filter(|(name, _)| name.starts_with("attestation/src/")).collect();
    let mut found: BTreeSet<_> = OTHERS.iter().map(|name| (*name).to_owned()).collect();
    for Names { of, prefixes, passed_on } in ALL {
        let declared: Vec<_> = sources.iter().filter_map(|(_, source)| variants(source, of)).collect();
        let [variants] = &declared[..] else { panic!("{of} is declared {} times", declared.len()) };
        assert!(
            passed_on.iter().all(|name| variants.contains(name)),
            "{of} lacks a variant that is passed on"
        );
        for variant in variants.iter().filter(|name| !passed_on.contains(name)) {
            found.extend(prefixes.iter().map(|prefix| format!("{prefix}{}", kebab(variant))));
        }
    }
    let known = tree::read("attestation/vectors/refusal-names.txt");
    let known: BTreeSet<_> = known.lines().map(str::to_owned).collect();
    let (gone, new): (Vec<_>, Vec<_>) =
        (known.difference(&found).collect(), found.difference(&known).collect());
    assert!(
        gone.is_empty() && new.is_empty(),
        "names that are gone: {gone:#?}, names that are new: {new:#?}"
    );
}

#[test]
fn variants_are_read_from_their_lines() {
    let source = "\npub enum Other {\n    No,\n}\n\npub enum Error {\n    /// Doc.\n    #[error(\"a {b}\")]\n    NoSha256Bank,\n    \
                  Deep {\n        Field: u8,\n    },\n    Last(#[from] Other),\n}\n";
    assert_eq!(variants(source, "Error"), Some(vec!["NoSha256Bank", "Deep", "Last"]));
    assert_eq!(variants(source, "Missing"), None);
    assert_eq!(kebab("NoSha256Bank"), "no-sha256-bank");
}
