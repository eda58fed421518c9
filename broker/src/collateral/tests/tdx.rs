use std::path::Path;
use std::sync::Mutex;

use vouchsafe_attestation::tdx::{PckCa, Platform, TdxCollateral};
use vouchsafe_attestation::test_util::ca::{FakeCa, Scheme};
use vouchsafe_protocol::bundle::CollateralKind;

use super::fetching::service;
use super::vendor::{Asked, Reply, Vendor, eventually};
use super::*;
use crate::clock;
use crate::tls::SelfSigned;

const PLATFORM: Platform = Platform { fmspc: [0, 0x80, 0x6f, 5, 0, 0], ca: PckCa::Platform };

/// Collateral of Intel's form that nobody signed: what it says is what counts here.
fn collateral(issued: &str) -> TdxCollateral {
    let text = |id: &str, more: &str| {
        format!(
            "{{\"id\":\"{id}\", \"version\":3,\"issueDate\":\"{issued}\",\"nextUpdate\":\"2037-01-01T00:00:00Z\"{more}}}"
        )
    };
    let now = clock::now();
    let current = CrlSpec::current(UnixTime(now.0 - 60), UnixTime(now.0 + 86_400));
    let crl = |name: &str| FakeCa::new(common_name(name), Scheme::Pkcs1Sha256).crl(&current);
    let chain = SelfSigned::generate(&["localhost".to_owned()]).unwrap().ca;
    TdxCollateral {
        pck_crl_issuer_chain: chain.clone(),
        root_ca_crl: crl("Intel SGX Root CA"),
        pck_crl: crl("Intel SGX PCK Platform CA"),
        tcb_info_issuer_chain: chain.clone(),
        tcb_info: text("TDX", ",\"fmspc\":\"00806f050000\""),
        tcb_info_signature: vec![1; 64],
        qe_identity_issuer_chain: chain,
        qe_identity: text("TD_QE", ""),
        qe_identity_signature: vec![2; 64],
    }
}

/// A Name with a common name and nothing else.
fn common_name(text: &str) -> Vec<u8> {
    let wrapped = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
    let attribute = [&[6, 3, 0x55, 4, 3], &wrapped(0x0c, text.as_bytes())[..]].concat();
    wrapped(0x30, &wrapped(0x31, &wrapped(0x30, &attribute)))
}

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Answers as Intel's service does, for what `collateral` is.
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
        // As a PCCS has it.
        "/root.der" => Reply::body(hex::encode(&collateral.root_ca_crl).as_bytes()),
        _ => Reply::status(404),
    }
}

fn fetched(collateral: TdxCollateral, platform: Platform) -> Option<TdxCollateral> {
    let folder = tempfile::tempdir().unwrap();
    let vendor = Vendor::start(move |asked| answer(asked, &collateral));
    let running = service(folder.path(), &vendor.address);
    running.want(Wanted::Tdx(platform));
    let trouble = |service: &CollateralService| {
        let items = service.status().unwrap().items;
        items.into_iter().find(|item| item.kind == CollateralKind::Tdx && item.last_error.is_some())
    };
    let found = |service: &CollateralService| service.loaded().endorsements.tdx.get(&platform).cloned();
    eventually("an answer", || found(&running).is_some() || trouble(&running).is_some());
    let found = found(&running)?;
    drop(running);
    // It is there after a restart.
    let again = service(folder.path(), "http://127.0.0.1:1");
    assert_eq!(again.loaded().endorsements.tdx.get(&platform).map(|tdx| tdx.digest()), Some(found.digest()));
    Some((*found).clone())
}

#[test]
fn collateral_is_assembled_from_the_answers_of_intels_service() {
    let made = collateral("2026-01-01T00:00:00Z");
    assert_eq!(fetched(made.clone(), PLATFORM), Some(made));
}

#[test]
fn captured_collateral_survives_the_service_byte_for_byte() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/evidence/tdx");
    let Ok(json) = fs::read(folder.join("assembled/fmspc-90c06f000000-2026-03.json")) else {
        assert!(option_env!("CI").is_none(), "captured evidence is missing");
        println!("skipped: no captured evidence");
        return;
    };
    let captured = TdxCollateral::parse(&json).unwrap();
    let described = Described::read(&captured).unwrap();
    assert_eq!(described.platform.to_string(), "90c06f000000/platform");
    let mut answers = intel::Answers::default();
    for part in [TdxPart::TcbInfo, TdxPart::QeIdentity, TdxPart::PckCrl, TdxPart::RootCrl] {
        let path = intel::url("", part, &PLATFORM, "/root.der");
        let Reply::Give { headers, body, .. } =
            answer(&Asked { path, headers: Default::default() }, &captured)
        else {
            panic!("an answer")
        };
        let mut map = ureq::http::HeaderMap::new();
        for (name, value) in headers {
            map.insert(name, value.parse().unwrap());
        }
        answers.take(part, &body, &map).unwrap();
    }
    assert_eq!(answers.assemble(), Some(captured));
}

#[test]
fn collateral_for_another_platform_is_refused() {
    let good = || collateral("2026-01-01T00:00:00Z");
    assert_eq!(fetched(good(), Platform { fmspc: [1; 6], ..PLATFORM }), None, "not there");
    let read = |change: fn(&mut TdxCollateral)| {
        let mut changed = good();
        change(&mut changed);
        Described::read(&changed).map(|described| described.platform)
    };
    let processor = read(|it| it.pck_crl = collateral_crl("Intel SGX PCK Processor CA"));
    assert_eq!(processor, Ok(Platform { ca: PckCa::Processor, ..PLATFORM }));
    let malformed = |result: Result<Platform, TdxFlaw>, part| {
        assert!(matches!(result, Err(TdxFlaw::Malformed { part: found, .. }) if found == part), "{result:?}");
    };
    malformed(read(|it| it.tcb_info = it.tcb_info.replace("TDX", "SGX")), TdxPart::TcbInfo);
    malformed(read(|it| it.tcb_info = it.tcb_info.replace("00806f", "zz806f")), TdxPart::TcbInfo);
    malformed(read(|it| it.tcb_info = it.tcb_info.replace("2026-01-01T", "2026-13-01T")), TdxPart::TcbInfo);
    malformed(read(|it| it.qe_identity = it.qe_identity.replace("TD_QE", "QE")), TdxPart::QeIdentity);
    malformed(read(|it| it.pck_crl = it.root_ca_crl.clone()), TdxPart::PckCrl);
    let no_crl = read(|it| it.root_ca_crl = vec![0x30, 0]);
    assert!(matches!(no_crl, Err(TdxFlaw::Crl { part: TdxPart::RootCrl, .. })), "{no_crl:?}");
    let mut answers = intel::Answers::default();
    let no_chain = answers.take(TdxPart::PckCrl, &good().pck_crl, &ureq::http::HeaderMap::new());
    let header = "SGX-PCK-CRL-Issuer-Chain";
    assert_eq!(no_chain, Err(TdxFlaw::NoChain { part: TdxPart::PckCrl, header }));
}

fn collateral_crl(name: &str) -> Vec<u8> {
    let now = clock::now();
    let current = CrlSpec::current(UnixTime(now.0 - 60), now.plus(86_400));
    FakeCa::new(common_name(name), Scheme::Pkcs1Sha256).crl(&current)
}

#[test]
fn t17_younger_collateral_is_not_replaced_by_older() {
    let folder = tempfile::tempdir().unwrap();
    let (young, old) = (collateral("2026-06-01T00:00:00Z"), collateral("2026-01-01T00:00:00Z"));
    let served = Arc::new(Mutex::new(young.clone()));
    let serving = Arc::clone(&served);
    let vendor = Vendor::start(move |asked| answer(asked, &serving.lock().unwrap()));
    let service = service(folder.path(), &vendor.address);
    service.want(Wanted::Tdx(PLATFORM));
    let digest = || service.loaded().endorsements.tdx.get(&PLATFORM).map(|tdx| tdx.digest());
    eventually("collateral", || digest().is_some());
    let json = serde_json::to_vec(&old).unwrap();
    *served.lock().unwrap() = old;
    service.refresh();
    eventually("a refusal", || {
        let items = service.status().unwrap().items;
        items.iter().any(|item| item.last_error.as_ref().is_some_and(|error| error.contains("issued at")))
    });
    assert_eq!(digest(), Some(young.digest()));
    // An operator decides for himself.
    service.import(&json, None, clock::now()).unwrap();
    assert_ne!(digest(), Some(young.digest()));
}
