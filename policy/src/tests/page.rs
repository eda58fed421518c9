//! docs/policies.md: the sample policies are shown as they are, and each refusal is one that the sample gives.

use std::path::Path;

use vouchsafe_attestation::anchors::Product;
use vouchsafe_attestation::claims::Phase;
use vouchsafe_attestation::event_log::Technology;
use vouchsafe_attestation::test_util::ca::AkCertificateSpec;
use vouchsafe_attestation::test_util::event_log::EventLogBuilder;

use super::kinds::*;
use super::*;

/// A file of the tree.
fn read(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn sample(name: &str) -> String {
    read(&format!("config/policies/{name}.cedar"))
}

/// The VM that the samples name.
fn named(mut claims: Claims) -> Claims {
    let token = claims.google_token.as_mut().and_then(|token| token.instance.as_mut());
    for instance in claims.vtpm.as_mut().and_then(|vtpm| vtpm.instance.as_mut()).into_iter().chain(token) {
        instance.project_number = 123_456_789_012;
        instance.instance_id = 4_567_890_123_456_789_012;
        instance.zone = "europe-west4-a".to_owned();
    }
    claims
}

/// The same VM, booted with these kernel arguments.
fn booted(technology: Technology, arguments: &str) -> Claims {
    let log = EventLogBuilder::gce_ubuntu(technology).with_kernel_arguments(arguments);
    let mut claims = proved(&SimulatedVm::booted(&AkCertificateSpec::default(), &log), Kinds::VTPM);
    claims.technology = Some(technology);
    named(claims)
}

fn in_phase(mut claims: Claims, phase: Phase) -> Claims {
    claims.vtpm.as_mut().unwrap().phase = phase;
    claims
}

/// A baseline of exactly this boot.
fn baseline(text: &str, version: u32, claims: &Claims) -> NamedBaseline {
    let baseline = Baseline::capture(claims, version, UnixTime(NOW.0 + 1000)).unwrap();
    NamedBaseline { name: name(text), revoked: false, baseline: Ok(Arc::new(baseline)) }
}

/// What `explain` prints under `Why:` when this VM requests a secret under a sample.
fn why(sample_name: &str, secret: (&str, &str), baselines: Vec<NamedBaseline>, claims: &Claims) -> String {
    let (secret_path, policy_name) = secret;
    let compiled = Arc::new(CompiledPolicy::compile(&name(policy_name), &sample(sample_name)).unwrap());
    let purpose = compiled.purpose().unwrap();
    let secret = SecretState::Active { version: 1, purpose, policy: compiled, baselines };
    let request = request(vec![DecideItem { path: path(secret_path), secret }]);
    let denial = evaluate(claims, Suite::XWing, &request, &Guardrails::shipped()).unwrap_err();
    let lines: Vec<_> = denial.to_string().lines().map(|line| format!("  {line}")).collect();
    format!("Why:\n{}\n", lines.join("\n"))
}

const ROOT: (&str, &str) = ("prod/db-01/root", "prod/db-01");
const DATA: (&str, &str) = ("prod/db-01/data", "prod/db-01-data");
const TOKEN: (&str, &str) = ("prod/web/token", "prod/web");
const ARGUMENTS: &str = "root=/dev/mapper/root ro console=ttyS0 panic=-1";

/// The refusals of policies by vTPM or token alone.
fn without_hardware() -> Vec<String> {
    let vm = booted(Technology::SevSnp, ARGUMENTS);
    let web = || vec![baseline("prod/web", 1, &vm)];
    let mut other = booted(Technology::SevSnp, &format!("{ARGUMENTS} systemd.debug_shell"));
    other.vtpm.as_mut().unwrap().instance.as_mut().unwrap().zone = "us-central1-a".to_owned();
    let shell = booted(Technology::Sev, "root=/dev/mapper/root ro console=ttyS0");
    let mut account = named(token_alone(Technology::Sev));
    account.google_token.as_mut().unwrap().service_accounts =
        vec!["batch@prod.iam.gserviceaccount.com".to_owned()];
    let rollout = vec![baseline("prod/web", 2, &vm), baseline("prod/web-next", 3, &other)];
    vec![
        why("snp-vtpm-disk", ROOT, web(), &in_phase(vm.clone(), Phase::Latched)),
        why("data-disk", DATA, web(), &in_phase(vm.clone(), Phase::Booted)),
        why("sample-app", TOKEN, web(), &other),
        why("vtpm-token", TOKEN, web(), &vm),
        why("sev-vtpm", ROOT, vec![baseline("prod/web", 1, &shell)], &shell),
        why("sev-token", TOKEN, Vec::new(), &account),
        why("rollout", TOKEN, rollout, &vm),
    ]
}

/// The refusals of policies by report or quote.
fn by_hardware() -> Vec<String> {
    let mut domain = named(tdx_both());
    domain.tdx.as_mut().unwrap().tcb.as_mut().unwrap().advisory_ids =
        ["INTEL-SA-01010", "INTEL-SA-01099"].map(str::to_owned).to_vec();
    let snp = named(snp_endorsed());
    let mut milan = snp.clone();
    let report = milan.sev_snp.as_mut().unwrap();
    (report.root, report.product) = (None, Product::Milan);
    let mut elsewhere = snp;
    elsewhere.sev_snp.as_mut().unwrap().chip_id = Some("2f".repeat(64));
    vec![
        why("tdx-advisories", TOKEN, vec![baseline("prod/web", 1, &domain)], &domain),
        why("snp-both", ROOT, vec![baseline("prod/web", 1, &milan)], &milan),
        why("snp-chips", TOKEN, vec![baseline("prod/web", 1, &elsewhere)], &elsewhere),
    ]
}

#[test]
fn refusals_are_shown_as_explain_prints_them() {
    let page = read("docs/policies.md");
    let all = [without_hardware(), by_hardware()].concat();
    let missing: Vec<_> =
        all.iter().filter(|text| !page.contains(&format!("```text\n{text}```\n"))).collect();
    assert!(
        missing.is_empty(),
        "not on the page:\n{}",
        missing.iter().map(|text| text.as_str()).collect::<String>()
    );
    assert_eq!(page.matches("```text\nWhy:\n").count(), all.len(), "refusals on the page");
}

#[test]
fn samples_are_shown_as_they_are() {
    let page = read("docs/policies.md");
    let mut shown = 0;
    for part in page.split("\n[config/policies/").skip(1) {
        let file = part.split(".cedar]").next().unwrap();
        let text = part.split("```cedar\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        assert_eq!(text, sample(file), "{file}");
        shown += 1;
    }
    assert_eq!(shown, 10);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/policies");
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let stem = file.strip_suffix(".cedar").unwrap();
        let known = ["operators"].contains(&stem) || page.contains(stem);
        assert!(known, "{file} is not on the page");
    }
}

#[test]
fn codes_and_messages_are_those_of_registration() {
    let page = read("docs/policies.md");
    for acceptance in Acceptance::ALL {
        assert!(page.contains(&format!("`{}`", acceptance.code())), "{}", acceptance.code());
    }
    let text = "@id(\"release\")\n@for(\"app\")\n\
                permit (principal is Vm, action == Action::\"release\", resource is Secret)\nwhen {\n  \
                principal.vtpm.phase == Phase::\"latched\"\n};\n";
    let Err(PolicyError::Invalid { details }) = CompiledPolicy::compile(&name("prod/x"), text) else {
        panic!("a claim that may be absent needs a test")
    };
    let message = details.first().unwrap().to_string();
    assert!(message.lines().all(|line| page.contains(line.trim())), "{message}");
}
