//! Several secrets as one text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use vouchsafe_guest_client::Release;
use zeroize::Zeroizing;

/// The release as JSON; the text is erased when dropped, and never moved while it is written.
pub(crate) fn json(release: &Release) -> Zeroizing<String> {
    let encoded: usize = release.secrets.iter().map(|secret| secret.secret.expose().len() / 3 * 4 + 4).sum();
    let around = 128 + release.secrets.len() * 512;
    let mut text = Zeroizing::new(String::with_capacity(encoded + around));
    text.push_str(&format!("{{\"decision\":\"{}\",\"secrets\":[", release.decision));
    for (index, secret) in release.secrets.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // Paths need no escaping: their characters are a-z, 0-9, `.`, `_`, `-` and `/`.
        let start =
            format!("{comma}{{\"path\":\"{}\",\"version\":{},\"value\":\"", secret.path, secret.version);
        text.push_str(&start);
        STANDARD.encode_string(secret.secret.expose(), &mut text);
        text.push_str("\"}");
    }
    text.push_str("]}\n");
    text
}

#[cfg(test)]
mod tests {
    use vouchsafe_guest_client::client::Spent;
    use vouchsafe_protocol::answer::OpenedSecret;
    use vouchsafe_protocol::{DecisionId, PlaintextSecret, SecretPath};

    use super::*;

    #[test]
    fn t34_json_is_complete_and_was_never_moved() {
        let secret = |path: &str, bytes: usize| OpenedSecret {
            path: SecretPath::parse(path).unwrap(),
            version: u64::MAX,
            secret: PlaintextSecret::new(vec![0xff; bytes]).unwrap(),
        };
        let long = ["a".repeat(60).as_str(); 4].join("/");
        let secrets = (0..16).map(|_| secret(&long, 65536)).collect();
        let release = Release { decision: DecisionId([7; 16]), secrets, spent: Spent::default() };
        let text = json(&release);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["secrets"][15]["value"].as_str().map(str::len), Some(65536 / 3 * 4 + 4));
        assert_eq!(value["decision"], "07".repeat(16));
        let one = Release { secrets: vec![secret("n/a", 1)], ..release };
        let expected = format!(
            "{{\"decision\":\"{}\",\"secrets\":[{{\"path\":\"n/a\",\"version\":{},\"value\":\"/w==\"}}]}}\n",
            "07".repeat(16),
            u64::MAX
        );
        let text = json(&one);
        assert_eq!(*text, expected);
        // Within the first allocation, so nothing was copied to a larger one and left behind.
        assert!(text.capacity() < 128 + 512 + 5);
    }
}
