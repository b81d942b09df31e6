//! `osprofiler demo`: one request through three services, and its trace.
//!
//! The services are real processes on loopback, of this same program, and use the library as any
//! service would:
//!
//! ```text
//! request ──▶ api (HTTP) ──▶ stock (HTTP, SQL database)
//!               └──────────▶ worker (RPC) ──▶ stock
//! ```

mod api;
mod rpc;
mod stock;
mod worker;

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use osprofiler::instrument::reqwest::SendTraced;
use osprofiler::{Config, HmacKey, Profiler, Profiling};
use osprofiler_drivers::ConnectionString;
use osprofiler_report::html::render_html;
use osprofiler_report::text::{TextOptions, render_text};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::args::{DemoArgs, DemoServiceArgs, Service};
use crate::commands::{Awaited, await_trace};
use crate::output;

/// The project that all services of the demo belong to.
const PROJECT: &str = "shop";

/// How long a service may take to start, to answer, to stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs the demo.
pub(crate) fn run(args: &DemoArgs) -> anyhow::Result<()> {
    let connection = args.store.connection()?;
    // A key of this run: nobody else can switch tracing on in its services.
    let key = HmacKey::new(&Profiler::new("", None, None).base_id().to_string());
    let profiler = Profiler::new(key.clone(), None, None);

    // Said now rather than by three services at once, which have nobody to say it to.
    drop(args.store.writer()?);
    output::say("starting three services, sending one signed request through them ...");
    runtime()?.block_on(async {
        let mut services = Services { key, connection: connection.clone(), running: Vec::new() };
        let stock = services.start(Service::Stock, &[]).await?;
        let worker = services.start(Service::Worker, &[("--stock", stock)]).await?;
        let api = services.start(Service::Api, &[("--stock", stock), ("--worker", worker)]).await?;
        order(api, &profiler).await?;
        services.stop().await
    })?;

    let Awaited { report, settled } = await_trace(&args.store, profiler.base_id(), PATIENCE)?;
    if !settled {
        bail!("the trace has not come to `{connection}` within {PATIENCE:?}");
    }
    let options = TextOptions { width: output::terminal_width(), color: output::has_color() };
    let page = env::temp_dir().join(format!("osprofiler-{}.html", profiler.base_id()));
    output::write(Some(&page), |out| out.write_all(render_html(&report).as_bytes()))?;
    output::write(None, |out| {
        writeln!(out, "{}", render_text(&report, &options))?;
        writeln!(out, "page:   {}", fs::canonicalize(&page).unwrap_or(page).display())?;
        writeln!(out, "again:  osprofiler trace show {}", profiler.base_id())?;
        writeln!(out, "others: osprofiler trace list")
    })
}

/// Sends one order, as the client that began the trace.
async fn order(api: SocketAddr, profiler: &Profiler) -> anyhow::Result<()> {
    let signed = profiler.sign();
    let request = client()?
        .post(format!("http://{api}/orders"))
        .header(osprofiler::propagation::TRACE_INFO_HEADER, signed.info)
        .header(osprofiler::propagation::TRACE_HMAC_HEADER, signed.hmac)
        .json(&serde_json::json!({"items": [1, 2, 3, 5, 8, 13]}));
    let response = request.send_traced().await.context("the demo's API does not answer")?;
    let status = response.status();
    if !status.is_success() {
        bail!("the demo's API answered {status}: {}", response.text().await.unwrap_or_default());
    }
    Ok(())
}

/// The demo's processes. Dropped, they are killed.
struct Services {
    key: HmacKey,
    connection: ConnectionString,
    running: Vec<Child>,
}

impl Services {
    /// Starts a service; gives the address at which it listens.
    async fn start(
        &mut self,
        service: Service,
        peers: &[(&str, SocketAddr)],
    ) -> anyhow::Result<SocketAddr> {
        let mut command = Command::new(env::current_exe()?);
        command.args(["demo-service", service.name()]);
        for (option, address) in peers {
            command.arg(option).arg(address.to_string());
        }
        let mut child = command
            .env("OSPROFILER_ENABLED", "yes")
            .env("OSPROFILER_HMAC_KEYS", self.key.expose())
            .env("OSPROFILER_CONNECTION_STRING", self.connection_text())
            .env("OSPROFILER_TRACE_SQLALCHEMY", "yes")
            .env("OSPROFILER_TRACE_REQUESTS", "yes")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start a service of the demo")?;
        let stdout = child.stdout.take().context("a service has no standard output")?;
        self.running.push(child);
        let mut line = String::new();
        timeout(PATIENCE, BufReader::new(stdout).read_line(&mut line))
            .await
            .with_context(|| format!("service `{}` does not start", service.name()))??;
        line.trim().parse().with_context(|| format!("service `{}` has not started", service.name()))
    }

    /// Asks every service to stop, and waits until it has: then its records are stored.
    async fn stop(self) -> anyhow::Result<()> {
        for mut child in self.running {
            drop(child.stdin.take());
            let status = timeout(PATIENCE, child.wait())
                .await
                .context("a service of the demo does not stop")??;
            if !status.success() {
                bail!("a service of the demo failed: {status}");
            }
        }
        Ok(())
    }

    fn connection_text(&self) -> String {
        format!("{}://{}", self.connection.scheme(), self.connection.expose_rest())
    }
}

/// Runs one service of the demo, until its standard input is closed.
pub(crate) fn serve(args: &DemoServiceArgs) -> anyhow::Result<()> {
    let mut config = Config::default();
    config.merge_env()?;
    let profiling = config.start(PROJECT, args.service.name())?;
    runtime()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        output::write(None, |out| writeln!(out, "{address}"))?;
        let peer = |address: &Option<String>| address.clone().context("an address is missing");
        tokio::select! {
            served = async {
                match args.service {
                    Service::Api => {
                        api::serve(listener, peer(&args.stock)?, peer(&args.worker)?, &profiling).await
                    }
                    Service::Worker => worker::serve(listener, peer(&args.stock)?).await,
                    Service::Stock => stock::serve(listener, &profiling).await,
                }
            } => served,
            () = end_of_input() => Ok(()),
        }
    })
    // Dropping `profiling` stores what is still on its way.
}

/// Waits until whoever started us closes our standard input, or dies.
async fn end_of_input() {
    let mut nothing = Vec::new();
    // Whatever goes wrong with it, it has ended.
    let _ = tokio::io::stdin().read_to_end(&mut nothing).await;
}

fn client() -> anyhow::Result<reqwest::Client> {
    // Fails only if one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().timeout(PATIENCE).build().context("cannot make an HTTP client")
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start a runtime")
}
