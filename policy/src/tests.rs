//! What policies decide, which are rejected, and how denials are explained. The VMs are simulated; their
//! claims come from the verifier.

mod baselines;
mod bombs;
mod checks;
mod composed;
mod compositions;
mod decisions;
mod expiring;
mod flips;
mod generated;
mod guardrails;
mod kinds;
mod laws;
mod learned;
mod notes;
mod operators;
mod page;
mod proposals;
mod reading;
mod rehearsals;
mod samples;
mod templates;
mod ten;
mod unreadable;
mod updates;
mod volumes;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use vouchsafe_attestation::anchors::Root;
use vouchsafe_attestation::claims::{Claims, VerifiedClaims};
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm, shared_anchors};
use vouchsafe_attestation::verify::{Endorsements, verify};
use vouchsafe_attestation::x509::{Collateral, Revocation};
use vouchsafe_attestation::{VerifyCache, VerifyInputs};
use vouchsafe_protocol::{
    Body, BoundRequest, BrokerIdentity, Digest48, GuestPublicKey, Nonce, ObjectName, ReleasePaths,
    SecretPath, Suite, UnixTime,
};

use super::decide::evaluate;
use super::*;

/// 2025-11-01.
const NOW: UnixTime = UnixTime(1_761_955_200);
const BROKER: BrokerIdentity = BrokerIdentity([1; 32]);

fn path(text: &str) -> SecretPath {
    SecretPath::parse(text).unwrap()
}

fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).unwrap()
}

/// Baselines with these names that list the firmware of SNP and TDX, as registration knows them.
fn known(all: &[&str]) -> KnownBaselines {
    let baseline = firmware_baseline(&["snp", "tdx"]);
    let mut known = KnownBaselines::default();
    all.iter().for_each(|text| known.insert(name(text), &baseline, false));
    known
}

/// A current baseline that lists only launch measurements of these kinds.
fn firmware_baseline(kinds: &[&str]) -> Baseline {
    let mut baseline = Baseline::capture(&claims(), 1, UnixTime(NOW.0 + 1000)).unwrap();
    let listed =
        |kind: &str, byte| kinds.contains(&kind).then_some(Digest48([byte; 48])).into_iter().collect();
    baseline.firmware.snp_measurements = listed("snp", 1);
    baseline.firmware.tdx_measurements = listed("tdx", 2);
    baseline
}

/// Conditions that determine a GRUB boot by the vTPM's log, but do not match these claims.
fn closed_chain() -> String {
    let digest = "0".repeat(64);
    format!(
        "principal.vtpm has efi_applications && [\"{digest}\"].containsAll(principal.vtpm.efi_applications) && \
         principal.vtpm has grub_files && [\"{digest}\"].containsAll(principal.vtpm.grub_files) && \
         principal.vtpm has command_line && principal.vtpm.command_line == \"k panic=-1\""
    )
}

/// Claims from the verifier, bound to a release of these paths.
fn verified(vm: &SimulatedVm, kinds: Kinds, paths: &[&str]) -> VerifiedClaims {
    let paths = ReleasePaths::new(paths.iter().map(|text| path(text)).collect()).unwrap();
    verified_for(vm, kinds, Body::Release(paths.into()))
}

/// The same, bound to any request.
fn verified_for(vm: &SimulatedVm, kinds: Kinds, body: Body) -> VerifiedClaims {
    let key = GuestPublicKey::new(Suite::X25519, &[9; 32]).unwrap();
    let bound = BoundRequest::new(&BROKER, Nonce([7; 32]), key, body);
    let (anchors, endorsements, cache) = (shared_anchors(), Endorsements::default(), VerifyCache::default());
    let collateral = Collateral::empty();
    let inputs = VerifyInputs {
        anchors: &anchors,
        collateral: &collateral,
        endorsements: &endorsements,
        audiences: &[],
        now: NOW,
        cache: &cache,
    };
    verify(&vm.evidence(kinds, &bound), bound, &inputs).unwrap()
}

/// A VM with vTPM and SNP, with claims as under real roots and current CRLs.
pub(super) fn claims() -> Claims {
    static CLAIMS: OnceLock<Claims> = OnceLock::new();
    CLAIMS.get_or_init(|| production(&SimulatedVm::new())).clone()
}

/// With vTPM and SNP, under the production roots.
fn production(vm: &SimulatedVm) -> Claims {
    proved(vm, Kinds::BOTH)
}

/// The VM's claims with this evidence, under the production roots.
fn proved(vm: &SimulatedVm, kinds: Kinds) -> Claims {
    let mut claims = verified(vm, kinds, &["prod/db/disk"]).claims().clone();
    if let Some(vtpm) = &mut claims.vtpm {
        (vtpm.root, vtpm.revocation) = (Root::Google, Revocation::Fresh);
    }
    if let Some(snp) = &mut claims.sev_snp {
        (snp.root, snp.revocation) = (Some(Root::Amd), Revocation::Fresh);
    }
    claims
}

fn policy(text: &str) -> Arc<CompiledPolicy> {
    Arc::new(CompiledPolicy::compile(&name("prod/p"), text).unwrap())
}

/// A policy with this `when` clause, not suitable for registration.
fn permitting(condition: &str) -> String {
    format!(
        "@id(\"permit\") @for(\"app\")
         permit (principal is Vm, action == Action::\"release\", resource) when {{ {condition} }};\n"
    )
}

fn item(text: &str, policy: &Arc<CompiledPolicy>, purpose: Purpose) -> DecideItem {
    let secret = SecretState::Active { version: 3, purpose, policy: policy.clone(), baselines: Vec::new() };
    DecideItem { path: path(text), secret }
}

fn request(items: Vec<DecideItem>) -> DecideRequest<'static> {
    DecideRequest { broker: &BROKER, epoch: 42, now: NOW, protocol: Protocol::V1, items }
}

/// Whether the VM gets an app secret under this policy and these guardrails.
fn ask(claims: &Claims, text: &str, guardrails: &Guardrails) -> Result<(), DenialReason> {
    let request = request(vec![item("prod/db/app", &policy(text), Purpose::App)]);
    outcome(evaluate(claims, Suite::XWing, &request, guardrails))
}

fn outcome(result: Result<Vec<GrantedRelease>, Denial>) -> Result<(), DenialReason> {
    match result {
        Ok(_) => Ok(()),
        Err(denial) => Err(denial.paths.into_iter().next().unwrap().reason),
    }
}

fn no_guardrails() -> Guardrails {
    Guardrails::compile("").unwrap()
}

fn refusal(reason: Result<(), DenialReason>) -> Refusal {
    match reason {
        Err(DenialReason::Refused(refusal)) => *refusal,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// The ids of the statements that forbade a release.
fn forbidden_by(reason: Result<(), DenialReason>) -> Vec<String> {
    refusal(reason).forbidden_by.into_iter().map(|violation| violation.id).collect()
}
