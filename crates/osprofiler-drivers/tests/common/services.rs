//! The real servers that `scripts/services` starts.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The connection string `name` of a server; `None`, loudly, if the server does not run.
///
/// # Panics
///
/// If it does not run and `OSPROFILER_NO_SKIPS` is set, as where all tests have to run.
pub(crate) fn url(service: &str, name: &str) -> Option<String> {
    let file = states().join(service).join(format!("url.{name}"));
    if let Ok(url) = fs::read_to_string(&file) {
        return Some(url.trim().to_owned());
    }
    let message = format!("SKIPPED: `{service}` does not run; `scripts/services start {service}`");
    assert!(env::var_os("OSPROFILER_NO_SKIPS").is_none(), "{message}");
    #[allow(clippy::print_stderr, reason = "a skip is to be seen")]
    {
        eprintln!("{message}");
    }
    None
}

/// Stops a server; its data stays.
pub(crate) fn stop(service: &str) {
    run("stop", service);
}

/// Starts a server, with the data it had, on the port it had.
pub(crate) fn start(service: &str) {
    run("start", service);
}

fn run(command: &str, service: &str) {
    let script = root().join("scripts/services");
    let status = Command::new(script).args([command, service]).status().unwrap();
    assert!(status.success(), "`scripts/services {command} {service}` fails");
}

/// Where `scripts/services` keeps what it knows of running servers.
fn states() -> PathBuf {
    if let Some(states) = env::var_os("OSPROFILER_SERVICES") {
        return states.into();
    }
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    root().join(target).join("services")
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}
