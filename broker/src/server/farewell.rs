//! The last answer on a connection, to bytes that are not a request.
//!
//! The HTTP server answers those itself, with a status and without a body, and drops the connection as soon as its
//! bytes are accepted. Here such an answer becomes a problem like all others. What the client is still sending is
//! received and dropped for a moment: otherwise it could see a connection reset instead of the answer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, UNIX_EPOCH};

use actix_web::http::StatusCode;
use actix_web::http::header::HttpDate;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
use vouchsafe_protocol::ReasonCode;
use vouchsafe_protocol::problem::Problem;

use crate::clock;
use crate::problem::Audience;

/// An error without a body among what the HTTP server writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BareError {
    /// Where it begins. It ends with the bytes.
    pub(super) start: usize,
    pub(super) code: ReasonCode,
}

impl BareError {
    /// Finds it. Every error of a handler has a body, and no body has the line ends of a head.
    pub(super) fn at_end_of(bytes: &[u8]) -> Option<Self> {
        if !bytes.ends_with(b"\r\n\r\n") {
            return None;
        }
        let start = bytes.windows(VERSION.len()).rposition(|part| part == VERSION)?;
        let head = str::from_utf8(bytes.get(start..)?).ok()?;
        let mut lines = head.split("\r\n");
        let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let is_empty = lines.next() == Some("content-length: 0");
        (is_empty && status >= 400).then(|| Self { start, code: code(status) })
    }
}

/// The code for a status of the HTTP server.
fn code(status: u16) -> ReasonCode {
    match status {
        408 => ReasonCode::RequestTimeout,
        431 => ReasonCode::RequestTooLarge,
        400..500 => ReasonCode::MalformedRequest,
        _ => ReasonCode::Internal,
    }
}

/// An answer that is being sent, and the end of what the client sends.
#[derive(Debug)]
pub(super) struct Farewell {
    answer: Vec<u8>,
    written: usize,
    /// Bytes that are still received.
    left: usize,
    /// The next pause of the client ends it.
    pause: Pin<Box<Sleep>>,
    /// `None` until the answer is sent.
    end: Option<Instant>,
}

impl Farewell {
    pub(super) fn new(audience: Audience, code: ReasonCode) -> Self {
        Self::sending(answer(audience, code))
    }

    /// Without an answer: the client has it.
    pub(super) fn silent() -> Self {
        Self::sending(Vec::new())
    }

    fn sending(answer: Vec<u8>) -> Self {
        Self { answer, written: 0, left: MOST_RECEIVED, pause: Box::pin(sleep(PAUSE)), end: None }
    }

    /// Sends the answer, then waits for the client. Ready when the connection can be closed.
    pub(super) fn poll<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = self.answer.get(self.written..).filter(|rest| !rest.is_empty()) {
            let written = ready!(Pin::new(&mut *io).poll_write(context, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written = self.written.saturating_add(written);
        }
        ready!(Pin::new(&mut *io).poll_flush(context))?;
        self.receive(io, context).map(Ok)
    }

    fn receive<S: AsyncRead + Unpin>(&mut self, io: &mut S, context: &mut Context<'_>) -> Poll<()> {
        let end = *self.end.get_or_insert_with(|| {
            let now = Instant::now();
            self.pause.as_mut().reset(now + PAUSE);
            now + LONGEST
        });
        loop {
            let mut bytes = [0; 4096];
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut *io).poll_read(context, &mut buffer) {
                Poll::Pending => return self.pause.as_mut().poll(context),
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() && self.left > 0 => {
                    self.left = self.left.saturating_sub(buffer.filled().len());
                    self.pause.as_mut().reset(end.min(Instant::now() + PAUSE));
                }
                // The client is gone, or has sent enough.
                Poll::Ready(_) => return Poll::Ready(()),
            }
        }
    }
}

/// The whole answer.
fn answer(audience: Audience, code: ReasonCode) -> Vec<u8> {
    let body = audience.problem(code, code.title()).json();
    let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let date = HttpDate::from(UNIX_EPOCH + Duration::from_secs(clock::now().0));
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\ncontent-type: {}\r\ndate: {date}\r\n\r\n",
        body.len(),
        Problem::MEDIA_TYPE,
    );
    [head.into_bytes(), body].concat()
}

const VERSION: &[u8] = b"HTTP/1.";
/// Bytes of a client that is still sending: more than the largest head.
const MOST_RECEIVED: usize = 256 * 1024;
/// Data of a client that is still sending arrives within a round trip.
const PAUSE: Duration = Duration::from_millis(250);
/// Long enough for the rest of a genuine request.
const LONGEST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\ndate: Tue, 01 Dec 2026 06:00:00 GMT\r\n\r\n";

    #[test]
    fn an_error_without_a_body_is_found_at_the_end() {
        let before = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        for (status, code) in [
            ("400 Bad Request", ReasonCode::MalformedRequest),
            ("408 Request Timeout", ReasonCode::RequestTimeout),
            ("431 Request Header Fields Too Large", ReasonCode::RequestTooLarge),
            ("500 Internal Server Error", ReasonCode::Internal),
        ] {
            let bare = BARE.replace("400 Bad Request", status);
            let found = |text: &str| BareError::at_end_of(text.as_bytes());
            assert_eq!(found(&bare), Some(BareError { start: 0, code }));
            let start = before.len();
            assert_eq!(found(&format!("{before}{bare}")), Some(BareError { start, code }));
        }
    }

    #[test]
    fn other_answers_stay_as_they_are() {
        for text in [
            "",
            "\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            // The head of an answer to HEAD.
            "HTTP/1.1 404 Not Found\r\ncontent-length: 87\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP/1.1 404 Not Found\r\nx: y\r\ncontent-length: 0\r\n\r\n",
            &BARE[..BARE.len() - 1],
            &format!("{BARE}{{}}"),
            // What a client sent, quoted in JSON.
            &format!("HTTP/1.1 400 Bad Request\r\ncontent-length: 200\r\n\r\n{{\"detail\":{BARE:?}}}"),
        ] {
            assert_eq!(BareError::at_end_of(text.as_bytes()), None, "{text}");
        }
    }
}
