//! The server, in a process of its own.

use std::io::{BufRead as _, BufReader, Read as _, stdin};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{fs, thread};

use axum::Router;
use axum::extract::Path;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use axum::response::IntoResponse;
use axum::routing::get;
use osprofiler::instrument::axum::ServerLayer;
use osprofiler::notifier;
use osprofiler::propagation::KeyRing;
use osprofiler_benches::start_job;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

use super::SECRET;
use super::shop::{Shop, traced_hello};

/// How long the store may take for what is left.
const PATIENCE: Duration = Duration::from_secs(20);

thread_local! {
    static SHOP: Shop = Shop::new();
}

/// A started server.
pub(super) struct Running {
    process: Child,
    pub(super) address: SocketAddr,
}

impl Running {
    /// `plain` or `traced`; what is traced goes to `store`.
    pub(super) fn start(kind: &str, store: &str) -> Self {
        let mut job = start_job(&[], "service", &[kind, store]).expect("this program again");
        let mut process = piped(&mut job).spawn().expect("a process");
        let address = line(&mut process).parse().expect("an address");
        Self { process, address }
    }

    /// CPU time that the process has spent.
    pub(super) fn cpu(&self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.process.id())).expect("Linux");
        let nanos = threads.flatten().filter_map(|thread| {
            let counts = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            counts.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanos.sum())
    }

    /// Lets it store what is left, and ends it; gives the number of records that it dropped.
    pub(super) fn stop(mut self) -> u64 {
        drop(self.process.stdin.take());
        let dropped = line(&mut self.process).parse().expect("a number");
        assert!(self.process.wait().is_ok_and(|status| status.success()), "the server ends well");
        dropped
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After `stop` there is nothing left to kill.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn piped(job: &mut Command) -> &mut Command {
    job.stdin(Stdio::piped()).stdout(Stdio::piped())
}

fn line(process: &mut Child) -> String {
    let mut line = String::new();
    // It writes one line and then waits: nothing is lost with the buffer.
    let output = process.stdout.as_mut().expect("a pipe");
    BufReader::new(output).read_line(&mut line).expect("a line");
    line.trim().to_owned()
}

/// What a started process does: serves until its standard input ends.
pub(crate) fn job(args: &[String]) {
    let [kind, store] = args else { panic!("service KIND STORE") };
    let app = if kind == "plain" { plain() } else { traced(store) };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let runtime =
        Builder::new_multi_thread().worker_threads(workers).enable_io().build().expect("a runtime");
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    runtime.spawn(async { axum::serve(listener, app).await });
    let _ = stdin().read_to_end(&mut Vec::new());
    let flushed = notifier::flush(PATIENCE);
    assert!(!matches!(flushed, Err(notifier::FlushError::Timeout(_))), "all is stored");
    println!("{}", notifier::stats().dropped());
}

fn plain() -> Router {
    Router::new().route("/hello", get(async || "hello")).route(
        "/projects/{id}/items",
        get(async |Path(id): Path<i64>, headers: HeaderMap| {
            json(SHOP.with(|shop| shop.answer(token_of(&headers), id)))
        }),
    )
}

fn traced(store: &str) -> Router {
    notifier::set_origin("shop", "api");
    // Dropped, it only flushes.
    drop(notifier::create(store).expect("a store"));
    Router::new()
        .route("/hello", get(async || traced_hello()))
        .route(
            "/projects/{id}/items",
            get(async |Path(id): Path<i64>, headers: HeaderMap| {
                json(SHOP.with(|shop| shop.traced_answer(token_of(&headers), id)))
            }),
        )
        .layer(ServerLayer::new(KeyRing::parse(SECRET)))
}

fn token_of(headers: &HeaderMap) -> &str {
    headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).expect("a token")
}

fn json(text: String) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], text)
}
