//! Fakes of the vendors' services on the loopback interface: the collateral that a broker fetches in
//! production, signed by throw-away roots.
//!
//! A broker uses them through production settings: mirrors of AMD's and Google's services. No check is
//! disabled for it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;

use vouchsafe_attestation::anchors::Product;
use vouchsafe_attestation::test_util::ca::google::ROOT_CRL_URI;
use vouchsafe_attestation::test_util::ca::{CrlSpec, FakeIssuer};
use vouchsafe_attestation::test_util::google_token::{self, FakeAttestationService};
use vouchsafe_attestation::test_util::launch::FakeTcbSigner;
use vouchsafe_attestation::test_util::snp::{SnpReportBuilder, crl_url};
use vouchsafe_attestation::test_util::tdx::TdxQuoteBuilder;
use vouchsafe_protocol::{Digest48, UnixTime};

use crate::world::{amd, google, now};

/// An issuing CA of AKs that is unknown until a VM sends a certificate of it.
pub(crate) static NEW_ISSUER: LazyLock<FakeIssuer> = LazyLock::new(|| FakeIssuer::new(google(), 7));

/// All of them at one address.
pub(crate) struct Vendors {
    address: String,
    /// `None` while they are away: connections are closed without an answer.
    items: Arc<Mutex<Option<Items>>>,
}

/// Items, by path.
type Items = Vec<(String, Vec<u8>)>;

impl Vendors {
    /// Starts them; they end with the process.
    pub(crate) fn start() -> Self {
        Self::start_with(&CrlSpec::current(UnixTime(now() - 60), UnixTime(now() + 86_400)))
    }

    /// The same with such CRLs.
    pub(crate) fn start_with(crls: &CrlSpec) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let items = Arc::new(Mutex::new(Some(items(crls))));
        let shown = Arc::clone(&items);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(items) = &*shown.lock().unwrap() {
                    let _gone = answer(stream, items);
                }
            }
        });
        Self { address, items }
    }

    /// Nobody answers any more.
    pub(crate) fn go_away(&self) {
        *self.items.lock().unwrap() = None;
    }

    /// They answer again, with such CRLs.
    pub(crate) fn come_back(&self, crls: &CrlSpec) {
        *self.items.lock().unwrap() = Some(items(crls));
    }

    /// The configuration of a broker that fetches from them.
    pub(crate) fn configuration(&self) -> String {
        let Self { address, .. } = self;
        format!(
            "[collateral]\namd_kds = \"{address}\"\nintel_pcs = \"{address}\"\nintel_root_crl = \"{address}/root.der\"\n\
             mirror = \"{address}/mirror\"\njwks = \"{address}/jwks\"\nendorsements = \"{address}\"\n"
        )
    }
}

fn items(current: &CrlSpec) -> Items {
    let service = FakeAttestationService::shared();
    let at_mirror = |url: &str| format!("/mirror/{}", url.split_once("://").unwrap().1);
    let measured = Digest48(SnpReportBuilder::new(Product::Genoa).measurement);
    let mr_td = Digest48(TdxQuoteBuilder::new().mr_td);
    let signer = FakeTcbSigner::shared();
    vec![
        (at_mirror(ROOT_CRL_URI), google().root_crl(current)),
        (at_mirror(&NEW_ISSUER.url), NEW_ISSUER.der().to_vec()),
        (at_mirror(&NEW_ISSUER.crl_url), google().root_crl(current)),
        (at_mirror(google_token::ROOT_CRL_URI), service.root_crl(current)),
        (at_mirror(&crl_url(Product::Genoa, "vcek")), amd().crl(current)),
        ("/jwks".to_owned(), service.jwks()),
        (format!("/ovmf_x64_csm/sevsnp/{measured}.binarypb"), signer.endorse_snp(&measured)),
        (format!("/ovmf_x64_csm/tdx/{mr_td}.binarypb"), signer.endorse_tdx(&mr_td)),
    ]
}

fn answer(mut stream: TcpStream, items: &[(String, Vec<u8>)]) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let found = items.iter().find(|(known, _)| *known == path);
    let (status, body) = found.map_or((404, &[][..]), |(_, body)| (200, body));
    let head = format!("HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)
}
