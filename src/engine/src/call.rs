//! A request as a thread of the application's pool sees it, and the stream it may answer with.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::http::{HeaderMap, HeaderName, HeaderValue};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::doors::{Answer, Doors, Headers, Held, Piece, Pieces, Reply, Request};
use crate::watch::Watch;

/// Chunks that may wait for a slow reader before the application's thread is held up.
const AHEAD: usize = 8;

/// One request for the application. Answered by `respond` or `stream`; dropped unanswered, it is a 500.
#[pyclass(frozen)]
pub struct Call {
    #[pyo3(get)]
    method: String,
    #[pyo3(get)]
    target: String,
    #[pyo3(get)]
    headers: Vec<(String, String)>,
    #[pyo3(get)]
    peer: Py<PyAny>,
    #[pyo3(get)]
    declared_length: Option<u64>,
    #[pyo3(get)]
    body: Py<PyBytes>,
    reply: Mutex<Option<Reply>>,
    doors: Arc<Doors>,
    handle: Handle,
    patience: Duration,
    held: Mutex<Option<Held>>,
    watch: Arc<Watch>,
}

impl Call {
    /// `patience`: how long a stream waits for a client that takes nothing.
    pub fn new(
        py: Python<'_>,
        request: Request,
        peer: Py<PyAny>,
        doors: Arc<Doors>,
        patience: Duration,
    ) -> Self {
        Self {
            method: request.method.as_str().to_owned(),
            headers: texts(&request.headers),
            target: request.target,
            peer,
            declared_length: request.declared_length,
            body: PyBytes::new(py, &request.body).unbind(),
            doors,
            handle: request.reply.io.handle.clone(),
            reply: Mutex::new(Some(request.reply)),
            patience,
            held: Mutex::new(Some(request.held)),
            watch: request.watch,
        }
    }

    fn send(&self, answer: Answer) -> PyResult<bool> {
        let reply = self.reply.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        let reply = reply.ok_or_else(|| PyRuntimeError::new_err("this call was answered before"))?;
        Ok(reply.send(answer))
    }
}

#[pymethods]
impl Call {
    /// Answer at once; False when the client has gone.
    fn respond(&self, status: u16, headers: Vec<(String, String)>, body: &[u8]) -> PyResult<bool> {
        check_status(status)?;
        self.send(Answer::Whole(status, parse(headers)?, Bytes::copy_from_slice(body)))
    }

    /// Answer with a stream, numbered by the caller: `Server.next_gone` gives the number when the client goes.
    fn stream(&self, status: u16, headers: Vec<(String, String)>, number: u64) -> PyResult<Stream> {
        check_status(status)?;
        let headers = parse(headers)?;
        let (sender, receiver) = mpsc::channel(AHEAD);
        let pieces = Pieces { receiver, number, doors: self.doors.clone(), ended: false };
        self.send(Answer::Stream(status, headers, pieces))?;
        Ok(Stream {
            sender: Mutex::new(Some(sender)),
            handle: self.handle.clone(),
            patience: self.patience,
            watch: self.watch.clone(),
        })
    }
}

#[pyclass(frozen)]
pub struct Stream {
    sender: Mutex<Option<mpsc::Sender<Piece>>>,
    handle: Handle,
    patience: Duration,
    watch: Arc<Watch>,
}

impl Stream {
    fn push(&self, py: Python<'_>, piece: Piece) -> bool {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(sender) = sender else { return false };
        py.detach(|| match sender.try_send(piece) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(piece)) => {
                let sent = self.handle.block_on(sender.send_timeout(piece, self.patience));
                if let Err(mpsc::error::SendTimeoutError::Timeout(_)) = sent {
                    // hyper waits for the peer's window and would never look at this stream again.
                    self.watch.condemn();
                }
                sent.is_ok()
            }
        })
    }
}

#[pymethods]
impl Stream {
    /// Hand over a chunk, waiting while the client is slow; False when it has gone or takes nothing any more.
    fn send(&self, py: Python<'_>, chunk: &[u8]) -> bool {
        let bytes = Bytes::copy_from_slice(chunk);
        bytes.is_empty() && self.open() || !bytes.is_empty() && self.push(py, Piece::Data(bytes))
    }

    /// True while the client is there.
    fn open(&self) -> bool {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        sender.as_ref().is_some_and(|sender| !sender.is_closed())
    }

    /// The stream is complete.
    fn end(&self, py: Python<'_>) {
        self.push(py, Piece::End);
        self.abort();
    }

    /// The stream breaks off: the client sees that something is missing, unless `end` came before.
    fn abort(&self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Of all headers, for Python.
pub fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    // Latin-1, as WSGI has it: every byte is one character.
    let text = |value: &HeaderValue| value.as_bytes().iter().map(|byte| char::from(*byte)).collect();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

fn check_status(status: u16) -> PyResult<()> {
    // 1xx are not answers, and HTTP has no more than three digits.
    if (200..=999).contains(&status) {
        return Ok(());
    }
    Err(PyValueError::new_err(format!("status {status} cannot be sent")))
}

fn parse(headers: Vec<(String, String)>) -> PyResult<Headers> {
    let own = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];
    let mut parsed = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        let refused = || PyValueError::new_err(format!("header {name:?} cannot be sent"));
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
        if own.contains(&key.as_str()) {
            continue; // these belong to the connection, not to the answer
        }
        let bytes: Option<Vec<u8>> =
            value.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect();
        let value = HeaderValue::from_bytes(&bytes.ok_or_else(refused)?).map_err(|_| refused())?;
        parsed.push((key, value));
    }
    Ok(parsed)
}
