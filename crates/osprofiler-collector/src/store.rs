//! The back end: its readers block, so they work on threads of their own, a few at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use osprofiler_drivers::{
    ConnectionString, Driver, Error, ErrorKind, ListQuery, Options, Reader, TraceSummary,
    open_reader,
};
use osprofiler_report::ReportBuilder;
use osprofiler_wire::Id;
use tokio::sync::Semaphore;

use crate::cache::{Cache, Loaded};
use crate::error::{ApiError, chain};

/// Reads at once; further ones wait for their turn.
const READERS: usize = 4;
/// How long a reader is kept that nobody uses: a server closes connections in time.
const KEEP_READER: Duration = Duration::from_secs(20);
/// Reports that are kept, in bytes.
const CACHE_BYTES: usize = 256 << 20;
/// What a point takes in a report besides its text, roughly.
const POINT_BYTES: usize = 200;

pub(crate) struct Store {
    pub(crate) connection: ConnectionString,
    pub(crate) driver: &'static Driver,
    options: Options,
    idle: Mutex<Vec<(Instant, Box<dyn Reader>)>>,
    turns: Arc<Semaphore>,
    reports: Mutex<Cache>,
}

/// Traces as a back end lists them, and how many records it had to skip.
pub(crate) type Listed = (Vec<TraceSummary>, u64);

impl Store {
    pub(crate) fn new(connection: ConnectionString, options: Options) -> Result<Self, Error> {
        let driver = Driver::of(&connection)?;
        if !driver.capabilities.read {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("`{}` only writes; name a back end that can be read", connection.scheme()),
            ));
        }
        Ok(Self {
            connection,
            driver,
            options,
            idle: Mutex::default(),
            turns: Arc::new(Semaphore::new(READERS)),
            reports: Mutex::new(Cache::new(CACHE_BYTES)),
        })
    }

    /// Has a reader do something. It is done to the end, even if nobody waits for it any more.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        act: impl FnOnce(&mut dyn Reader) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, ApiError> {
        let turn = self.turns.clone().acquire_owned().await;
        let turn = turn.map_err(|_| ApiError::busy("the server is about to end"))?;
        let store = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let mut reader = store.reader()?;
            let done = act(&mut *reader)?;
            lock(&store.idle).push((Instant::now(), reader));
            Ok(done)
        });
        match done.await {
            Ok(done) => done.map_err(|error: Error| error.into()),
            Err(_) => Err(ApiError::internal("the reader failed; the server's output says how")),
        }
    }

    fn reader(&self) -> Result<Box<dyn Reader>, Error> {
        let mut idle = lock(&self.idle);
        idle.retain(|(since, _)| since.elapsed() < KEEP_READER);
        let kept = idle.pop();
        drop(idle);
        match kept {
            Some((_, reader)) => Ok(reader),
            None => open_reader(&self.connection, &self.options),
        }
    }

    /// # Errors
    ///
    /// If the back end cannot list traces.
    pub(crate) fn must_list(&self) -> Result<(), ApiError> {
        let scheme = self.connection.scheme();
        if self.driver.capabilities.list {
            return Ok(());
        }
        let message = format!("`{scheme}` cannot list traces; open one by its id");
        Err(Error::new(ErrorKind::Unsupported, message).into())
    }

    /// Lists traces. A back end in which nothing was ever stored has none.
    pub(crate) async fn list(self: &Arc<Self>, query: ListQuery) -> Result<Listed, ApiError> {
        self.must_list()?;
        let listed = self.read(move |reader| {
            let traces = reader.list(&query)?;
            Ok((traces, reader.skipped()))
        });
        match listed.await {
            Err(error) if error.is_not_found() => Ok((Vec::new(), 0)),
            listed => listed,
        }
    }

    /// A trace, read no longer than `max_age` ago.
    pub(crate) async fn trace(
        self: &Arc<Self>,
        id: &Id,
        max_age: Duration,
    ) -> Result<Arc<Loaded>, ApiError> {
        if let Some(loaded) = lock(&self.reports).get(id, max_age) {
            return Ok(loaded);
        }
        let (store, own_id) = (self.clone(), id.clone());
        let loaded = self.read(move |reader| {
            // Whoever waited for a turn may have been waiting for the same trace.
            if let Some(loaded) = lock(&store.reports).get(&own_id, max_age) {
                return Ok(loaded);
            }
            let loaded = Arc::new(load(reader, &own_id)?);
            if !loaded.report.is_empty() {
                lock(&store.reports).put(own_id, loaded.clone());
            }
            Ok(loaded)
        });
        let loaded = loaded.await?;
        if loaded.report.is_empty() { Err(no_trace(id)) } else { Ok(loaded) }
    }
}

/// Reads a trace, as far as it can be read.
fn load(reader: &mut dyn Reader, id: &Id) -> Result<Loaded, Error> {
    let asked_at = Instant::now();
    let mut builder = ReportBuilder::new();
    let mut bytes = 0;
    let read = reader.read(id, &mut |json| {
        bytes += json.len();
        // The report counts what cannot be read.
        let _ = builder.add(json);
    });
    let report = builder.finish();
    let incomplete = match read {
        Err(error) if report.is_empty() => return Err(error),
        read => read.err().map(|error| chain(&error)),
    };
    bytes += report.len() * POINT_BYTES;
    Ok(Loaded { report, incomplete, asked_at, bytes })
}

pub(crate) fn no_trace(id: &Id) -> ApiError {
    ApiError::not_found(format!(
        "no trace `{id}`; the request may not have been traced, or its records may still be on their way"
    ))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
