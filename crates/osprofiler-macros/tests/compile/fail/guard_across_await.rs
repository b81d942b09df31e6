//! A guard held across an `.await` of a task that may move between threads.

use std::future::Future;

use osprofiler::Trace;

fn spawn(_: impl Future + Send + 'static) {}

async fn query() {}

fn main() {
    spawn(async {
        let point = Trace::new("db", ());
        query().await;
        drop(point);
    });
}
