//! How long a connection waits for its client, once its first request has been read.
//!
//! The HTTP server limits the time of a connection's first head alone. Afterwards it closes a connection that sends nothing,
//! but waits for one that has sent a part of a head, that goes on sending after the last answer, or that takes nothing of
//! its answers.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::config::Limits;

/// What a client has to do next, and the time that it has left.
#[derive(Debug)]
pub(super) struct Patience {
    head: Duration,
    idle: Duration,
    waits: Waits,
    timer: Pin<Box<Sleep>>,
}

/// What the timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// Nothing: the client has nothing to do, or the HTTP server has a limit.
    Nothing,
    /// The next request begins.
    Next,
    /// Its head is complete.
    Head,
    /// The client stops sending: it has its last answer.
    End,
    /// The client takes some of an answer.
    Reader,
}

/// What did not come in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// The next head.
    Head,
    /// The end of the connection, or of an answer.
    Other,
}

impl Patience {
    pub(super) fn new(limits: &Limits) -> Self {
        let Limits { head, idle, .. } = *limits;
        Self { head, idle, waits: Waits::Nothing, timer: Box::pin(sleep(Duration::ZERO)) }
    }

    /// A request has begun.
    pub(super) fn begun(&mut self) {
        if self.waits != Waits::Reader {
            self.waits = Waits::Nothing;
        }
    }

    /// An answer has been sent; `is_last` says that there is no other on this connection.
    pub(super) fn answered(&mut self, is_last: bool, context: &mut Context<'_>) {
        match self.waits {
            Waits::Next | Waits::Head | Waits::End => {}
            Waits::Nothing | Waits::Reader if is_last => self.wait(Waits::End, END, context),
            // The HTTP server ends it after `idle`, unless something has come.
            Waits::Nothing | Waits::Reader => {
                self.wait(Waits::Next, self.idle.saturating_add(self.head), context);
            }
        }
    }

    /// Bytes have come.
    pub(super) fn received(&mut self, context: &mut Context<'_>) {
        if self.waits == Waits::Next {
            self.wait(Waits::Head, self.head, context);
        }
    }

    /// The client takes what is sent.
    pub(super) const fn sent(&mut self) {
        self.waits = Waits::Nothing;
    }

    /// The client takes nothing.
    ///
    /// # Errors
    /// When it has not for too long.
    pub(super) fn stalled(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if !matches!(self.waits, Waits::Reader | Waits::End) {
            self.wait(Waits::Reader, self.idle.max(self.head), context);
        }
        match self.late(context) {
            Some(_) => Err(io::ErrorKind::TimedOut.into()),
            None => Ok(()),
        }
    }

    /// What has not come in time.
    pub(super) fn late(&mut self, context: &mut Context<'_>) -> Option<Late> {
        let late = match self.waits {
            Waits::Nothing => return None,
            Waits::Next | Waits::Head => Late::Head,
            Waits::End | Waits::Reader => Late::Other,
        };
        self.timer.as_mut().poll(context).is_ready().then_some(late)
    }

    fn wait(&mut self, waits: Waits, time: Duration, context: &mut Context<'_>) {
        self.waits = waits;
        let now = Instant::now();
        self.timer.as_mut().reset(now.checked_add(time).unwrap_or(now));
        // From now on it wakes the connection.
        let _pending = self.timer.as_mut().poll(context);
    }
}

/// What a client is still sending when it gets its last answer arrives within a round trip or two.
const END: Duration = Duration::from_secs(1);
