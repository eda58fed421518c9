//! The sample policies: each is accepted as it is, releases to its VM, and denies when any one of its
//! conditions does not hold.

use vouchsafe_attestation::anchors::Product;
use vouchsafe_attestation::claims::Phase;
use vouchsafe_attestation::event_log::Technology;
use vouchsafe_attestation::google_token::{GoogleTokenClaims, TokenTdxTcb};
use vouchsafe_attestation::snp::SnpClaims;
use vouchsafe_attestation::tdx::{TcbStatus, TdxClaims};

use super::kinds::*;
use super::*;

macro_rules! sample {
    ($name:literal) => {
        include_str!(concat!("../../../config/policies/", $name, ".cedar"))
    };
}

type Change = (&'static str, fn(&mut Claims));

/// The baselines that samples name.
const BASELINES: [&str; 2] = ["prod/web", "prod/web-next"];

/// The sample, with its placeholders replaced by this VM's values.
fn fitted(text: &str, claims: &Claims) -> Arc<CompiledPolicy> {
    let instance = claims.instance().cloned();
    let mut text = text.to_owned();
    if let Some(instance) = instance {
        text = text
            .replace("\"123456789012\"", &format!("\"{}\"", instance.project_number))
            .replace("4567890123456789012", &instance.instance_id.to_string());
    }
    if let Some(chip) = claims.sev_snp.as_ref().and_then(|snp| snp.chip_id.as_ref()) {
        text = text.replace(&"0".repeat(128), chip);
    }
    let measured = claims.sev_snp.as_ref().map(|snp| snp.measurement);
    let measured = measured.or(claims.tdx.as_ref().map(|tdx| tdx.mr_td));
    if let Some(measured) = measured {
        text = text.replace(&"0".repeat(96), &measured.to_string());
    }
    let compiled = policy(&text);
    compiled.check(&known(&BASELINES), NOW).unwrap_or_else(|found| panic!("{found}\n{text}"));
    compiled
}

fn release(
    compiled: &Arc<CompiledPolicy>,
    baseline: Option<&Baseline>,
    claims: &Claims,
) -> Result<(), DenialReason> {
    let baselines = baseline.map(|baseline| NamedBaseline {
        name: name("prod/web"),
        revoked: false,
        baseline: Ok(Arc::new(baseline.clone())),
    });
    let purpose = compiled.purpose().unwrap();
    let secret = SecretState::Active {
        version: 1,
        purpose,
        policy: compiled.clone(),
        baselines: baselines.into_iter().collect(),
    };
    let request = request(vec![DecideItem { path: path("prod/db/x"), secret }]);
    outcome(evaluate(claims, Suite::XWing, &request, &Guardrails::shipped()))
}

/// Asserts that the sample accepts these claims, and denies them after each change.
fn assert_sample(text: &str, claims: &Claims, changes: &[&[Change]]) {
    // A sample is valid as it is in the repository.
    policy(text).check(&known(&BASELINES), NOW).unwrap_or_else(|found| panic!("{found}\n{text}"));
    let compiled = fitted(text, claims);
    let baseline =
        text.contains("Baseline::").then(|| Baseline::capture(claims, 3, UnixTime(NOW.0 + 1000)).unwrap());
    assert_eq!(release(&compiled, baseline.as_ref(), claims), Ok(()), "{text}");
    for (what, change) in changes.concat() {
        let mut changed = claims.clone();
        change(&mut changed);
        let refused = refusal(release(&compiled, baseline.as_ref(), &changed));
        assert!(!refused.permitted || !refused.forbidden_by.is_empty(), "{what}\n{text}");
        assert!(refused.errors.is_empty(), "{what}");
    }
    if let Some(baseline) = &baseline {
        assert!(release(&compiled, None, claims).is_err(), "no baseline\n{text}");
        assert_boot(&compiled, baseline, claims);
    }
}

/// Another digest of firmware, shim, GRUB, kernel, initrd or any text is denied, with a reason that names it.
fn assert_boot(compiled: &Arc<CompiledPolicy>, baseline: &Baseline, claims: &Claims) {
    let flips = flips::flips(claims, BaselineLog::Vtpm);
    assert!(flips.len() > 20);
    for flip in flips {
        let Err(DenialReason::Refused(refused)) = release(compiled, Some(baseline), &flip.claims) else {
            panic!("another {} is taken", flip.what)
        };
        let reason = refused.to_string();
        assert!(flip.named.iter().any(|named| reason.contains(named)), "{}\n{reason}", flip.what);
    }
}

fn vtpm_of(claims: &mut Claims) -> &mut vouchsafe_attestation::claims::VtpmClaims {
    claims.vtpm.as_mut().unwrap()
}

fn boot_of(claims: &mut Claims) -> &mut vouchsafe_attestation::event_log::BootLog {
    Arc::make_mut(&mut vtpm_of(claims).boot)
}

fn snp_of(claims: &mut Claims) -> &mut SnpClaims {
    claims.sev_snp.as_mut().unwrap()
}

fn tdx_of(claims: &mut Claims) -> &mut TdxClaims {
    claims.tdx.as_mut().unwrap()
}

fn tcb_of(claims: &mut Claims) -> &mut vouchsafe_attestation::tdx::TdxTcb {
    tdx_of(claims).tcb.as_mut().unwrap()
}

fn token_of(claims: &mut Claims) -> &mut GoogleTokenClaims {
    claims.google_token.as_mut().unwrap()
}

const TECHNOLOGY: &[Change] = &[
    ("technology", |claims| claims.technology = Some(Technology::None)),
    ("no technology", |claims| claims.technology = None),
];
const VTPM: &[Change] = &[
    ("no vtpm", |claims| claims.vtpm = None),
    ("vtpm root", |claims| vtpm_of(claims).root = Root::Extra),
    ("no instance", |claims| vtpm_of(claims).instance = None),
    ("project", |claims| vtpm_of(claims).instance.as_mut().unwrap().project_number += 1),
    ("vtpm revocation", |claims| vtpm_of(claims).revocation = Revocation::Stale),
];
const VTPM_BOOT: &[Change] = &[
    ("secure boot", |claims| boot_of(claims).secure_boot.enabled = false),
    ("kernel", |claims| {
        boot_of(claims).events.get_mut(&9).unwrap().remove(0);
        let events = boot_of(claims).events.get_mut(&9).unwrap();
        events.truncate(1);
    }),
];
const PHASE: &[Change] = &[
    ("instance", |claims| vtpm_of(claims).instance.as_mut().unwrap().instance_id += 1),
    ("phase", |claims| vtpm_of(claims).phase = Phase::Latched),
];
const SHELL: &[Change] =
    &[("shell", |claims| boot_of(claims).kernel_arguments.retain(|argument| argument != "panic=-1"))];
const SNP: &[Change] = &[
    ("no report", |claims| claims.sev_snp = None),
    ("snp root", |claims| snp_of(claims).root = None),
    ("product", |claims| snp_of(claims).product = Product::Milan),
    ("debug", |claims| snp_of(claims).policy.debug = true),
    ("boot loader", |claims| snp_of(claims).reported_tcb.boot_loader = 9),
    ("snp firmware", |claims| snp_of(claims).reported_tcb.snp = 22),
    ("microcode", |claims| snp_of(claims).reported_tcb.microcode = 83),
    ("snp revocation", |claims| snp_of(claims).revocation = Revocation::Absent),
];
const SNP_ENDORSED: &[Change] = &[
    ("no endorsement", |claims| snp_of(claims).endorsement = None),
    ("endorsement root", |claims| snp_of(claims).endorsement.as_mut().unwrap().root = Root::Extra),
    ("endorsement svn", |claims| snp_of(claims).endorsement.as_mut().unwrap().svn = 0),
    ("endorsement revocation", |claims| {
        snp_of(claims).endorsement.as_mut().unwrap().revocation = Revocation::Stale;
    }),
];
const SNP_MEASURED: &[Change] = &[("measurement", |claims| snp_of(claims).measurement.0[0] ^= 1)];
const TDX: &[Change] = &[
    ("no quote", |claims| claims.tdx = None),
    ("tdx root", |claims| tdx_of(claims).root = Root::Extra),
    ("tdx revocation", |claims| tdx_of(claims).revocation = Revocation::Stale),
    ("no tcb", |claims| tdx_of(claims).tcb = None),
    ("status", |claims| tcb_of(claims).status = TcbStatus::OutOfDate),
    ("module revoked", |claims| tcb_of(claims).platform_status = TcbStatus::Revoked),
    ("evaluation", |claims| tcb_of(claims).evaluation_data_number = 16),
    ("module version", |claims| tdx_of(claims).tee_tcb_svn.0[1] = 0),
    ("module svn", |claims| tdx_of(claims).tee_tcb_svn.0[0] = 4),
    ("migratable", |claims| tdx_of(claims).attributes.migratable = true),
    ("tdx debug", |claims| tdx_of(claims).attributes.debug = true),
    ("page faults", |claims| tdx_of(claims).attributes.sept_ve_disable = false),
];
const TDX_ENDORSED: &[Change] = &[
    ("no endorsement", |claims| tdx_of(claims).endorsement = None),
    ("endorsement root", |claims| tdx_of(claims).endorsement.as_mut().unwrap().root = Root::Extra),
    ("endorsement svn", |claims| tdx_of(claims).endorsement.as_mut().unwrap().svn = 0),
    ("endorsement revocation", |claims| {
        tdx_of(claims).endorsement.as_mut().unwrap().revocation = Revocation::Absent;
    }),
];
const TDX_MEASURED: &[Change] = &[("firmware", |claims| tdx_of(claims).mr_td.0[0] ^= 1)];
const TOKEN: &[Change] = &[
    ("no token", |claims| claims.google_token = None),
    ("token root", |claims| token_of(claims).root = Root::Extra),
    ("token revocation", |claims| token_of(claims).revocation = Revocation::Stale),
    ("no accounts", |claims| token_of(claims).service_accounts.clear()),
    ("account", |claims| token_of(claims).service_accounts = vec!["other@prod".to_owned()]),
];
const TOKEN_OWNER: &[Change] = &[
    ("token project", |claims| token_of(claims).instance.as_mut().unwrap().project_number += 1),
    ("token instance", |claims| token_of(claims).instance = None),
    ("token secure boot", |claims| token_of(claims).secure_boot = false),
];

/// The simulated trust domain's log is by PCR, but a CCEL baseline needs registers: these samples are tested
/// with a baseline of the vTPM's log.
fn assert_tdx_sample(text: &str, claims: &Claims, changes: &[&[Change]]) {
    let compiled = fitted(text, claims);
    let whole = tdx_both();
    let baseline = Baseline::capture(&whole, 1, UnixTime(NOW.0 + 1000)).unwrap();
    assert_eq!(release(&compiled, Some(&baseline), claims), Ok(()), "{text}");
    for (what, change) in changes.concat() {
        let mut changed = claims.clone();
        change(&mut changed);
        let refused = refusal(release(&compiled, Some(&baseline), &changed));
        assert!(!refused.permitted || !refused.forbidden_by.is_empty(), "{what}\n{text}");
    }
    assert!(release(&compiled, None, claims).is_err());
    assert_boot(&compiled, &baseline, claims);
}

#[test]
fn sev() {
    let disk = [TECHNOLOGY, VTPM, VTPM_BOOT, PHASE, SHELL];
    assert_sample(sample!("sev-vtpm"), &vtpm(Technology::Sev), &disk);
    let claims = token_alone(Technology::Sev);
    assert_sample(sample!("sev-token"), &claims, &[TECHNOLOGY, TOKEN, TOKEN_OWNER]);
}

#[test]
fn sev_snp() {
    let alone = Claims { vtpm: None, ..snp_endorsed() };
    assert_sample(sample!("snp-report"), &alone, &[TECHNOLOGY, SNP, SNP_ENDORSED]);
    let claims = vtpm(Technology::SevSnp);
    assert_sample(sample!("snp-vtpm"), &claims, &[TECHNOLOGY, VTPM, VTPM_BOOT]);
    assert_sample(sample!("snp-vtpm-disk"), &claims, &[TECHNOLOGY, VTPM, VTPM_BOOT, PHASE, SHELL]);
    let disk = [TECHNOLOGY, VTPM, VTPM_BOOT, PHASE, SHELL, SNP, SNP_ENDORSED];
    assert_sample(sample!("snp-both"), &snp_endorsed(), &disk);
}

#[test]
fn a_data_disk_is_for_the_latched_system() {
    let mut claims = vtpm(Technology::SevSnp);
    vtpm_of(&mut claims).phase = Phase::Latched;
    let latched: &[Change] = &[
        ("instance", |claims| vtpm_of(claims).instance.as_mut().unwrap().instance_id += 1),
        ("initrd", |claims| vtpm_of(claims).phase = Phase::Initrd),
        ("booted", |claims| vtpm_of(claims).phase = Phase::Booted),
    ];
    assert_sample(sample!("data-disk"), &claims, &[TECHNOLOGY, VTPM, VTPM_BOOT, latched]);
}

#[test]
fn chips_that_are_listed() {
    let chip: &[Change] = &[
        ("chip", |claims| snp_of(claims).chip_id = Some("2".repeat(128))),
        ("masked chip", |claims| snp_of(claims).chip_id = None),
    ];
    let all = [TECHNOLOGY, VTPM, VTPM_BOOT, SNP, SNP_ENDORSED, chip];
    assert_sample(sample!("snp-chips"), &snp_endorsed(), &all);
}

#[test]
fn t28_a_rollout_has_a_lowest_version() {
    let claims = vtpm(Technology::SevSnp);
    assert_sample(sample!("rollout"), &claims, &[TECHNOLOGY, VTPM, VTPM_BOOT]);
    let compiled = fitted(sample!("rollout"), &claims);
    let old = Baseline::capture(&claims, 2, UnixTime(NOW.0 + 1000)).unwrap();
    assert!(!refusal(release(&compiled, Some(&old), &claims)).permitted);
}

#[test]
fn advisories_that_were_accepted() {
    let advisory: &[Change] =
        &[("advisory", |claims| tcb_of(claims).advisory_ids.push("INTEL-SA-01099".to_owned()))];
    let all = [TECHNOLOGY, VTPM, TDX, TDX_ENDORSED, advisory];
    assert_tdx_sample(sample!("tdx-advisories"), &tdx_both(), &all);
    let mut none = tdx_both();
    tcb_of(&mut none).advisory_ids.clear();
    let baseline = Baseline::capture(&none, 1, UnixTime(NOW.0 + 1000)).unwrap();
    assert_eq!(release(&fitted(sample!("tdx-advisories"), &none), Some(&baseline), &none), Ok(()));
}

#[test]
fn tdx_kinds() {
    let claims = vtpm(Technology::Tdx);
    assert_sample(sample!("tdx-vtpm"), &claims, &[TECHNOLOGY, VTPM, VTPM_BOOT]);
    let mut claims = token_alone(Technology::Tdx);
    claims.google_token = Some(GoogleTokenClaims {
        tdx_tcb: Some(TokenTdxTcb { status: "UpToDate".to_owned(), date: None }),
        ..claims.google_token.unwrap()
    });
    let tcb: &[Change] = &[
        ("no tcb", |claims| token_of(claims).tdx_tcb = None),
        ("tcb", |claims| token_of(claims).tdx_tcb.as_mut().unwrap().status = "OutOfDate".to_owned()),
    ];
    assert_sample(sample!("tdx-token"), &claims, &[TECHNOLOGY, TOKEN, TOKEN_OWNER, tcb]);
}

#[test]
fn t48_tdx_quotes() {
    let shell: &[Change] = &[("no boot claims", |claims| {
        let boot = tdx_of(claims).unconfirmed_boot.as_mut().unwrap();
        Arc::make_mut(boot).kernel_arguments.clear();
    })];
    let disk = [TECHNOLOGY, VTPM, PHASE, shell, TDX, TDX_MEASURED];
    assert_tdx_sample(sample!("tdx-both"), &tdx_both(), &disk);
    assert_tdx_sample(sample!("tdx-quote"), &tdx_both(), &[TECHNOLOGY, TDX, TDX_ENDORSED]);
}

#[test]
fn tokens_beside_other_evidence() {
    let claims = with_token(vtpm(Technology::Sev));
    assert_sample(sample!("vtpm-token"), &claims, &[TECHNOLOGY, VTPM, VTPM_BOOT, TOKEN]);
    let everything = [TECHNOLOGY, VTPM, VTPM_BOOT, PHASE, SHELL, SNP, SNP_MEASURED, TOKEN];
    assert_sample(sample!("vtpm-hardware-token"), &with_token(snp_endorsed()), &everything);
}

/// A forged report or quote can state anything about the hardware, and all of it passes. The forger cannot
/// forge Google's statement of the instance.
#[test]
fn t20_a_policy_that_requires_google_evidence_denies_hardware_evidence_alone() {
    for (text, claims) in [
        (sample!("snp-both"), snp_endorsed()),
        (sample!("tdx-both"), tdx_both()),
        (sample!("vtpm-hardware-token"), with_token(snp_endorsed())),
    ] {
        let compiled = fitted(text, &claims);
        let baseline = Baseline::capture(&claims, 1, UnixTime(NOW.0 + 1000)).unwrap();
        assert_eq!(release(&compiled, Some(&baseline), &claims), Ok(()), "{text}");
        let alone = Claims { vtpm: None, google_token: None, ..claims };
        let refused = refusal(release(&compiled, Some(&baseline), &alone));
        assert!(!refused.permitted, "{refused:?}");
        let condition = refused.not_permitted_by[0].condition.clone().unwrap();
        assert!(condition.text.contains("vtpm"), "{condition:?}");
    }
    // A statement of another instance does not help the forger, nor does one that is not signed by Google.
    let compiled = fitted(sample!("snp-both"), &snp_endorsed());
    let baseline = Baseline::capture(&snp_endorsed(), 1, UnixTime(NOW.0 + 1000)).unwrap();
    let elsewhere: &[Change] = &[
        ("another instance", |claims| vtpm_of(claims).instance.as_mut().unwrap().instance_id += 1),
        ("another root", |claims| vtpm_of(claims).root = Root::Extra),
    ];
    for (what, change) in elsewhere {
        let mut forged = snp_endorsed();
        change(&mut forged);
        assert!(release(&compiled, Some(&baseline), &forged).is_err(), "{what}");
    }
}
