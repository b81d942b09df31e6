//! A real server over a real store.

use std::net::SocketAddr;

use osprofiler_collector::{Server, Settings};
use osprofiler_drivers::{ConnectionString, Options, Writer, open_writer};
use osprofiler_wire::{Record, RecordView};
use reqwest::Response;
use tempfile::TempDir;
use tokio::sync::oneshot;

pub(crate) struct Running {
    pub(crate) url: String,
    /// Ends the server when it is dropped.
    _enough: oneshot::Sender<()>,
}

/// An SQLite store in a folder of its own.
pub(crate) struct Place {
    _folder: TempDir,
    pub(crate) store: ConnectionString,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = format!("sqlite://{}", folder.path().join("traces.db").display());
        Self { store: store.parse().unwrap(), _folder: folder }
    }

    pub(crate) fn writer(&self) -> Box<dyn Writer> {
        open_writer(&self.store, &Options::default()).unwrap()
    }

    /// Stores records, given as JSON lines.
    pub(crate) fn write(&self, lines: &str) {
        let read = |line| Record::from(&RecordView::parse(line).unwrap());
        let records: Vec<Record> = lines.lines().map(read).collect();
        self.writer().write(&records).unwrap();
    }

    pub(crate) async fn serve(&self) -> Running {
        serve(Settings::new(self.store.clone())).await
    }
}

/// Starts a server on any port of the address that was set.
pub(crate) async fn serve(mut settings: Settings) -> Running {
    // The whole workspace built at once has a reqwest that wants to know whose TLS to use. It fails only
    // if one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    settings.listen = SocketAddr::new(settings.listen.ip(), 0);
    let server = Server::bind(settings).await.unwrap();
    let url = server.url();
    let (enough, told) = oneshot::channel::<()>();
    tokio::spawn(server.run(async { drop(told.await) }));
    Running { url, _enough: enough }
}

impl Running {
    pub(crate) async fn get(&self, path: &str) -> Response {
        reqwest::get(format!("{}{path}", self.url)).await.unwrap()
    }
}

/// A point of a trace: its start, and its stop so much later.
pub(crate) fn point(
    base_id: &str,
    trace_id: &str,
    parent_id: &str,
    at_us: i64,
    us: Option<i64>,
) -> String {
    let time = osprofiler_wire::Timestamp::from_micros;
    let record = |phase, at_us| {
        serde_json::json!({
            "name": format!("db-{phase}"), "base_id": base_id, "trace_id": trace_id,
            "parent_id": parent_id, "timestamp": time(at_us).to_string(),
            "info": {"host": "ctl1"}, "project": "nova", "service": "api",
        })
    };
    let mut lines = format!("{}\n", record("start", at_us));
    if let Some(us) = us {
        lines += &format!("{}\n", record("stop", at_us + us));
    }
    lines
}
