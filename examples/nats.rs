//! A trace over a bus that we have no integration for: request and reply over NATS, whose headers
//! are carried by `propagation::headers` and `Pairs`.
//!
//! ```sh
//! export OSPROFILER_CONNECTION_STRING=sqlite:///tmp/traces.db
//! cargo run --example nats -- --server nats://127.0.0.1:4222 --hmac-key SECRET_KEY serve
//! cargo run --example nats -- --server nats://127.0.0.1:4222 --hmac-key SECRET_KEY call 7
//! osprofiler trace show ID
//! ```

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a program for the command line")]

use anyhow::Context;
use async_nats::{Client, HeaderMap, Message};
use clap::{Parser, Subcommand};
use futures_util::StreamExt;
use osprofiler::profiler::Fork;
use osprofiler::propagation::{self, KeyRing, Pairs};
use osprofiler::{Profiler, TraceExt, info, notifier, trace};

/// Where the service is asked.
const SUBJECT: &str = "stock.count";

#[derive(Parser)]
struct Args {
    /// Where NATS is
    #[arg(long)]
    server: String,

    /// Where records go
    #[arg(long, env = "OSPROFILER_CONNECTION_STRING")]
    connection_string: String,

    /// What headers are signed with, and have to be
    #[arg(long, env = "OSPROFILER_HMAC_KEY", hide_env_values = true)]
    hmac_key: String,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Answers until it is interrupted
    Serve,
    /// Asks how many there are of an item, and prints that and the trace's id
    Call { item: u32 },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    // Stores what is left when it is dropped.
    let _stored = notifier::create(&args.connection_string)?;
    let client = async_nats::connect(&args.server)
        .await
        .with_context(|| format!("cannot connect to `{}`", args.server))?;
    match args.command {
        Command::Serve => serve(&client, &KeyRing::parse(&args.hmac_key)).await,
        Command::Call { item } => call(&client, args.hmac_key, item).await,
    }
}

/// The caller: begins a trace, and takes it along.
async fn call(client: &Client, hmac_key: String, item: u32) -> anyhow::Result<()> {
    notifier::set_origin("shop", "api");
    let profiler = Profiler::new(hmac_key, None, None);
    println!("{}", profiler.base_id());
    let count = Fork::from(profiler).scope(count(client, item)).await?;
    println!("{count}");
    Ok(())
}

/// The headers are those of this point, so the callee's hang below it.
#[trace("rpc", skip(client))]
async fn count(client: &Client, item: u32) -> anyhow::Result<String> {
    let mut headers = HeaderMap::new();
    for (name, value) in propagation::headers() {
        headers.insert(name, value);
    }
    let payload = item.to_string().into();
    let reply = client.request_with_headers(SUBJECT, headers, payload).await?;
    Ok(String::from_utf8(reply.payload.into())?)
}

/// The callee.
async fn serve(client: &Client, keys: &KeyRing) -> anyhow::Result<()> {
    notifier::set_origin("shop", "stock");
    let mut requests = client.subscribe(SUBJECT).await?;
    client.flush().await?;
    println!("ready");
    let answer_all = async {
        while let Some(request) = requests.next().await {
            let info = info! { "rpc" => { "subject" => request.subject.as_str() } };
            let answered = answer(client, &request).trace_result("rpc", info);
            let answered = match sender(&request, keys) {
                Some(profiler) => Fork::from(profiler).scope(answered).await,
                None => answered.await,
            };
            if let Err(error) = answered {
                eprintln!("nats: cannot answer: {error:#}");
            }
        }
    };
    tokio::select! {
        () = answer_all => anyhow::bail!("the subscription has ended"),
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

/// The sender's profiler, if one of the keys gives its signature.
fn sender(request: &Message, keys: &KeyRing) -> Option<Profiler> {
    let headers = request.headers.as_ref()?;
    // There may be several values of a name.
    let pairs = headers.iter().flat_map(|(name, all)| all.iter().map(move |value| (name, value)));
    propagation::extract(&Pairs::new(pairs), keys)
}

async fn answer(client: &Client, request: &Message) -> anyhow::Result<()> {
    if let Some(reply) = request.reply.clone() {
        let item = str::from_utf8(&request.payload)?.parse()?;
        client.publish(reply, look_up(item).await.to_string().into()).await?;
    }
    Ok(())
}

#[trace("look up")]
async fn look_up(item: u32) -> u32 {
    item * 100
}
