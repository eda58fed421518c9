use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST};
use actix_web::http::{Method, Uri};

use tokio::io::{AsyncRead as _, Join, ReadBuf, Sink, join, sink};

use super::*;
use crate::admission::{Admission, Shares};
use crate::config::Limits;
use crate::metrics::Metrics;
use crate::problem::Audience;
use crate::server::stream::Stream;

const BODY: usize = 15 * 1024;

fn connection() -> Rc<Connection> {
    let metrics = Metrics::new().expect("metrics");
    let admission = Admission::new("guests", Shares::guests(&Limits::default()), metrics.listeners);
    let permit = admission.connect([127, 0, 0, 1].into(), Instant::now()).expect("room");
    Connection::new(permit, Duration::from_secs(300))
}

/// The head of a release, parsed and as sent.
fn head(fields: usize) -> (RequestHead, String) {
    let mut head = RequestHead::default();
    head.method = Method::POST;
    head.uri = Uri::from_static("/v1/release?a=b");
    let mut text = "POST /v1/release?a=b HTTP/1.1\r\n".to_owned();
    let names = [HOST, CONTENT_LENGTH, AUTHORIZATION];
    for name in names.into_iter().cycle().take(fields) {
        text += &format!("{name}: value\r\n");
        head.headers.append(name, "value".parse().expect("a value"));
    }
    (head, text + "\r\n")
}

/// Everything that the HTTP server can read before it has to wait.
async fn available(stream: &mut Stream<Join<&[u8], Sink>>) -> usize {
    let mut all = 0;
    poll_fn(|context: &mut Context<'_>| {
        let mut bytes = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut *stream).poll_read(context, &mut buffer) {
                Poll::Ready(read) => read.expect("readable"),
                Poll::Pending => return Poll::Ready(()),
            }
            if buffer.filled().is_empty() {
                return Poll::Ready(());
            }
            all += buffer.filled().len();
        }
    })
    .await;
    all
}

#[tokio::test]
async fn t54_requests_that_follow_each_other_keep_no_more_than_a_window() {
    let connection = connection();
    let (head, text) = head(3);
    let sent = [text.as_bytes(), &[b' '; BODY]].concat().repeat(20);
    let mut stream = Stream::new(
        join(sent.as_slice(), sink()),
        Rc::clone(&connection),
        Audience::Guests,
        &Limits::default(),
    );
    let (mut read, mut used) = (0, 0);
    for round in 0..18 {
        read += available(&mut stream).await;
        assert!(read - used <= WINDOW, "round {round}: {} bytes lie around", read - used);
        used += text.len();
        connection.begin_request(&head);
        read += available(&mut stream).await;
        assert!(read - used <= WINDOW, "round {round}, its head: {} bytes lie around", read - used);
        // The opening, and then the rest: after that the window has its full size.
        for part in [1000, BODY - 1000] {
            used += part;
            connection.consumed(part);
            read += available(&mut stream).await;
            assert!(read - used <= WINDOW, "round {round}, its body: {} bytes lie around", read - used);
        }
        assert!(read - used > WINDOW - 1024, "round {round}: there is room again");
        connection.body_ended();
        assert!(!connection.ends(1000, true));
    }
}

#[tokio::test]
async fn t54_a_connection_ends_before_its_window_is_too_small_for_a_head() {
    let connection = connection();
    let (head, text) = head(20);
    let sent = text.repeat(1000);
    let mut stream = Stream::new(
        join(sent.as_bytes(), sink()),
        Rc::clone(&connection),
        Audience::Guests,
        &Limits::default(),
    );
    let (mut read, mut requests) = (0, 0);
    loop {
        read += available(&mut stream).await;
        requests += 1;
        assert!(read >= requests * text.len(), "request {requests} arrives");
        connection.begin_request(&head);
        if connection.ends(u32::MAX, false) {
            break;
        }
    }
    assert!((150..300).contains(&requests), "{requests}");
}

#[test]
fn a_head_is_as_long_as_it_is_sent_or_longer() {
    for fields in [0, 1, 30] {
        let (head, text) = head(fields);
        let dense = text.replace(": ", ":").replace("\r\n", "\n");
        assert_eq!(HeadLength::of(&head), HeadLength { least: dense.len(), usual: text.len() });
    }
    let mut absolute = RequestHead::default();
    absolute.uri = Uri::from_static("https://broker");
    assert!(HeadLength::of(&absolute).least <= "GET https://broker HTTP/1.1\n\n".len());
}
