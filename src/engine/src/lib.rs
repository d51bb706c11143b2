//! `openkes_engine`: what stands between TCP and the application. It knows TLS and HTTP; it knows nothing of
//! keys, names, policies or JSON beyond its own error texts. `openkes.front.engine` is its only user.

mod body;
mod call;
mod connection;
mod doors;
mod frames;
mod hot;
mod io;
mod limits;
mod listen;
mod peer;
mod queue;
mod request;
mod server;
mod threads;
mod tls;
mod verify;
mod watch;

use pyo3::prelude::*;

#[pymodule]
mod openkes_engine {
    #[pymodule_export]
    use crate::call::{Call, Stream};
    #[pymodule_export]
    use crate::server::Server;
}
