//! One TCP connection: handshake, the choice of HTTP version, supervision until it ends.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::sync::watch::Receiver;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::doors::{Doors, PeerCell};
use crate::frames::Frames;
use crate::io::{Protocol, Tracked};
use crate::limits::Limits;
use crate::peer::{PeerFacts, identity};
use crate::request::answer;
use crate::threads::Io;
use crate::watch::{Verdict, Watch};

/// A host that vanished without a word is noticed within about three minutes.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// Bytes in flight to us on a stream, and on a connection: bodies are small, 1 MiB at most.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// What all requests of one connection share.
pub struct Connection {
    pub watch: Arc<Watch>,
    pub peer: Arc<PeerCell>,
    pub doors: Arc<Doors>,
    pub limits: Arc<Limits>,
    pub io: Arc<Io>,
}

type Stream = TokioIo<Tracked<TlsStream<TcpStream>>>;

pub async fn serve(
    io: Arc<Io>,
    tcp: std::net::TcpStream,
    address: SocketAddr,
    tls: TlsAcceptor,
    doors: Arc<Doors>,
    limits: Arc<Limits>,
    mut stop: Receiver<bool>,
) {
    let Ok(tcp) = TcpStream::from_std(tcp) else { return };
    let _ = tcp.set_nodelay(true); // fails on a dead socket only, which the handshake will find
    let _ = SockRef::from(&tcp)
        .set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE));
    let stream = tokio::select! {
        handshake = timeout(limits.handshake, tls.accept(tcp)) => match handshake {
            Ok(Ok(stream)) => stream,
            _ => return,
        },
        _ = stop.wait_for(|stopping| *stopping) => return,
    };
    let Some((peer, second_version)) = facts(&stream, address) else { return };
    let watch = Arc::new(Watch::new());
    let connection = Arc::new(Connection {
        watch: watch.clone(),
        peer: Arc::new(PeerCell::new(peer)),
        doors,
        limits: limits.clone(),
        io,
    });
    let protocol = if second_version { Protocol::Http2(Frames::new()) } else { Protocol::Http1 };
    let io = TokioIo::new(Tracked::new(stream, watch.clone(), protocol));
    if second_version {
        supervise(second(io, connection), &watch, &limits, stop).await;
    } else {
        supervise(first(io, connection), &watch, &limits, stop).await;
    }
}

fn facts(stream: &TlsStream<TcpStream>, address: SocketAddr) -> Option<(PeerFacts, bool)> {
    let session = stream.get_ref().1;
    let chain = session.peer_certificates().unwrap_or_default();
    let facts = PeerFacts {
        address: SocketAddr::new(address.ip().to_canonical(), address.port()).to_string(),
        identity: match chain.first() {
            Some(leaf) => identity(leaf).ok()?,
            None => String::new(),
        },
        certificate: chain.first().map(|leaf| leaf.to_vec()),
        chain_length: chain.len(),
    };
    Some((facts, session.alpn_protocol() == Some(b"h2")))
}

/// What both versions of hyper's connection can do.
trait Graceful: Future {
    fn finish(self: Pin<&mut Self>);
}

macro_rules! graceful {
    ($($connection:tt)*) => {
        impl<S> Graceful for $($connection)*
        where
            S: hyper::service::HttpService<hyper::body::Incoming, ResBody = crate::body::Body>,
            S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
            S::Future: Send + 'static,
        {
            fn finish(self: Pin<&mut Self>) {
                self.graceful_shutdown();
            }
        }
    };
}
graceful!(http1::Connection<Stream, S>);
graceful!(http2::Connection<Stream, S, TokioExecutor>);

fn first(io: Stream, connection: Arc<Connection>) -> impl Graceful {
    let limit = connection.limits.max_header;
    http1::Builder::new()
        .header_read_timeout(None) // it would count idle time as well; `Watch` tells them apart
        .max_header_size(limit)
        .max_buf_size(limit.max(8192)) // hyper takes no less
        .serve_connection(io, service_fn(move |request| answer(request, connection.clone())))
}

fn second(io: Stream, connection: Arc<Connection>) -> impl Graceful {
    http2::Builder::new(TokioExecutor::new())
        .max_concurrent_streams(connection.limits.streams)
        .max_header_list_size(u32::try_from(connection.limits.max_header).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        // Boxed: hyper and tokio move it half a dozen times, and it is not small.
        .serve_connection(io, service_fn(move |request| Box::pin(answer(request, connection.clone()))))
}

async fn supervise(serving: impl Graceful, watch: &Watch, limits: &Limits, mut stop: Receiver<bool>) {
    let mut serving = std::pin::pin!(serving);
    let mut stopping = false;
    let mut give_up: Option<Instant> = None;
    let mut pause = limits.header.min(limits.idle) / 2;
    loop {
        tokio::select! {
            biased; // what has come meanwhile is read before the clock is looked at: this thread may have been held up
            _ = serving.as_mut() => return,
            _ = stop.wait_for(|stopping| *stopping), if !stopping => {
                stopping = true;
                serving.as_mut().finish();
            }
            () = sleep(pause) => {
                if give_up.is_some_and(|end| Instant::now() >= end) {
                    return;
                }
                pause = match watch.verdict(limits) {
                    Verdict::Abort => return,
                    Verdict::Wait(pause) => pause,
                    Verdict::Finish => {
                        if give_up.is_none() {
                            give_up = Some(Instant::now() + limits.header);
                            serving.as_mut().finish();
                        }
                        limits.header
                    }
                };
            }
        }
    }
}
