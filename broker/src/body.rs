//! A request's body: admitted before it is kept, limited in time while it is read.
//!
//! Before a body is read whole, its length is reserved in the listener's room for bodies, and its buffer is
//! allocated once. Until then no more than the connection's window is kept, which is enough for
//! [`BodyReader::opening`].

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{BodyStream, MessageBody as _};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use actix_web::web::{Bytes, BytesMut, Data};
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};
use vouchsafe_protocol::ReasonCode;
use vouchsafe_protocol::limits::MAX_REQUEST;
use vouchsafe_protocol::named_members;
use zeroize::Zeroize as _;

use crate::admission::{Admission, BodyPermit, TurnedAway};
use crate::broker::Broker;
use crate::problem::{Audience, HttpProblem};
use crate::server::client::Client;
use crate::server::connection::Connection;
use crate::traces::Trace;

/// Limits for the bodies of a route.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Bytes.
    pub size: usize,
    /// Who reads the answers: operators get details of a problem, guests get a decision id.
    pub audience: Audience,
}

/// The bytes of a body. Their room is held until this and everything made from it are dropped.
#[derive(Debug)]
pub struct Body {
    bytes: Vec<u8>,
    audience: Audience,
    room: Arc<BodyPermit>,
}

impl Body {
    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Its room, to be held as long as the work on the body lasts.
    pub(crate) fn room(&self) -> Arc<BodyPermit> {
        Arc::clone(&self.room)
    }

    /// Parses the body as JSON.
    ///
    /// # Errors
    /// `malformed-request`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpProblem> {
        self.parse().map_err(|error| self.audience.problem(ReasonCode::MalformedRequest, error.to_string()))
    }

    /// Parses the body as JSON; errors quote nothing from it, since it may hold a secret. The parser copies a string with escapes and
    /// does not erase the copy, so only that of a slash is accepted, which no value has.
    ///
    /// # Errors
    /// `malformed-request`.
    pub fn secret_json<T: DeserializeOwned>(&self) -> Result<T, HttpProblem> {
        if self.bytes.windows(2).any(|pair| pair != b"\\/" && pair.starts_with(b"\\")) {
            let detail = "strings of a request with a secret may have no escape other than \\/: send all other characters as they are";
            return Err(self.audience.problem(ReasonCode::MalformedRequest, detail));
        }
        self.parse().map_err(|error| {
            let place = format!("malformed at line {}, column {}", error.line(), error.column());
            self.audience.problem(ReasonCode::MalformedRequest, place)
        })
    }

    /// Parses the body as JSON, with the parser's own error.
    ///
    /// # Errors
    /// The parser's.
    pub fn parse<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        named_members::from_slice(&self.bytes)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if self.audience == Audience::Operators {
            // It may have been a secret.
            self.bytes.zeroize();
        }
    }
}

/// Result of parsing the first bytes of a body.
#[derive(Debug)]
pub enum Opening<T> {
    /// The opening was found.
    Found(T),
    /// More bytes are needed.
    Incomplete,
    /// No valid body starts like this.
    Malformed(String),
}

/// Why no opening was found.
#[derive(Debug)]
pub enum NoOpening {
    /// The bytes are wrong, or too few or too many.
    Malformed(String),
    /// The body did not arrive.
    Problem(HttpProblem),
}

/// A body of which no byte has been kept yet.
pub struct BodyReader {
    payload: Pin<Box<BodyStream<Payload>>>,
    /// The bytes that were read for an opening.
    opening: Vec<u8>,
    /// The length announced in the header.
    length: Option<usize>,
    limits: BodyLimits,
    deadline: Instant,
    admission: Arc<Admission>,
    client: Client,
    trace: Trace,
    /// `None` only in tests.
    connection: Option<Rc<Connection>>,
}

impl BodyReader {
    fn new(request: &HttpRequest, payload: &mut Payload) -> Result<Self, HttpProblem> {
        let internal = || HttpProblem::new(ReasonCode::Internal);
        let limits = request.app_data::<BodyLimits>().copied().ok_or_else(internal)?;
        let broker = request.app_data::<Data<Broker>>().ok_or_else(internal)?;
        let problem = |code: ReasonCode| limits.audience.problem(code, code.title());
        let length = length(request.headers()).map_err(|()| problem(ReasonCode::MalformedRequest))?;
        let connection = request.conn_data::<Rc<Connection>>().cloned();
        Ok(Self {
            payload: Box::pin(BodyStream::new(payload.take())),
            opening: Vec::new(),
            length,
            limits,
            deadline: Instant::now() + broker.config().limits.body,
            admission: Arc::clone(match limits.audience {
                Audience::Guests => &broker.admission.guests,
                Audience::Operators => &broker.admission.operators,
            }),
            client: Client::of(request),
            trace: Trace::of(request),
            connection,
        })
    }

    /// The client.
    pub(crate) const fn client(&self) -> Client {
        self.client
    }

    /// The trace of the request.
    pub(crate) fn trace(&self) -> Trace {
        self.trace.clone()
    }

    /// Parses the start of the body, from at most `limit` bytes and without reserving room.
    ///
    /// # Errors
    /// [`NoOpening`].
    pub async fn opening<T>(
        &mut self,
        limit: usize,
        find: impl Fn(&[u8]) -> Opening<T>,
    ) -> Result<T, NoOpening> {
        self.check_length().map_err(NoOpening::Problem)?;
        loop {
            let shown = self.opening.get(..limit).unwrap_or(&self.opening);
            match find(shown) {
                Opening::Found(found) => return Ok(found),
                Opening::Malformed(reason) => return Err(NoOpening::Malformed(reason)),
                Opening::Incomplete if self.opening.len() >= limit => {
                    return Err(NoOpening::Malformed(format!("not within the first {limit} bytes")));
                }
                Opening::Incomplete => {}
            }
            match self.chunk().await.map_err(NoOpening::Problem)? {
                Some(chunk) => self.opening.extend_from_slice(&chunk),
                None => return Err(NoOpening::Malformed("the body ends too early".to_owned())),
            }
        }
    }

    /// Reads the whole body once there is room for it. If it is rejected, the rest is
    /// [discarded](Self::discard).
    ///
    /// # Errors
    /// `overloaded` without room, `request-too-large`, `request-timeout`, `malformed-request`.
    pub async fn whole(mut self) -> Result<Body, HttpProblem> {
        match self.take_in().await {
            Ok(body) => Ok(body),
            Err(problem) => {
                self.discard().await;
                Err(problem)
            }
        }
    }

    async fn take_in(&mut self) -> Result<Body, HttpProblem> {
        self.check_length()?;
        // Without a length it may become as large as the limit.
        let room = self.length.unwrap_or(self.limits.size).max(self.opening.len());
        let permit =
            self.admission.body(self.client.network, room).map_err(|reason| self.turned_away(reason))?;
        // All of the room at once, since a vector that grows leaves copies behind. From here on the bytes are erased in any case.
        let bytes = Vec::with_capacity(room);
        let mut body = Body { bytes, audience: self.limits.audience, room: Arc::new(permit) };
        body.bytes.extend_from_slice(&self.opening);
        self.forget_opening();
        if let Some(connection) = &self.connection {
            connection.consumed(body.bytes.len());
        }
        while let Some(mut chunk) = self.chunk_of(&body.room).await? {
            if body.bytes.len().saturating_add(chunk.len()) > room {
                self.forget(&mut chunk);
                return Err(self.problem(ReasonCode::RequestTooLarge));
            }
            body.bytes.extend_from_slice(&chunk);
            if let Some(connection) = &self.connection {
                connection.consumed(chunk.len());
            }
            self.forget(&mut chunk);
        }
        if let Some(connection) = &self.connection {
            connection.body_ended();
        }
        if body.room.keep() { Ok(body) } else { Err(self.turned_away(TurnedAway::Full)) }
    }

    /// Receives and drops what is in flight for a moment: a client that is still sending would otherwise see
    /// a connection reset instead of the answer. Stops after a limit of bytes, of time, or at a pause.
    pub async fn discard(mut self) {
        let end = self.deadline.min(Instant::now() + DISCARD);
        let opened = self.opening.len();
        self.forget_opening();
        let mut left = DISCARD_BYTES.saturating_sub(opened);
        if let Some(connection) = &self.connection {
            connection.consumed(opened);
        }
        while left > 0 {
            self.deadline = end.min(Instant::now() + DISCARD_PAUSE);
            let Ok(Some(mut chunk)) = self.chunk().await else { return };
            left = left.saturating_sub(chunk.len());
            if let Some(connection) = &self.connection {
                connection.consumed(chunk.len());
            }
            self.forget(&mut chunk);
        }
    }

    /// Checks the announced length against the limit.
    fn check_length(&self) -> Result<(), HttpProblem> {
        match self.length {
            Some(length) if length > self.limits.size => Err(self.problem(ReasonCode::RequestTooLarge)),
            _ => Ok(()),
        }
    }

    /// The next chunk, unless the room is given to another body before.
    async fn chunk_of(&mut self, room: &BodyPermit) -> Result<Option<Bytes>, HttpProblem> {
        let displaced = self.turned_away(TurnedAway::Full);
        tokio::select! {
            biased;
            () = room.displaced() => Err(displaced),
            chunk = self.chunk() => chunk,
        }
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, HttpProblem> {
        let next = poll_fn(|context| self.payload.as_mut().poll_next(context));
        match timeout_at(self.deadline, next).await {
            Err(_) => Err(self.problem(ReasonCode::RequestTimeout)),
            Ok(Some(Err(PayloadError::Overflow))) => Err(self.problem(ReasonCode::RequestTooLarge)),
            Ok(Some(Err(_))) => Err(self.problem(ReasonCode::MalformedRequest)),
            Ok(Some(Ok(chunk))) => Ok(Some(chunk)),
            Ok(None) => Ok(None),
        }
    }

    /// It may have been part of a secret. Bytes shared with others are no longer in use by them.
    fn forget(&self, chunk: &mut Bytes) {
        if self.limits.audience == Audience::Operators
            && let Ok(mut bytes) = std::mem::take(chunk).try_into_mut()
        {
            let bytes: &mut BytesMut = &mut bytes;
            bytes[..].zeroize();
        }
    }

    fn forget_opening(&mut self) {
        if self.limits.audience == Audience::Operators {
            self.opening.zeroize();
        }
        self.opening = Vec::new();
    }

    fn problem(&self, code: ReasonCode) -> HttpProblem {
        self.limits.audience.problem(code, code.title())
    }

    fn turned_away(&self, reason: TurnedAway) -> HttpProblem {
        self.limits
            .audience
            .problem(ReasonCode::Overloaded, reason.to_string())
            .retry_after(self.admission.body_retry_after())
    }
}

impl FromRequest for BodyReader {
    type Error = HttpProblem;
    type Future = std::future::Ready<Result<Self, HttpProblem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        std::future::ready(Self::new(request, payload))
    }
}

/// The announced length; `None` for a chunked body.
fn length(headers: &HeaderMap) -> Result<Option<usize>, ()> {
    let Some(value) = headers.get(CONTENT_LENGTH) else {
        // RFC 9112 §6.3: a request with neither field has no body.
        return Ok((!headers.contains_key(TRANSFER_ENCODING)).then_some(0));
    };
    value.to_str().ok().and_then(|text| text.parse().ok()).map(Some).ok_or(())
}

/// Long enough for the rest of a genuine request.
const DISCARD: Duration = Duration::from_secs(1);
/// The largest request of a guest.
const DISCARD_BYTES: usize = MAX_REQUEST;
/// Data of a client that is still sending arrives within a round trip.
const DISCARD_PAUSE: Duration = Duration::from_millis(250);
