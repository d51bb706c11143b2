//! What happens on one connection, seen by the clock: which limit is due, and when to look again.
//!
//! Written by the tasks that serve the connection, read by the one that supervises it. Times are milliseconds
//! since the connection was ready, 0 meaning "not".

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::limits::Limits;

pub struct Watch {
    start: Instant,
    requests: AtomicU64,
    running: AtomicUsize,
    unsent: AtomicUsize,
    quiet_since: AtomicU64,
    moved_at: AtomicU64,
    head_since: AtomicU64,
    blocked_since: AtomicU64,
    linger: AtomicBool,
    condemned: AtomicBool,
}

#[derive(Debug, PartialEq)]
pub enum Verdict {
    Wait(Duration),
    Finish,
    Abort,
}

impl Watch {
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            requests: AtomicU64::new(0),
            running: AtomicUsize::new(0),
            unsent: AtomicUsize::new(0),
            quiet_since: AtomicU64::new(1),
            moved_at: AtomicU64::new(1),
            head_since: AtomicU64::new(0),
            blocked_since: AtomicU64::new(0),
            linger: AtomicBool::new(false),
            condemned: AtomicBool::new(false),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    /// A request's head is whole; it runs until the guard is dropped.
    pub fn begin(self: &Arc<Self>) -> Running {
        self.requests.fetch_add(1, Relaxed);
        self.running.fetch_add(1, Relaxed);
        self.moved_at.store(self.now(), Relaxed);
        Running(self.clone())
    }

    /// An answer, or a piece of one, waits for the peer to take it.
    pub fn unsent(self: &Arc<Self>) -> Unsent {
        self.unsent.fetch_add(1, Relaxed);
        Unsent(self.clone())
    }

    pub fn is_running(&self) -> bool {
        self.running.load(Relaxed) > 0
    }

    /// A request's head has begun and is not whole (true), or nothing of the kind (false).
    pub fn head_open(&self, open: bool) {
        if !open {
            self.head_since.store(0, Relaxed);
        } else if self.head_since.load(Relaxed) == 0 {
            self.head_since.store(self.now(), Relaxed);
        }
    }

    /// The socket takes no more bytes (true), or took some (false).
    pub fn write_blocked(&self, blocked: bool) {
        if !blocked {
            self.blocked_since.store(0, Relaxed);
        } else if self.blocked_since.load(Relaxed) == 0 {
            self.blocked_since.store(self.now(), Relaxed);
        }
    }

    /// The connection ends in an error: let the peer read it before the end.
    pub fn linger(&self) {
        self.linger.store(true, Relaxed);
    }

    /// The peer takes nothing of a stream any more.
    pub fn condemn(&self) {
        self.condemned.store(true, Relaxed);
    }

    pub fn lingers(&self) -> bool {
        self.linger.load(Relaxed)
    }

    pub fn verdict(&self, limits: &Limits) -> Verdict {
        self.verdict_at(self.now(), limits)
    }

    fn verdict_at(&self, now: u64, limits: &Limits) -> Verdict {
        let past = |since: u64, limit: Duration| {
            since != 0 && u128::from(now.saturating_sub(since)) >= limit.as_millis()
        };
        let first_due = if self.requests.load(Relaxed) == 0 { 1 } else { 0 };
        let unsent = if self.unsent.load(Relaxed) > 0 { self.moved_at.load(Relaxed) } else { 0 };
        if self.condemned.load(Relaxed)
            || past(first_due, limits.header)
            || past(self.head_since.load(Relaxed), limits.header)
            || past(self.blocked_since.load(Relaxed), limits.write)
            || past(unsent, limits.write)
        {
            return Verdict::Abort;
        }
        let quiet = if self.is_running() { 0 } else { self.quiet_since.load(Relaxed) };
        if past(quiet, limits.idle) {
            return Verdict::Finish;
        }
        // Half of the shortest limit: a connection lives at most half as long again as it may, and thousands of
        // idle ones cost next to nothing.
        Verdict::Wait(limits.header.min(limits.write).min(limits.idle) / 2)
    }
}

pub struct Running(Arc<Watch>);

impl Drop for Running {
    fn drop(&mut self) {
        let now = self.0.now();
        self.0.moved_at.store(now, Relaxed);
        self.0.quiet_since.store(now, Relaxed);
        self.0.running.fetch_sub(1, Relaxed);
    }
}

pub struct Unsent(Arc<Watch>);

impl Drop for Unsent {
    fn drop(&mut self) {
        self.0.unsent.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let second = Duration::from_secs(1);
        Limits {
            handshake: second,
            header: 5 * second,
            body: 15 * second,
            idle: 90 * second,
            write: 30 * second,
            max_header: 0,
            max_body: 0,
            max_bodies: 0,
            streams: 1,
            connections: 1,
            connections_per_peer: 1,
            waiting: 1,
            drain: second,
        }
    }

    #[test]
    fn a_first_request_that_never_comes() {
        let watch = Watch::new();
        assert_eq!(watch.verdict_at(4_000, &limits()), Verdict::Wait(Duration::from_millis(2500)));
        assert_eq!(watch.verdict_at(5_001, &limits()), Verdict::Abort);
    }

    #[test]
    fn idle_counts_from_the_end_of_the_last_request() {
        let watch = Arc::new(Watch::new());
        let running = watch.begin();
        assert!(matches!(watch.verdict_at(200_000, &limits()), Verdict::Wait(_)));
        drop(running);
        assert!(matches!(watch.verdict_at(89_000, &limits()), Verdict::Wait(_)));
        assert_eq!(watch.verdict_at(91_000, &limits()), Verdict::Finish);
    }

    #[test]
    fn an_open_head_a_stuck_write_and_an_answer_nobody_takes() {
        let watch = Arc::new(Watch::new());
        let _running = watch.begin();
        watch.head_open(true);
        assert_eq!(watch.verdict_at(6_000, &limits()), Verdict::Abort);
        watch.head_open(false);
        assert!(matches!(watch.verdict_at(6_000, &limits()), Verdict::Wait(_)));
        watch.write_blocked(true);
        assert_eq!(watch.verdict_at(31_000, &limits()), Verdict::Abort);
        watch.write_blocked(false);
        let unsent = watch.unsent();
        assert_eq!(watch.verdict_at(31_000, &limits()), Verdict::Abort);
        drop(unsent);
        assert!(matches!(watch.verdict_at(31_000, &limits()), Verdict::Wait(_)));
    }
}
