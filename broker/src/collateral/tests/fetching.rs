use std::sync::LazyLock;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use vouchsafe_attestation::test_util::google_token::FakeAttestationService;

use vouchsafe_attestation::anchors::Product;
use vouchsafe_attestation::google_token::TokenKeys;
use vouchsafe_attestation::test_util::snp::{FakeAmd, SnpReportBuilder};
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm, shared_anchors, shared_google};
use vouchsafe_attestation::{Root, TrustAnchors};
use vouchsafe_protocol::bundle::CollateralKind;
use vouchsafe_protocol::{DecisionId, ReasonCode};

use super::vendor::{Asked, Reply, Vendor, eventually};
use super::*;
use crate::clock;
use crate::collateral::client::Client;
use crate::collateral::pace::Pace;
use crate::metrics::Metrics;
use crate::server::Servers;
use crate::testing::{Fixture, PATH, client, managed};

/// Quick failures, and refreshes when a test asks for them.
pub(super) fn pace() -> Pace {
    let hour = Duration::from_secs(3600);
    Pace {
        first: Duration::from_millis(20),
        most: Duration::from_millis(100),
        again: Duration::from_millis(50),
        request: Duration::from_secs(5),
        ..Pace::new([hour, hour])
    }
}

/// All sources at one vendor.
pub(super) fn addresses(address: &str) -> CollateralConfig {
    CollateralConfig {
        amd_kds: address.to_owned(),
        intel_pcs: address.to_owned(),
        intel_root_crl: format!("{address}/root.der"),
        crls: vec![format!("{address}/google.crl")],
        mirror: Some(format!("{address}/mirror")),
        jwks: format!("{address}/jwks"),
        endorsements: address.to_owned(),
        ..CollateralConfig::default()
    }
}

pub(super) fn service(folder: &Path, address: &str) -> CollateralService {
    service_with(folder, address, &Metrics::new().expect("metrics"))
}

pub(super) fn service_with(folder: &Path, address: &str, metrics: &Metrics) -> CollateralService {
    service_under(shared_anchors(), folder, address, metrics)
}

pub(super) fn service_under(
    anchors: TrustAnchors,
    folder: &Path,
    address: &str,
    metrics: &Metrics,
) -> CollateralService {
    let folder = CollateralFolder::open(folder, identity(1), &[], anchors.clone()).expect("a folder");
    let (config, metrics) = (addresses(address), metrics.collateral.clone());
    CollateralService::start_at(pace(), config, folder, anchors, metrics).expect("started")
}

pub(super) fn google_crl(age: u64) -> Vec<u8> {
    let now = clock::now();
    shared_google().root_crl(&CrlSpec::current(UnixTime(now.0 - age), now.plus(86_400 * 30)))
}

pub(super) fn vek() -> (Chip, Vec<u8>) {
    let (amd, builder) = (FakeAmd::shared(Product::Genoa), SnpReportBuilder::new(Product::Genoa));
    let report = builder.sign_report(amd);
    let tcb = report[0x180..0x188].try_into().expect("8 bytes");
    let chip = Chip { id: builder.chip_id, tcb, product: Some(Product::Genoa) };
    (chip, amd.vcek(builder.reported_tcb, &builder.chip_id))
}

pub(super) fn vek_path(chip: &Chip) -> String {
    format!("/vcek/v1/Genoa/{}?blSPL=10&teeSPL=1&snpSPL=27&ucodeSPL=200", hex::encode(chip.id))
}

pub(super) fn errors(service: &CollateralService, kind: CollateralKind) -> Vec<String> {
    let items = service.status().expect("a status").items;
    items.into_iter().filter(|item| item.kind == kind).filter_map(|item| item.last_error).collect()
}

pub(super) fn digests(service: &CollateralService) -> Vec<Digest32> {
    service.status().expect("a status").crls.iter().map(|crl| crl.digest).collect()
}

#[test]
fn t44_many_misses_make_one_request() {
    let (folder, (chip, der)) = (tempfile::tempdir().unwrap(), vek());
    let path = vek_path(&chip);
    let vendor = Vendor::start(move |asked| {
        if asked.path != path {
            return Reply::status(404);
        }
        std::thread::sleep(Duration::from_millis(100));
        Reply::body(&der)
    });
    let service = service(folder.path(), &vendor.address);
    managed(&service).import(FakeAmd::shared(Product::Genoa).ask_der(), None, clock::now()).unwrap();
    let started = Instant::now();
    for _ in 0..1000 {
        service.want(Missing::Vek(chip), Asker::Unverified(client()));
    }
    assert!(started.elapsed() < Duration::from_secs(1), "nobody waits");
    eventually("the certificate", || service.loaded().endorsements.veks.has(&chip.id, &chip.tcb));
    for _ in 0..1000 {
        service.want(Missing::Vek(chip), Asker::Unverified(client()));
    }
    assert_eq!(vendor.asked(&hex::encode(chip.id)).len(), 1);
}

#[test]
fn t17_the_last_good_list_stays_when_its_successor_is_of_no_use() {
    let (folder, good) = (tempfile::tempdir().unwrap(), google_crl(60));
    let (sent, hits) = (Arc::new(Mutex::new(Reply::body(&good))), Arc::new(AtomicU16::new(0)));
    let (reply, counted) = (Arc::clone(&sent), Arc::clone(&hits));
    let vendor = Vendor::start(move |asked: &Asked| {
        if asked.path != "/google.crl" {
            return Reply::status(404);
        }
        counted.fetch_add(1, Ordering::SeqCst);
        reply.lock().unwrap().clone()
    });
    let service = service(folder.path(), &vendor.address);
    eventually("the list", || !digests(&service).is_empty());
    let now = clock::now();
    let foreign = FakeGoogle::new().root_crl(&CrlSpec::current(now, now.plus(1000)));
    let issued = StoredCrl::parse(good.clone()).unwrap().summary().this_update;
    let lower = CrlSpec { number: 0, ..CrlSpec::current(issued, now.plus(1000)) };
    let lower = shared_google().root_crl(&lower);
    let future = shared_google().root_crl(&CrlSpec::current(now.plus(500), now.plus(1000)));
    let ended = shared_google().root_crl(&CrlSpec::current(UnixTime(now.0 - 20), UnixTime(now.0 - 10)));
    for (reply, reason) in [
        (Reply::status(500), "HTTP status 500"),
        (Reply::status(302), "HTTP status 302"),
        (Reply::body(b"<html>"), "malformed"),
        (Reply::body(&vec![0x30; 9 * 1024 * 1024]), "google.crl"),
        (Reply::body(&foreign), "not signed by a trusted issuer"),
        (Reply::body(&google_crl(3600)), "before the stored one"),
        (Reply::body(&lower), "before the stored one"),
        (Reply::body(&future), "not valid before"),
        (Reply::body(&ended), "and the stored one is current"),
    ] {
        *sent.lock().unwrap() = reply;
        let before = hits.load(Ordering::SeqCst);
        managed(&service).refresh();
        eventually(reason, || {
            errors(&service, CollateralKind::Crl).iter().any(|error| error.contains(reason))
        });
        // It is retried automatically, with growing intervals.
        eventually("another try", || hits.load(Ordering::SeqCst) >= before + 3);
        assert_eq!(digests(&service), [Digest32::of(&good)], "{reason}");
    }
    let better = google_crl(30);
    *sent.lock().unwrap() = Reply::body(&better);
    eventually("its successor", || digests(&service) == [Digest32::of(&better)]);
    assert_eq!(service.loaded().collateral.crl_summaries().count(), 1);
    eventually("no error", || {
        errors(&service, CollateralKind::Crl).iter().all(|error| !error.contains("google.crl"))
    });
}

#[test]
fn t17_a_list_of_another_issuer_displaces_none() {
    let (folder, good) = (tempfile::tempdir().unwrap(), google_crl(60));
    let sent = Arc::new(Mutex::new(good.clone()));
    let reply = Arc::clone(&sent);
    let vendor = Vendor::start(move |asked| match asked.path.as_str() {
        "/google.crl" => Reply::body(&reply.lock().unwrap()),
        _ => Reply::status(404),
    });
    let service = service(folder.path(), &vendor.address);
    eventually("the list", || !digests(&service).is_empty());
    let other = FakeAmd::shared(Product::Genoa)
        .crl(&CrlSpec::current(UnixTime(clock::now().0 - 10), clock::now().plus(1000)));
    *sent.lock().unwrap() = other.clone();
    // The previous fetch may still be running.
    let refreshed = || {
        managed(&service).refresh();
        digests(&service)
    };
    eventually("both", || refreshed().len() == 2);
    assert!(digests(&service).contains(&Digest32::of(&good)));
    let better = google_crl(5);
    *sent.lock().unwrap() = better.clone();
    eventually("its successor", || refreshed().contains(&Digest32::of(&better)));
    assert!(!digests(&service).contains(&Digest32::of(&good)));
    assert!(digests(&service).contains(&Digest32::of(&other)));
}

#[test]
fn a_certificate_of_another_chip_or_issuer_is_rejected() {
    let (folder, (chip, der)) = (tempfile::tempdir().unwrap(), vek());
    let sent = Arc::new(Mutex::new(
        FakeAmd::new(Product::Genoa).vcek(SnpReportBuilder::new(Product::Genoa).reported_tcb, &chip.id),
    ));
    let reply = Arc::clone(&sent);
    let vendor = Vendor::start(move |asked| match asked.path.contains("blSPL") {
        true => Reply::body(&reply.lock().unwrap()),
        false => Reply::status(404),
    });
    let service = service(folder.path(), &vendor.address);
    managed(&service).import(FakeAmd::shared(Product::Genoa).ask_der(), None, clock::now()).unwrap();
    service.want(Missing::Vek(chip), Asker::Unverified(client()));
    let refused = |reason: &str| {
        eventually(reason, || {
            errors(&service, CollateralKind::Certificate).iter().any(|error| error.contains(reason))
        });
    };
    refused("signature does not verify");
    let other = FakeAmd::shared(Product::Genoa);
    *sent.lock().unwrap() = other.vcek(SnpReportBuilder::new(Product::Genoa).reported_tcb, &[9; 64]);
    refused("not the certificate of this chip");
    assert_eq!(service.status().unwrap().chips, 0);
    *sent.lock().unwrap() = der;
    managed(&service).refresh();
    eventually("the certificate", || service.status().unwrap().chips == 1);
}

#[test]
fn t40_keys_of_tokens_outlive_an_outage() {
    let folder = tempfile::tempdir().unwrap();
    let status = Arc::new(AtomicU16::new(200));
    let answer = Arc::clone(&status);
    let vendor = Vendor::start(move |asked| match (asked.path.as_str(), answer.load(Ordering::SeqCst)) {
        ("/jwks", 200) => Reply::body(&JWKS),
        ("/jwks", status) => Reply::status(status),
        _ => Reply::status(404),
    });
    let running = service(folder.path(), &vendor.address);
    eventually("keys", || running.loaded().endorsements.token_keys.len() == 1);
    let fetched_at = running.loaded().endorsements.token_keys[0].fetched_at();
    status.store(503, Ordering::SeqCst);
    running.want(Missing::TokenKeys, Asker::Unverified(client()));
    eventually("an outage", || vendor.asked("/jwks").len() >= 3);
    assert!(!errors(&running, CollateralKind::TokenKeys).is_empty());
    drop(running);
    let running = service(folder.path(), &vendor.address);
    {
        let loaded = running.loaded();
        let keys = &loaded.endorsements.token_keys[0];
        // From this URL its root is only `extra`.
        assert_eq!((keys.as_bytes(), keys.root(), keys.fetched_at()), (&JWKS[..], Root::Extra, fetched_at));
    }
    // Alerts use the age.
    let metrics = Metrics::new().unwrap();
    metrics.collateral.observe(&running.status().unwrap(), fetched_at.plus(5000));
    let text = String::from_utf8(metrics.text().unwrap()).unwrap();
    assert!(text.contains("vouchsafe_collateral_age_seconds{kind=\"jwks\"} 5000"), "{text}");
}

#[test]
fn t40_a_key_set_is_googles_only_as_this_broker_fetched_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut ours = open(folder.path());
    let metadata = ItemMetadata {
        source: TokenKeys::GOOGLE_JWKS.to_owned(),
        fetched_at: UnixTime(1000),
        valid_until: None,
        kind: None,
    };
    ours.put(Item::TokenKeys(Root::Google, JWKS.to_vec()), metadata, None).unwrap();
    let roots = |folder: &CollateralFolder| {
        let keys = folder.parse().unwrap().endorsements.token_keys;
        keys.iter().map(|keys| (keys.root(), keys.fetched_at())).collect::<Vec<_>>()
    };
    assert_eq!(roots(&open(folder.path())), [(Root::Google, UnixTime(1000))]);
    // An operator's import never is.
    ours.import(&JWKS, None, UnixTime(2000)).unwrap();
    let both = [(Root::Google, UnixTime(1000)), (Root::Extra, UnixTime(2000))];
    assert_eq!(roots(&open(folder.path())), both);
    // Nor is a key set written into the folder: as it is, under the other name, or signed by another broker's
    // identity.
    let file = |name: &str| folder.path().join(format!("jwks.{name}.json"));
    fs::copy(file("extra"), file("google")).unwrap();
    assert_eq!(roots(&open(folder.path())), [(Root::Extra, UnixTime(2000))]);
    fs::write(file("google"), &*JWKS).unwrap();
    assert_eq!(roots(&open(folder.path())), [(Root::Extra, UnixTime(2000))]);
    let other = CollateralFolder::open(folder.path(), identity(2), &[], shared_anchors()).unwrap();
    assert_eq!(roots(&other), []);
}

async fn fetching(address: &str) -> Fixture {
    let collateral = addresses(address);
    let fixture = Fixture::configured(|config| config.collateral = collateral).await;
    let ask = FakeAmd::shared(Product::Genoa).ask_der();
    managed(fixture.broker.collateral_service()).import(ask, None, clock::now()).expect("a CA");
    fixture
}

fn bare() -> SimulatedVm {
    SimulatedVm { vek_certificate: None, ..SimulatedVm::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_without_certificate_is_served_when_it_comes_again() {
    let (chip, der) = vek();
    let path = vek_path(&chip);
    let vendor =
        Vendor::start(move |asked| if asked.path == path { Reply::body(&der) } else { Reply::status(404) });
    let fixture = fetching(&vendor.address).await;
    let ask = || fixture.ask(&bare(), Kinds::BOTH, fixture.challenge(), &[PATH]).request;
    let first = fixture.release(DecisionId([1; 16]), ask()).await;
    let problem = first.expect_err("missing");
    assert_eq!(problem.code(), ReasonCode::CollateralPending);
    assert_eq!(problem.retry_after(), Some(3));
    eventually("the certificate", || fixture.broker.collateral().endorsements.veks.has(&chip.id, &chip.tcb));
    fixture.release(DecisionId([2; 16]), ask()).await.expect("granted");
    assert_eq!(vendor.asked(&vek_path(&chip)).len(), 1);
    // Its firmware has no endorsement; that was requested as well.
    let measurement = hex::encode(SnpReportBuilder::new(Product::Genoa).measurement);
    eventually("an endorsement", || vendor.asked(&format!("/sevsnp/{measurement}.binarypb")).len() == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn t44_a_release_never_waits_for_a_vendor() {
    let vendor = Vendor::start(|_| Reply::Hang);
    let fixture = fetching(&vendor.address).await;
    for kinds in [Kinds::BOTH, Kinds::REPORT] {
        let asked = fixture.ask(&bare(), kinds, fixture.challenge(), &[PATH]);
        let started = Instant::now();
        let refused = fixture.release(DecisionId([1; 16]), asked.request).await;
        assert_eq!(refused.expect_err("missing").code(), ReasonCode::CollateralPending);
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    }
    // VMs that need no vendor are served meanwhile.
    let asked = fixture.ask(&SimulatedVm::new(), Kinds::BOTH, fixture.challenge(), &[PATH]);
    fixture.release(DecisionId([2; 16]), asked.request).await.expect("granted");
    eventually("a request", || !vendor.asked("/crl").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_whose_certificate_the_system_does_not_know_is_not_believed() {
    let fixture = Fixture::new().await;
    let servers = Servers::start(&fixture.broker, fixture.listeners()).expect("listening");
    let (address, stop) = (servers.guests, servers.stop());
    let running = tokio::spawn(servers.run());
    let fetched = tokio::task::spawn_blocking(move || {
        let client = Client::new(Duration::from_secs(5));
        client.get(&format!("https://{address}/livez"), 1000).map(|_| ())
    });
    let error = fetched.await.expect("no panic").expect_err("refused");
    assert!(
        matches!(&error, FetchError::Unreachable { detail, .. } if detail.contains("certificate")),
        "{error}"
    );
    stop.stop().await;
    running.await.expect("no panic").expect("stopped");
}

/// A key set with one key.
static JWKS: LazyLock<Vec<u8>> = LazyLock::new(|| FakeAttestationService::shared().jwks());

#[tokio::test(flavor = "multi_thread")]
async fn t56_a_vm_that_names_one_chip_after_the_other_counts_as_a_stranger() {
    let vendor = Vendor::start(|_| Reply::Hang);
    let fixture = fetching(&vendor.address).await;
    // Its AK certificate is genuine. Two chips are counted for its verified chain, the next fifteen for its
    // network.
    for number in 1..=25 {
        let mut vm = bare();
        vm.report.chip_id = [number; 64];
        let asked = fixture.ask(&vm, Kinds::BOTH, fixture.challenge(), &[PATH]);
        let refused = fixture.release(DecisionId([1; 16]), asked.request).await;
        let problem = refused.expect_err("missing");
        assert_eq!(problem.code(), ReasonCode::CollateralPending, "{number}");
        let (chip, status) =
            (hex::encode([number; 64]), fixture.broker.collateral_status().expect("a status"));
        let is_queued = status.items.iter().any(|item| item.subject.starts_with(&chip));
        assert_eq!(is_queued, number <= 17, "{number}");
    }
    // Elsewhere the same instance is still counted for its chain.
    let mut vm = bare();
    vm.report.chip_id = [26; 64];
    let asked = fixture.ask(&vm, Kinds::BOTH, fixture.challenge(), &[PATH]);
    let elsewhere = std::net::IpAddr::from([192, 0, 2, 1]).into();
    let refused = fixture.release_to(elsewhere, DecisionId([1; 16]), asked.request).await;
    assert_eq!(refused.expect_err("missing").code(), ReasonCode::CollateralPending);
    let status = fixture.broker.collateral_status().expect("a status");
    assert!(status.items.iter().any(|item| item.subject.starts_with(&hex::encode([26; 64]))));
    let other = Chip { id: [99; 64], tcb: [0; 8], product: Some(Product::Genoa) };
    let prospect = fixture.broker.collateral_service().want(Missing::Vek(other), Asker::Verified);
    assert!(matches!(prospect, Prospect::Soon(_)), "{prospect:?}");
}
