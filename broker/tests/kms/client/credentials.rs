//! Access tokens.

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use vouchsafe_broker::clock;
use vouchsafe_broker::kms::CredentialsError;

use super::*;
use crate::fake::TOKEN;

#[test]
fn the_metadata_server_has_to_be_one_and_to_have_a_token() {
    let world = World::new();
    let flavor = "Metadata-Flavor: Google\r\n";
    for (status, headers, body, expected) in [
        ("404 Not Found", flavor, "", "HTTP status 404. Attach a service account to the VM"),
        ("200 OK", "", "{\"access_token\": \"x\"}", "is not a metadata server (no Metadata-Flavor: Google)"),
        ("200 OK", flavor, "{}", "the metadata server's answer has none"),
        ("200 OK", flavor, "{\"access_token\": \"a\\nb\"}", "a token that no header can have"),
        ("302 Found", "Metadata-Flavor: Google\r\nLocation: http://127.0.0.1:1/\r\n", "", "HTTP status 302"),
        ("500 Error", flavor, "", "500 Internal Server Error. On Google Cloud, let the broker reach it"),
        ("200 OK", flavor, &"x".repeat(70_000), "its answer has more than 64 KiB"),
    ] {
        let metadata = FakeMetadata::answering(status, headers, body);
        let config = KmsConfig { metadata: metadata.url(), ..world.config() };
        let error = CloudKms::new(&config).expect("a client").wrap(&two_generations(), &key()).unwrap_err();
        assert!(error.to_string().contains(expected), "{status}: {error}");
    }
    assert_eq!(world.kms.state().calls, [""; 0], "nothing is sent without a token");
    let metadata = FakeMetadata::answering("200 OK", flavor, "{\"access_token\": \"stolen\"}");
    let config = KmsConfig { metadata: metadata.url(), ..world.config() };
    let error = CloudKms::new(&config).expect("a client").wrap(&two_generations(), &key()).unwrap_err();
    assert!(matches!(problem(&error), Problem::Unauthenticated { .. }), "{error}");
    assert!(!error.to_string().contains("stolen") && !error.to_string().contains(TOKEN));
}

fn account() -> &'static KeyPair {
    static ACCOUNT: OnceLock<KeyPair> = OnceLock::new();
    ACCOUNT.get_or_init(|| KeyPair::generate(KeySize::Rsa2048).expect("a key"))
}

const EMAIL: &str = "broker@my-project.iam.gserviceaccount.com";

/// The file that `gcloud iam service-accounts keys create` writes.
fn key_file() -> Value {
    let key: Pkcs8V1Der<'_> = account().as_der().expect("PKCS#8");
    let lines = STANDARD.encode(key.as_ref());
    let lines =
        lines.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII")).collect::<Vec<_>>();
    json!({
        "type": "service_account", "project_id": "my-project", "private_key_id": "0123abcd", "client_email": EMAIL,
        "private_key": format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n")),
        "token_uri": "https://oauth2.googleapis.com/token", "universe_domain": "googleapis.com",
    })
}

/// Writes that file, for its owner alone.
pub(crate) fn write_account(path: &Path) {
    fs::write(path, key_file().to_string()).expect("written");
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("set");
}

/// Whether this is a token that the account has signed for the service just now.
pub(crate) fn is_signed(token: &str) -> bool {
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("base64");
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, account().public_key().as_ref());
    let (header, claims) = signed.split_once('.').expect("three parts");
    let json = |part: &str| serde_json::from_slice::<Value>(&decoded(part)).expect("JSON");
    let claims = json(claims);
    let issued = claims["iat"].as_u64().expect("a time");
    let expected = json!({
        "iss": EMAIL, "sub": EMAIL, "aud": "https://cloudkms.googleapis.com/", "iat": issued, "exp": issued + 3600,
    });
    public.verify(signed.as_bytes(), &decoded(signature)).is_ok()
        && json(header) == json!({ "alg": "RS256", "typ": "JWT", "kid": "0123abcd" })
        && claims == expected
        && issued.abs_diff(clock::now().0) < 60
}

#[test]
fn the_key_of_a_service_account_signs_its_own_token() {
    let world = World::new();
    let file = world.folder.path().join("account.json");
    let write = |text: &str, mode| {
        fs::write(&file, text).expect("written");
        fs::set_permissions(&file, Permissions::from_mode(mode)).expect("set");
    };
    let client = || CloudKms::new(&KmsConfig { credentials: Some(file.clone()), ..world.config() });
    write(&key_file().to_string(), 0o600);
    world.kms.state().is_token = Some(is_signed);
    client().expect("a client").wrap(&two_generations(), &key()).expect("wrapped");
    assert_eq!(*world.metadata.asked.lock().expect("a list"), [""; 0]);
    assert!(!format!("{:?}", client()).contains("PRIVATE"));

    write(&key_file().to_string(), 0o640);
    assert!(matches!(client().unwrap_err(), KmsError::Credentials(CredentialsError::File(_))));
    let mut user = key_file();
    user["type"] = json!("authorized_user");
    let mut garbled = key_file();
    garbled["private_key"] = json!("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    for (text, expected) in [
        (user.to_string(), "it is of another type"),
        (garbled.to_string(), "its private key is no RSA key"),
        ("{}".to_owned(), "it is malformed"),
    ] {
        write(&text, 0o600);
        let refused = client().unwrap_err();
        assert!(
            matches!(&refused, KmsError::Credentials(CredentialsError::Malformed { what, .. }) if *what == expected),
            "{refused}"
        );
    }
}
