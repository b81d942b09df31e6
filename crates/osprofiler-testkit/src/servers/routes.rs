//! What a server under test has to serve.
//!
//! | request | response |
//! |---|---|
//! | `GET /items/{id}` | the text of [`item`] |
//! | `GET /broken` | status 503 |
//! | `GET /panics` | none: the handler calls [`panics`] |
//! | `GET /waits` | none: the handler waits for [`waits`] |
//! | `GET /rows` | a body of the chunks of [`rows`], each made when it is sent, of unknown length |
//! | `GET /fails` | a body of one chunk, and then an error |
//! | `POST /upload` | the number of bytes that were sent |
//! | any other | status 404 |
//!
//! `{id}` is a template; what is recorded of it is as the framework writes it.

use std::future::poll_fn;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use osprofiler::{Trace, TraceExt, profiler};

/// The chunks of [`rows`].
pub(super) const ROWS: usize = 3;

/// How long each takes to make.
pub(super) const ROW_TAKES: Duration = Duration::from_millis(10);

/// Does something that is traced, before, between and after others have their turn. Gives the id, and
/// the HMAC key in force, or `untraced`.
pub async fn item(id: &str) -> String {
    drop(Trace::new(format!("check {id}"), ()));
    let read = async {
        yield_now().await;
        drop(Trace::new(format!("row {id}"), ()));
        yield_now().await;
    };
    read.trace(format!("read {id}"), ()).await;
    let key = profiler::get().map(|profiler| profiler.hmac_key().expose().to_owned());
    format!("{id} {}", key.as_deref().unwrap_or("untraced"))
}

/// Panics.
///
/// # Panics
///
/// Always, with `a handler's panic`.
pub async fn panics() {
    yield_now().await;
    panic!("a handler's panic")
}

/// Is never ready.
pub async fn waits() {
    std::future::pending::<()>().trace("wait", ()).await;
}

/// Three chunks of four bytes; each is a point, and takes 10 ms.
pub fn rows() -> impl Iterator<Item = String> + Send + 'static {
    (0..ROWS).map(|n| {
        let _point = Trace::new(format!("row {n}"), ());
        thread::sleep(ROW_TAKES);
        format!("row{n}")
    })
}

/// Lets others have their turn.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
