//! A real server over a real store.

use std::net::SocketAddr;
use std::path::Path;

use osprofiler_collector::{Server, Settings};
use osprofiler_drivers::{ConnectionString, Options, Writer, open_writer};
use osprofiler_wire::{Record, RecordView};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;

pub struct Running {
    pub url: String,
    /// Ends the server when it is dropped.
    _enough: oneshot::Sender<()>,
}

/// An SQLite store in a folder of its own.
pub struct Place {
    _folder: TempDir,
    pub store: ConnectionString,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = format!("sqlite://{}", folder.path().join("traces.db").display());
        Self { store: store.parse().unwrap(), _folder: folder }
    }

    pub fn writer(&self) -> Box<dyn Writer> {
        open_writer(&self.store, &Options::default()).unwrap()
    }

    /// Stores records, given as JSON lines.
    pub fn write(&self, lines: &str) {
        let read = |line| Record::from(&RecordView::parse(line).unwrap());
        let records: Vec<Record> = lines.lines().map(read).collect();
        self.writer().write(&records).unwrap();
    }

    pub async fn serve(&self) -> Running {
        serve(Settings::new(self.store.clone())).await
    }
}

/// Starts a server on any port of the address that was set.
pub async fn serve(mut settings: Settings) -> Running {
    settings.listen = SocketAddr::new(settings.listen.ip(), 0);
    let server = Server::bind(settings).await.unwrap();
    let url = server.url();
    let (enough, told) = oneshot::channel::<()>();
    tokio::spawn(server.run(async { drop(told.await) }));
    Running { url, _enough: enough }
}

impl Running {
    pub async fn get(&self, path: &str) -> Response {
        reqwest::get(format!("{}{path}", self.url)).await.unwrap()
    }

    pub async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.json().await.unwrap()
    }

    /// The kind and the message of an error.
    pub async fn error(&self, path: &str, status: u16) -> (String, String) {
        let response = self.get(path).await;
        assert_eq!(response.status(), status, "{path}");
        let error: Value = response.json().await.unwrap();
        let text = |key: &str| error["error"][key].as_str().unwrap().to_owned();
        (text("kind"), text("message"))
    }
}

/// The records of a real trace.
pub fn records(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/traces");
    std::fs::read_to_string(folder.join(format!("{name}.records.jsonl"))).unwrap()
}

/// A point of a trace: its start, and its stop so much later.
pub fn point(
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
