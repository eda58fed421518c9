//! What stays in memory of a secret that was stored, by a look at all of it.

use std::fs::{File, read_to_string};
use std::io::BufRead as _;
use std::os::unix::fs::FileExt as _;

use actix_http::h1;
use actix_web::dev::Payload;
use actix_web::web::Bytes;
use vouchsafe_protocol::encoding::to_base64url;
use zeroize::Zeroizing;

use super::*;

/// Parts of a secret, kept here with all bits inverted, so that this copy is not found.
struct Marker(Vec<Vec<u8>>);

impl Marker {
    fn new(raw: &[u8], text: &str) -> Self {
        let invert = |part: &[u8]| part.iter().map(|byte| !byte).collect();
        let ends = [text.get(..PART), text.get(text.len() - PART..)].map(Option::unwrap_or_default);
        Self(vec![invert(&raw[..PART]), invert(ends[0].as_bytes()), invert(ends[1].as_bytes())])
    }

    /// Which parts are in these bytes, and where.
    fn inside(&self, bytes: &[u8]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for (which, part) in self.0.iter().enumerate() {
            let (first, mut place) = (!part[0], 0);
            // Faster than to look at each byte.
            while let Ok(skipped @ 1..) = (&mut &bytes[place..]).skip_until(first) {
                let start = place + skipped - 1;
                let here = bytes.get(start..start + part.len()).unwrap_or_default();
                if !here.is_empty() && here.iter().zip(part).all(|(byte, inverted)| *byte == !inverted) {
                    found.push((which, start));
                }
                place += skipped;
            }
        }
        found
    }

    /// The parts that are anywhere in the writable memory of this process.
    fn found(&self) -> Vec<(usize, u64)> {
        let mut found = Vec::new();
        let memory = File::open("/proc/self/mem").expect("this process's own");
        let mut buffer = vec![0; 1 << 20];
        let own = buffer.as_ptr() as u64..buffer.as_ptr() as u64 + buffer.len() as u64;
        for (start, end) in writable() {
            // Each read begins with the end of the last one.
            for place in (start..end).step_by(buffer.len() - PART) {
                let length = usize::try_from(end - place).expect("a length").min(buffer.len());
                let part = &mut buffer[..length];
                // Guard pages, and what was unmapped meanwhile.
                if memory.read_exact_at(part, place).is_ok() {
                    let here = self.inside(part).into_iter().map(|(which, at)| (which, place + at as u64));
                    found.extend(here.filter(|(_, address)| !own.contains(address)));
                }
            }
        }
        found
    }
}

/// Mappings that can be written.
fn writable() -> Vec<(u64, u64)> {
    let maps = read_to_string("/proc/self/maps").expect("this process's own");
    let range = |line: &str| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-').filter(|_| rest.starts_with("rw"))?;
        Some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?))
    };
    maps.lines().filter_map(range).collect()
}

const PART: usize = 24;

/// The status of a `put` of this value, whose body comes in chunks of this size.
async fn put(fixture: &Fixture, token: &str, path: &str, value: &str, chunk: usize) -> u16 {
    // With room for all of it, so that nothing is moved.
    let mut body = Zeroizing::new(String::with_capacity(4096));
    for part in [r#"{"path":""#, path, r#"","for":"app","policy":""#, POLICY, r#"","value":""#, value, "\"}"]
    {
        body.push_str(part);
    }
    let (mut sender, payload) = h1::Payload::create(false);
    for chunk in body.as_bytes().chunks(chunk) {
        sender.feed_data(Bytes::copy_from_slice(chunk));
    }
    sender.feed_eof();
    let service = service(fixture).await;
    let request = test::TestRequest::post()
        .uri("/v1/secrets/put")
        .insert_header((header::AUTHORIZATION, format!("Bearer {token}")))
        .insert_header((header::TRANSFER_ENCODING, "chunked"))
        .to_request();
    let (request, _) = request.replace_payload(Payload::H1 { payload });
    test::call_service(&service, request).await.status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn t34_a_stored_secret_does_not_stay_in_memory() {
    let fixture = Fixture::new().await;
    let editor = editor(&fixture, "dev").await;
    for (token, chunk, expected) in [
        (fixture.token.as_str(), 4096, 200),
        (fixture.token.as_str(), 100, 200),
        // Not permitted.
        (editor.as_str(), 100, 403),
    ] {
        let mut raw = Zeroizing::new(vec![0; 600]);
        aws_lc_rs::rand::fill(&mut raw).expect("random bytes");
        // Rare, so that the search is short.
        raw[0] = 0xa7;
        let text = Zeroizing::new(to_base64url(&raw));
        let marker = Marker::new(&raw, &text);
        if chunk == 4096 {
            let found: Vec<_> = marker.found().into_iter().map(|(which, _)| which).collect();
            assert!([0, 1, 2].iter().all(|which| found.contains(which)), "the test finds what is there");
        }
        drop(raw);
        assert_eq!(put(&fixture, token, "prod/db/new", &text, chunk).await, expected);
        drop(text);
        assert_eq!(marker.found(), [], "chunks of {chunk} bytes, status {expected}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t34_a_body_with_a_secret_has_no_escapes() {
    let fixture = Fixture::new().await;
    for (path, value, expected) in [
        ("prod/db/new", "c2VjcmV0", 200),
        // Some libraries escape each slash.
        (r"prod\/db\/new", "c2VjcmV0", 200),
        (r"prod\u002fdb", "c2VjcmV0", 400),
        ("prod/db/new", r"c2VjcmV\u0030", 400),
        ("prod/db/new", r"c2Vj\ncmV0", 400),
        ("prod/db/new", r"c2Vj\/cmV0", 400),
    ] {
        assert_eq!(put(&fixture, &fixture.token, path, value, 4096).await, expected, "{path} {value}");
    }
}
