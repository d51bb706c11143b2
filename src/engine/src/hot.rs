//! The hot door: takes requests from the queue and asks the application's `hot` for their answers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, TryLockError};

use bytes::Bytes;
use hyper::http::Method;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};

use crate::call::texts;
use crate::doors::{Answer, Doors, Refused, Request};
use crate::queue;
use crate::threads::Io;

const FAILED: &[u8] = br#"{"message":"internal server error"}"#;
const BUSY: &[u8] = br#"{"message":"server is too busy"}"#;

/// Requests answered in one turn. The interpreter is let go after it, so that the application's pool gets it under
/// full load too, and the thread looks at its sockets.
const TURN: usize = 16;

/// The Python side of the door.
pub struct Hot {
    pub hot: Py<PyAny>,
    pub make_peer: Py<PyAny>,
    /// `refused(method, target, headers, peer, status, seconds)` is told what the engine refuses by itself.
    pub refused: Py<PyAny>,
    /// `report(door, method, target, error)` writes an exception to the log.
    pub report: Py<PyAny>,
    pub doors: Arc<Doors>,
    /// Requests that may wait for the application's pool.
    pub waiting: usize,
    /// Held by the thread that answers, with what it answers: one at a time, or they would fight for the interpreter.
    pub turn: Mutex<VecDeque<Request>>,
}

impl Hot {
    /// Answer some of what waits, unless another thread is at it. True: there may be more.
    pub fn work(&self, own: &Io) -> bool {
        let mut batch = match self.turn.try_lock() {
            Ok(batch) => batch,
            Err(TryLockError::WouldBlock) => return false, // the other one looks again when it is done
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        };
        if self.doors.hot.take_some(&mut batch, TURN) {
            Python::attach(|py| {
                for request in batch.drain(..) {
                    self.answer(py, request, own);
                }
            });
        }
        drop(batch);
        // Asked after the turn is given back: whoever was refused it has put its request there before.
        !self.doors.hot.is_empty()
    }

    fn answer(&self, py: Python<'_>, request: Request, own: &Io) {
        if let Some(refused) = request.refused {
            self.tell(py, &request, refused); // whether or not somebody waits for the answer
            finish(request, Answer::Json(refused.status, Bytes::new()), own);
            return;
        }
        if request.reply.is_gone() {
            return;
        }
        match self.ask(py, &request) {
            Ok(Some(answer)) => finish(request, answer, own),
            Ok(None) => self.pass_on(py, request, own),
            Err(error) => {
                self.report(py, "hot", &request, error);
                finish(request, Answer::Json(500, Bytes::from_static(FAILED)), own);
            }
        }
    }

    fn report(&self, py: Python<'_>, door: &str, request: &Request, error: PyErr) {
        // `into_value` puts the traceback into the exception, where Python looks for it.
        let error = error.into_value(py);
        let arguments = (door, request.method.as_str(), request.target.as_str(), error);
        if let Err(second) = self.report.call1(py, arguments) {
            second.write_unraisable(py, None);
        }
    }

    fn tell(&self, py: Python<'_>, request: &Request, refused: Refused) {
        let told = request.peer.object(py, self.make_peer.bind(py)).and_then(|peer| {
            let headers = texts(&request.headers);
            let arguments =
                (request.method.as_str(), &request.target, headers, peer, refused.status, refused.seconds);
            self.refused.call1(py, arguments)
        });
        if let Err(error) = told {
            self.report(py, "refused", request, error);
        }
    }

    fn ask(&self, py: Python<'_>, request: &Request) -> PyResult<Option<Answer>> {
        let peer = request.peer.object(py, self.make_peer.bind(py))?;
        let body = PyBytes::new(py, &request.body);
        let answer = self.hot.bind(py).call1((
            method(py, &request.method),
            &request.target,
            peer,
            request.declared_length,
            body,
        ))?;
        if answer.is_none() {
            return Ok(None);
        }
        let answer = answer.cast::<PyTuple>()?;
        let status: u16 = answer.get_item(0)?.extract()?;
        if answer.len() != 2 || !(200..=999).contains(&status) {
            return Err(PyTypeError::new_err("the hot door answers (status, body) or None"));
        }
        let body = answer.get_item(1)?;
        Ok(Some(Answer::Json(status, Bytes::copy_from_slice(body.cast::<PyBytes>()?.as_bytes()))))
    }

    fn pass_on(&self, py: Python<'_>, request: Request, own: &Io) {
        if let Err(queue::Refused::Full(request) | queue::Refused::Closed(request)) =
            self.doors.application.push(request, self.waiting)
        {
            self.tell(py, &request, Refused { status: 503, seconds: 0.0 });
            finish(request, Answer::Json(503, Bytes::from_static(BUSY)), own);
        }
    }
}

fn method<'py>(py: Python<'py>, method: &Method) -> Bound<'py, PyString> {
    match *method {
        Method::PUT => pyo3::intern!(py, "PUT").clone(),
        Method::POST => pyo3::intern!(py, "POST").clone(),
        Method::GET => pyo3::intern!(py, "GET").clone(),
        _ => PyString::new(py, method.as_str()),
    }
}

fn finish(request: Request, answer: Answer, own: &Io) {
    drop(request.held); // before the client can know, and ask again
    request.reply.send_from(own, answer);
}
