//! Fetches the CAs that issued an AK certificate, from the URLs in the certificates. Nothing here trusts
//! them: Google verifies the chain, and prefers to be sent it.

use ureq::Agent;
use vouchsafe_protocol::Bytes;
use vouchsafe_protocol::limits::MAX_CERTIFICATE;
use vouchsafe_system::http;

use super::deadline::Deadline;
use super::error::{Call, TokenError};

/// The issuers of `certificate`, nearest first. Empty if it names no URL.
pub(super) fn fetch(certificate: &[u8], deadline: &Deadline) -> Result<Vec<Bytes>, TokenError> {
    let mut chain: Vec<Bytes> = Vec::new();
    while chain.len() < MAX_CHAIN {
        let last = chain.last().map_or(certificate, |issuer| &issuer.0);
        let Some(url) = issuer_url(last) else { break };
        chain.push(get(&url, deadline)?);
    }
    Ok(chain)
}

fn get(url: &str, deadline: &Deadline) -> Result<Bytes, TokenError> {
    let call = Call::Issuer;
    let failed = |error: ureq::Error| deadline.failed(call, &error);
    let timeout = deadline.rest(call)?;
    // The URL comes from an unverified certificate: no redirect or proxy leads the request elsewhere.
    let agent = Agent::new_with_config(http::direct().timeout_global(Some(timeout)).build());
    let mut response = agent.get(url).call().map_err(failed)?;
    let status = response.status().as_u16();
    if status != 200 {
        return Err(TokenError::Refused { call, status, message: url.to_owned() });
    }
    let limit = u64::try_from(MAX_CERTIFICATE).unwrap_or(u64::MAX);
    let der = response.body_mut().with_config().limit(limit).read_to_vec().map_err(failed)?;
    // RFC 5280 §4.2.2.1: DER, which starts with a SEQUENCE.
    if der.first() != Some(&0x30) {
        return Err(TokenError::Malformed { call, what: format!("{url} is not a certificate in DER") });
    }
    Ok(der.into())
}

/// The issuer's URL: the URI of the access method caIssuers, RFC 5280 §4.2.2.1. Found by its OID, which does
/// not occur by chance. Always over plain HTTP: the certificate is signed, and there are no web roots here.
fn issuer_url(certificate: &[u8]) -> Option<String> {
    let at = certificate.windows(CA_ISSUERS.len()).position(|part| part == CA_ISSUERS)? + CA_ISSUERS.len();
    let [tag, length, rest @ ..] = certificate.get(at..)? else { return None };
    // GeneralName, uniformResourceIdentifier [6]; only short lengths, as in real ones.
    let uri = rest.get(..usize::from(*length)).filter(|_| *tag == 0x86 && *length < 0x80)?;
    let uri = std::str::from_utf8(uri).ok()?;
    let rest = uri.strip_prefix("http://").or_else(|| uri.strip_prefix("https://"))?;
    Some(format!("http://{rest}"))
}

/// As in Google's own tools.
const MAX_CHAIN: usize = 3;
/// 1.3.6.1.5.5.7.48.2
const CA_ISSUERS: &[u8] = &[0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02];

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;

    fn certificate(url: &str) -> Vec<u8> {
        let length = u8::try_from(url.len()).unwrap();
        [&[0x30, 0x82], CA_ISSUERS, &[0x86, length], url.as_bytes(), b"rest"].concat()
    }

    #[test]
    fn issuers_are_fetched_up_to_the_root() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let intermediate = certificate(&format!("http://{address}/root.crt"));
        let answers = [
            (200, intermediate.clone()),
            (200, b"0root".to_vec()),
            (404, vec![]),
            (302, vec![]),
            (200, b"PEM".to_vec()),
        ];
        let server = std::thread::spawn(move || {
            answers.map(|(status, body)| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 512];
                let length = stream.read(&mut request).unwrap();
                let head = format!(
                    "HTTP/1.1 {status} X\r\nlocation: /elsewhere.crt\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
                String::from_utf8_lossy(&request[..length]).lines().next().unwrap().to_owned()
            })
        });
        // The scheme of older certificates.
        let leaf = certificate(&format!("https://{address}/ca.crt"));
        let deadline = Deadline::start(Duration::from_secs(5));
        assert_eq!(fetch(&leaf, &deadline).unwrap(), [Bytes::from(intermediate), b"0root".as_slice().into()]);
        let error = fetch(&leaf, &deadline).unwrap_err();
        assert!(matches!(error, TokenError::Refused { call: Call::Issuer, status: 404, .. }), "{error}");
        assert!(error.to_string().contains("vtpm.issuers"), "{error}");
        let error = fetch(&leaf, &deadline).unwrap_err();
        assert!(matches!(error, TokenError::Refused { call: Call::Issuer, status: 302, .. }), "{error}");
        let error = fetch(&leaf, &deadline).unwrap_err();
        assert!(matches!(error, TokenError::Malformed { call: Call::Issuer, .. }), "{error}");
        let asked = server.join().unwrap();
        assert_eq!(asked[..2], ["GET /ca.crt HTTP/1.1", "GET /root.crt HTTP/1.1"]);
        let error = fetch(&leaf, &deadline).unwrap_err();
        assert!(matches!(error, TokenError::Unreachable { call: Call::Issuer, .. }), "{error}");
    }

    #[test]
    fn proxies_of_the_environment_are_ignored() {
        // The variables of this process cannot be changed safely, so the test above runs in another one. Nothing
        // listens at the proxy.
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        let name = "google_token::issuers::tests::issuers_are_fetched_up_to_the_root";
        command.args(["--exact", name]).env_remove("no_proxy").env_remove("NO_PROXY");
        for variable in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env(variable, "http://127.0.0.1:1");
        }
        let output = command.output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
    }

    #[test]
    fn certificates_that_name_no_issuer_have_none() {
        assert_eq!(fetch(b"0nothing", &Deadline::start(Duration::from_secs(1))).unwrap(), []);
        for url in ["ldap://a", ""] {
            assert_eq!(issuer_url(&certificate(url)), None);
        }
        assert_eq!(issuer_url(&certificate("http://a")[..14]), None);
    }

    #[test]
    fn real_certificates_say_where_their_issuer_is() {
        use rustls::pki_types::CertificateDer;
        use rustls::pki_types::pem::PemObject as _;
        let Some(folder) = vouchsafe_captured::folder() else { return };
        let folder = folder.join("gce/vtpm/certs-leaf");
        let files = std::fs::read_dir(&folder).unwrap();
        for path in files.map(|file| file.unwrap().path()) {
            let url = issuer_url(&CertificateDer::from_pem_file(&path).unwrap());
            let url = url.unwrap_or_else(|| panic!("{}", path.display()));
            assert!(url.ends_with(".crt"), "{}: {url}", path.display());
        }
    }
}
