//! `GET /traces/ID/records`: the records of a trace as the back end gives them.

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use osprofiler_wire::Id;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::Api;
use crate::error::ApiError;
use crate::store::no_trace;

/// Text that is sent at once.
const CHUNK: usize = 1 << 16;
/// Chunks that wait for a client that is slower than the back end.
const WAITING: usize = 8;

pub(super) async fn records(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = Id::from(id);
    let (send, mut chunks) = mpsc::channel::<Result<Bytes, ApiError>>(WAITING);
    let (store, asked) = (api.store.clone(), id.clone());
    tokio::spawn(async move {
        let failed = send.clone();
        let read = store.read(move |reader| {
            let mut chunk = String::new();
            // A client that is gone is sent nothing.
            let flush = |chunk: &mut String| {
                let _ = send.blocking_send(Ok(std::mem::take(chunk).into()));
            };
            reader.read(&asked, &mut |json| {
                chunk.extend(json.chars().map(|c| if matches!(c, '\n' | '\r') { ' ' } else { c }));
                chunk.push('\n');
                if chunk.len() >= CHUNK {
                    flush(&mut chunk);
                }
            })?;
            if !chunk.is_empty() {
                flush(&mut chunk);
            }
            Ok(())
        });
        if let Err(error) = read.await {
            let _ = failed.send(Err(error)).await;
        }
    });
    // The status is chosen by what comes first.
    let first = chunks.recv().await.unwrap_or_else(|| Err(no_trace(&id)))?;
    let rest = ReceiverStream::new(chunks).map(|chunk| {
        // The answer ends before its end: that is how HTTP says so.
        chunk.map_err(|error| std::io::Error::other(error.to_json().to_string()))
    });
    let body = Body::from_stream(tokio_stream::once(Ok(first)).chain(rest));
    Ok(([(header::CONTENT_TYPE, "application/jsonl; charset=utf-8")], body).into_response())
}
