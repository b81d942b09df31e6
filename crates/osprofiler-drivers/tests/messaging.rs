//! The driver of RabbitMQ, against a real one, and with the Python library at the other end.

#![cfg(feature = "messaging")]

mod common;

use common::services;
use lapin::options::QueueDeleteOptions;
use lapin::{Connection, ConnectionProperties};
use osprofiler_testkit::drivers;
use tokio::runtime::{Builder, Runtime};

/// A client of its own, to set up what the driver is to find.
struct Broker {
    runtime: Runtime,
    connection: Connection,
}

impl Broker {
    fn of(url: &str) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let url = url.replacen("rabbit", "amqp", 1);
        let connection = Connection::connect(&url, ConnectionProperties::default());
        let connection = runtime.block_on(connection).unwrap();
        Self { runtime, connection }
    }

    fn delete(&self, queue: &str) {
        self.runtime.block_on(async {
            let channel = self.connection.create_channel().await.unwrap();
            channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
        });
    }
}

#[test]
fn the_driver_passes_the_suite() {
    let Some(url) = services::url("messaging", "suite") else { return };
    Broker::of(&url).delete("profiler.info");
    let outcome = drivers::run(&url);
    assert!(outcome.skipped.iter().all(|case| case.contains("delete")), "{:?}", outcome.skipped);
}
