//! The real servers that `scripts/services` starts.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The connection string `name` of a server; `None`, and counted, if the server does not run.
///
/// # Panics
///
/// If it does not run, unless `OSPROFILER_SKIPS=allowed` says that it need not.
pub(crate) fn url(service: &str, name: &str) -> Option<String> {
    let file = states().join(service).join(format!("url.{name}"));
    if let Ok(url) = fs::read_to_string(&file) {
        return Some(url.trim().to_owned());
    }
    assert!(
        env::var_os("OSPROFILER_SKIPS").is_some_and(|skips| skips == "allowed"),
        "`{service}` does not run: `scripts/services start {service}`, or allow tests to be skipped \
         with `OSPROFILER_SKIPS=allowed`"
    );
    // `scripts/test` says in the end what was skipped; what a test says is not seen.
    fs::create_dir_all(states()).unwrap();
    let mut skipped =
        OpenOptions::new().append(true).create(true).open(states().join("skipped")).unwrap();
    writeln!(skipped, "{service}").unwrap();
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

/// The checkout: the benches, whose package is elsewhere, include this file too.
fn root() -> PathBuf {
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    folders.find(|folder| folder.join("scripts/services").exists()).unwrap().to_owned()
}
