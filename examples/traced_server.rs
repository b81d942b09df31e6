//! An axum service with our layer, whose notifier writes every record to a file.
//!
//! ```sh
//! cargo run --release --example traced_server -- \
//!     --port 8080 --hmac-keys SECRET_KEY --records records.jsonl
//! osprofiler headers --hmac-key SECRET_KEY | curl -H @- http://127.0.0.1:8080/any/path
//! osprofiler trace show records.jsonl
//! ```

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use axum::Router;
use axum::extract::Request;
use clap::Parser;
use osprofiler::instrument::axum::ServerLayer;
use osprofiler::propagation::KeyRing;
use osprofiler::{Record, notifier};
use tokio::net::TcpListener;

#[derive(Parser)]
struct Args {
    /// Port on loopback to listen at
    #[arg(long)]
    port: u16,

    /// HMAC keys that are accepted, parted by commas
    #[arg(long)]
    hmac_keys: String,

    /// File that every record is appended to, as a line of JSON
    #[arg(long)]
    records: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&args.records)
        .with_context(|| format!("cannot open `{}`", args.records.display()))?;
    notifier::set_origin("examples", "traced_server");
    notifier::set(append_to(file));

    let app = Router::new().fallback(echo).layer(ServerLayer::new(KeyRing::parse(&args.hmac_keys)));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port))
        .await
        .with_context(|| format!("cannot listen at port {}", args.port))?;
    Ok(axum::serve(listener, app).await?)
}

/// Answers any request with what it asked for.
async fn echo(request: Request) -> String {
    format!("{} {}\n", request.method(), request.uri())
}

/// A notifier that appends each record to a file.
fn append_to(file: File) -> impl Fn(&Record) {
    let file = Mutex::new(file);
    move |record| {
        let line = record.to_json() + "\n";
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        // A panic here is caught, and counted as a record that was dropped.
        file.write_all(line.as_bytes()).expect("the file of the records can be written");
    }
}
