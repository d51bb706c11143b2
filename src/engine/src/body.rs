//! The body of an answer, as hyper takes it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::doors::{Piece, Pieces};
use crate::watch::{Running, Unsent};

pub enum Content {
    Whole(Bytes),
    Stream(Pieces),
}

/// Holds what must last as long as the answer is being sent.
pub struct Body {
    content: Content,
    _running: Running,
    /// Of a whole answer: until hyper lets go of it, the peer's windows have not taken it.
    _unsent: Option<Unsent>,
}

impl Body {
    pub fn new(content: Content, running: Running, unsent: Option<Unsent>) -> Self {
        Self { content, _running: running, _unsent: unsent }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut self.get_mut().content {
            Content::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Content::Stream(pieces) => Poll::Ready(match ready!(pieces.receiver.poll_recv(cx)) {
                Some(Piece::Data(bytes)) => Some(Ok(Frame::data(bytes))),
                Some(Piece::End) => {
                    pieces.ended = true;
                    None
                }
                // Cut short: the peer must not take it for the whole.
                None => Some(Err(io::Error::other("the application broke off"))),
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_empty(),
            Content::Stream(pieces) => pieces.ended,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Stream(_) => SizeHint::default(),
        }
    }
}
