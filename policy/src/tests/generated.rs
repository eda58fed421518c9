//! Every generated policy must be accepted as it is, release to the boot that it was made from, and deny each
//! boot that differs in one digest, with a reason that names it.

use std::fs;
use std::path::Path;

use vouchsafe_attestation::event_log::{
    EventKind, EventLog, EventType, ReplayedCcel, ReplayedLog, Technology,
};
use vouchsafe_attestation::test_util::ca::AkCertificateSpec;
use vouchsafe_attestation::test_util::event_log::EventLogBuilder;

use super::flips::flips;
use super::*;

/// The claims of a VM that booted with this log.
fn booted(log: &EventLogBuilder, kinds: Kinds) -> Claims {
    proved(&SimulatedVm::booted(&AkCertificateSpec::default(), log), kinds)
}

/// A boot with one kind of evidence, and the log of its baseline.
type Booted = (String, Claims, BaselineLog);

fn sev() -> Vec<Booted> {
    let chains = EventLogBuilder::all_chains(Technology::Sev).into_iter();
    chains.map(|(chain, log)| (chain.to_owned(), booted(&log, Kinds::VTPM), BaselineLog::Vtpm)).collect()
}

fn sev_snp() -> Vec<Booted> {
    let chains = EventLogBuilder::all_chains(Technology::SevSnp).into_iter();
    chains.map(|(chain, log)| (chain.to_owned(), booted(&log, Kinds::BOTH), BaselineLog::Vtpm)).collect()
}

/// With a quote; some with a token as well.
fn tdx() -> Vec<Booted> {
    let mut all = Vec::new();
    for (chain, log) in EventLogBuilder::all_chains(Technology::Tdx) {
        let vtpm = booted(&log, Kinds::VTPM);
        let claims = Claims { tdx: Some(kinds::tdx(&vtpm)), ..vtpm };
        if ["shim, GRUB, kernel, initrd", "UKI in PCR 2"].contains(&chain) {
            all.push((chain.to_owned(), kinds::with_token(claims.clone()), BaselineLog::Vtpm));
        }
        all.push((chain.to_owned(), claims, BaselineLog::Vtpm));
    }
    all
}

/// With the trust domain's own log.
fn tdx_ccel() -> Vec<Booted> {
    let vtpm = kinds::vtpm(Technology::Tdx);
    let claims = Claims { tdx: Some(kinds::tdx(&vtpm)), ..vtpm };
    let chains = EventLogBuilder::all_chains(Technology::Tdx).into_iter();
    chains.map(|(chain, log)| (chain.to_owned(), with_ccel(claims.clone(), log), BaselineLog::Ccel)).collect()
}

/// The same boot in a CCEL log. The firmware that wrote it is listed in the baseline, not endorsed.
fn with_ccel(mut claims: Claims, mut log: EventLogBuilder) -> Claims {
    // systemd-boot measures loader.conf only into a TPM.
    log.events.retain(|event| event.pcr != 5 || event.event_type != EventType::EVENT_TAG);
    let tdx = claims.tdx.as_mut().unwrap();
    tdx.unconfirmed_boot = Some(ReplayedCcel::from_bytes(&log.into_ccel().bytes()).unwrap().boot);
    tdx.endorsement = None;
    claims
}

pub(super) fn named(name: &ObjectName, baseline: &Baseline) -> NamedBaseline {
    NamedBaseline { name: name.clone(), revoked: false, baseline: Ok(Arc::new(baseline.clone())) }
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

/// Asserts that the generated policy and its baseline guard exactly this boot. Returns what registration
/// wants acknowledged.
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
        let composed = baseline.composed_initrd == ComposedInitrd::BySections;
        if composed && flip.kind == Some(EventKind::KernelInitrd) {
            assert_eq!(release(&flip.claims, &compiled, &baseline), Ok(()), "{what}: sections vouch for it");
            continue;
        }
        let Err(DenialReason::Refused(refused)) = release(&flip.claims, &compiled, &baseline) else {
            panic!("{what}: another {} is taken", flip.what)
        };
        let reason = refused.to_string();
        assert!(flip.named.iter().any(|named| reason.contains(named)), "{what}: {}\n{reason}", flip.what);
    }
    let found = compiled.check(&known(&["prod/web"]), NOW).err();
    found.iter().flat_map(|found| found.as_slice()).map(ToString::to_string).collect()
}

/// Every simulated chain. Nothing needs to be acknowledged, except that a disk's operator must review a
/// command line that the log does not show.
fn assert_all_guarded(evidence: Vec<Booted>) {
    for (what, claims, log) in evidence {
        let boot = match log {
            BaselineLog::Vtpm => &claims.vtpm.as_ref().unwrap().boot,
            BaselineLog::Ccel => claims.tdx.as_ref().unwrap().unconfirmed_boot.as_ref().unwrap(),
        };
        let unread = boot.kernel_arguments.is_empty();
        // With two command lines it is unknown which one was used; CCEL does not distinguish options from
        // other events.
        let explained = what.contains("UKI")
            || what.contains("second entry")
            || log == BaselineLog::Ccel && what.contains("Type 1");
        assert!(!unread || explained, "{what}");
        for purpose in [Purpose::App, Purpose::Disk] {
            let open = assert_guards(&what, purpose, &claims, log);
            let expected = usize::from(unread && purpose == Purpose::Disk);
            assert_eq!(open.len(), expected, "{what}: {open:?}");
            assert!(open.iter().all(|open| open.contains("failure-shell")), "{what}: {open:?}");
        }
    }
}

#[test]
fn t53_a_generated_policy_guards_exactly_the_boot_of_a_sev_vm() {
    assert_all_guarded(sev());
}

#[test]
fn t53_a_generated_policy_guards_exactly_the_boot_of_an_snp_vm() {
    assert_all_guarded(sev_snp());
}

#[test]
fn t53_a_generated_policy_guards_exactly_the_boot_of_a_trust_domain() {
    assert_all_guarded(tdx());
}

#[test]
fn t53_a_generated_policy_guards_the_boot_in_the_rtmrs() {
    assert_all_guarded(tdx_ccel());
}

/// Real logs instead of the simulated one. A log from which no baseline can be learned gives no policy.
#[test]
fn t53_a_policy_from_a_real_boot_guards_exactly_it() {
    let Some(shared) = vouchsafe_captured::folder() else { return };
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

/// Real boots that must give a policy.
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
