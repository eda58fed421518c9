//! Generated policies: accepted as they are, for exactly the VM that they were made from.

use vouchsafe_attestation::claims::Phase;
use vouchsafe_attestation::event_log::Technology;
use vouchsafe_attestation::google_token::SoftwareName;
use vouchsafe_attestation::tdx::TcbStatus;
use vouchsafe_attestation::test_util::ca::AkCertificateSpec;
use vouchsafe_attestation::test_util::event_log::EventLogBuilder;

use vouchsafe_protocol::Digest32;

use super::*;

fn release(claims: &Claims, compiled: &Arc<CompiledPolicy>, baseline: &Baseline) -> Result<(), DenialReason> {
    let secret = SecretState::Active {
        version: 3,
        purpose: compiled.purpose().unwrap(),
        policy: compiled.clone(),
        baselines: compiled.baselines().iter().map(|name| generated::named(name, baseline)).collect(),
    };
    let request = request(vec![DecideItem { path: path("prod/db/x"), secret }]);
    outcome(evaluate(claims, Suite::XWing, &request, &no_guardrails()))
}

/// Codes that registration wants acknowledged.
fn gaps(compiled: &CompiledPolicy) -> Vec<&'static str> {
    let found = compiled.check(&known(&["prod/web"]), NOW).err();
    let codes = found.iter().flat_map(|found| found.as_slice()).map(|error| match error {
        CheckError::Gap { gap, .. } => gap.acceptance().code(),
        other => panic!("{other}"),
    });
    codes.collect()
}

/// A generated policy, with the baseline of the boot it was made from.
struct Generated {
    compiled: Arc<CompiledPolicy>,
    baseline: Baseline,
}

/// Compiles it, and asserts that it accepts these claims and needs only `open` to be acknowledged.
fn generated(template: &PolicyTemplate, claims: &Claims, open: &[&str]) -> Generated {
    let text = template.generate();
    assert!(!text.contains("@accepts"), "no tool waives\n{text}");
    let compiled = policy(&text);
    assert_eq!(gaps(&compiled), open, "{text}");
    assert_eq!(compiled.purpose(), Some(template.purpose));
    let booted = if claims.vtpm.is_some() { claims.clone() } else { super::claims() };
    let baseline = Baseline::capture(&booted, 1, UnixTime(NOW.0 + 1000)).unwrap();
    assert_eq!(release(claims, &compiled, &baseline), Ok(()), "{text}");
    Generated { compiled, baseline }
}

/// A template for these claims that names the baseline of their boot.
fn captured(purpose: Purpose, claims: &Claims) -> PolicyTemplate {
    let template = PolicyTemplate::from_claims(purpose, claims).unwrap();
    PolicyTemplate { baselines: vec![name("prod/web")], ..template }
}

/// A change of one claim.
type Change = fn(&mut Claims);

fn assert_refused(claims: &Claims, policy: &Generated, changes: &[(&str, Change)]) {
    for (what, change) in changes {
        let mut changed = claims.clone();
        change(&mut changed);
        let refused = refusal(release(&changed, &policy.compiled, &policy.baseline));
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
    ("boot", |claims| {
        let boot = Arc::make_mut(&mut claims.vtpm.as_mut().unwrap().boot);
        boot.events.get_mut(&9).unwrap().last_mut().unwrap().digest = Digest32([9; 32]).into();
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
        let compiled = generated(&captured(purpose, &claims), &claims, &[]);
        assert_refused(&claims, &compiled, &[&VTPM[..], &CAPTURED[..], &SNP[..], more].concat());
    }
}

#[test]
fn a_captured_vtpm_makes_a_policy_for_exactly_that_vm() {
    let claims = Claims { sev_snp: None, ..claims() };
    let compiled = generated(&captured(Purpose::Disk, &claims), &claims, &[]);
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
        let compiled = generated(&captured(purpose, &claims), &claims, &[]);
        assert_refused(&claims, &compiled, &[&VTPM[..], &CAPTURED[..], &TDX[..], &TOKEN[..], more].concat());
    }
    let mut unjudged = claims;
    unjudged.tdx.as_mut().unwrap().tcb = None;
    let template = captured(Purpose::App, &unjudged);
    assert!(template.open().iter().any(|open| open.contains("without Intel's collateral")));
    generated(&template, &unjudged, &["tcb-floor", "tcb-floor"]);
    unjudged.tdx = claims_of_old_platform();
    let template = captured(Purpose::App, &unjudged);
    assert!(template.open().iter().any(|open| open.contains("up to date")), "{:?}", template.open());
    generated(&template, &unjudged, &[]);
}

/// A platform that is out of date according to Intel.
fn claims_of_old_platform() -> Option<vouchsafe_attestation::tdx::TdxClaims> {
    let mut tdx = kinds::tdx_both().tdx.unwrap();
    tdx.tcb.as_mut().unwrap().status = TcbStatus::OutOfDate;
    Some(tdx)
}

#[test]
fn a_captured_token_makes_a_policy_that_says_what_it_leaves_open() {
    let claims = kinds::token_alone(Technology::Sev);
    let template = PolicyTemplate::from_claims(Purpose::App, &claims).unwrap();
    assert!(template.open().iter().any(|open| open.contains("a token says nothing about kernel")));
    let compiled = generated(&template, &claims, &["token-alone"]);
    assert_refused(&claims, &compiled, &TOKEN);
    let error = PolicyTemplate::from_claims(Purpose::Disk, &claims).unwrap_err();
    assert_eq!(error, TemplateError::NoPhase);
    let error = PolicyTemplate::from_claims(Purpose::App, &kinds::tdx_alone()).unwrap_err();
    assert_eq!(error, TemplateError::NoInstance);
}

#[test]
fn t53_a_token_of_confidential_space_makes_a_policy_that_excludes_debug_images() {
    let vm = kinds::token_alone(Technology::Tdx);
    let claims = Claims { google_token: Some(kinds::full_token(&kinds::vtpm(Technology::Tdx))), ..vm };
    let template = PolicyTemplate::from_claims(Purpose::App, &claims).unwrap();
    let compiled = generated(&template, &claims, &["token-alone"]);
    let changes: [(&str, Change); 4] = [
        ("debug image", |claims| claims.google_token.as_mut().unwrap().debug_disabled = Some(false)),
        ("debug state unknown", |claims| claims.google_token.as_mut().unwrap().debug_disabled = None),
        ("plain VM", |claims| claims.google_token.as_mut().unwrap().software_name = SoftwareName::Gce),
        ("container", |claims| {
            claims.google_token.as_mut().unwrap().container.as_mut().unwrap().image_digest =
                "sha256:1".to_owned();
        }),
    ];
    assert_refused(&claims, &compiled, &changes);
    for state in [None, Some(false)] {
        let mut debug = claims.clone();
        debug.google_token.as_mut().unwrap().debug_disabled = state;
        let error = PolicyTemplate::from_claims(Purpose::App, &debug).unwrap_err();
        assert_eq!(error, TemplateError::DebugImage);
    }
}

#[test]
fn t10_evidence_of_an_extra_anchor_makes_a_policy_that_says_so() {
    let claims = verified(&SimulatedVm::new(), Kinds::VTPM, &["prod/db/x"]).claims().clone();
    let template = captured(Purpose::App, &claims);
    assert!(template.generate().contains("principal.vtpm.root == Root::\"extra\""));
    assert!(template.promises().iter().any(|promise| promise.contains("extra trust anchor")));
    generated(&template, &claims, &[]);
}

#[test]
fn options_make_a_policy_that_says_what_it_leaves_open() {
    let claims = claims();
    let project = claims.instance().unwrap().project_number;
    for (purpose, more) in [(Purpose::App, &[][..]), (Purpose::Disk, &["instance"])] {
        let template = PolicyTemplate::new(purpose, project, Technology::SevSnp);
        assert!(template.open().iter().any(|open| open.contains("any kernel that a vendor has signed")));
        let all = |gap| [&[gap][..], more].concat();
        let compiled = generated(&template, &claims, &all("pcr7-alone"));
        assert_refused(&claims, &compiled, &VTPM);
        let without = PolicyTemplate { secure_boot: false, ..template.clone() };
        assert!(without.open().iter().any(|open| open.contains("anything may")));
        generated(&without, &claims, &all("boot-chain"));
        let instance_ids = vec![1, claims.instance().unwrap().instance_id];
        let compiled = generated(&PolicyTemplate { instance_ids, ..template }, &claims, &["pcr7-alone"]);
        assert_refused(&claims, &compiled, &CAPTURED[..1]);
    }
}

/// A waiver is in the text only if the operator asked for it.
#[test]
fn acknowledgements_are_written_into_the_policy() {
    let template = PolicyTemplate::new(Purpose::App, 7, Technology::SevSnp);
    assert!(!template.generate().contains("@accepts"));
    let accepts = BTreeSet::from([Acceptance::Pcr7Alone, Acceptance::Owner]);
    let text = PolicyTemplate { accepts, ..template }.generate();
    assert!(text.contains("@accepts(\"owner, pcr7-alone\")"), "{text}");
    assert_eq!(gaps(&policy(&text)), Vec::<&str>::new());
}

#[test]
fn a_policy_with_a_baseline_demands_membership() {
    let claims = claims();
    let compiled = policy(&captured(Purpose::App, &claims).generate());
    compiled.check(&known(&["prod/web"]), NOW).unwrap();
    let secret =
        SecretState::Active { version: 1, purpose: Purpose::App, policy: compiled, baselines: Vec::new() };
    let request = request(vec![DecideItem { path: path("prod/db/x"), secret }]);
    let refused = refusal(outcome(evaluate(&claims, Suite::XWing, &request, &no_guardrails())));
    assert_eq!(refused.baselines, [BaselineVerdict { name: name("prod/web"), mismatch: None }]);
}

#[test]
fn command_lines_are_quoted() {
    let line = "ro a=\"b c\" panic=-1";
    let log = EventLogBuilder::gce_ubuntu(Technology::SevSnp).with_kernel_arguments(line);
    let claims = production(&SimulatedVm::booted(&AkCertificateSpec::default(), &log));
    let measured = claims.vtpm.as_ref().unwrap().boot.kernel_command_line.clone();
    assert!(measured.as_ref().unwrap().contains('"'));
    let template = PolicyTemplate { command_line: measured, ..captured(Purpose::Disk, &claims) };
    generated(&template, &claims, &[]);
    let hostile = Some("x\" || true || \"\\".to_owned());
    let compiled = policy(&PolicyTemplate { command_line: hostile, ..template }.generate());
    let baseline = Baseline::capture(&claims, 1, UnixTime(NOW.0 + 1000)).unwrap();
    assert!(!refusal(release(&claims, &compiled, &baseline)).permitted);
}

/// T35: the policy requires the arguments of the captured boot; a boot without any gives no policy.
#[test]
fn t35_a_disks_policy_asks_for_the_arguments_that_the_boot_has() {
    let booted = |arguments: &str| {
        let log = EventLogBuilder::gce_ubuntu(Technology::SevSnp).with_kernel_arguments(arguments);
        production(&SimulatedVm::booted(&AkCertificateSpec::default(), &log))
    };
    let dracut = vec!["rd.shell=0".to_owned(), "rd.emergency=reboot".to_owned()];
    for (arguments, wanted) in [
        ("ro panic=-1", vec!["panic=-1".to_owned()]),
        ("ro panic=0 panic=30", vec!["panic=30".to_owned()]),
        ("rd.emergency=reboot ro rd.shell=0", dracut.clone()),
        ("rd.emergency=reboot rd.shell=0 panic=0", dracut),
    ] {
        let template = captured(Purpose::Disk, &booted(arguments));
        assert_eq!(template.shell, FailureShell::Arguments(wanted), "{arguments}");
    }
    for arguments in [
        "ro",
        "panic=0",
        "panic=-1 panic=0",
        "panic=x",
        "rd.shell=0",
        "xpanic=-1",
        // A shell for initramfs-tools, and for scripts.
        "panic=-2",
        "panic=+5",
        "panic=-1 a=\"b panic=0\"",
    ] {
        let error = PolicyTemplate::from_claims(Purpose::Disk, &booted(arguments)).unwrap_err();
        assert_eq!(error, TemplateError::FailureShell, "{arguments}");
        assert!(PolicyTemplate::from_claims(Purpose::App, &booted(arguments)).is_ok());
    }
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
        (include_str!("../../../config/policies/sample-disk.cedar"), Purpose::Disk),
        (include_str!("../../../config/policies/sample-app.cedar"), Purpose::App),
    ] {
        let compiled = policy(text);
        compiled.check(&known(&["prod/web"]), NOW).unwrap_or_else(|found| panic!("{found}"));
        assert_eq!(compiled.purpose(), Some(purpose));
    }
    assert_eq!(Guardrails::shipped().digest(), Digest32::of(SHIPPED_GUARDRAILS.as_bytes()));
}
