//! The listening socket, the accept loop, and the count of connections.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::watch::{Receiver, Sender};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use crate::connection::serve;
use crate::doors::Doors;
use crate::limits::Limits;
use crate::threads::{Io, least};

/// A whole fleet may connect at once after a restart; the kernel cuts this to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// Out of file descriptors or memory: trying again at once would only burn the processor.
const PAUSE: Duration = Duration::from_millis(100);

pub fn bind(host: &str, port: u16) -> io::Result<std::net::TcpListener> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "no address of that name");
    for address in (host, port).to_socket_addrs()? {
        match listener(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn listener(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Everything the accept loop hands to a connection.
pub struct Service {
    pub tls: RwLock<Arc<ServerConfig>>,
    pub doors: Arc<Doors>,
    pub limits: Arc<Limits>,
    per_peer: Mutex<HashMap<IpAddr, usize>>,
}

impl Service {
    pub fn new(tls: Arc<ServerConfig>, limits: Limits) -> Self {
        Self {
            tls: RwLock::new(tls),
            doors: Arc::new(Doors::new()),
            limits: Arc::new(limits),
            per_peer: Mutex::new(HashMap::new()),
        }
    }

    /// Count a connection of this address; None when it has too many.
    fn slot(self: &Arc<Self>, peer: IpAddr) -> Option<Slot> {
        let mut counts = self.per_peer.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(peer).or_insert(0);
        if *count >= self.limits.connections_per_peer {
            return None;
        }
        *count += 1;
        Some(Slot { service: self.clone(), peer })
    }
}

struct Slot {
    service: Arc<Service>,
    peer: IpAddr,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = self.service.per_peer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.peer);
            }
        }
    }
}

/// Accept until `stop` says so, then wait for the connections that are left. `done` becomes true at the end.
pub async fn accept(
    listener: TcpListener,
    service: Arc<Service>,
    threads: Vec<Arc<Io>>,
    mut stop: Receiver<bool>,
    done: Sender<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = stop.wait_for(|stopping| *stopping) => break,
        };
        let (tcp, address) = match accepted {
            Ok(accepted) => accepted,
            Err(_) => {
                sleep(PAUSE).await;
                continue;
            }
        };
        if connections.len() >= service.limits.connections {
            continue; // dropping the socket closes it
        }
        let Some(slot) = service.slot(address.ip().to_canonical()) else { continue };
        let tls = TlsAcceptor::from(service.tls.read().unwrap_or_else(PoisonError::into_inner).clone());
        let (doors, limits, stop) = (service.doors.clone(), service.limits.clone(), stop.clone());
        let place = least(&threads);
        let Ok(tcp) = tcp.into_std() else { continue };
        let handle = place.0.handle.clone();
        connections.spawn_on(
            async move {
                serve(place.0.clone(), tcp, address, tls, doors, limits, stop).await;
                drop((slot, place));
            },
            &handle,
        );
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    let _ = done.send(true); // nobody waits: the server gave up already
}
