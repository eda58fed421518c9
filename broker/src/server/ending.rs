//! The end of a connection, after the HTTP server has dropped it.
//!
//! That happens without an answer where the framing of a body is broken, or a time limit is reached, while a request is
//! being worked on: the client gets a problem here. What it is still sending is received for a moment, so that it sees
//! its last answer and not a connection reset.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use vouchsafe_protocol::ReasonCode;

use super::connection::{Connection, End};
use super::farewell::Farewell;
use crate::problem::Audience;

/// What is needed to end a connection.
pub(super) struct Ending<S> {
    io: Rc<RefCell<S>>,
    connection: Rc<Connection>,
    audience: Audience,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Ending<S> {
    pub(super) const fn new(io: Rc<RefCell<S>>, connection: Rc<Connection>, audience: Audience) -> Self {
        Self { io, connection, audience }
    }

    /// Ends the connection.
    pub(super) async fn end(self) {
        let mut farewell = match self.connection.end() {
            End::Complete => return,
            End::Answered => Farewell::silent(),
            End::Unanswered => Farewell::new(self.audience, ReasonCode::MalformedRequest),
            End::Late => Farewell::new(self.audience, ReasonCode::RequestTimeout),
        };
        let end = async {
            poll_fn(|context| farewell.poll(&mut *self.io.borrow_mut(), context)).await?;
            poll_fn(|context| Pin::new(&mut *self.io.borrow_mut()).poll_shutdown(context)).await
        };
        // The client may be gone.
        let _ended = timeout(LONGEST, end).await;
    }
}

/// For the answer and what is received after it.
const LONGEST: Duration = Duration::from_secs(2);
