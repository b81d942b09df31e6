//! What the tests of several integrations share.
#![allow(dead_code, reason = "each test uses some of it")]

#[path = "../../../osprofiler-drivers/tests/common/services.rs"]
pub(crate) mod services;

use std::sync::Mutex;

use osprofiler::instrument::Kind;
use osprofiler::profiler::Fork;
use osprofiler::{Profiler, Record, TraceExt};
use osprofiler_testkit::{Capture, tree_with_infos};

/// The notifier and the switches are the process's: one test at a time.
static TURN: Mutex<()> = Mutex::new(());

/// Runs a test on a runtime with two workers; gives what it recorded of a request that it traced.
pub(crate) fn captured<F: Future<Output = ()>>(sql: bool, test: impl FnOnce() -> F) -> Vec<Record> {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    Kind::Sql.switch(sql);
    let capture = Capture::start();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(traced("request", test()));
    capture.take()
}

/// [`captured`], as a tree with infos.
pub(crate) fn recorded<F: Future<Output = ()>>(sql: bool, test: impl FnOnce() -> F) -> String {
    tree_with_infos(&captured(sql, test))
}

/// A future as the point of a trace of its own.
pub(crate) async fn traced<F: Future>(name: &'static str, future: F) -> F::Output {
    let profiler = Profiler::new("SECRET_KEY", None, None);
    Fork::from(profiler).scope(future.trace(name, ())).await
}
