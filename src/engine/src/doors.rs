//! What passes between the network side and the Python side: requests one way, answers the other.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use hyper::http::{HeaderMap, HeaderName, HeaderValue, Method};
use pyo3::prelude::*;
use tokio::sync::{mpsc, oneshot};

use crate::peer::PeerFacts;
use crate::queue::Queue;
use crate::threads::Io;
use crate::watch::Watch;

/// The queues of one server.
pub struct Doors {
    /// To the hot door.
    pub hot: Queue<Request>,
    /// To the application's pool.
    pub application: Queue<Request>,
    /// Numbers of streams whose client has gone.
    pub gone: Queue<u64>,
    /// Bytes of request bodies held at the moment.
    bodies: AtomicUsize,
}

impl Doors {
    pub fn new() -> Self {
        Self { hot: Queue::new(), application: Queue::new(), gone: Queue::new(), bodies: AtomicUsize::new(0) }
    }

    pub fn close(&self) {
        self.hot.close();
        self.application.close();
        self.gone.close();
    }
}

/// One request, whole.
pub struct Request {
    pub method: Method,
    pub target: String,
    pub headers: HeaderMap,
    pub declared_length: Option<u64>,
    pub body: Bytes,
    pub peer: Arc<PeerCell>,
    pub watch: Arc<Watch>,
    pub reply: Reply,
    pub held: Held,
    /// The engine has refused it: the doors are only told, and its body is not there.
    pub refused: Option<Refused>,
}

/// With which status a request was refused, and how long after its head.
#[derive(Clone, Copy)]
pub struct Refused {
    pub status: u16,
    pub seconds: f64,
}

/// Where the answer to one request goes.
pub struct Reply {
    pub receiver: oneshot::Sender<Answer>,
    pub io: Arc<Io>,
}

impl Reply {
    /// True when the client has gone.
    pub fn is_gone(&self) -> bool {
        self.receiver.is_closed()
    }

    /// From a thread that is no I/O thread; false when the client has gone.
    pub fn send(self, answer: Answer) -> bool {
        !self.is_gone() && self.io.mailbox.send((self.receiver, answer)).is_ok()
    }

    /// From an I/O thread.
    pub fn send_from(self, own: &Io, answer: Answer) {
        if std::ptr::eq(own, &*self.io) {
            let _ = self.receiver.send(answer); // the client may have gone meanwhile
        } else {
            self.send(answer);
        }
    }
}

pub type Headers = Vec<(HeaderName, HeaderValue)>;

pub enum Answer {
    Json(u16, Bytes),
    Whole(u16, Headers, Bytes),
    Stream(u16, Headers, Pieces),
}

/// Bytes of a body that count against the server's total until dropped.
pub struct Held {
    doors: Arc<Doors>,
    bytes: usize,
}

impl Held {
    pub fn new(doors: Arc<Doors>) -> Self {
        Self { doors, bytes: 0 }
    }

    /// Count more bytes; false when the server holds more than `most`.
    pub fn add(&mut self, bytes: usize, most: usize) -> bool {
        self.bytes += bytes;
        self.doors.bodies.fetch_add(bytes, Relaxed) + bytes <= most
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.doors.bodies.fetch_sub(self.bytes, Relaxed);
    }
}

/// A connection's `Peer` object. Made by the first call, so that I/O threads need no interpreter.
pub struct PeerCell {
    facts: Mutex<Option<PeerFacts>>,
    object: OnceLock<Py<PyAny>>,
}

impl PeerCell {
    pub fn new(facts: PeerFacts) -> Self {
        Self { facts: Mutex::new(Some(facts)), object: OnceLock::new() }
    }

    /// The object; `make(address, identity, certificate, chain_length)` makes it the first time. Only the hot
    /// door, through which every request goes first, makes one.
    pub fn object<'py>(&self, py: Python<'py>, make: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(object) = self.object.get() {
            return Ok(object.bind(py).clone());
        }
        let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(facts) = facts else {
            return Err(pyo3::exceptions::PyRuntimeError::new_err("the peer could not be made before"));
        };
        let certificate = facts.certificate.as_deref().map(|der| pyo3::types::PyBytes::new(py, der));
        let object = make.call1((facts.address, facts.identity, certificate, facts.chain_length))?;
        Ok(self.object.get_or_init(|| object.unbind()).bind(py).clone())
    }
}

pub enum Piece {
    Data(Bytes),
    End,
}

/// The receiving end of a streamed answer. When it goes before the end, the application's side is told.
pub struct Pieces {
    pub receiver: mpsc::Receiver<Piece>,
    pub number: u64,
    pub doors: Arc<Doors>,
    pub ended: bool,
}

impl Drop for Pieces {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.doors.gone.push(self.number, usize::MAX); // closed: nobody is left to be told
        }
    }
}
