//! When and how the bytes of an answer leave: pauses, keep-alive pings, odd TCP boundaries, and the ways a connection
//! can go wrong. It knows bodies and connections, not what is said in them.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, StatusCode, header};
use futures_util::stream;
use tokio::sync::mpsc;

use crate::answer::Answer;
use crate::script::{FaultKind, Pacing};
use crate::server::Latency;
use crate::stream::{self as sse, Frame};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Bytes(Vec<u8>),
    Wait(Duration),
    /// Lets what was written so far leave the process before the next piece.
    Breathe,
    /// The connection breaks here.
    Abort,
}

/// The pieces of a whole streamed answer; `fault` may end it early.
pub(crate) fn streamed(
    answer: &Answer,
    pacing: &Pacing,
    latency: &Latency,
    fault: Option<&FaultKind>,
    request_id: &str,
) -> Vec<Piece> {
    if let Some(FaultKind::Raw { body }) = fault {
        return broken(vec![Piece::Bytes(body.clone())], pacing, None);
    }
    let mut pieces = frames_to_pieces(sse::opening(answer, pacing), pacing, latency);
    pieces.extend(stall(pacing));
    let mut frames = sse::rest(answer, pacing);
    if let Some(FaultKind::ErrorMidstream { kind, message }) = fault {
        frames = sse::first_half(frames);
        let error = crate::refusal::Refusal::new(200, kind, message.clone());
        frames.push(Frame::event(error.body(request_id)));
    }
    pieces.extend(frames_to_pieces(frames, pacing, latency));
    broken(pieces, pacing, fault)
}

/// The pieces of an answer in one body.
pub(crate) fn whole(answer: &Answer, pacing: &Pacing, fault: Option<&FaultKind>) -> Vec<Piece> {
    let body = match fault {
        Some(FaultKind::Raw { body }) => body.clone(),
        _ => answer.message().to_string().into_bytes(),
    };
    let pieces = vec![Piece::Wait(pacing.stall), Piece::Bytes(body)];
    broken(pieces, pacing, fault)
}

pub(crate) fn frames_to_pieces(frames: Vec<Frame>, pacing: &Pacing, latency: &Latency) -> Vec<Piece> {
    let frames = frames.iter().map(|frame| Piece::Bytes(frame.render(pacing.crlf)));
    if latency.between_frames.is_zero() {
        return frames.collect();
    }
    frames.flat_map(|frame| [frame, Piece::Wait(latency.between_frames)]).collect()
}

fn stall(pacing: &Pacing) -> Vec<Piece> {
    const N_PINGS: u32 = 4;
    if pacing.stall.is_zero() {
        return Vec::new();
    }
    let ping = Piece::Bytes(Frame::ping().render(pacing.crlf));
    (0..N_PINGS).flat_map(|_| [ping.clone(), Piece::Wait(pacing.stall / N_PINGS)]).collect()
}

fn broken(pieces: Vec<Piece>, pacing: &Pacing, fault: Option<&FaultKind>) -> Vec<Piece> {
    let mut pieces = match fault {
        Some(FaultKind::Cut { n_bytes }) => cut(pieces, *n_bytes),
        _ => pieces,
    };
    if let Some(size) = pacing.chunk {
        let chunk = |piece: Piece| match piece {
            Piece::Bytes(bytes) => {
                bytes.chunks(size).flat_map(|part| [Piece::Bytes(part.to_vec()), Piece::Breathe]).collect()
            }
            other => vec![other],
        };
        pieces = pieces.into_iter().flat_map(chunk).collect();
    }
    pieces
}

fn cut(pieces: Vec<Piece>, mut n_left: usize) -> Vec<Piece> {
    let mut kept = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) if bytes.len() >= n_left => {
                kept.push(Piece::Bytes(bytes[..n_left].to_vec()));
                break;
            }
            Piece::Bytes(bytes) => {
                n_left -= bytes.len();
                kept.push(Piece::Bytes(bytes));
            }
            other => kept.push(other),
        }
    }
    kept.extend([Piece::Breathe, Piece::Abort]);
    kept
}

pub(crate) fn body_of(pieces: Vec<Piece>) -> Body {
    let (sender, receiver) = mpsc::channel(1);
    // There is room for one batch and the receiver is held here, so this cannot fail.
    let _ = sender.try_send(pieces);
    body_from(receiver)
}

/// A body whose pieces come in batches; it ends when the sender is gone.
pub(crate) fn body_from(batches: mpsc::Receiver<Vec<Piece>>) -> Body {
    let start = (batches, VecDeque::new());
    Body::from_stream(stream::unfold(start, |(mut batches, mut ready)| async move {
        loop {
            match ready.pop_front() {
                None => ready.extend(batches.recv().await?),
                Some(Piece::Bytes(bytes)) => return Some((Ok(Bytes::from(bytes)), (batches, ready))),
                Some(Piece::Wait(time)) => tokio::time::sleep(time).await,
                Some(Piece::Breathe) => tokio::task::yield_now().await,
                Some(Piece::Abort) => {
                    return Some((Err(io::Error::from(io::ErrorKind::ConnectionAborted)), (batches, ready)));
                }
            }
        }
    }))
}

pub(crate) fn event_stream(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

pub(crate) fn json(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A page from a proxy in between: not JSON, no request id.
pub(crate) fn html(status: u16) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let title = status.to_string();
    let mut response = Response::new(Body::from(format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body><center><h1>{title}</h1></center></body>\r\n</html>\r\n"
    )));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}
