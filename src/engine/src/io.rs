//! The TLS stream as hyper sees it, with three things added: the connection's `Watch` is told what moves,
//! hyper's own bare HTTP/1.1 errors get a JSON body, and a connection that ends in an error lingers, so that the
//! peer reads the answer before the kernel resets what it still sends.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::frames::Frames;
use crate::watch::Watch;

/// A peer that still sends after an error gets this long to notice it.
const LINGER: Duration = Duration::from_secs(1);

pub enum Protocol {
    Http1,
    Http2(Frames),
}

pub struct Tracked<S> {
    inner: S,
    watch: Arc<Watch>,
    protocol: Protocol,
    /// An error of hyper's in our words, and how much of it is written.
    replacement: Option<(Vec<u8>, usize)>,
    linger: Option<Pin<Box<Sleep>>>,
}

impl<S> Tracked<S> {
    pub fn new(inner: S, watch: Arc<Watch>, protocol: Protocol) -> Self {
        Self { inner, watch, protocol, replacement: None, linger: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tracked<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buffer))?;
        let fresh = &buffer.filled()[before..];
        if !fresh.is_empty() {
            match &mut this.protocol {
                Protocol::Http2(frames) => this.watch.head_open(frames.read(fresh)),
                Protocol::Http1 if !this.watch.is_running() => this.watch.head_open(true),
                Protocol::Http1 => {}
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Tracked<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.replacement.is_none() && matches!(this.protocol, Protocol::Http1) && !this.watch.is_running()
        {
            if let Some(text) = in_json(bytes) {
                this.replacement = Some((text, 0));
                this.watch.linger();
            }
        }
        let outcome = match &mut this.replacement {
            None => Pin::new(&mut this.inner).poll_write(cx, bytes),
            Some((text, done)) => loop {
                match Pin::new(&mut this.inner).poll_write(cx, &text[*done..]) {
                    Poll::Ready(Ok(0)) => break Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(count)) => *done += count,
                    other => break other,
                }
                if *done == text.len() {
                    this.replacement = None;
                    break Poll::Ready(Ok(bytes.len()));
                }
            },
        };
        this.watch.write_blocked(outcome.is_pending());
        outcome
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_flush(cx);
        this.watch.write_blocked(outcome.is_pending());
        outcome
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
            if !this.watch.lingers() {
                return Poll::Ready(Ok(()));
            }
        }
        let until = this.linger.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        if until.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let mut scratch = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut this.inner).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                _ => return Poll::Ready(Ok(())),
            }
        }
    }
}

/// hyper answers a head it cannot parse by itself, with an empty body and no way to say what is in it. Such an
/// answer is a whole write of just this shape; none of ours is.
fn in_json(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.starts_with(b"HTTP/1.1 4") || !bytes.ends_with(b"\r\n\r\n") || bytes.len() > 256 {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, empty) = (text.strip_suffix("\r\n\r\n")?, "content-length: 0");
    if head.contains("\r\n\r\n") || !head.contains("\r\nconnection: close\r\n") || !head.contains(empty) {
        return None;
    }
    let message = match head.get(9..12)? {
        "431" => "request header too large",
        "414" => "request target too long",
        _ => "malformed request",
    };
    let body = format!("{{\"message\":\"{message}\"}}");
    let length = format!("content-type: application/json\r\ncontent-length: {}", body.len());
    Some(format!("{}\r\n\r\n{body}", head.replacen(empty, &length, 1)).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::in_json;

    #[test]
    fn a_bare_error_gets_a_body() {
        let bare = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        let text = String::from_utf8(in_json(bare).unwrap()).unwrap();
        assert!(text.ends_with("\r\n\r\n{\"message\":\"malformed request\"}"));
        assert!(text.contains("\r\ncontent-length: 31\r\n"));
    }

    #[test]
    fn other_answers_pass() {
        for other in [
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\ndate: x\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}",
        ] {
            assert!(in_json(other.as_bytes()).is_none());
        }
    }
}
