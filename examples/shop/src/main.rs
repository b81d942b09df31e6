//! `cargo run -p osprofiler-shop`: one order through all services of the shop, and its trace.
#![allow(clippy::print_stdout, reason = "the tree is what it is for")]

use std::env;
use std::process::Command;

use anyhow::bail;
use osprofiler_report::text::{TextOptions, render_text};
use osprofiler_shop::{Servers, Shop, checkout, client, serve};

/// What `scripts/services` is to start.
const SERVERS: [&str; 3] = ["postgresql", "redis", "messaging"];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => run().await,
        ["serve", role] => serve(role).await,
        _ => bail!("usage: osprofiler-shop [serve front|prices|stock|worker]"),
    }
}

async fn run() -> anyhow::Result<()> {
    let were_running = Servers::of_checkout();
    let servers = match &were_running {
        Ok(servers) => servers.clone(),
        Err(_) => {
            services("start")?;
            Servers::of_checkout()?
        }
    };
    let shown = order(&servers).await;
    // Whoever had them running wants to have them running.
    if were_running.is_err() {
        services("stop")?;
    }
    println!("{}", shown?);
    Ok(())
}

async fn order(servers: &Servers) -> anyhow::Result<String> {
    let shop = Shop::start(&env::current_exe()?, servers)?;
    let base_id = shop.order(&client()?, 7).await?;
    let report = shop.stop()?.report(&base_id)?;
    Ok(render_text(&report, &TextOptions { width: Some(110), color: false }))
}

fn services(command: &str) -> anyhow::Result<()> {
    let script = checkout().join("scripts/services");
    let status = Command::new(script).arg(command).args(SERVERS).status()?;
    if !status.success() {
        bail!("`scripts/services {command}` fails");
    }
    Ok(())
}
