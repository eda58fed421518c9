use super::*;
use crate::digest::Digest32;

const TRANSCRIPT: Transcript = Transcript(Digest32([4; 32]));

fn path(text: &str) -> SecretPath {
    SecretPath::parse(text).unwrap()
}

fn secret(bytes: &[u8]) -> PlaintextSecret {
    PlaintextSecret::new(bytes.to_vec()).unwrap()
}

#[test]
fn a_wrapped_secret_can_be_opened_in_both_suites() {
    let (a, b) = (path("n/a"), path("n/b"));
    let labels = [SecretLabel { path: &a, version: 1 }, SecretLabel { path: &b, version: 7 }];
    for suite in Suite::ALL {
        for _ in 0..20 {
            let key = GuestKey::generate(suite);
            let (one, two) = (secret(b"one"), secret(&[0; 65_536]));
            let wrapped = key.public().wrap(&TRANSCRIPT, &[(labels[0], &one), (labels[1], &two)]).unwrap();
            assert_eq!(wrapped.enc.len(), suite.enc_length());
            let sent: Vec<_> =
                labels.iter().copied().zip(wrapped.ciphertexts.iter().map(|c| &c[..])).collect();
            let opened = key.open(&TRANSCRIPT, &wrapped.enc, &sent).unwrap();
            assert_eq!(opened[0].expose(), b"one");
            assert_eq!(opened[1].expose(), two.expose());
        }
    }
}

#[test]
fn t09_nothing_opens_under_another_label_transcript_or_key() {
    let (a, b) = (path("n/a"), path("n/b"));
    for suite in Suite::ALL {
        let key = GuestKey::generate(suite);
        let label = SecretLabel { path: &a, version: 1 };
        let wrapped = key.public().wrap(&TRANSCRIPT, &[(label, &secret(b"x"))]).unwrap();
        let open = |key: &GuestKey, transcript: &Transcript, label| {
            key.open(transcript, &wrapped.enc, &[(label, &wrapped.ciphertexts[0])]).map(|_| ())
        };
        let refused = Err(WrapError::DoesNotOpen { index: 0 });
        assert_eq!(open(&key, &TRANSCRIPT, label), Ok(()));
        assert_eq!(open(&key, &TRANSCRIPT, SecretLabel { path: &b, version: 1 }), refused);
        assert_eq!(open(&key, &TRANSCRIPT, SecretLabel { path: &a, version: 2 }), refused);
        assert_eq!(open(&key, &Transcript(Digest32([5; 32])), label), refused);
        assert_eq!(open(&GuestKey::generate(suite), &TRANSCRIPT, label), refused);
        let cut = &wrapped.enc[1..];
        let short = key.open(&TRANSCRIPT, cut, &[(label, &wrapped.ciphertexts[0])]).map(|_| ());
        assert_eq!(short, Err(WrapError::MalformedEnc));
    }
}

#[test]
fn keys_of_wrong_length_or_value_are_refused() {
    let error = WrapError::KeyLength { suite: Suite::XWing, expected: 1216, length: 32 };
    assert_eq!(GuestPublicKey::new(Suite::XWing, &[9; 32]), Err(error));
    let a = path("n/a");
    let secrets = [(SecretLabel { path: &a, version: 1 }, &secret(b"x"))];
    // ML-KEM coefficients above the modulus: FIPS 203 §7.2.
    let not_reduced = GuestPublicKey::new(Suite::XWing, &[0xff; 1216]).unwrap();
    assert_eq!(not_reduced.wrap(&TRANSCRIPT, &secrets), Err(WrapError::InvalidKey));
    // A point of low order: RFC 7748 §6.1.
    let mut low_order = GuestKey::generate(Suite::XWing).public().as_bytes().to_vec();
    low_order[1184..].fill(0);
    let low_order = GuestPublicKey::new(Suite::XWing, &low_order).unwrap();
    assert_eq!(low_order.wrap(&TRANSCRIPT, &secrets), Err(WrapError::InvalidKey));
    let low_order = GuestPublicKey::new(Suite::X25519, &[0; 32]).unwrap();
    assert_eq!(low_order.wrap(&TRANSCRIPT, &secrets), Err(WrapError::InvalidKey));
}

#[test]
fn sealing_with_aws_lc_opens_with_crate_hpke_and_back() {
    let (private, public) = XWing::gen_keypair();
    let a = path("n/a");
    let label = SecretLabel { path: &a, version: 1 };
    let ours = GuestPublicKey::new(Suite::XWing, &public.to_bytes()).unwrap();
    let wrapped = ours.wrap(&TRANSCRIPT, &[(label, &secret(b"x"))]).unwrap();
    let opened = open::<XWing>(&private, &TRANSCRIPT, &wrapped.enc, &[(label, &wrapped.ciphertexts[0])]);
    assert_eq!(opened.unwrap()[0].expose(), b"x");
    let theirs = seal::<XWing>(&public.to_bytes(), &TRANSCRIPT, &[(label, &secret(b"y"))]).unwrap();
    let opened = open::<AwsXWing>(&private, &TRANSCRIPT, &theirs.enc, &[(label, &theirs.ciphertexts[0])]);
    assert_eq!(opened.unwrap()[0].expose(), b"y");
}
