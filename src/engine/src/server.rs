//! The Python class `Server`: the runtime, its threads, start, reload and the end.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::call::Call;
use crate::hot::{self, Hot};
use crate::limits::Limits;
use crate::listen::{Service, accept, bind};
use crate::threads;
use crate::tls::server_config;

/// Measured: a third I/O thread adds nothing while one Python thread does the work.
const IO_THREADS: usize = 2;

/// A listening server. Its I/O threads run; Python threads must run `run_hot`, `next_call` and `next_gone`.
#[pyclass(frozen)]
pub struct Server {
    service: Arc<Service>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    end: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    done: watch::Receiver<bool>,
    make_peer: Py<PyAny>,
    report: Py<PyAny>,
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
    #[pyo3(signature = (*, host, port, chain, key, client_ca, limits, make_peer, report))]
    fn new(
        host: &str,
        port: u16,
        chain: &[u8],
        key: &[u8],
        client_ca: Option<&[u8]>,
        limits: &Bound<'_, PyAny>,
        make_peer: Py<PyAny>,
        report: Py<PyAny>,
    ) -> PyResult<Self> {
        let tls = server_config(chain, key, client_ca).map_err(PyValueError::new_err)?;
        let service = Arc::new(Service::new(tls, Limits::read(limits)?));
        let listener = bind(host, port).map_err(|error| os_error(&error))?;
        let local = listener.local_addr().map_err(|error| os_error(&error))?;
        let (end, ending) = watch::channel(false);

        let (ios, threads): (Vec<_>, Vec<_>) = (0..IO_THREADS)
            .map(|number| threads::start(number, ending.clone()))
            .collect::<io::Result<Vec<_>>>()
            .map_err(|error| os_error(&error))?
            .into_iter()
            .unzip();
        let runtime = ios[0].handle.clone();
        let (stop, stopping) = watch::channel(false);
        let (finished, done) = watch::channel(false);
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener).map_err(|error| os_error(&error))?
        };
        runtime.spawn(accept(listener, service.clone(), ios, stopping, finished));
        let address = (local.ip().to_string(), local.port());
        Ok(Self { service, threads: Mutex::new(threads), end, stop, done, make_peer, report, address })
    }

    /// The certificate and CA of new connections. ValueError changes nothing.
    #[pyo3(signature = (*, chain, key, client_ca))]
    fn reload(&self, chain: &[u8], key: &[u8], client_ca: Option<&[u8]>) -> PyResult<()> {
        let tls = server_config(chain, key, client_ca).map_err(PyValueError::new_err)?;
        *self.service.tls.write().unwrap_or_else(PoisonError::into_inner) = tls;
        Ok(())
    }

    /// Serve the hot door on the calling thread until the server has stopped.
    fn run_hot(&self, py: Python<'_>, hot: &Bound<'_, PyAny>) {
        let door = Hot { hot, make_peer: self.make_peer.bind(py), report: self.report.bind(py) };
        hot::run(py, &self.service.doors, self.service.limits.waiting, &door);
    }

    /// Wait for a request for the application; None when the server has stopped.
    fn next_call(&self, py: Python<'_>) -> PyResult<Option<Call>> {
        let Some(request) = py.detach(|| self.service.doors.application.take()) else { return Ok(None) };
        let peer = request.peer.object(py, self.make_peer.bind(py))?.unbind();
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

    /// Drop what is left and let the Python threads go.
    fn close(&self, py: Python<'_>) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        self.end.send_replace(true);
        py.detach(|| {
            for thread in threads {
                let _ = thread.join();
            }
            self.service.doors.close();
        });
    }
}
