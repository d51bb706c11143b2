//! The Python class `Server`: the runtime, its threads, start, reload and the end.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::call::Call;
use crate::hot::Hot;
use crate::limits::Limits;
use crate::listen::{Service, accept, bind};
use crate::threads::Start;
use crate::tls::server_config;

/// I/O threads: while one answers at the hot door, another is at its sockets. On two processors a third one costs and
/// gives nothing; on many, more threads take the handshakes of a whole fleet that comes back at once.
fn io_threads() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (processors / 2).clamp(2, 4)
}

/// A listening server. Python threads must run `run_io`, `next_call` and `next_gone`.
#[pyclass(frozen)]
pub struct Server {
    service: Arc<Service>,
    hot: Arc<Hot>,
    /// Threads that `run_io` has not begun yet.
    starts: Mutex<Vec<Start>>,
    end: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    done: watch::Receiver<bool>,
    /// How many threads must run `run_io`.
    #[pyo3(get)]
    io_threads: usize,
    /// Where it listens: host and port.
    #[pyo3(get)]
    address: (String, u16),
}

fn os_error(error: &io::Error) -> PyErr {
    match error.raw_os_error() {
        Some(number) => PyOSError::new_err((number, error.to_string())),
        None => PyOSError::new_err(error.to_string()),
    }
}

#[pymethods]
impl Server {
    /// Bind and accept. OSError when that fails, ValueError when the TLS files cannot be used.
    #[new]
    #[allow(clippy::too_many_arguments)] // called in one place, by keyword
    #[pyo3(signature = (*, host, port, chain, key, client_ca, limits, hot, make_peer, refused, report))]
    fn new(
        host: &str,
        port: u16,
        chain: &[u8],
        key: &[u8],
        client_ca: Option<&[u8]>,
        limits: &Bound<'_, PyAny>,
        hot: Py<PyAny>,
        make_peer: Py<PyAny>,
        refused: Py<PyAny>,
        report: Py<PyAny>,
    ) -> PyResult<Self> {
        let tls = server_config(chain, key, client_ca).map_err(PyValueError::new_err)?;
        let service = Arc::new(Service::new(tls, Limits::read(limits)?));
        let listener = bind(host, port).map_err(|error| os_error(&error))?;
        let local = listener.local_addr().map_err(|error| os_error(&error))?;
        let (doors, waiting) = (service.doors.clone(), service.limits.waiting);
        let hot = Arc::new(Hot { hot, make_peer, refused, report, doors, waiting, turn: Mutex::default() });
        let starts = (0..io_threads()).map(|_| Start::new(hot.clone())).collect::<io::Result<Vec<_>>>();
        let starts = starts.map_err(|error| os_error(&error))?;
        let threads: Vec<_> = starts.iter().map(|start| start.io.clone()).collect();
        let first = threads[0].handle.clone();
        let (stop, stopping) = watch::channel(false);
        let (finished, done) = watch::channel(false);
        let listener = {
            let _inside = first.enter();
            TcpListener::from_std(listener).map_err(|error| os_error(&error))?
        };
        first.spawn(accept(listener, service.clone(), threads, stopping, finished));
        let address = (local.ip().to_string(), local.port());
        Ok(Self {
            service,
            hot,
            io_threads: starts.len(),
            starts: Mutex::new(starts),
            end: watch::Sender::new(false),
            stop,
            done,
            address,
        })
    }

    /// The certificate and CA of new connections. ValueError changes nothing.
    #[pyo3(signature = (*, chain, key, client_ca))]
    fn reload(&self, chain: &[u8], key: &[u8], client_ca: Option<&[u8]>) -> PyResult<()> {
        let tls = server_config(chain, key, client_ca).map_err(PyValueError::new_err)?;
        *self.service.tls.write().unwrap_or_else(PoisonError::into_inner) = tls;
        Ok(())
    }

    /// Be one of the I/O threads, until `end`. Returns at once when there are enough.
    fn run_io(&self, py: Python<'_>) {
        let start = self.starts.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let end = self.end.subscribe();
        py.detach(|| {
            if let Some(start) = start {
                start.run(end);
            }
        });
    }

    /// Wait for a request for the application; None when the server has stopped.
    fn next_call(&self, py: Python<'_>) -> PyResult<Option<Call>> {
        let Some(request) = py.detach(|| self.service.doors.application.take()) else { return Ok(None) };
        let peer = request.peer.object(py, self.hot.make_peer.bind(py))?.unbind();
        let doors = self.service.doors.clone();
        Ok(Some(Call::new(py, request, peer, doors, self.service.limits.write)))
    }

    /// Wait for the number of a stream whose client has gone; None when the server has stopped.
    fn next_gone(&self, py: Python<'_>) -> Option<u64> {
        py.detach(|| self.service.doors.gone.take())
    }

    /// Stop accepting and tell every connection to finish. Returns at once.
    fn finish(&self) {
        self.stop.send_replace(true);
    }

    /// Wait until every connection has ended, `Limits.drain` at most; True when none is left.
    fn drain(&self, py: Python<'_>) -> PyResult<bool> {
        let mut done = self.done.clone();
        py.detach(|| {
            // On a runtime of its own: the server's may be gone, when two threads stop it.
            let runtime = Builder::new_current_thread().enable_time().build()?;
            Ok(runtime.block_on(async move {
                timeout(self.service.limits.drain, done.wait_for(|done| *done))
                    .await
                    .is_ok_and(|end| end.is_ok())
            }))
        })
        .map_err(|error: io::Error| PyRuntimeError::new_err(error.to_string()))
    }

    /// Make the I/O threads drop what is left, and return. Returns at once.
    fn end(&self) {
        self.end.send_replace(true);
    }

    /// Let the other Python threads go, when the I/O threads have ended.
    fn close(&self) {
        self.service.doors.close();
    }
}
