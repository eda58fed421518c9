//! Every combination that Google offers, end to end: {SEV, SEV-SNP, TDX} by {vTPM, hardware report, token,
//! and their combinations}.
//!
//! README.md lists these tests in a table. The VMs are simulated and sign with throw-away roots; the broker
//! is a real process.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use vouchsafe_attestation::event_log::{EventDigest, ReplayedLog, Technology};
use vouchsafe_attestation::google_token::TokenKind;
use vouchsafe_attestation::test_util::ca::{AkCertificateSpec, CrlSpec};
use vouchsafe_attestation::test_util::event_log::EventLogBuilder;
use vouchsafe_attestation::test_util::google_token::FakeAttestationService;
use vouchsafe_attestation::test_util::launch::FakeTcbSigner;
use vouchsafe_attestation::test_util::snp::SnpReportBuilder;
use vouchsafe_attestation::test_util::tdx::{CollateralSpec, FakeIntel, TdxQuoteBuilder};
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedTd, SimulatedVm, shared_roots};
use vouchsafe_protocol::{Bytes, Digest48, Evidence, ReasonCode, UnixTime};
use vouchsafe_tests::pem;

use crate::vendors::{NEW_ISSUER, Vendors};
use crate::world::{Asked, PROJECT, Reply, World, command_line, now, text};

const PATH: &str = "prod/db/token";

/// A broker with default settings, and a baseline `prod/ccel` of its trust domains' boot: shipped guardrails,
/// and collateral fetched from fake vendors. Only Intel's collateral is imported.
fn shipped() -> World {
    static VENDORS: LazyLock<Vendors> = LazyLock::new(Vendors::start);
    let world = World::fetching(&VENDORS.configuration());
    let [_, _, tdx] = write_collateral(&world);
    world.run(&["collateral", "import", text(&tdx)]);
    learn_ccel(&world);
    world
}

/// A broker without egress that has everything the cells need, with the same baseline.
pub(crate) fn world() -> World {
    let world = World::bare("");
    for file in &write_collateral(&world) {
        world.run(&["collateral", "import", text(file)]);
    }
    learn_ccel(&world);
    world
}

/// Current CRLs, key sets and collateral in files, also for the offline tool.
fn write_collateral(world: &World) -> [PathBuf; 3] {
    let (from, until) = (UnixTime(now() - 60), UnixTime(now() + 86_400));
    let service = FakeAttestationService::shared();
    let crl = service.root_crl(&CrlSpec::current(from, until));
    let collateral = FakeIntel::shared().collateral(&CollateralSpec::current(from, until));
    [
        world.write("tokens.crl", &pem::crl(&crl)),
        world.write("jwks.json", &String::from_utf8(service.jwks()).unwrap()),
        world.write("tdx.json", &serde_json::to_string(&collateral).unwrap()),
    ]
}

fn learn_ccel(world: &World) {
    let tdx = Some(SimulatedTd::booted(&EventLogBuilder::ccel_ubuntu()).evidence(&[0; 64]));
    let evidence = Evidence { tdx, ..Evidence::default() };
    let evidence = world.write("evidence.json", &serde_json::to_string(&evidence).unwrap());
    world.learn("prod/ccel", &["--evidence", text(&evidence)]);
}

impl World {
    /// `baseline learn` with every root and all collateral of [`world`].
    pub(crate) fn learning(&self, source: &[&str]) -> Vec<String> {
        let mut line = ["baseline", "learn"].map(str::to_owned).to_vec();
        for (index, root) in shared_roots().into_iter().enumerate() {
            let file = self.folder().join(format!("root-{index}.der"));
            fs::write(&file, root).unwrap();
            line.extend(["--anchor".to_owned(), text(&file).to_owned()]);
        }
        for file in ["tokens.crl", "jwks.json", "tdx.json"] {
            line.extend(["--collateral".to_owned(), text(&self.folder().join(file)).to_owned()]);
        }
        line.extend(source.iter().map(|part| (*part).to_owned()));
        line.extend(["--audience".to_owned(), self.broker.guests_url()]);
        line
    }

    /// Learns a baseline and puts it; returns it.
    pub(crate) fn learn(&self, name: &str, source: &[&str]) -> String {
        let line = self.learning(source);
        let learned = self.run(&line.iter().map(String::as_str).collect::<Vec<_>>());
        let file = self.write(&format!("{}.json", name.replace('/', "-")), &learned);
        self.run(&["baseline", "put", name, text(&file)]);
        learned
    }
}

pub(crate) fn vm(world: &World, technology: Technology) -> SimulatedVm {
    let mut vm = SimulatedVm::of(technology, &AkCertificateSpec::default());
    vm.token.audience = world.broker.guests_url();
    vm.token.now = UnixTime(now());
    vm
}

/// A policy with conditions on exactly these pieces.
pub(crate) fn policy(technology: Technology, kinds: Kinds) -> String {
    let mut accepts = Vec::new();
    let mut conditions =
        vec![format!("principal has technology && principal.technology == Technology::\"{technology}\"")];
    if kinds.vtpm {
        conditions.push(format!(
            "principal has vtpm.instance && principal.vtpm.root == Root::\"extra\" && \
             principal.vtpm.instance.project_number == \"{PROJECT}\" && {}",
            boot_condition(technology)
        ));
    } else if kinds.report {
        accepts.push("owner");
        if technology == Technology::Tdx {
            conditions.push("principal in Baseline::\"prod/ccel\"".to_owned());
        }
    }
    if kinds.report {
        conditions.push(report_condition(technology));
    }
    if kinds.token.is_some() {
        conditions.push(format!(
            "principal has google_token.instance && principal.google_token.root == Root::\"extra\" && \
             principal.google_token.instance.project_number == \"{PROJECT}\" && principal.google_token.secure_boot && \
             principal.google_token.software_name == SoftwareName::\"GCE\""
        ));
        if !kinds.vtpm {
            accepts.push("token-alone");
        }
    }
    let accepts =
        if accepts.is_empty() { String::new() } else { format!("@accepts(\"{}\")", accepts.join(", ")) };
    format!(
        "@id(\"release\") @for(\"app\") {accepts}\npermit (principal is Vm, action == Action::\"release\", resource is Secret)\n\
         when {{\n  {}\n}};\n",
        conditions.join(" &&\n  ")
    )
}

/// Images, files and command line of the boot that these VMs have, as closed sets.
fn boot_condition(technology: Technology) -> String {
    let boot = ReplayedLog::from_bytes(&EventLogBuilder::gce_ubuntu(technology).bytes()).unwrap().boot;
    let digests = |digests: &[EventDigest]| {
        let quoted: Vec<String> = digests.iter().map(|digest| format!("\"{digest}\"")).collect();
        quoted.join(", ")
    };
    format!(
        "principal.vtpm has efi_applications && [{}].containsAll(principal.vtpm.efi_applications) && \
         principal.vtpm has grub_files && [{}].containsAll(principal.vtpm.grub_files) && \
         principal.vtpm has command_line && principal.vtpm.command_line == \"{}\"",
        digests(&boot.efi_applications),
        digests(&boot.grub_files),
        command_line()
    )
}

fn report_condition(technology: Technology) -> String {
    if technology == Technology::Tdx {
        return format!(
            "principal has tdx.tcb && principal.tdx.root == Root::\"extra\" && \
             [TcbStatus::\"up-to-date\"].contains(principal.tdx.tcb.status) && \
             principal.tdx.tcb.evaluation_data_number >= 1 && principal.tdx.tee_tcb.module_major >= 1 && \
             principal.tdx.tee_tcb.module_minor >= 0 && principal.tdx.mr_td == \"{}\"",
            hex::encode(TdxQuoteBuilder::new().mr_td)
        );
    }
    let report = SnpReportBuilder::new(vouchsafe_attestation::anchors::Product::Genoa);
    let floor = report.reported_tcb;
    format!(
        "principal has snp.root && principal.snp.root == Root::\"extra\" && \
         principal.snp.product == Product::\"genoa\" && !principal.snp.policy.debug && \
         principal.snp.measurement == \"{}\" && principal.snp.reported_tcb.boot_loader >= {} && \
         principal.snp.reported_tcb.tee >= {} && principal.snp.reported_tcb.snp >= {} && \
         principal.snp.reported_tcb.microcode >= {}",
        hex::encode(report.measurement),
        floor.boot_loader,
        floor.tee,
        floor.snp,
        floor.microcode
    )
}

/// Asserts that the VM gets its secret with all these pieces, and does not when any one of them is left out.
fn released(technology: Technology, kinds: Kinds) {
    let world = shipped();
    let vm = vm(&world, technology);
    world.put_policy_text("prod/cell", &policy(technology, kinds));
    world.put(PATH, "prod/cell", b"sesame");
    let (asked, reply) = within_two_retries(&world, &vm, kinds);
    assert_eq!(reply.open(&asked)[0].secret.expose(), b"sesame");

    let fewer =
        [Kinds { vtpm: false, ..kinds }, Kinds { report: false, ..kinds }, Kinds { token: None, ..kinds }];
    for fewer in fewer.into_iter().filter(|fewer| *fewer != kinds && *fewer != NOTHING) {
        let asked = world.request(&vm, fewer, &[PATH]);
        let unlinked = !fewer.vtpm && fewer.report && fewer.token.is_some();
        let code = if unlinked { ReasonCode::UnlinkedEvidence } else { ReasonCode::NotGranted };
        world.send(&asked).signed_problem(&asked, code);
    }
}

/// The result for a guest that retries as told while collateral is being fetched, at most twice.
fn within_two_retries(world: &World, vm: &SimulatedVm, kinds: Kinds) -> (Asked, Reply) {
    for _ in 0..2 {
        let asked = request(world, vm, kinds);
        let reply = world.send(&asked);
        if reply.status == 200 {
            return (asked, reply);
        }
        reply.signed_problem(&asked, ReasonCode::CollateralPending);
        thread::sleep(Duration::from_secs(3));
    }
    let asked = request(world, vm, kinds);
    let reply = world.send(&asked);
    (asked, reply)
}

/// A request for the cell's secret; an SNP report comes with the launch endorsement from the host's table.
fn request(world: &World, vm: &SimulatedVm, kinds: Kinds) -> Asked {
    world.request_with(&[PATH], |bound| {
        let mut evidence = vm.evidence(kinds, bound);
        if let Some(snp) = &mut evidence.sev_snp {
            let measurement = Digest48(vm.report.measurement);
            snp.launch_endorsement = Some(Bytes(FakeTcbSigner::shared().endorse_snp(&measurement)));
        }
        evidence
    })
}

/// Nothing links a token and a hardware report.
fn unlinked(technology: Technology) {
    let world = world();
    let vm = vm(&world, technology);
    for kind in [TokenKind::Oidc, TokenKind::Pki] {
        let asked = world.request(&vm, Kinds::REPORT.with_token(kind), &[PATH]);
        world.assert_refused(&asked, ReasonCode::UnlinkedEvidence, "unlinked-google-token");
    }
}

const NOTHING: Kinds = Kinds { vtpm: false, report: false, token: None };

macro_rules! cells {
    ($($name:ident: $technology:ident, $kinds:expr;)*) => {
        $(#[test]
        fn $name() {
            released(Technology::$technology, $kinds);
        })*
    };
}

cells! {
    sev_vtpm: Sev, Kinds::VTPM;
    sev_token_oidc: Sev, Kinds::token(TokenKind::Oidc);
    sev_token_pki: Sev, Kinds::token(TokenKind::Pki);
    sev_vtpm_token: Sev, Kinds::VTPM.with_token(TokenKind::Pki);
    snp_vtpm: SevSnp, Kinds::VTPM;
    snp_report: SevSnp, Kinds::REPORT;
    snp_vtpm_report: SevSnp, Kinds::BOTH;
    snp_token_oidc: SevSnp, Kinds::token(TokenKind::Oidc);
    snp_token_pki: SevSnp, Kinds::token(TokenKind::Pki);
    snp_vtpm_token: SevSnp, Kinds::VTPM.with_token(TokenKind::Oidc);
    snp_vtpm_report_token: SevSnp, Kinds::BOTH.with_token(TokenKind::Pki);
    tdx_vtpm: Tdx, Kinds::VTPM;
    tdx_quote: Tdx, Kinds::REPORT;
    tdx_vtpm_quote: Tdx, Kinds::BOTH;
    tdx_token_oidc: Tdx, Kinds::token(TokenKind::Oidc);
    tdx_token_pki: Tdx, Kinds::token(TokenKind::Pki);
    tdx_vtpm_token: Tdx, Kinds::VTPM.with_token(TokenKind::Oidc);
    tdx_vtpm_quote_token: Tdx, Kinds::BOTH.with_token(TokenKind::Pki);
}

#[test]
fn a_vm_below_a_ca_that_the_broker_has_not_seen_gets_its_secret_within_two_retries() {
    let world = shipped();
    let mut vm = vm(&world, Technology::Sev);
    vm.ak_certificate = NEW_ISSUER.issue_ak(vm.ak.spki(), &AkCertificateSpec::default());
    vm.ak_issuers = Vec::new();
    world.put_policy_text("prod/cell", &policy(Technology::Sev, Kinds::VTPM));
    world.put(PATH, "prod/cell", b"sesame");
    let asked = request(&world, &vm, Kinds::VTPM);
    let problem = world.send(&asked).signed_problem(&asked, ReasonCode::CollateralPending);
    let explained = world.explain(&problem.decision.unwrap());
    assert!(
        explained.contains("ak-chain-unknown-issuer") && explained.contains(&NEW_ISSUER.url),
        "{explained}"
    );
    thread::sleep(Duration::from_secs(3));
    let (asked, reply) = within_two_retries(&world, &vm, Kinds::VTPM);
    assert_eq!(reply.open(&asked)[0].secret.expose(), b"sesame");
}

#[test]
fn t49_a_trust_domain_that_booted_something_else_is_refused() {
    let world = world();
    let mut vm = vm(&world, Technology::Tdx);
    let log = EventLogBuilder::gce_ubuntu(Technology::Tdx).with_kernel_arguments("init=/bin/sh");
    vm.tdx = Some(SimulatedTd::booted(&log.into_ccel()));
    world.put_policy_text("prod/cell", &policy(Technology::Tdx, Kinds::REPORT));
    world.put(PATH, "prod/cell", b"sesame");
    world.assert_refused(&world.request(&vm, Kinds::REPORT, &[PATH]), ReasonCode::NotGranted, "prod/ccel");
}

#[test]
fn t01_snp_report_and_token_are_unlinked() {
    unlinked(Technology::SevSnp);
}

#[test]
fn t01_tdx_quote_and_token_are_unlinked() {
    unlinked(Technology::Tdx);
}

#[test]
fn t01_a_composite_needs_a_condition_on_the_boot_chain() {
    // An attacker can link the quote of one VM to the report of another one: verification accepts it. A
    // condition on what booted rules it out, and registration rejects a policy for composites without one.
    let world = world();
    for technology in [Technology::SevSnp, Technology::Tdx] {
        for kinds in [Kinds::BOTH, Kinds::BOTH.with_token(TokenKind::Pki)] {
            let whole = policy(technology, kinds);
            world.put_policy_text("prod/whole", &whole);
            let chain = format!(" && {}", boot_condition(technology));
            let without = whole.replace(&chain, "");
            assert_ne!(whole, without);
            let refused = world.refused(&["policy", "put", "prod/without", "-"], without.as_bytes());
            assert!(refused.contains("boot-chain"), "{refused}");
        }
    }
}
