//! One connection, as its requests see it: its lifetime, its requests, and the window for its unread bytes.
//!
//! The HTTP server would buffer up to 160 kB per connection. Here it gets a window: enough bytes for the head
//! of a request, and then the number of bytes that requests have consumed, in heads and body bytes read. So
//! until a body is admitted, an unverified client can make the broker buffer no more than the window, however
//! requests are split or pipelined.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use actix_http::RequestHead;

use crate::admission::ConnectionPermit;

/// A connection. All its requests are served on one thread.
#[derive(Debug)]
pub(crate) struct Connection {
    permit: ConnectionPermit,
    opened: Instant,
    lifetime: Duration,
    requests: Cell<u32>,
    /// Bytes that may still be read.
    window: Cell<usize>,
    /// Bytes of heads that were consumed but not credited to the window.
    withheld: Cell<usize>,
    /// The reader waiting for the window to grow.
    reader: RefCell<Option<Waker>>,
    /// Whether the body of the current request has been read completely.
    body_read: Cell<bool>,
    /// Nothing more is read.
    over: Cell<bool>,
    /// Whether the current request has its answer.
    answered: Cell<bool>,
    /// Both sides have been told the end.
    complete: Cell<bool>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// In good order.
    Complete,
    /// Abruptly, with an answer to every request or without any.
    Answered,
    /// In the middle of a request.
    Unanswered,
    /// In the middle of a request, and after the connection's lifetime.
    Late,
}

impl Connection {
    pub(crate) fn new(permit: ConnectionPermit, lifetime: Duration) -> Rc<Self> {
        Rc::new(Self {
            permit,
            opened: Instant::now(),
            lifetime,
            requests: Cell::new(0),
            window: Cell::new(WINDOW),
            withheld: Cell::new(0),
            reader: RefCell::default(),
            body_read: Cell::new(false),
            over: Cell::new(false),
            answered: Cell::new(false),
            complete: Cell::new(false),
        })
    }

    /// The client's address.
    pub(crate) const fn peer(&self) -> IpAddr {
        self.permit.address()
    }

    /// A request's head was read: credits its bytes to the window.
    pub(crate) fn begin_request(&self, head: &RequestHead) {
        self.requests.set(self.requests.get().saturating_add(1));
        self.body_read.set(false);
        self.answered.set(false);
        let length = HeadLength::of(head);
        self.withheld.set(self.withheld.get().saturating_add(length.usual.saturating_sub(length.least)));
        self.open_window(length.least);
    }

    /// Adds this number of body bytes, which were read, to the window.
    pub(crate) fn consumed(&self, bytes: usize) {
        self.open_window(bytes);
    }

    /// The body of the current request has been read completely.
    pub(crate) fn body_ended(&self) {
        self.body_read.set(true);
    }

    /// The current request has its answer. Whether to close the connection after it: the connection's lifetime or number of
    /// requests is reached, there is an unread body, or the window is too small for another head.
    pub(crate) fn ends(&self, requests: u32, has_body: bool) -> bool {
        let spent = self.requests.get() >= requests
            || self.opened.elapsed() >= self.lifetime
            || self.withheld.get() > MOST_WITHHELD;
        let ends = self.over.get() || spent || (has_body && !self.body_read.get());
        self.over.set(ends);
        self.answered.set(true);
        ends
    }

    /// The bytes that may still be read.
    pub(super) fn window(&self) -> usize {
        self.window.get()
    }

    /// Takes bytes that were read from the window.
    pub(super) fn read(&self, bytes: usize) {
        self.window.set(self.window.get().saturating_sub(bytes));
    }

    /// Wakes this reader when the window has grown.
    pub(super) fn wait_for_window(&self, reader: Waker) {
        *self.reader.borrow_mut() = Some(reader);
    }

    /// After this time it ends with the next answer.
    pub(super) const fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Whether no request has begun yet.
    pub(super) fn is_unused(&self) -> bool {
        self.requests.get() == 0
    }

    /// Whether the newest request has its answer.
    pub(super) fn is_answered(&self) -> bool {
        self.answered.get()
    }

    /// Whether its last answer has been made.
    pub(super) fn is_over(&self) -> bool {
        self.over.get()
    }

    /// Both sides have been told the end.
    pub(super) fn complete(&self) {
        self.complete.set(true);
    }

    /// How it ended, once the HTTP server has dropped it.
    pub(super) fn end(&self) -> End {
        match (self.complete.get(), self.requests.get() == 0 || self.answered.get()) {
            (true, _) => End::Complete,
            (false, true) => End::Answered,
            (false, false) if self.opened.elapsed() >= self.lifetime => End::Late,
            (false, false) => End::Unanswered,
        }
    }

    fn open_window(&self, bytes: usize) {
        if self.over.get() {
            return;
        }
        self.window.set(self.window.get().saturating_add(bytes));
        if bytes > 0
            && let Some(reader) = self.reader.borrow_mut().take()
        {
            reader.wake();
        }
    }
}

/// Estimated length of a head. The HTTP server does not report it: spaces and line ends may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct HeadLength {
    /// Lower bound: only bytes that are certainly consumed are credited.
    least: usize,
    /// As clients write it.
    usual: usize,
}

impl HeadLength {
    fn of(head: &RequestHead) -> Self {
        let target = head.uri.path().len() + head.uri.query().map_or(0, |query| 1 + query.len());
        let line = head.method.as_str().len() + target + "  HTTP/1.1\n".len();
        let (fields, bytes) = head.headers.iter().fold((0, 0), |(fields, bytes), (name, value)| {
            (fields + 1, bytes + name.as_str().len() + value.len() + ":\n".len())
        });
        let least = line + bytes + "\n".len();
        // Each line ends with CR LF, and a space follows each colon.
        Self { least, usual: least + 2 + 2 * fields }
    }
}

/// Bytes that may be read and not consumed. The head of a request must fit.
pub(crate) const WINDOW: usize = 16 * 1024;
/// A head of half a window always fits.
const MOST_WITHHELD: usize = WINDOW / 2;

#[cfg(test)]
mod tests;
