//! One case: what a client sends, and what it has to get.

use vouchsafe_protocol::ReasonCode;

use super::described::Listener;

/// What a client sends on a connection of its own, and what it has to get.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) listener: Listener,
    /// With [`CHALLENGE`](super::examples::CHALLENGE) where a live one belongs.
    pub(crate) request: Vec<u8>,
    pub(crate) expected: Expected,
}

/// What holds for the last answer. Everything that [`Rules`](super::answer::Rules) say holds for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// A problem with this code.
    Code(ReasonCode),
    /// `method-not-allowed`, with these methods in `Allow`.
    OnlyMethods(&'static str),
    /// A problem with one of these codes.
    OneOf(&'static [ReasonCode]),
    /// Any problem whose status is 4xx.
    Refused,
    /// Anything but a 5xx.
    NoFault,
    /// An answer that is no error.
    Served,
}

/// A request that is not necessarily one.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: String,
    target: String,
    fields: Vec<u8>,
    body: Vec<u8>,
    has_length: bool,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        let (method, target) = (method.to_owned(), target.to_owned());
        Self { method, target, fields: Vec::new(), body: Vec::new(), has_length: false }
    }

    /// With this line in its head.
    pub(crate) fn field(mut self, line: impl AsRef<[u8]>) -> Self {
        self.fields.extend_from_slice(line.as_ref());
        self.fields.extend_from_slice(b"\r\n");
        self
    }

    /// As the operator with this token.
    pub(crate) fn token(self, token: &str) -> Self {
        self.field(format!("authorization: Bearer {token}"))
    }

    /// With this body and its length.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.has_length = true;
        self
    }

    /// With these bytes after the head, whatever the head says.
    pub(crate) fn followed_by(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = bytes.into();
        self.has_length = false;
        self
    }

    /// Its bytes. The length of the body is that after the challenge has been put in.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let line = format!("{} {} HTTP/1.1\r\nhost: broker\r\n", self.method, self.target);
        let length = if self.has_length { LENGTH } else { "" };
        [line.as_bytes(), &self.fields, length.as_bytes(), b"\r\n", &self.body].concat()
    }
}

/// Stands for the length of what follows the head.
pub(crate) const LENGTH: &str = "content-length: @length@\r\n";

/// A case with this request.
pub(crate) fn case(
    listener: Listener,
    name: impl Into<String>,
    request: &Request,
    expected: Expected,
) -> Case {
    Case { name: name.into(), listener, request: request.bytes(), expected }
}

/// One in `share` of these, others for each `index`: all of them occur, and not all at every route.
pub(crate) fn spread<T>(items: Vec<T>, index: usize, share: usize) -> impl Iterator<Item = T> {
    items
        .into_iter()
        .enumerate()
        .filter(move |(number, _)| (number + index).is_multiple_of(share))
        .map(|(_, item)| item)
}
