//! `osprofiler ui`: traces in a browser.

use std::process::{Command, Stdio};

use anyhow::Context;
use osprofiler_collector::{Server, Settings};

use crate::args::UiArgs;
use crate::output;

pub(crate) fn ui(args: &UiArgs) -> anyhow::Result<()> {
    let mut settings = Settings::new(args.store.connection()?);
    settings.options = args.store.options();
    settings.listen = args.listen;
    settings.token.clone_from(&args.token);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let server = Server::bind(settings).await?;
        output::say(&format!("{}  (Ctrl-C ends it)", server.url()));
        if args.open {
            open(&server.url());
        }
        let enough = async {
            if tokio::signal::ctrl_c().await.is_err() {
                // Nobody can interrupt it then; it ends by being killed.
                std::future::pending::<()>().await;
            }
        };
        server.run(enough).await.context("the server failed")
    });
    // A back end that hangs does not hold up the end.
    runtime.shutdown_background();
    served
}

/// Has the desktop open an address. Where there is none, the user opens what was printed.
fn open(url: &str) {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = Command::new(program);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if command.spawn().is_err() {
        output::complain(&format!("cannot run `{program}`; open the address yourself"));
    }
}
