//! Must hold for every generated policy: it is taken as it stands, releases to the boot that it was made from, and refuses
//! each boot that differs in one digest, with a reason that names it.

use std::fs;
use std::path::Path;

use vouchsafe_attestation::event_log::{EventLog, ReplayedCcel, ReplayedLog, Technology};
use vouchsafe_attestation::test_util::ca::AkCertificateSpec;
use vouchsafe_attestation::test_util::event_log::EventLogBuilder;

use super::flips::flips;
use super::*;

/// Every kind of evidence that names an owner and has a boot, with the log that the baseline is made of.
fn evidence() -> Vec<(String, Claims, BaselineLog)> {
    let simulated = |log: &EventLogBuilder| {
        let vm = SimulatedVm::booted(&AkCertificateSpec::default(), log);
        let mut claims = verified(&vm, Kinds::VTPM, &["prod/db/disk"]).claims().clone();
        claims.vtpm.as_mut().unwrap().root = Root::Google;
        claims
    };
    let mut all = vec![
        ("SEV-SNP, vTPM and report".to_owned(), claims(), BaselineLog::Vtpm),
        ("TDX, vTPM and quote".to_owned(), kinds::tdx_both(), BaselineLog::Vtpm),
        ("TDX, vTPM, quote and token".to_owned(), kinds::with_token(kinds::tdx_both()), BaselineLog::Vtpm),
    ];
    for technology in [Technology::Sev, Technology::SevSnp, Technology::Tdx] {
        all.push((
            format!("{technology} with GRUB"),
            simulated(&EventLogBuilder::gce_ubuntu(technology)),
            BaselineLog::Vtpm,
        ));
        let uki = EventLogBuilder::gce_uki(technology);
        all.push((format!("{technology} with a UKI"), simulated(&uki), BaselineLog::Vtpm));
        let uki = EventLogBuilder::gce_uki(technology).with_stub_command_line_text();
        all.push((format!("{technology} with a UKI, text"), simulated(&uki), BaselineLog::Vtpm));
    }
    all
}

pub(super) fn named(name: &ObjectName, baseline: &Baseline) -> NamedBaseline {
    NamedBaseline { name: name.clone(), revoked: false, baseline: Arc::new(baseline.clone()) }
}

fn release(claims: &Claims, compiled: &Arc<CompiledPolicy>, baseline: &Baseline) -> Result<(), DenialReason> {
    let secret = SecretState::Active {
        version: 1,
        purpose: compiled.purpose().unwrap(),
        policy: compiled.clone(),
        baselines: compiled.baselines().iter().map(|name| named(name, baseline)).collect(),
    };
    let request = request(vec![DecideItem { path: path("prod/db/x"), secret }]);
    outcome(evaluate(claims, Suite::XWing, &request, &no_guardrails()))
}

/// The generated policy and its baseline guard exactly this boot. Gives what registration wants acknowledged.
fn assert_guards(what: &str, purpose: Purpose, claims: &Claims, log: BaselineLog) -> Vec<String> {
    let mut template = PolicyTemplate::from_claims_by(purpose, claims, log).unwrap();
    template.baselines = vec![name("prod/web")];
    let baseline = Baseline::capture_log(claims, log, 1, UnixTime(NOW.0 + 1000)).unwrap();
    let text = template.generate();
    assert!(!text.contains("@accepts"), "{what}: no tool waives\n{text}");
    let compiled = policy(&text);
    assert_eq!(release(claims, &compiled, &baseline), Ok(()), "{what}\n{text}");
    let flips = flips(claims, log);
    assert!(flips.len() > 2, "{what}: {}", flips.len());
    for flip in flips {
        let Err(DenialReason::Refused(refused)) = release(&flip.claims, &compiled, &baseline) else {
            panic!("{what}: another {} is taken", flip.what)
        };
        let reason = refused.to_string();
        assert!(flip.named.iter().any(|named| reason.contains(named)), "{what}: {}\n{reason}", flip.what);
    }
    let found = compiled.check(&known(&["prod/web"]), NOW).err();
    found.iter().flat_map(|found| found.as_slice()).map(ToString::to_string).collect()
}

#[test]
fn t53_a_generated_policy_guards_exactly_the_captured_boot() {
    for (what, claims, log) in evidence() {
        for purpose in [Purpose::App, Purpose::Disk] {
            let open = assert_guards(&what, purpose, &claims, log);
            // A UKI's log may not show its command line: then the operator has to look at it.
            let unread =
                purpose == Purpose::Disk && claims.vtpm.as_ref().unwrap().boot.kernel_arguments.is_empty();
            let expected = if unread { 1 } else { 0 };
            assert_eq!(open.len(), expected, "{what}: {open:?}");
            assert!(open.iter().all(|open| open.contains("failure-shell")), "{what}: {open:?}");
        }
    }
}

/// Of a trust domain by its own log: the firmware that wrote it is listed in the baseline.
#[test]
fn t53_a_generated_policy_guards_what_the_rtmrs_measured() {
    let mut claims = kinds::tdx_both();
    let tdx = claims.tdx.as_mut().unwrap();
    let log = EventLogBuilder::ccel_ubuntu().bytes();
    tdx.unconfirmed_boot = Some(ReplayedCcel::from_bytes(&log).unwrap().boot);
    tdx.endorsement = None;
    for purpose in [Purpose::App, Purpose::Disk] {
        let open = assert_guards("CCEL", purpose, &claims, BaselineLog::Ccel);
        assert!(open.is_empty(), "{open:?}");
    }
}

/// Real logs in the place of the simulated one. A log that no baseline can be learned from makes no policy.
#[test]
fn t53_a_policy_from_a_real_boot_guards_exactly_it() {
    let Some(shared) = shared() else { return };
    let mut guarded = Vec::new();
    for file in logs(&shared) {
        let bytes = fs::read(&file).unwrap();
        let Ok(log) = ReplayedLog::from_bytes(&bytes) else { continue };
        assert!(EventLog::parse(&bytes).is_ok());
        let mut claims = Claims { sev_snp: None, ..claims() };
        claims.technology = Some(log.boot.technology.unwrap_or(Technology::Sev));
        claims.vtpm.as_mut().unwrap().boot = log.boot;
        let ends_at = UnixTime(NOW.0 + 1000);
        let Ok(baseline) = Baseline::capture(&claims, 1, ends_at) else { continue };
        if baseline.is_member(&claims, NOW).is_err() {
            continue;
        }
        let name = file.strip_prefix(&shared).unwrap().display().to_string();
        for purpose in [Purpose::App, Purpose::Disk] {
            if PolicyTemplate::from_claims(purpose, &claims).is_ok() {
                assert_guards(&name, purpose, &claims, BaselineLog::Vtpm);
            }
        }
        guarded.push(name);
    }
    for name in MUST_BE_GUARDED {
        assert!(
            guarded.iter().any(|guarded| guarded == name),
            "{name} makes no policy; guarded: {guarded:?}"
        );
    }
}

/// Real boots that have to make a policy.
const MUST_BE_GUARDED: [&str; 3] = [
    "gce/vtpm/eventlogs/ubuntu-2404-amd-sevsnp.bin",
    "gce/vtpm/eventlogs/ubuntu-2104-no-secure-boot.bin",
    "field/gce-ubuntu-sev-secureboot-6.14.log.bin",
];

/// Every log of the captured evidence.
fn logs(shared: &Path) -> Vec<std::path::PathBuf> {
    let mut logs = Vec::new();
    let mut folders = ["gce/vtpm/eventlogs", "gce/vtpm/eventlogs-legacy", "field", "lab", "lab-boot"]
        .map(|folder| shared.join(folder))
        .to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name == "eventlog.bin"
                || name.ends_with(".log.bin")
                || path.parent().unwrap().ends_with("eventlogs")
            {
                logs.push(path);
            }
        }
    }
    logs.sort();
    logs
}

/// The folder of captured evidence; absent on machines that only build. CI has it.
fn shared() -> Option<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/evidence");
    if folder.exists() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none(), "CI has the captured evidence");
    println!("skipped: no captured evidence at {}", folder.display());
    None
}
