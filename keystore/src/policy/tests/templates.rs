//! Generated policies: accepted as they stand, for the VM they were made from, and for no other.

use vouchsafe_attestation::claims::Phase;
use vouchsafe_attestation::event_log::Technology;
use vouchsafe_attestation::tdx::TcbStatus;
use vouchsafe_attestation::test_util::ca::AkCertificateSpec;
use vouchsafe_attestation::test_util::event_log::EventLogBuilder;

use vouchsafe_protocol::Digest32;

use super::*;

fn release(claims: &Claims, compiled: &Arc<CompiledPolicy>) -> Result<(), DenialReason> {
    let purpose = compiled.purpose().unwrap();
    let request = request(vec![item("prod/db/x", compiled, purpose)]);
    outcome(evaluate(claims, Suite::XWing, &request, &no_guardrails()))
}

/// Compiled, checked, and good for these claims.
fn generated(template: &PolicyTemplate, claims: &Claims) -> Arc<CompiledPolicy> {
    let text = template.generate();
    let compiled = policy(&text);
    compiled.check(&names(&["prod/web"])).unwrap_or_else(|found| panic!("{found}\n{text}"));
    assert_eq!(compiled.purpose(), Some(template.purpose));
    assert_eq!(release(claims, &compiled), Ok(()), "{text}");
    compiled
}

/// A change of one claim.
type Change = fn(&mut Claims);

fn assert_refused(claims: &Claims, compiled: &Arc<CompiledPolicy>, changes: &[(&str, Change)]) {
    for (what, change) in changes {
        let mut changed = claims.clone();
        change(&mut changed);
        let refused = refusal(release(&changed, compiled));
        assert!(!refused.permitted, "{what}");
        assert!(refused.not_permitted_by[0].condition.is_some(), "{what}");
    }
}

const VTPM: [(&str, Change); 6] = [
    ("root", |claims| claims.vtpm.as_mut().unwrap().root = Root::Extra),
    ("project", |claims| claims.vtpm.as_mut().unwrap().instance.as_mut().unwrap().project_number += 1),
    ("no instance", |claims| claims.vtpm.as_mut().unwrap().instance = None),
    ("technology", |claims| claims.technology = Some(Technology::Sev)),
    ("no technology", |claims| claims.technology = None),
    ("secure boot", |claims| {
        Arc::make_mut(&mut claims.vtpm.as_mut().unwrap().boot).secure_boot.enabled = false;
    }),
];
const CAPTURED: [(&str, Change); 2] = [
    ("instance", |claims| claims.vtpm.as_mut().unwrap().instance.as_mut().unwrap().instance_id += 1),
    ("command line", |claims| {
        Arc::make_mut(&mut claims.vtpm.as_mut().unwrap().boot).kernel_command_line = Some("/k ro".to_owned());
    }),
];
const SNP: [(&str, Change); 8] = [
    ("no report", |claims| claims.sev_snp = None),
    ("snp root", |claims| claims.sev_snp.as_mut().unwrap().root = None),
    ("product", |claims| {
        claims.sev_snp.as_mut().unwrap().product = vouchsafe_attestation::anchors::Product::Milan;
    }),
    ("measurement", |claims| claims.sev_snp.as_mut().unwrap().measurement.0[0] ^= 1),
    ("debug", |claims| claims.sev_snp.as_mut().unwrap().policy.debug = true),
    ("boot loader", |claims| claims.sev_snp.as_mut().unwrap().reported_tcb.boot_loader -= 1),
    ("snp firmware", |claims| claims.sev_snp.as_mut().unwrap().reported_tcb.snp -= 1),
    ("microcode", |claims| claims.sev_snp.as_mut().unwrap().reported_tcb.microcode -= 1),
];
const DISK: [(&str, Change); 2] = [
    ("phase", |claims| claims.vtpm.as_mut().unwrap().phase = Phase::Latched),
    ("shell", |claims| {
        let boot = Arc::make_mut(&mut claims.vtpm.as_mut().unwrap().boot);
        boot.kernel_arguments.retain(|argument| argument != "panic=-1");
    }),
];

#[test]
fn a_captured_composite_makes_a_policy_for_exactly_that_vm() {
    let claims = claims();
    for (purpose, more) in [(Purpose::App, &DISK[..0]), (Purpose::Disk, &DISK[..])] {
        let template = PolicyTemplate::from_claims(purpose, &claims).unwrap();
        let compiled = generated(&template, &claims);
        assert_refused(&claims, &compiled, &[&VTPM[..], &CAPTURED[..], &SNP[..], more].concat());
    }
}

#[test]
fn a_captured_vtpm_makes_a_policy_for_exactly_that_vm() {
    let claims = Claims { sev_snp: None, ..claims() };
    let template = PolicyTemplate::from_claims(Purpose::Disk, &claims).unwrap();
    let compiled = generated(&template, &claims);
    assert_refused(&claims, &compiled, &[&VTPM[..], &CAPTURED[..], &DISK[..]].concat());
}

const TDX: [(&str, Change); 6] = [
    ("no quote", |claims| claims.tdx = None),
    ("tdx root", |claims| claims.tdx.as_mut().unwrap().root = Root::Extra),
    ("firmware", |claims| claims.tdx.as_mut().unwrap().mr_td.0[0] ^= 1),
    ("status", |claims| claims.tdx.as_mut().unwrap().tcb.as_mut().unwrap().status = TcbStatus::OutOfDate),
    ("list", |claims| claims.tdx.as_mut().unwrap().tcb.as_mut().unwrap().evaluation_data_number -= 1),
    ("module", |claims| claims.tdx.as_mut().unwrap().tee_tcb_svn.0[0] -= 1),
];
const TOKEN: [(&str, Change); 3] = [
    ("no token", |claims| claims.google_token = None),
    ("token root", |claims| claims.google_token.as_mut().unwrap().root = Root::Extra),
    ("account", |claims| claims.google_token.as_mut().unwrap().service_accounts.clear()),
];

#[test]
fn a_captured_quote_and_token_make_a_policy_for_exactly_that_vm() {
    let claims = kinds::with_token(kinds::tdx_both());
    for (purpose, more) in [(Purpose::App, &DISK[..0]), (Purpose::Disk, &DISK[..])] {
        let template = PolicyTemplate::from_claims(purpose, &claims).unwrap();
        let compiled = generated(&template, &claims);
        assert_refused(&claims, &compiled, &[&VTPM[..], &CAPTURED[..], &TDX[..], &TOKEN[..], more].concat());
    }
    let mut unjudged = claims;
    unjudged.tdx.as_mut().unwrap().tcb = None;
    let template = PolicyTemplate::from_claims(Purpose::App, &unjudged).unwrap();
    assert!(template.generate().contains("tcb-floor"));
    generated(&template, &unjudged);
}

#[test]
fn a_captured_token_makes_a_policy_that_says_what_it_leaves_open() {
    let claims = kinds::token_alone(Technology::Sev);
    let template = PolicyTemplate::from_claims(Purpose::App, &claims).unwrap();
    assert!(template.generate().contains("token-alone"));
    let compiled = generated(&template, &claims);
    assert_refused(&claims, &compiled, &TOKEN);
    let error = PolicyTemplate::from_claims(Purpose::Disk, &claims).unwrap_err();
    assert_eq!(error, TemplateError::NoPhase);
    let error = PolicyTemplate::from_claims(Purpose::App, &kinds::tdx_alone()).unwrap_err();
    assert_eq!(error, TemplateError::NoInstance);
}

#[test]
fn t10_evidence_of_an_extra_anchor_makes_a_policy_that_says_so() {
    let claims = verified(&SimulatedVm::new(), Kinds::VTPM, &["prod/db/x"]).claims().clone();
    let template = PolicyTemplate::from_claims(Purpose::App, &claims).unwrap();
    assert!(template.generate().contains("principal.vtpm.root == Root::\"extra\""));
    generated(&template, &claims);
}

#[test]
fn options_make_a_policy_that_says_what_it_leaves_open() {
    let claims = claims();
    let project = claims.instance().unwrap().project_number;
    for purpose in [Purpose::App, Purpose::Disk] {
        let template = PolicyTemplate::new(purpose, project, Technology::SevSnp);
        assert!(template.generate().contains("pcr7-alone"));
        let compiled = generated(&template, &claims);
        assert_refused(&claims, &compiled, &VTPM);
        let without = PolicyTemplate { secure_boot: false, ..template.clone() };
        assert!(without.generate().contains("boot-chain"));
        generated(&without, &claims);
        let instance_ids = vec![1, claims.instance().unwrap().instance_id];
        let compiled = generated(&PolicyTemplate { instance_ids, ..template }, &claims);
        assert_refused(&claims, &compiled, &CAPTURED[..1]);
    }
}

#[test]
fn a_policy_with_a_baseline_demands_membership() {
    let claims = claims();
    let mut template = PolicyTemplate::from_claims(Purpose::App, &claims).unwrap();
    (template.command_line, template.baselines) = (None, vec![name("prod/web")]);
    let compiled = policy(&template.generate());
    compiled.check(&names(&["prod/web"])).unwrap();
    let refused = refusal(release(&claims, &compiled));
    assert_eq!(refused.baselines, [BaselineVerdict { name: name("prod/web"), mismatch: None }]);
}

#[test]
fn command_lines_are_quoted() {
    let log = EventLogBuilder::gce_ubuntu(Technology::SevSnp).with_kernel_arguments("ro a=\"b c\" panic=-1");
    let claims = production(&SimulatedVm::booted(&AkCertificateSpec::default(), &log));
    let template = PolicyTemplate::from_claims(Purpose::Disk, &claims).unwrap();
    assert!(template.command_line.as_ref().unwrap().contains('"'));
    generated(&template, &claims);
    let hostile = Some("x\" || true || \"\\".to_owned());
    let text = PolicyTemplate { command_line: hostile, ..template }.generate();
    assert!(!refusal(release(&claims, &policy(&text))).permitted);
}

#[test]
fn claims_without_owner_or_technology_make_no_policy() {
    let mut claims = claims();
    claims.technology = None;
    let error = PolicyTemplate::from_claims(Purpose::App, &claims).unwrap_err();
    assert_eq!(error, TemplateError::NoTechnology);
    claims.vtpm.as_mut().unwrap().instance = None;
    let error = PolicyTemplate::from_claims(Purpose::App, &claims).unwrap_err();
    assert_eq!(error, TemplateError::NoInstance);
}

#[test]
fn the_sample_policies_are_accepted() {
    for (text, purpose) in [
        (include_str!("../../../../config/policies/sample-disk.cedar"), Purpose::Disk),
        (include_str!("../../../../config/policies/sample-app.cedar"), Purpose::App),
    ] {
        let compiled = policy(text);
        compiled.check(&names(&["prod/web"])).unwrap_or_else(|found| panic!("{found}"));
        assert_eq!(compiled.purpose(), Some(purpose));
    }
    assert_eq!(Guardrails::shipped().digest(), Digest32::of(SHIPPED_GUARDRAILS.as_bytes()));
}
