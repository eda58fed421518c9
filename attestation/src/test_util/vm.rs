//! A simulated Google VM: certified attestation key, booted firmware log, SNP chip.
//!
//! It makes evidence as a guest does; a quote or a report costs one signature. Every input is a field, so
//! that a test can break one at a time.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use vouchsafe_protocol::BoundRequest;
use vouchsafe_protocol::Bytes;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::Evidence;
use vouchsafe_protocol::GoogleTokenEvidence;
use vouchsafe_protocol::LATCH_WORD;
use vouchsafe_protocol::SevSnpEvidence;
use vouchsafe_protocol::TdxEvidence;
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::VtpmEvidence;

use super::ca::AkCertificateSpec;
use super::ca::FakeGoogle;
use super::event_log::EventLogBuilder;
use super::event_log::extend;
use super::event_log::userspace::UserspaceBuilder;
use super::google_token::FakeAttestationService;
use super::snp::FakeAmd;
use super::snp::SnpReportBuilder;
use super::tdx::FakeIntel;
use super::tdx::TdxQuoteBuilder;
use super::vtpm::FakeAk;
use super::vtpm::QuoteSpec;
use crate::anchors::Product;
use crate::anchors::TrustAnchors;
use crate::google_token::TokenKind;
use crate::tdx::cut;
use crate::technology::Technology;

/// The evidence to generate. All evidence from one call is bound together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds {
    /// A quote of the vTPM.
    pub vtpm: bool,
    /// A hardware report: a TDX quote if the VM is a trust domain, otherwise an SNP report.
    pub report: bool,
    /// A token of Google Cloud Attestation.
    pub token: Option<TokenKind>,
}

impl Kinds {
    /// A quote of the vTPM alone.
    pub const VTPM: Self = Self { vtpm: true, report: false, token: None };
    /// A hardware report alone.
    pub const REPORT: Self = Self { vtpm: false, report: true, token: None };
    /// A quote of the vTPM and a hardware report, bound together.
    pub const BOTH: Self = Self { vtpm: true, report: true, token: None };

    /// A token alone.
    #[must_use]
    pub const fn token(kind: TokenKind) -> Self {
        Self { vtpm: false, report: false, token: Some(kind) }
    }

    /// The same with a token.
    #[must_use]
    pub const fn with_token(self, kind: TokenKind) -> Self {
        Self { token: Some(kind), ..self }
    }
}

/// A simulated VM.
#[derive(Clone, Debug)]
pub struct SimulatedVm {
    /// Its attestation key.
    pub ak: &'static FakeAk,
    /// The key's certificate.
    pub ak_certificate: Vec<u8>,
    /// Issuing CAs that are sent with it.
    pub ak_issuers: Vec<Vec<u8>>,
    /// The PCRs that a release request quotes, by index.
    pub pcrs: BTreeMap<u8, Digest32>,
    /// The firmware log.
    pub event_log: Vec<u8>,
    /// systemd's measurement log; `None` if it measured nothing.
    pub userspace_log: Option<Vec<u8>>,
    /// The chip that it runs on.
    pub amd: &'static FakeAmd,
    /// The report, except for its report data.
    pub report: SnpReportBuilder,
    /// VCEK; `None` if the host provides none.
    pub vek_certificate: Option<Vec<u8>>,
    /// Issuing CAs that are sent with it.
    pub vek_issuers: Vec<Vec<u8>>,
    /// The trust domain, for a TDX VM: its hardware report is then a quote.
    pub tdx: Option<SimulatedTd>,
    /// The token that Google Cloud Attestation issues to it.
    pub token: SimulatedToken,
}

/// The TDX side of a simulated VM.
#[derive(Clone, Debug)]
pub struct SimulatedTd {
    /// The platform that it runs on.
    pub intel: &'static FakeIntel,
    /// The quote, except for its report data.
    pub quote: TdxQuoteBuilder,
    /// The CCEL log of the quote's RTMRs.
    pub event_log: Vec<u8>,
}

/// The token of a simulated VM, except for its nonce.
#[derive(Clone, Debug)]
pub struct SimulatedToken {
    /// Its audience.
    pub audience: String,
    /// When it is issued.
    pub now: UnixTime,
    /// The instance that it names.
    pub instance: AkCertificateSpec,
    /// Which technology it names.
    pub technology: Technology,
}

impl SimulatedVm {
    /// An SEV-SNP VM on Genoa that booted Ubuntu, with the instance of `AkCertificateSpec::default()`.
    #[must_use]
    pub fn new() -> Self {
        let log = EventLogBuilder::gce_ubuntu(Technology::SevSnp);
        Self::booted(&AkCertificateSpec::default(), &log)
    }

    /// The same with another instance and another boot.
    #[must_use]
    pub fn booted(instance: &AkCertificateSpec, log: &EventLogBuilder) -> Self {
        Self::built(shared_google(), FakeAmd::shared(Product::Genoa), FakeAk::shared_rsa(), instance, log)
    }

    /// A VM of these parts.
    #[must_use]
    pub fn built(
        google: &FakeGoogle,
        amd: &'static FakeAmd,
        ak: &'static FakeAk,
        instance: &AkCertificateSpec,
        log: &EventLogBuilder,
    ) -> Self {
        let report = SnpReportBuilder::new(amd.product());
        let signed = report.sign(amd);
        let mut vm = Self {
            ak,
            ak_certificate: google.issue_ak(ak.spki(), instance),
            ak_issuers: vec![google.intermediate_der().to_vec()],
            pcrs: BTreeMap::new(),
            event_log: Vec::new(),
            userspace_log: None,
            amd,
            report,
            vek_certificate: Some(signed.vek),
            vek_issuers: signed.certificates,
            tdx: None,
            token: SimulatedToken {
                audience: AUDIENCE.to_owned(),
                now: UnixTime(1_761_955_200),
                instance: instance.clone(),
                technology: Technology::SevSnp,
            },
        };
        vm.boot(log);
        vm
    }

    /// A TDX VM with Ubuntu's boot.
    #[must_use]
    pub fn trust_domain(instance: &AkCertificateSpec) -> Self {
        let mut vm = Self::booted(instance, &EventLogBuilder::gce_ubuntu(Technology::Tdx));
        vm.tdx = Some(SimulatedTd::booted(&EventLogBuilder::ccel_ubuntu()));
        vm.token.technology = Technology::Tdx;
        vm
    }

    /// A VM of this technology with Ubuntu's boot.
    #[must_use]
    pub fn of(technology: Technology, instance: &AkCertificateSpec) -> Self {
        if technology == Technology::Tdx {
            return Self::trust_domain(instance);
        }
        let mut vm = Self::booted(instance, &EventLogBuilder::gce_ubuntu(technology));
        vm.token.technology = technology;
        vm
    }

    /// Boots again with this log; user space has extended nothing yet.
    pub fn boot(&mut self, log: &EventLogBuilder) {
        self.event_log = log.bytes();
        self.userspace_log = None;
        self.pcrs = log.pcrs();
        self.pcrs.remove(&10);
    }

    /// Extends PCRs from user space, and appends the measurements to the user-space log.
    pub fn measure(&mut self, userspace: &UserspaceBuilder) {
        for (pcr, digest) in userspace.extends() {
            self.extend(pcr, &digest);
        }
        self.userspace_log.get_or_insert_default().extend(userspace.log());
    }

    /// Replaces the report and its VEK certificate chain, as on another chip.
    pub fn set_report(&mut self, report: SnpReportBuilder) {
        let signed = report.sign(self.amd);
        self.report = report;
        self.vek_certificate = Some(signed.vek);
        self.vek_issuers = signed.certificates;
    }

    /// Extends PCR 15 with the latch word, as the initrd does last.
    pub fn latch(&mut self) {
        self.extend(15, &Digest32::of(LATCH_WORD.as_bytes()));
    }

    /// Extends a PCR, as root in the VM can.
    pub fn extend(&mut self, pcr: u8, digest: &Digest32) {
        let value = self.pcrs.entry(pcr).or_insert(Digest32([0; 32]));
        *value = extend(value, digest);
    }

    /// Evidence for the request `bound`; hardware report and vTPM quote commit to each other.
    #[must_use]
    pub fn evidence(&self, kinds: Kinds, bound: &BoundRequest) -> Evidence {
        let transcript = bound.transcript();
        let ak = kinds.vtpm.then_some(self.ak.spki());
        let data = transcript.report_data(ak).0;
        let tdx = self.tdx.as_ref().filter(|_| kinds.report).map(|td| td.evidence(&data));
        let sev_snp = (kinds.report && tdx.is_none()).then(|| self.snp_with(&data));
        let quote = tdx.as_ref().map(|tdx| cut(&tdx.quote).expect("a quote"));
        let report = sev_snp.as_ref().map(|snp| &snp.report[..]).or(quote);
        let nonce = transcript.quote_nonce(report);
        let vtpm = kinds.vtpm.then(|| self.vtpm_with(&QuoteSpec::new(&nonce.0)));
        let google_token = kinds.token.map(|kind| self.token_with(kind, transcript.token_nonce().as_str()));
        Evidence { vtpm, sev_snp, tdx, google_token }
    }

    /// A token with the given nonce.
    #[must_use]
    pub fn token_with(&self, kind: TokenKind, nonce: &str) -> GoogleTokenEvidence {
        let SimulatedToken { audience, now, instance, technology } = &self.token;
        let service = FakeAttestationService::shared();
        let spec = service.spec(kind, audience, nonce, *now).of_instance(instance).of_technology(*technology);
        GoogleTokenEvidence { token: spec.sign(service) }
    }

    /// vTPM evidence with the given quote.
    #[must_use]
    pub fn vtpm_with(&self, spec: &QuoteSpec) -> VtpmEvidence {
        let quote = spec.encode(self.ak, &self.pcrs);
        VtpmEvidence {
            ak_certificate: Bytes(self.ak_certificate.clone()),
            ca_certificates: self.ak_issuers.iter().cloned().map(Bytes).collect(),
            signature: Bytes(self.ak.sign(&quote)),
            quote,
            pcrs: self.pcrs.clone(),
            event_log: self.event_log.clone().into(),
            userspace_log: self.userspace_log.clone().map(Bytes),
        }
    }

    /// SNP evidence with the given report data.
    #[must_use]
    pub fn snp_with(&self, report_data: &[u8; 64]) -> SevSnpEvidence {
        let report = SnpReportBuilder { report_data: *report_data, ..self.report.clone() };
        SevSnpEvidence {
            report: Bytes(report.sign_report(self.amd)),
            vek_certificate: self.vek_certificate.clone().map(Bytes),
            ca_certificates: self.vek_issuers.iter().cloned().map(Bytes).collect(),
            launch_endorsement: None,
        }
    }
}

impl SimulatedTd {
    /// A trust domain of the shared platform that booted with this CCEL log.
    #[must_use]
    pub fn booted(log: &EventLogBuilder) -> Self {
        let quote = TdxQuoteBuilder { rtmrs: log.rtmrs().map(|value| value.0), ..TdxQuoteBuilder::new() };
        Self { intel: FakeIntel::shared(), quote, event_log: log.bytes() }
    }

    /// TDX evidence with the given report data.
    #[must_use]
    pub fn evidence(&self, report_data: &[u8; 64]) -> TdxEvidence {
        let quote = TdxQuoteBuilder { report_data: *report_data, ..self.quote.clone() };
        TdxEvidence { quote: Bytes(quote.sign(self.intel)), event_log: Some(self.event_log.clone().into()) }
    }
}

impl Default for SimulatedVm {
    fn default() -> Self {
        Self::new()
    }
}

/// The audience of the tokens of simulated VMs.
pub const AUDIENCE: &str = "https://broker.example.com:8443";

/// The fake Google that all tests of a process share.
#[must_use]
pub fn shared_google() -> &'static FakeGoogle {
    static SHARED: OnceLock<FakeGoogle> = OnceLock::new();
    SHARED.get_or_init(FakeGoogle::new)
}

/// The built-in anchors, with the roots of all fake vendors as extra anchors.
///
/// # Panics
/// Never: the fake roots are CA certificates.
#[must_use]
pub fn shared_anchors() -> TrustAnchors {
    shared_roots().iter().fold(TrustAnchors::builtin(), |anchors, root| {
        anchors.with_extra(root).expect("a fake root is a CA certificate")
    })
}

/// The root certificates (DER) of the fake Google, AMD (Genoa), Intel and token service.
#[must_use]
pub fn shared_roots() -> [&'static [u8]; 4] {
    [
        shared_google().root_der(),
        FakeAmd::shared(Product::Genoa).ark_der(),
        FakeIntel::shared().root_der(),
        FakeAttestationService::shared().root_der(),
    ]
}
