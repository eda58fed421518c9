//! VMs with every kind of evidence, with claims as from the verifier. TDX quote, token and endorsements are
//! assembled here, under the production roots.

use vouchsafe_attestation::event_log::Technology;
use vouchsafe_attestation::google_token::{
    Container, GoogleTokenClaims, SoftwareName, TokenKind, TokenTdxTcb,
};
use vouchsafe_attestation::launch::LaunchEndorsement;
use vouchsafe_attestation::snp::Hex;
use vouchsafe_attestation::tdx::{TcbStatus, TdAttributes, TdxClaims, TdxTcb};
use vouchsafe_attestation::test_util::ca::AkCertificateSpec;
use vouchsafe_attestation::test_util::event_log::EventLogBuilder;
use vouchsafe_protocol::{Digest32, Digest48};

use super::*;

pub(super) const MR_TD: Digest48 = Digest48([0xd1; 48]);

/// The quote of a trust domain whose CCEL log has the boot of this VM's vTPM.
pub(super) fn tdx(vm: &Claims) -> TdxClaims {
    let boot = vm.vtpm.as_ref().unwrap().boot.clone();
    let mut svn = [0; 16];
    [svn[0], svn[1], svn[2]] = [5, 1, 8];
    TdxClaims {
        root: Root::Intel,
        revocation: Revocation::Fresh,
        tcb: Some(TdxTcb {
            status: TcbStatus::UpToDate,
            platform_status: TcbStatus::UpToDate,
            qe_status: TcbStatus::UpToDate,
            advisory_ids: vec!["INTEL-SA-01010".to_owned()],
            evaluation_data_number: 18,
            tcb_date: UnixTime(1_700_000_000),
            collateral_issued: UnixTime(NOW.0 - 100),
            collateral_expires: UnixTime(NOW.0 + 100),
        }),
        quote_version: 4,
        fmspc: Hex([0x00, 0x80, 0x6f, 0x05, 0, 0]),
        pck_ca: "platform",
        platform_id: Digest32([0x1d; 32]),
        tee_tcb_svn: Hex(svn),
        tee_tcb_svn2: None,
        mr_seam: Digest48([0x5e; 48]),
        mr_signer_seam: Digest48([0; 48]),
        attributes: TdAttributes {
            raw: Hex([0, 0, 0, 0x10, 0, 0, 0, 0]),
            debug: false,
            sept_ve_disable: true,
            migratable: false,
            pks: false,
            key_locker: false,
            perfmon: false,
        },
        xfam: Hex([0xe7, 0x00, 0x06, 0, 0, 0, 0, 0]),
        mr_td: MR_TD,
        mr_config_id: Digest48([0; 48]),
        mr_owner: Digest48([0; 48]),
        mr_owner_config: Digest48([0; 48]),
        rtmrs: [Digest48([0xa0; 48]), Digest48([0xa1; 48]), Digest48([0xa2; 48]), Digest48([0; 48])],
        mr_service_td: None,
        report_data: Hex([0; 64]),
        endorsement: Some(endorsement()),
        unconfirmed_boot: Some(boot),
    }
}

pub(super) fn endorsement() -> LaunchEndorsement {
    LaunchEndorsement {
        root: Root::Google,
        revocation: Revocation::NotOffered,
        missing_crls: Vec::new(),
        crl_issuers: Vec::new(),
        digest: Digest32([0xed; 32]),
        timestamp: UnixTime(1_750_000_000),
        svn: 7,
        firmware_digest: Digest48([0xfd; 48]),
        cl_spec: 12_345,
        commit: Some("00".repeat(20)),
        vcpus: Some(2),
        ram_gib: None,
    }
}

/// The token of this VM.
pub(super) fn token(vm: &Claims) -> GoogleTokenClaims {
    GoogleTokenClaims {
        root: Root::Google,
        kind: TokenKind::Oidc,
        revocation: Revocation::Fresh,
        missing_crls: Vec::new(),
        crl_issuers: Vec::new(),
        anchor: None,
        key_id: Some("key".to_owned()),
        audience: "https://broker.example".to_owned(),
        nonces: vec!["n".repeat(43)],
        issued_at: UnixTime(NOW.0 - 5),
        expires_at: UnixTime(NOW.0 + 3595),
        subject: "https://www.googleapis.com/compute/v1/projects/p/zones/z/instances/n".to_owned(),
        technology: vm.technology.unwrap(),
        profile: None,
        software_name: SoftwareName::Gce,
        software_version: Vec::new(),
        secure_boot: true,
        debug_disabled: None,
        attester_tcb: Vec::new(),
        tdx_tcb: None,
        instance: vm.instance().cloned(),
        service_accounts: vec!["db@prod.iam.gserviceaccount.com".to_owned()],
        container: None,
        support_attributes: Vec::new(),
        monitoring_enabled: Default::default(),
    }
}

/// A token with every optional claim.
pub(super) fn full_token(vm: &Claims) -> GoogleTokenClaims {
    GoogleTokenClaims {
        kind: TokenKind::Pki,
        software_name: SoftwareName::ConfidentialSpace,
        software_version: vec!["250300".to_owned()],
        debug_disabled: Some(true),
        attester_tcb: vec!["INTEL".to_owned()],
        tdx_tcb: Some(TokenTdxTcb { status: "UpToDate".to_owned(), date: Some(UnixTime(1_700_000_000)) }),
        container: Some(Container {
            image_reference: "docker.io/library/db:1".to_owned(),
            image_digest: format!("sha256:{}", "0".repeat(64)),
            image_id: Some(format!("sha256:{}", "1".repeat(64))),
            restart_policy: Some("Never".to_owned()),
            arguments: vec!["--db".to_owned()],
        }),
        support_attributes: vec!["STABLE".to_owned()],
        monitoring_enabled: [("memory".to_owned(), false)].into(),
        ..token(vm)
    }
}

/// A vTPM of this technology, with Ubuntu's boot.
pub(super) fn vtpm(technology: Technology) -> Claims {
    let log = EventLogBuilder::gce_ubuntu(technology);
    let vm = SimulatedVm::booted(&AkCertificateSpec::default(), &log);
    let mut claims = verified(&vm, Kinds::VTPM, &["prod/db/disk"]).claims().clone();
    let vtpm = claims.vtpm.as_mut().unwrap();
    (vtpm.root, vtpm.revocation) = (Root::Google, Revocation::Fresh);
    claims
}

/// Vtpm and TDX quote, linked.
pub(super) fn tdx_both() -> Claims {
    let claims = vtpm(Technology::Tdx);
    Claims { tdx: Some(tdx(&claims)), ..claims }
}

/// A quote alone.
pub(super) fn tdx_alone() -> Claims {
    Claims { vtpm: None, ..tdx_both() }
}

/// SNP report with Google's endorsement, and vTPM.
pub(super) fn snp_endorsed() -> Claims {
    let mut claims = claims();
    claims.sev_snp.as_mut().unwrap().endorsement = Some(endorsement());
    claims
}

/// A token and nothing else.
pub(super) fn token_alone(technology: Technology) -> Claims {
    let claims = vtpm(technology);
    Claims { google_token: Some(token(&claims)), vtpm: None, ..claims }
}

/// The same VM with a token as well.
pub(super) fn with_token(claims: Claims) -> Claims {
    Claims { google_token: Some(token(&claims)), ..claims }
}
