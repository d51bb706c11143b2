//! One request: read it within its limits, hand it to the doors, turn their answer into HTTP.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderValue, TRANSFER_ENCODING};
use hyper::{Method, Request, Response, StatusCode, Version};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::body::{Body, Content};
use crate::connection::Connection;
use crate::doors::{self, Answer, Held, Refused, Reply};
use crate::watch::Running;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What the engine answers by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Refusal {
    Malformed,
    Slow,
    TooLarge,
    Failed,
    Busy,
}

impl Refusal {
    fn parts(self) -> (u16, &'static str) {
        match self {
            Self::Malformed => (400, r#"{"message":"malformed request"}"#),
            Self::Slow => (408, r#"{"message":"request body too slow"}"#),
            Self::TooLarge => (413, r#"{"message":"request body too large"}"#),
            Self::Failed => (500, r#"{"message":"internal server error"}"#),
            Self::Busy => (503, r#"{"message":"server is too busy"}"#),
        }
    }
}

pub fn answer(
    request: Request<Incoming>,
    connection: Arc<Connection>,
) -> impl Future<Output = Result<Response<Body>, io::Error>> {
    // Now, and not when this future is first looked at: the clock may come between.
    let running = connection.watch.begin();
    answer_within(request, connection, running, Instant::now())
}

async fn answer_within(
    request: Request<Incoming>,
    connection: Arc<Connection>,
    running: Running,
    begin: Instant,
) -> Result<Response<Body>, io::Error> {
    let first_version = request.version() < Version::HTTP_2;
    if first_version {
        connection.watch.head_open(false);
    }
    let (mut parts, body) = request.into_parts();
    let headless = parts.method == Method::HEAD;
    let Some(target) = parts.uri.path_and_query().map(|target| target.as_str().to_owned()) else {
        return Ok(refuse(Refusal::Malformed, &connection, running, first_version));
    };
    if let (Some(authority), false) = (parts.uri.authority(), parts.headers.contains_key(HOST)) {
        // HTTP/2 names the host in the target alone.
        if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
            parts.headers.insert(HOST, host);
        }
    }
    let declared_length = if parts.headers.contains_key(TRANSFER_ENCODING) {
        None
    } else {
        parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok())
    };
    let mut held = Held::new(connection.doors.clone());
    let read = if body.is_end_stream() {
        Ok(Bytes::new())
    } else {
        let patient = !parts.headers.contains_key(EXPECT);
        let reading = read(body, declared_length, patient, &connection, &mut held);
        timeout(connection.limits.body, reading).await.unwrap_or(Err(Refusal::Slow))
    };
    let (body, refusal) = match read {
        Ok(body) => (body, None),
        Err(refusal) => {
            held = Held::new(connection.doors.clone()); // nothing of it is kept
            (Bytes::new(), Some(refusal))
        }
    };
    let (sender, receiver) = oneshot::channel();
    let request = doors::Request {
        method: parts.method,
        target,
        headers: parts.headers,
        declared_length,
        body,
        peer: connection.peer.clone(),
        watch: connection.watch.clone(),
        reply: Reply { receiver: sender, io: connection.io.clone() },
        held,
        refused: refusal
            .map(|refusal| Refused { status: refusal.parts().0, seconds: begin.elapsed().as_secs_f64() }),
    };
    if connection.doors.hot.push(request, usize::MAX).is_err() {
        return Ok(refuse(Refusal::Busy, &connection, running, first_version));
    }
    connection.io.bell.notify_one();
    match (receiver.await, refusal) {
        (_, Some(refusal)) => Ok(refuse(refusal, &connection, running, first_version)),
        (Ok(answer), None) => Ok(respond(answer, headless, &connection, running)),
        (Err(_), None) => Ok(refuse(Refusal::Failed, &connection, running, false)),
    }
}

/// Read a body of at most `max_body` bytes. One that is somewhat larger is read and dropped, so that a client
/// which sends first and listens later gets its answer.
async fn read(
    mut body: Incoming,
    declared_length: Option<u64>,
    patient: bool,
    connection: &Connection,
    held: &mut Held,
) -> Result<Bytes, Refusal> {
    let most = connection.limits.max_body;
    let bearable = if patient { most.saturating_mul(4) } else { most };
    if declared_length.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > bearable))
    {
        return Err(Refusal::TooLarge);
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut total = 0usize;
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame.map_err(|_| Refusal::Malformed)?.into_data() else {
            continue; // trailers
        };
        total += data.len();
        if total > bearable {
            return Err(Refusal::TooLarge);
        }
        if total > most {
            continue;
        }
        if !held.add(data.len(), connection.limits.max_bodies) {
            return Err(Refusal::Busy);
        }
        if first.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&data);
        }
    }
    match total {
        total if total > most => Err(Refusal::TooLarge),
        _ if rest.is_empty() => Ok(first),
        _ => Ok(rest.freeze()),
    }
}

fn refuse(refusal: Refusal, connection: &Connection, running: Running, close: bool) -> Response<Body> {
    let (status, text) = refusal.parts();
    let mut response =
        respond(Answer::Json(status, Bytes::from_static(text.as_bytes())), false, connection, running);
    if close {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        connection.watch.linger();
    }
    response
}

fn respond(answer: Answer, headless: bool, connection: &Connection, running: Running) -> Response<Body> {
    let (status, mut headers, content) = match answer {
        Answer::Json(status, body) => {
            let headers = if body.is_empty() { vec![] } else { vec![(CONTENT_TYPE, JSON)] };
            (status, headers, Content::Whole(body))
        }
        Answer::Whole(status, headers, body) => (status, headers, Content::Whole(body)),
        Answer::Stream(status, headers, pieces) => (status, headers, Content::Stream(pieces)),
    };
    let content = match content {
        content if !headless => content,
        Content::Whole(body) => {
            if !headers.iter().any(|(name, _)| name == CONTENT_LENGTH) {
                headers.push((CONTENT_LENGTH, HeaderValue::from(body.len())));
            }
            Content::Whole(Bytes::new())
        }
        Content::Stream(_) => Content::Whole(Bytes::new()), // which ends it
    };
    let unsent = match &content {
        Content::Whole(body) if !body.is_empty() => Some(connection.watch.unsent()),
        _ => None,
    };
    let mut response = Response::new(Body::new(content, running, unsent));
    fill(&mut response, status, headers);
    response
}

fn fill(response: &mut Response<Body>, status: u16, headers: doors::Headers) {
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        response.headers_mut().append(name, value);
    }
}
