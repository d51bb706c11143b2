//! The hot door's thread: takes every request from the queue and asks the application's `hot` for an answer.

use std::collections::VecDeque;

use bytes::Bytes;
use hyper::http::Method;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};

use crate::doors::{Answer, Doors, Request};
use crate::queue::Refused;

const FAILED: &[u8] = br#"{"message":"internal server error"}"#;
const BUSY: &[u8] = br#"{"message":"server is too busy"}"#;

/// The Python side of the door.
pub struct Hot<'py> {
    pub hot: &'py Bound<'py, PyAny>,
    pub make_peer: &'py Bound<'py, PyAny>,
    /// `report(door, method, target, error)` writes an exception to the log.
    pub report: &'py Bound<'py, PyAny>,
}

/// Serve until the queue is closed. The interpreter is let go whenever the queue has been drained, and between
/// two batches, so that the application's pool gets its turn under full load too.
pub fn run(py: Python<'_>, doors: &Doors, waiting: usize, door: &Hot<'_>) {
    let mut batch = VecDeque::new();
    while py.detach(|| doors.hot.take_all(&mut batch)) {
        for request in batch.drain(..) {
            if request.answer.receiver.is_closed() {
                continue; // the client has gone
            }
            match ask(py, &request, door) {
                Ok(Some(answer)) => finish(request, answer),
                Ok(None) => pass_on(doors, request, waiting),
                Err(error) => {
                    // `into_value` puts the traceback into the exception, where Python looks for it.
                    let error = error.into_value(py);
                    let arguments = ("hot", request.method.as_str(), request.target.as_str(), error);
                    if let Err(second) = door.report.call1(arguments) {
                        second.write_unraisable(py, None);
                    }
                    finish(request, Answer::Json(500, Bytes::from_static(FAILED)));
                }
            }
        }
    }
}

fn ask(py: Python<'_>, request: &Request, door: &Hot<'_>) -> PyResult<Option<Answer>> {
    let peer = request.peer.object(py, door.make_peer)?;
    let body = PyBytes::new(py, &request.body);
    let answer = door.hot.call1((
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

fn method<'py>(py: Python<'py>, method: &Method) -> Bound<'py, PyString> {
    match *method {
        Method::PUT => pyo3::intern!(py, "PUT").clone(),
        Method::POST => pyo3::intern!(py, "POST").clone(),
        Method::GET => pyo3::intern!(py, "GET").clone(),
        _ => PyString::new(py, method.as_str()),
    }
}

fn pass_on(doors: &Doors, request: Request, waiting: usize) {
    let Err(Refused::Full(request) | Refused::Closed(request)) = doors.application.push(request, waiting)
    else {
        return;
    };
    finish(request, Answer::Json(503, Bytes::from_static(BUSY)));
}

fn finish(request: Request, answer: Answer) {
    drop(request.held); // before the client can know, and ask again
    let _ = request.answer.send(answer); // the client may have gone meanwhile
}
