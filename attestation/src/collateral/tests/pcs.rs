//! Responses of Intel's service, and what collateral states about itself.

use super::*;
use crate::test_util::ca::FakeCa;
use crate::test_util::ca::Scheme;
use crate::test_util::ca::encode;
use crate::test_util::tdx::percent_encoded;

const PARTS: [TdxPart; 4] = [TdxPart::TcbInfo, TdxPart::QeIdentity, TdxPart::PckCrl, TdxPart::RootCrl];

/// Header and body of the service's answer for a part.
fn answer(collateral: &TdxCollateral, part: TdxPart) -> (&'static str, String, Vec<u8>) {
    let signed = |name: &str, text: &str, signature: &[u8]| {
        format!("{{\"{name}\":{text},\"signature\":\"{}\"}}", hex::encode(signature)).into_bytes()
    };
    let TdxCollateral { tcb_info, tcb_info_signature, qe_identity, qe_identity_signature, .. } = collateral;
    match part {
        TdxPart::TcbInfo => (
            "TCB-Info-Issuer-Chain",
            percent_encoded(&collateral.tcb_info_issuer_chain),
            signed("tcbInfo", tcb_info, tcb_info_signature),
        ),
        TdxPart::QeIdentity => (
            "SGX-Enclave-Identity-Issuer-Chain",
            percent_encoded(&collateral.qe_identity_issuer_chain),
            signed("enclaveIdentity", qe_identity, qe_identity_signature),
        ),
        TdxPart::PckCrl => (
            "SGX-PCK-CRL-Issuer-Chain",
            percent_encoded(&collateral.pck_crl_issuer_chain),
            collateral.pck_crl.clone(),
        ),
        // As a PCCS has it.
        TdxPart::RootCrl => ("", String::new(), hex::encode(&collateral.root_ca_crl).into_bytes()),
    }
}

fn answers(collateral: &TdxCollateral) -> PcsAnswers {
    let mut answers = PcsAnswers::default();
    for part in PARTS {
        let (name, value, body) = answer(collateral, part);
        let header = |asked: &str| (asked == name).then_some(value.as_bytes());
        answers.add(part, &body, header).unwrap();
    }
    answers
}

#[test]
fn captured_collateral_survives_the_service_byte_for_byte() {
    let Some(json) = vouchsafe_captured::read("tdx/assembled/fmspc-90c06f000000-2026-03.json") else {
        return;
    };
    let captured = TdxCollateral::parse(&json).unwrap();
    let described = TdxDescription::read(&captured).unwrap();
    assert_eq!(described.platform.to_string(), "90c06f000000/platform");
    assert_eq!(answers(&captured).assemble(), Some(captured));
}

#[test]
fn collateral_is_that_of_the_platform_in_question() {
    let made = collateral(60);
    let (item, until) = Item::fetched_tdx(answers(&made), &PLATFORM).unwrap().unwrap();
    assert_eq!((item.digest(), until), (made.digest(), NOW.plus(DAY)));
    let other = Platform { fmspc: [1; 6], ..PLATFORM };
    let error = Item::fetched_tdx(answers(&made), &other).unwrap_err();
    assert_eq!(error, TdxItemError::OtherPlatform { found: PLATFORM }.into());
    assert!(Item::fetched_tdx(PcsAnswers::default(), &PLATFORM).unwrap().is_none());
}

#[test]
fn an_answer_that_cannot_be_read_is_refused_with_its_part() {
    let made = collateral(60);
    let add = |part, body: &[u8], value: Option<&'static str>| {
        PcsAnswers::default().add(part, body, |_| value.map(str::as_bytes))
    };
    let header = "SGX-PCK-CRL-Issuer-Chain";
    let part = TdxPart::PckCrl;
    assert_eq!(add(part, &made.pck_crl, None), Err(TdxItemError::NoChain { part, header }));
    for chain in ["%zz", "%f", "%ff", "none"] {
        let refused = add(part, &made.pck_crl, Some(chain));
        assert!(matches!(refused, Err(TdxItemError::Malformed { part: TdxPart::PckCrl, .. })), "{chain}");
    }
    for body in [&b"<html>"[..], b"{}", b"{\"tcbInfo\":{},\"signature\":\"x\"}"] {
        let refused = PcsAnswers::default().add(TdxPart::TcbInfo, body, |_| {
            Some(b"-----BEGIN CERTIFICATE-----%0AMAA=%0A-----END CERTIFICATE-----%0A")
        });
        assert!(matches!(refused, Err(TdxItemError::Malformed { part: TdxPart::TcbInfo, .. })), "{body:?}");
    }
}

#[test]
fn a_part_that_cannot_be_read_is_refused_with_its_name() {
    let read = |change: fn(&mut TdxCollateral)| {
        let mut changed = collateral(60);
        change(&mut changed);
        TdxDescription::read(&changed).map(|described| described.platform)
    };
    let processor = read(|it| it.pck_crl = crl_of("Intel SGX PCK Processor CA"));
    assert_eq!(processor, Ok(Platform { ca: PckCa::Processor, ..PLATFORM }));
    let malformed = |result: Result<Platform, TdxItemError>, part| {
        assert!(
            matches!(result, Err(TdxItemError::Malformed { part: found, .. }) if found == part),
            "{result:?}"
        );
    };
    malformed(read(|it| it.tcb_info = it.tcb_info.replace("TDX", "SGX")), TdxPart::TcbInfo);
    malformed(read(|it| it.tcb_info = it.tcb_info.replace("00806F", "zz806F")), TdxPart::TcbInfo);
    malformed(
        read(|it| it.tcb_info = it.tcb_info.replace("issueDate\":\"20", "issueDate\":\"x0")),
        TdxPart::TcbInfo,
    );
    malformed(read(|it| it.qe_identity = it.qe_identity.replace("TD_QE", "QE")), TdxPart::QeIdentity);
    malformed(read(|it| it.pck_crl = it.root_ca_crl.clone()), TdxPart::PckCrl);
    malformed(read(|it| it.pck_crl = crl_of("not Intel SGX PCK Platform CA")), TdxPart::PckCrl);
    let no_crl = read(|it| it.root_ca_crl = vec![0x30, 0]);
    assert!(matches!(no_crl, Err(TdxItemError::Crl { part: TdxPart::RootCrl, .. })), "{no_crl:?}");
}

fn crl_of(name: &str) -> Vec<u8> {
    let current = CrlSpec::current(UnixTime(NOW.0 - 60), NOW.plus(DAY));
    FakeCa::new(encode::name(&[("2.5.4.3", name)]), Scheme::Pkcs1Sha256).crl(&current)
}
