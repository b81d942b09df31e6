//! The worker of the demo: reserves and charges, called over RPC.

use std::time::Duration;

use anyhow::bail;
use osprofiler::propagation::rpc::TraceInfo;
use osprofiler::{TraceExt, profiler, trace, trace_impl};
use serde_json::{Value, json};
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};

use super::rpc::{self, Call};
use super::{SendTraced, client};

/// How long the bank of the demo takes.
const BANK: Duration = Duration::from_millis(30);

#[derive(Clone)]
struct Worker {
    client: reqwest::Client,
    stock: String,
}

/// Serves until the end of the process.
pub(super) async fn serve(listener: TcpListener, stock: String) -> anyhow::Result<()> {
    let worker = Worker { client: client()?, stock };
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(answer(worker.clone(), BufReader::new(stream)));
    }
}

/// Answers the calls of one connection.
async fn answer(worker: Worker, mut stream: BufReader<TcpStream>) -> anyhow::Result<()> {
    while let Some(Call { context, method, args }) = rpc::read_line(&mut stream).await? {
        // From here on the call belongs to its caller's trace, if that is traced.
        let caller = TraceInfo::from_context(&context).map(TraceInfo::into_profiler);
        let dispatched = worker.dispatch(&method, &args);
        let result = match caller {
            Some(profiler) => profiler::Fork::from(profiler).scope(dispatched).await,
            None => dispatched.await,
        };
        rpc::write_line(&mut stream, &result.map_err(|error| format!("{error:#}"))).await?;
    }
    Ok(())
}

#[trace_impl("rpc", trace_private)]
impl Worker {
    #[trace(skip)]
    async fn dispatch(&self, method: &str, args: &Value) -> anyhow::Result<Value> {
        match method {
            "reserve" => self.reserve(&args["items"]).await,
            _ => bail!("no method `{method}`"),
        }
    }

    async fn reserve(&self, items: &Value) -> anyhow::Result<Value> {
        // In a task of its own, which gets a fork of the profiler.
        let charged = tokio::spawn(charge().in_profiler());
        let url = format!("http://{}/reservations", self.stock);
        let response = self.client.post(url).json(items).send_traced().await?;
        let reserved: Value = response.json().await?;
        let receipt = charged.await?;
        Ok(json!({"reserved": reserved, "receipt": receipt}))
    }
}

#[trace("charge")]
async fn charge() -> u32 {
    tokio::time::sleep(BANK).await;
    4711
}
