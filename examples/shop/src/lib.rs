//! A small shop of services, each traced in the few lines that a service of yours takes:
//!
//! ```text
//! request ──▶ front (axum) ──reqwest──▶ prices (axum, sqlx on PostgreSQL, Redis as its cache)
//!               ├───────────tonic─────▶ stock (tonic, sqlx, spans of tracing)
//!               └─lapin over RabbitMQ─▶ worker (RPC of oslo.messaging, sqlx, a spawned job)
//! ```
//!
//! `cargo run -p osprofiler-shop` starts the servers it needs (`scripts/services`) and its own services,
//! sends one signed order, shows its trace, and stops all of it.
//!
//! `osprofiler demo` is the same idea for somebody who has just got the program, and needs no server; this
//! one is for who looks for code to begin with, and needs the real ones. The tests run it too.

mod front;
mod prices;
mod servers;
mod stock;
mod worker;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};
use osprofiler::propagation::{TRACE_HMAC_HEADER, TRACE_INFO_HEADER};
use osprofiler::{Config, HmacKey, Id, Profiler, SignedContext};
use osprofiler_drivers::{ConnectionString, Options, open_reader};
use osprofiler_report::{Report, ReportBuilder};
use serde_json::{Value, json};
use sqlx::{Executor, PgPool};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;
use tracing_subscriber::util::SubscriberInitExt;

pub use self::servers::Servers;

/// The running services. Dropped, they are killed.
#[derive(Debug)]
pub struct Shop {
    running: Vec<Child>,
    front: String,
    key: HmacKey,
    /// Where the services' records are.
    store: TempDir,
}

impl Shop {
    /// Starts the services, which are `program` again: this crate's.
    ///
    /// # Errors
    ///
    /// If one does not start.
    pub fn start(program: &Path, servers: &Servers) -> anyhow::Result<Self> {
        let store = TempDir::new()?;
        // A key of this run: nobody else can switch tracing on in its services.
        let key = HmacKey::new(&Profiler::new("", None, None).base_id().to_string());
        let mut shop = Self { running: Vec::new(), front: String::new(), key, store };
        let prices = shop.serve(program, servers, "prices", &[])?;
        let stock = shop.serve(program, servers, "stock", &[])?;
        shop.serve(program, servers, "worker", &[])?;
        let callees = [("SHOP_PRICES", &*prices), ("SHOP_STOCK", &*stock)];
        shop.front = shop.serve(program, servers, "front", &callees)?;
        Ok(shop)
    }

    /// Starts a service; gives what it says when it is ready.
    fn serve(
        &mut self,
        program: &Path,
        servers: &Servers,
        role: &str,
        callees: &[(&str, &str)],
    ) -> anyhow::Result<String> {
        let mut command = Command::new(program);
        let mut child = servers
            .pass_to(command.args(["serve", role]))
            .envs(callees.iter().copied())
            .env("OSPROFILER_ENABLED", "yes")
            .env("OSPROFILER_HMAC_KEYS", self.key.expose())
            .env("OSPROFILER_CONNECTION_STRING", self.connection_string())
            .env("OSPROFILER_TRACE_SQLALCHEMY", "yes")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start service `{role}`"))?;
        let stdout = child.stdout.take().context("it has a standard output")?;
        self.running.push(child);
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        if line.is_empty() {
            bail!("service `{role}` does not start");
        }
        Ok(line.trim().to_owned())
    }

    fn connection_string(&self) -> String {
        format!("sqlite://{}", self.store.path().join("traces.db").display())
    }

    /// Orders an item, as the client that begins a trace; gives the trace's id.
    ///
    /// # Errors
    ///
    /// If the shop does not take the order.
    pub async fn order(&self, client: &reqwest::Client, item: i32) -> anyhow::Result<Id> {
        let profiler = Profiler::new(self.key.clone(), None, None);
        let base_id = profiler.base_id().clone();
        let SignedContext { info, hmac } = profiler.sign();
        let request = self.request(client, item);
        place(request.header(TRACE_INFO_HEADER, info).header(TRACE_HMAC_HEADER, hmac)).await?;
        Ok(base_id)
    }

    /// Orders an item without a trace.
    ///
    /// # Errors
    ///
    /// If the shop does not take the order.
    pub async fn order_untraced(&self, client: &reqwest::Client, item: i32) -> anyhow::Result<()> {
        place(self.request(client, item)).await
    }

    fn request(&self, client: &reqwest::Client, item: i32) -> reqwest::RequestBuilder {
        client.post(format!("http://{}/orders", self.front)).json(&json!({"item": item}))
    }

    /// Stops the services, which store what is left; gives the traces they left.
    ///
    /// # Errors
    ///
    /// If one does not end well.
    pub fn stop(mut self) -> anyhow::Result<Traces> {
        for child in &mut self.running {
            drop(child.stdin.take());
            let status = child.wait()?;
            if !status.success() {
                bail!("a service has failed: {status}");
            }
        }
        self.running.clear();
        let connection = self.connection_string().parse()?;
        let store = std::mem::replace(&mut self.store, TempDir::new()?);
        Ok(Traces { connection, _store: store })
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        for child in &mut self.running {
            // One that has ended already is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

async fn place(order: reqwest::RequestBuilder) -> anyhow::Result<()> {
    let response = order.send().await?.error_for_status()?;
    let receipt: Value = response.json().await?;
    if receipt["receipt"].is_null() {
        bail!("no receipt: {receipt}");
    }
    Ok(())
}

/// What a shop has stored.
#[derive(Debug)]
pub struct Traces {
    connection: ConnectionString,
    _store: TempDir,
}

impl Traces {
    /// The report of a trace.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn report(&self, base_id: &Id) -> anyhow::Result<Report> {
        let mut reader = open_reader(&self.connection, &Options::default())?;
        let mut builder = ReportBuilder::new();
        reader.read(base_id, &mut |json| {
            // What cannot be read is counted in the report.
            let _ = builder.add(json);
        })?;
        Ok(builder.finish())
    }
}

/// A client for orders, and for services among themselves.
///
/// # Errors
///
/// If there can be none.
pub fn client() -> anyhow::Result<reqwest::Client> {
    // Fails only if one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder().build()?)
}

/// Runs one service, until its standard input ends.
///
/// # Errors
///
/// If it cannot reach its servers, or there is no such role.
pub async fn serve(role: &str) -> anyhow::Result<()> {
    let mut config = Config::default();
    config.merge_env()?;
    let profiling = config.start("shop", role)?;
    registry().with(osprofiler::instrument::tracing::layer()).init();
    let servers = Servers::of_environment()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let serving = async {
        match role {
            "front" => front::serve(listener, &servers, &profiling.keys).await,
            "prices" => prices::serve(listener, &servers, &profiling.keys).await,
            "stock" => stock::serve(listener, &servers, &profiling.keys).await,
            "worker" => worker::serve(&servers).await,
            _ => bail!("no service `{role}`; there are `front`, `prices`, `stock`, `worker`"),
        }
    };
    tokio::select! {
        served = serving => served,
        () = end_of_input() => Ok(()),
    }
    // Dropping `profiling` stores what is still on its way.
}

async fn end_of_input() {
    // Whatever goes wrong with it, it has ended.
    let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
}

/// The database, with the table that a service wants.
async fn database(servers: &Servers, table: &'static str) -> anyhow::Result<PgPool> {
    let db = PgPool::connect(&servers.postgresql).await?;
    db.execute("CREATE SCHEMA IF NOT EXISTS shop").await?;
    db.execute(table).await?;
    Ok(db)
}

/// Tells whoever started this service that it is ready.
#[allow(clippy::print_stdout, reason = "it is what the other end waits for")]
fn ready(said: impl std::fmt::Display) {
    println!("{said}");
}

/// The checkout that this is built in.
#[must_use]
pub fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
