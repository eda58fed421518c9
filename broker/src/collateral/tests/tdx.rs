use std::sync::Mutex;

use vouchsafe_attestation::tdx::{PckCa, Platform, TdxCollateral};
use vouchsafe_attestation::test_util::tdx::{CollateralSpec, FMSPC, FakeIntel, ROOT_SERIAL, percent_encoded};
use vouchsafe_protocol::bundle::CollateralKind;

use super::fetching::{service, service_with};
use super::vendor::{Asked, Reply, Vendor, eventually};
use super::*;
use crate::clock;
use crate::metrics::Metrics;
use crate::testing::{client, managed};

const PLATFORM: Platform = Platform { fmspc: FMSPC, ca: PckCa::Platform };
const DAY: u64 = 86_400;

/// The specification of collateral issued this many seconds ago.
fn spec(age: u64) -> CollateralSpec {
    let now = clock::now();
    CollateralSpec::current(UnixTime(now.0 - age), now.plus(DAY))
}

fn collateral(age: u64) -> TdxCollateral {
    FakeIntel::shared().collateral(&spec(age))
}

/// Answers like Intel's service, with the parts of `collateral`.
fn answer(asked: &Asked, collateral: &TdxCollateral) -> Reply {
    let chained = |header: &'static str, chain: &str, body: Vec<u8>| Reply::Give {
        status: 200,
        headers: vec![(header, percent_encoded(chain))],
        body,
    };
    let signed = |name: &str, text: &str, signature: &[u8]| {
        format!("{{\"{name}\":{text},\"signature\":\"{}\"}}", hex::encode(signature)).into_bytes()
    };
    let TdxCollateral { tcb_info, tcb_info_signature, qe_identity, qe_identity_signature, .. } = collateral;
    match asked.path.as_str() {
        "/tdx/certification/v4/tcb?fmspc=00806f050000" => {
            let body = signed("tcbInfo", tcb_info, tcb_info_signature);
            chained("TCB-Info-Issuer-Chain", &collateral.tcb_info_issuer_chain, body)
        }
        "/tdx/certification/v4/qe/identity" => {
            let body = signed("enclaveIdentity", qe_identity, qe_identity_signature);
            chained("SGX-Enclave-Identity-Issuer-Chain", &collateral.qe_identity_issuer_chain, body)
        }
        "/sgx/certification/v4/pckcrl?ca=platform&encoding=der" => {
            let body = collateral.pck_crl.clone();
            chained("SGX-PCK-CRL-Issuer-Chain", &collateral.pck_crl_issuer_chain, body)
        }
        // In the form of a PCCS.
        "/root.der" => Reply::body(hex::encode(&collateral.root_ca_crl).as_bytes()),
        _ => Reply::status(404),
    }
}

fn fetched(collateral: TdxCollateral, platform: Platform) -> Option<TdxCollateral> {
    let folder = tempfile::tempdir().unwrap();
    let vendor = Vendor::start(move |asked| answer(asked, &collateral));
    let running = service(folder.path(), &vendor.address);
    running.want(Missing::Tdx(platform), Asker::Unverified(client()));
    let trouble = |service: &CollateralService| {
        let items = service.status().unwrap().items;
        items.into_iter().find(|item| item.kind == CollateralKind::Tdx && item.last_error.is_some())
    };
    let found = |service: &CollateralService| service.loaded().endorsements.tdx.get(&platform).cloned();
    eventually("an answer", || found(&running).is_some() || trouble(&running).is_some());
    let found = found(&running)?;
    drop(running);
    // It is still there after a restart.
    let again = service(folder.path(), "http://127.0.0.1:1");
    assert_eq!(again.loaded().endorsements.tdx.get(&platform).map(|tdx| tdx.digest()), Some(found.digest()));
    Some((*found).clone())
}

#[test]
fn collateral_is_assembled_from_the_answers_of_intels_service() {
    let made = collateral(60);
    assert_eq!(fetched(made.clone(), PLATFORM), Some(made));
}

#[test]
fn collateral_for_another_platform_is_refused() {
    assert_eq!(fetched(collateral(60), Platform { fmspc: [1; 6], ..PLATFORM }), None);
}

/// Each unusable answer of a cache, with the part at fault.
fn refused() -> Vec<(&'static str, TdxCollateral)> {
    let good = || collateral(60);
    let changed = |change: fn(&mut TdxCollateral)| {
        let mut changed = good();
        change(&mut changed);
        changed
    };
    let signed = |change: fn(&mut CollateralSpec)| {
        let mut spec = spec(60);
        change(&mut spec);
        FakeIntel::shared().collateral(&spec)
    };
    vec![
        ("signature of TCB info", changed(|it| it.tcb_info_signature[3] ^= 1)),
        ("signature of QE identity", changed(|it| it.qe_identity_signature[3] ^= 1)),
        ("signature of CRL of the root CA", changed(|it| *it.root_ca_crl.last_mut().unwrap() ^= 1)),
        ("signature of CRL of the PCK CA", changed(|it| *it.pck_crl.last_mut().unwrap() ^= 1)),
        ("which is not an anchor", FakeIntel::new().collateral(&spec(60))),
        (
            "no certificate for that from the root",
            changed(|it| it.tcb_info_issuer_chain = it.pck_crl_issuer_chain.clone()),
        ),
        ("is revoked", signed(|spec| spec.root_crl.revoked.push(ROOT_SERIAL.to_be_bytes().to_vec()))),
        ("TCB info expired at", signed(|spec| spec.tcb_info["nextUpdate"] = "2026-01-01T00:00:00Z".into())),
        (
            "QE identity not valid before",
            signed(|spec| spec.qe_identity["issueDate"] = "2037-01-01T00:00:00Z".into()),
        ),
        (
            "CRL of the PCK CA expired at",
            signed(|spec| spec.pck_crl.next_update = Some(spec.pck_crl.this_update)),
        ),
        ("TCB info: issued at", signed(|spec| spec.tcb_info["issueDate"] = "2026-01-01T00:00:00Z".into())),
        (
            "QE identity: issued at",
            signed(|spec| spec.qe_identity["issueDate"] = "2026-01-01T00:00:00Z".into()),
        ),
        ("CRL of the root CA: issued at", signed(|spec| spec.root_crl.this_update.0 -= DAY)),
        ("CRL of the PCK CA: issued at", signed(|spec| spec.pck_crl.this_update.0 -= DAY)),
        ("QE identity is not for TDX", signed(|spec| spec.qe_identity["version"] = 4.into())),
        (
            "issuer chain of QE identity is not plain PEM",
            changed(|it| it.qe_identity_issuer_chain += "-----BEGIN JUNK-----\nAAAA\n-----END JUNK-----\n"),
        ),
    ]
}

#[test]
fn t17_a_cache_puts_nothing_bad_in_the_place_of_good_collateral() {
    let folder = tempfile::tempdir().unwrap();
    let good = collateral(120);
    let served = Arc::new(Mutex::new(good.clone()));
    let serving = Arc::clone(&served);
    let vendor = Vendor::start(move |asked| answer(asked, &serving.lock().unwrap()));
    let metrics = Metrics::new().unwrap();
    let service = service_with(folder.path(), &vendor.address, &metrics);
    service.want(Missing::Tdx(PLATFORM), Asker::Unverified(client()));
    let digest = || service.loaded().endorsements.tdx.get(&PLATFORM).map(|tdx| tdx.digest());
    eventually("collateral", || digest().is_some());
    let error = || {
        let items = service.status().unwrap().items;
        items.into_iter().find(|item| item.kind == CollateralKind::Tdx).and_then(|item| item.last_error)
    };
    for (reason, bad) in refused() {
        *served.lock().unwrap() = bad;
        let before = vendor.asked("/root.der").len();
        managed(&service).refresh();
        eventually(reason, || error().is_some_and(|error| error.contains(reason)));
        // It is retried automatically, and the stored collateral stays, also after a restart.
        eventually("another try", || vendor.asked("/root.der").len() >= before + 3);
        assert_eq!(digest(), Some(good.digest()), "{reason}");
    }
    let kept = open(folder.path()).parse().unwrap();
    assert_eq!(kept.endorsements.tdx.get(&PLATFORM).map(|tdx| tdx.digest()), Some(good.digest()));
    let text = String::from_utf8(metrics.text().unwrap()).unwrap();
    let counted =
        text.lines().find(|line| line.contains("kind=\"tdx\"") && line.contains("refused")).unwrap();
    assert!(counted.rsplit(' ').next().unwrap().parse::<f64>().unwrap() >= 16.0, "{counted}");
    let better = collateral(30);
    *served.lock().unwrap() = better.clone();
    eventually("its successor", || digest() == Some(better.digest()));
    assert_eq!(error(), None);
}
