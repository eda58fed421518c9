//! A fake of Google's CA storage: many issuing CAs with one name, each with its CRL, and other certificates
//! that may be there.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use vouchsafe_attestation::anchors::IssuerAddress;
use vouchsafe_attestation::anchors::{BUILTIN, Product, Purpose};
use vouchsafe_attestation::test_util::ca::{AkCertificateSpec, FakeIssuer};
use vouchsafe_attestation::test_util::snp::FakeAmd;
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm, shared_anchors, shared_google};
use vouchsafe_attestation::x509::{self, ChainRequest, Collateral, MAX_CERTIFICATE};
use vouchsafe_protocol::bundle::CollateralKind;
use vouchsafe_protocol::{DecisionId, ReasonCode};

use super::fetching::{addresses, errors, service};
use super::vendor::{Reply, Vendor, eventually};
use super::*;
use crate::admission::Network;
use crate::clock;
use crate::server::client::Client;
use crate::testing::{Fixture, PATH, client, managed};

static ISSUERS: LazyLock<Vec<FakeIssuer>> =
    LazyLock::new(|| (0..7).map(|number| FakeIssuer::new(shared_google(), number)).collect());

/// The mirror's path for `url`.
fn at_mirror(url: &str) -> String {
    format!("/mirror/{}", url.strip_prefix("http://").expect("plain HTTP"))
}

fn current_crl() -> Vec<u8> {
    let now = clock::now();
    shared_google().root_crl(&CrlSpec::current(UnixTime(now.0 - 60), now.plus(86_400)))
}

/// The storage with all CAs.
fn storage() -> Vendor {
    let crl = current_crl();
    Vendor::start(move |asked| {
        let is = |url: &str| asked.path == at_mirror(url);
        match ISSUERS.iter().find(|issuer| is(&issuer.url) || is(&issuer.crl_url)) {
            Some(issuer) if is(&issuer.url) => Reply::body(issuer.der()),
            Some(_) => Reply::body(&crl),
            None => Reply::status(404),
        }
    })
}

/// A VM under an issuing CA. It sends only its own certificate, as guests do by default.
fn vm_below(issuer: &FakeIssuer, spec: &AkCertificateSpec) -> SimulatedVm {
    let mut vm = SimulatedVm::new();
    vm.ak_certificate = issuer.issue_ak(vm.ak.spki(), spec);
    vm.ak_issuers = Vec::new();
    vm
}

/// A broker that fetches, with the shipped guardrails; it has AMD's CRL and none of Google's.
async fn broker(vendor: &Vendor) -> Fixture {
    let collateral = addresses(&vendor.address);
    let fixture = Fixture::configured(|config| config.collateral = collateral).await;
    let ask = FakeAmd::shared(Product::Genoa).ask_der();
    managed(fixture.broker.collateral_service()).import(ask, None, clock::now()).expect("a CA");
    fixture
}

async fn code(fixture: &Fixture, vm: &SimulatedVm, decision: u8) -> (Option<ReasonCode>, Option<u32>) {
    let asked = fixture.ask(vm, Kinds::BOTH, fixture.challenge(), &[PATH]);
    // Each VM has its own network.
    let client = Client::from(IpAddr::from([10, 0, 0, decision]));
    match fixture.release_to(client, DecisionId([decision; 16]), asked.request).await {
        Ok(_) => (None, None),
        Err(refused) => (Some(refused.code()), refused.retry_after()),
    }
}

fn issuer(url: &str, key_id: &[u8]) -> Missing {
    let address = IssuerAddress::parse(Purpose::GoogleAk, url).expect("an address of the table");
    Missing::Issuer(Issuer { address, key_id: Some(key_id.to_vec()) })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vm_under_an_unknown_ca_gets_its_secret_on_retry() {
    let vendor = storage();
    let fixture = broker(&vendor).await;
    for (number, issuer) in ISSUERS.iter().enumerate() {
        let vm = vm_below(issuer, &AkCertificateSpec::default());
        let decision = u8::try_from(number).unwrap();
        let first = code(&fixture, &vm, decision).await;
        assert_eq!(first, (Some(ReasonCode::CollateralPending), Some(3)), "{number}");
        let is_there = || {
            let items = fixture.broker.collateral_service().status().unwrap().items;
            let from = |url: &str| items.iter().any(|item| item.source.as_deref() == Some(url));
            from(&issuer.url) && from(&issuer.crl_url)
        };
        eventually("the CA and its CRL", is_there);
        assert_eq!(code(&fixture, &vm, decision).await, (None, None), "{number}");
        assert_eq!(vendor.asked(&at_mirror(&issuer.url)).len(), 1, "asked once");
    }
}

#[test]
fn a_fetched_ca_is_there_after_a_restart_and_its_crl_is_kept_current() {
    let (folder, vendor) = (tempfile::tempdir().unwrap(), storage());
    let known = &ISSUERS[0];
    {
        let service = service(folder.path(), &vendor.address);
        service.want(issuer(&known.url, known.key_id()), Asker::Unverified(client()));
        eventually("the CA", || service.status().unwrap().certificates.len() == 1);
        eventually("its CRL", || !service.status().unwrap().crls.is_empty());
    }
    let service = service(folder.path(), &vendor.address);
    assert_eq!(service.status().unwrap().certificates, [Digest32::of(known.der())]);
    let before = vendor.asked(&at_mirror(&known.crl_url)).len();
    managed(&service).refresh();
    eventually("a refresh", || vendor.asked(&at_mirror(&known.crl_url)).len() > before);
    assert_eq!(vendor.asked(&at_mirror(&known.url)).len(), 1);
}

/// The service's error for an issuer when the storage answers with `reply`; nothing is stored.
fn refused(folder: &Path, reply: Reply, key_id: &[u8]) -> (String, usize, Prospect) {
    let url = ISSUERS[0].url.clone();
    let path = at_mirror(&url);
    let sent = path.clone();
    let vendor =
        Vendor::start(move |asked| if asked.path == sent { reply.clone() } else { Reply::status(404) });
    let service = service(folder, &vendor.address);
    service.want(issuer(&url, key_id), Asker::Unverified(client()));
    let place = url.strip_prefix("http://").expect("plain HTTP");
    let of_it =
        || errors(&service, CollateralKind::Certificate).into_iter().find(|error| error.contains(place));
    let is_given_up = || {
        let gone =
            matches!(service.want(issuer(&url, key_id), Asker::Unverified(client())), Prospect::Gone(_));
        gone && of_it().is_some()
    };
    eventually("the end", is_given_up);
    assert!(service.status().unwrap().certificates.is_empty());
    let prospect = service.want(issuer(&url, key_id), Asker::Unverified(client()));
    (of_it().unwrap(), vendor.asked(&path).len(), prospect)
}

#[test]
fn t57_only_a_ca_of_google_with_the_expected_key_is_accepted() {
    let wanted = &ISSUERS[0];
    let stranger = FakeIssuer::new(&FakeGoogle::new(), 0);
    let too_large = format!("more than {MAX_CERTIFICATE} bytes");
    for (reply, reason, requests) in [
        (Reply::body(&vec![0x30; MAX_CERTIFICATE + 1]), too_large.as_str(), 1),
        (Reply::body(b"<html>"), "not the requested issuing CA: malformed certificate", 1),
        // A fake CA with that name, another CA of Google, the root, a leaf certificate.
        (Reply::body(stranger.der()), "certificate signature does not verify", 1),
        (Reply::body(ISSUERS[1].der()), "no path to a trusted root", 1),
        (Reply::body(shared_google().root_der()), "no path to a trusted root", 1),
        (Reply::body(&SimulatedVm::new().ak_certificate), "no path to a trusted root", 1),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let key_id = if reason.contains("signature") { stranger.key_id() } else { wanted.key_id() };
        let (error, asked, prospect) = refused(folder.path(), reply, key_id);
        assert!(error.contains(reason), "{error}");
        assert_eq!(asked, requests, "{reason}");
        assert!(matches!(prospect, Prospect::Gone(_)), "{reason}: {prospect:?}");
    }
}

#[test]
fn t44_while_the_storage_is_down_nothing_is_refused_for_good() {
    let redirect = Reply::Give {
        status: 302,
        headers: vec![("Location", "http://127.0.0.1:1/ca.crt".to_owned())],
        body: vec![],
    };
    for reply in [redirect, Reply::status(503), Reply::status(429)] {
        let is_up = Arc::new(AtomicBool::new(false));
        let (up, known, crl) = (Arc::clone(&is_up), &ISSUERS[0], current_crl());
        let vendor = Vendor::start(move |asked| match asked.path {
            _ if !up.load(Ordering::SeqCst) => reply.clone(),
            ref path if *path == at_mirror(&known.url) => Reply::body(known.der()),
            ref path if *path == at_mirror(&known.crl_url) => Reply::body(&crl),
            _ => Reply::status(404),
        });
        let folder = tempfile::tempdir().unwrap();
        let service = service(folder.path(), &vendor.address);
        let list =
            MissingCrl { addresses: vec![known.crl_url.clone()], issuer_key: shared_google().root().spki() };
        let ask = || {
            assert!(service.want_crls([&list]).is_some());
            service.want(issuer(&known.url, known.key_id()), Asker::Verified)
        };
        // More attempts than the limit.
        eventually("an outage", || {
            let prospect = ask();
            assert!(matches!(prospect, Prospect::Soon(_)), "{prospect:?}");
            let tries = |url: &str| vendor.asked(&at_mirror(url)).len();
            tries(&known.url) > 4 && tries(&known.crl_url) > 4
        });
        is_up.store(true, Ordering::SeqCst);
        eventually("the CA and the list", || {
            ask();
            let status = service.status().unwrap();
            status.certificates.contains(&Digest32::of(known.der())) && !status.crls.is_empty()
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t57_no_other_address_is_ever_asked() {
    let vendor = storage();
    let fixture = broker(&vendor).await;
    let asked_at_start = || vendor.asked("/mirror").len();
    eventually("what is planned", || asked_at_start() >= 4);
    std::thread::sleep(std::time::Duration::from_millis(200));
    for (number, url) in [
        "http://169.254.169.254/computeMetadata/v1/instance/",
        "http://127.0.0.1:8444/v1/secrets",
        "http://[::1]/ca.crt",
        "http://evil.example/810af313406ad3e2079b/ca.crt",
        &ISSUERS[0].url.replace("http://", "http://user@"),
        &ISSUERS[0].url.replace("/0000", "%2f0000"),
        &ISSUERS[0].url.to_ascii_uppercase(),
        &ISSUERS[0].url.replace(".com/", ".com:80/"),
        &ISSUERS[0].url.replace("ca.crt", "x.crt"),
    ]
    .into_iter()
    .enumerate()
    {
        let spec = AkCertificateSpec { issuer_url: Some(url.to_owned()), ..AkCertificateSpec::default() };
        let vm = vm_below(&ISSUERS[0], &spec);
        let refused = code(&fixture, &vm, u8::try_from(number).unwrap()).await;
        assert_eq!(refused, (Some(ReasonCode::EvidenceRefused), None), "{url}");
    }
    assert_eq!(vendor.asked("ca.crt").iter().filter(|asked| asked.path.contains("-4000-8000-")).count(), 0);
    assert!(vendor.asked("x.crt").is_empty() && vendor.asked("computeMetadata").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn t57_a_flood_of_invented_addresses_causes_almost_no_traffic() {
    let vendor = storage();
    let fixture = broker(&vendor).await;
    let (service, known) = (fixture.broker.collateral_service(), &ISSUERS[0]);
    // A CA that was fetched before the flood.
    service.want(issuer(&known.url, known.key_id()), Asker::Unverified(client()));
    eventually("the CA", || service.status().unwrap().certificates.contains(&Digest32::of(known.der())));
    eventually("its CRL", || !vendor.asked(&at_mirror(&known.crl_url)).is_empty());
    let invented =
        |number: u32| known.url.replace("00000000-0000-4000", &format!("{:08x}-0000-4001", number + 0x1000));
    let flooder = Network::from(IpAddr::from([192, 0, 2, 1]));
    for number in 0..2000 {
        service.want(issuer(&invented(number), &[7; 20]), Asker::Unverified(flooder));
    }
    let requests = || vendor.asked("-4001-8000-").len();
    eventually("the budget's requests", || requests() >= 12);
    // Each is requested once: what is missing is not requested again.
    for number in 0..2000 {
        let prospect = service.want(issuer(&invented(number), &[7; 20]), Asker::Unverified(flooder));
        assert!(!matches!(prospect, Prospect::Never), "{prospect:?}");
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(requests(), 12);
    // VMs under known issuers are served meanwhile, and so is a VM from another network under an unknown CA.
    assert_eq!(code(&fixture, &vm_below(known, &AkCertificateSpec::default()), 1).await, (None, None));
    let new = vm_below(&ISSUERS[1], &AkCertificateSpec::default());
    assert_eq!(code(&fixture, &new, 2).await, (Some(ReasonCode::CollateralPending), Some(3)));
    eventually("its CA", || vendor.asked(&at_mirror(&ISSUERS[1].url)).len() == 1);
    // Requests from any number of networks together are limited as well; later ones are told when to retry.
    for number in 2000..4000 {
        let network = Network::from(IpAddr::from(Ipv4Addr::from_bits(number)));
        service.want(issuer(&invented(number), &[7; 20]), Asker::Unverified(network));
    }
    eventually("the budget's requests", || requests() >= 58);
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(requests() <= 60, "{}", requests());
    let late = vm_below(&ISSUERS[2], &AkCertificateSpec::default());
    let (refused, retry_after) = code(&fixture, &late, 3).await;
    assert_eq!(refused, Some(ReasonCode::CollateralPending));
    assert!(retry_after.is_some_and(|seconds| (4..=61).contains(&seconds)), "{retry_after:?}");
}

#[test]
fn t17_a_list_that_a_certificate_names_is_of_the_key_that_issued_it() {
    let folder = tempfile::tempdir().unwrap();
    let crl = current_crl();
    let vendor = Vendor::start(move |asked| match asked.path.ends_with("/list.crl") {
        true => Reply::body(&crl),
        false => Reply::status(404),
    });
    let service = service(folder.path(), &vendor.address);
    let named = |issuer_key: Vec<u8>| MissingCrl {
        addresses: vec!["http://pki.example/list.crl".to_owned()],
        issuer_key,
    };
    // Signed by Google's root, an anchor, but the certificate to check has another issuer key.
    let other = FakeAmd::shared(Product::Genoa).ark().spki();
    assert!(service.want_crls([&named(other)]).is_some());
    let reason = "not signed by a trusted issuer";
    eventually(reason, || errors(&service, CollateralKind::Crl).iter().any(|error| error.contains(reason)));
    assert_eq!(service.status().unwrap().crls.len(), 0);
    assert!(service.want_crls([&named(shared_google().root().spki())]).is_some());
    eventually("the list", || service.status().unwrap().crls.len() == 1);
    // Nothing is requested from an invalid URL.
    let internal = MissingCrl { addresses: vec!["http://10.0.0.1/list.crl".to_owned()], issuer_key: vec![] };
    assert_eq!(service.want_crls([&internal]), None);
}

/// CRL URLs in a certificate: URIs (context tag 6) of its distribution points.
fn distribution_points(der: &[u8]) -> Vec<String> {
    let uris = der.windows(2).enumerate().filter(|(_, pair)| pair[0] == 0x86).filter_map(|(at, pair)| {
        let text = std::str::from_utf8(der.get(at + 2..at + 2 + usize::from(pair[1]))?).ok()?;
        (text.starts_with("http") && text.contains("crl")).then(|| text.to_owned())
    });
    uris.collect()
}

fn evidence(path: &str) -> Option<Vec<u8>> {
    let bytes = vouchsafe_captured::read(path)?;
    let (mut crls, mut certificates) = (Vec::new(), Vec::new());
    x509::read_file(&bytes, &mut crls, &mut certificates).unwrap();
    certificates.into_iter().next()
}

#[test]
fn t17_the_crls_of_every_captured_chain_are_fetched_by_default() {
    let planned: Vec<String> =
        CollateralConfig::default().planned().iter().map(ToString::to_string).collect();
    let from_evidence = [
        ("gce/vtpm/certs-leaf/pca_tpm_rsa_sign_cert.pem", None, Purpose::GoogleAk),
        ("gce/vtpm/certs-leaf/uca_tpm_rsa_sign_cert.pem", None, Purpose::GoogleAk),
        ("gce/vtpm/certs-leaf/uca_tpm_ecc_sign_cert.pem", None, Purpose::GoogleAk),
        ("gce/snp/milan-debugpolicy-vcek.der", None, Purpose::AmdVcek),
        ("field/snp-genoa-v3-veraison.vek.der", None, Purpose::AmdVcek),
    ];
    let token = token_chain();
    let mut chains = Vec::new();
    for (leaf, above, purpose) in from_evidence {
        let Some(leaf) = evidence(leaf) else { return };
        chains.push((leaf, above, purpose, 1_761_955_200));
    }
    if let Some([leaf, intermediate]) = token {
        chains.push((leaf, Some(intermediate), Purpose::ConfidentialSpace, 1_757_030_400));
    }
    assert_eq!(chains.len(), 6);
    for (leaf, above, purpose, now) in chains {
        let verified = x509::verify_chain(&ChainRequest {
            leaf: &leaf,
            certificates: above.as_slice(),
            purpose,
            anchors: &TrustAnchors::builtin(),
            collateral: &Collateral::empty(),
            now: UnixTime(now),
        });
        let missing: Vec<String> =
            verified.unwrap().missing_crls().iter().flat_map(|crl| crl.addresses.clone()).collect();
        assert!(!missing.is_empty(), "{purpose:?}");
        for url in &missing {
            assert!(addresses::is_crl_address(url), "{url}");
        }
        // URLs from the certificates that guests send, and from the table for the others.
        for url in std::iter::once(&leaf).chain(&above).flat_map(|der| distribution_points(der)) {
            assert!(missing.contains(&url), "{url}");
        }
        if purpose != Purpose::ConfidentialSpace {
            let of_the_table = missing.iter().filter(|url| BUILTIN.iter().any(|ca| ca.crl_url == Some(url)));
            assert!(of_the_table.into_iter().all(|url| planned.contains(url)));
        }
    }
}

/// Leaf and intermediate of a captured PKI token.
fn token_chain() -> Option<[Vec<u8>; 2]> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let token =
        String::from_utf8(vouchsafe_captured::read("gce/gca-tokens/pki-tdx-prod-2025-09-05.jwt")?).unwrap();
    let header = URL_SAFE_NO_PAD.decode(token.trim().split('.').next()?).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    let certificate = |index: usize| STANDARD.decode(header["x5c"][index].as_str().unwrap()).unwrap();
    Some([certificate(0), certificate(1)])
}

#[test]
fn a_broker_without_egress_takes_a_ca_and_its_list_from_an_operator() {
    let folder = tempfile::tempdir().unwrap();
    let mut ours = CollateralFolder::open(folder.path(), identity(1), &[], shared_anchors()).unwrap();
    ours.import(ISSUERS[2].der(), None, clock::now()).unwrap();
    ours.import(&current_crl(), None, clock::now()).unwrap();
    let status = ours.status().unwrap();
    assert_eq!(status.certificates, [Digest32::of(ISSUERS[2].der())]);
    assert_eq!(status.crls.len(), 1);
}
