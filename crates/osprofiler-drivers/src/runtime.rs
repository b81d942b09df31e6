//! The one asynchronous runtime of the drivers whose clients want one.
//!
//! It has a thread of its own, so that connections are kept alive (heartbeats) between calls, and
//! starts with the first call.

use std::future::Future;
use std::mem;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::{Error, ErrorKind};

/// The runtime, and the process that started it: threads do not survive a fork.
static RUNTIME: Mutex<Option<(u32, Arc<Runtime>)>> = Mutex::new(None);

/// Waits for a future. May be called on threads of other runtimes too, which it blocks.
///
/// # Errors
///
/// Those of the future; and if the system has no thread to give.
pub(crate) fn block_on<T: Send>(
    future: impl Future<Output = Result<T, Error>> + Send,
) -> Result<T, Error> {
    let runtime = runtime()?;
    if Handle::try_current().is_err() {
        return runtime.block_on(future);
    }
    // A thread of a runtime may not wait for another one.
    thread::scope(|scope| {
        let waiting = thread::Builder::new().spawn_scoped(scope, || runtime.block_on(future));
        waiting.map_err(no_thread)?.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn runtime() -> Result<Arc<Runtime>, Error> {
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((owner, runtime)) = &*runtime
        && *owner == process::id()
    {
        return Ok(runtime.clone());
    }
    let started = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("osprofiler-io")
        .enable_all()
        .build()
        .map_err(no_thread)?;
    let started = Arc::new(started);
    // The parent's is left as it is: to end it would be to wait for threads that are not there.
    mem::forget(runtime.replace((process::id(), started.clone())));
    Ok(started)
}

fn no_thread(cause: std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "cannot start a thread to talk to the back end")
        .with_source(cause)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn answer() -> Result<u8, Error> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok(42)
    }

    #[test]
    fn a_future_is_waited_for_on_any_thread() {
        assert_eq!(block_on(answer()).unwrap(), 42);
        let other = Builder::new_current_thread().build().unwrap();
        assert_eq!(other.block_on(async { block_on(answer()) }).unwrap(), 42);
    }
}
