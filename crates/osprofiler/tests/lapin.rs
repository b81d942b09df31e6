//! Messages over a real RabbitMQ, and the RPC of oslo.messaging with the real one at the other end.

mod common;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties, Consumer};
use osprofiler::instrument::Kind;
use osprofiler::instrument::lapin::oslo::{Call, CallError, Client, Failure, Server, Target};
use osprofiler::instrument::lapin::{DeliveryExt, PublishTraced};
use osprofiler::propagation::KeyRing;
use osprofiler::{Record, Trace, TraceExt, info};
use osprofiler_testkit::capture::tree;
use osprofiler_wire::RecordView;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use crate::common::{captured, recorded, services, traced};

const PATIENCE: Duration = Duration::from_secs(20);

/// The broker's URL; what is left of earlier runs is not met, since names are new in each.
fn broker() -> Option<String> {
    Some(services::url("messaging", "rpc")?.replace("rabbit://", "amqp://"))
}

async fn connect(url: &str) -> Connection {
    Connection::connect(url, ConnectionProperties::default()).await.unwrap()
}

/// A consumer of a queue of its own, which goes with the connection, and the queue's name.
async fn consume(connection: &Connection) -> (Consumer, String) {
    let channel = connection.create_channel().await.unwrap();
    let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
    let queue = channel.queue_declare("".into(), options, FieldTable::default()).await.unwrap();
    let name = queue.name().clone();
    let (tag, options) = ("".into(), BasicConsumeOptions::default());
    let consumer =
        channel.basic_consume(name.clone(), tag, options, FieldTable::default()).await.unwrap();
    (consumer, name.to_string())
}

#[test]
fn a_message_is_handled_below_the_point_of_its_sender() {
    let Some(url) = broker() else { return };
    let tree = recorded(false, async || {
        let connection = connect(&url).await;
        let (mut consumer, queue) = consume(&connection).await;
        let channel = connection.create_channel().await.unwrap();
        let keys = KeyRing::parse("other, SECRET_KEY");
        let handled = tokio::spawn(async move {
            for outcome in [Ok(()), Err("no"), Ok(())] {
                let delivery = consumer.next().await.unwrap().unwrap();
                let handle = async {
                    let _point = Trace::new("charge", ());
                    outcome
                };
                let result = delivery.handle_traced(&keys, handle).await;
                assert_eq!(result, outcome);
                delivery.ack(BasicAckOptions::default()).await.unwrap();
            }
        });
        for on in [true, true, false] {
            Kind::Rpc.switch(on);
            let options = BasicPublishOptions::default();
            let properties = BasicProperties::default().with_priority(1);
            let key = queue.as_str().into();
            channel.publish_traced("".into(), key, options, b"7", properties).await.unwrap();
        }
        Kind::Rpc.switch(true);
        timeout(PATIENCE, handled).await.unwrap().unwrap();
    });
    // The broker makes up the queue's name.
    let name = tree.split("amq.gen-").nth(1).unwrap().split('"').next().unwrap();
    let message = r#"{"rpc":{"exchange":"","routing_key":"queue","size":1}}"#;
    assert_eq!(
        tree.replace(&format!("amq.gen-{name}"), "queue").replace(message, "message"),
        r#"request
  rpc message
    rpc message
      charge
  rpc message
    rpc message -> {"etype":"&str","message":"no"}
      charge
  rpc message
    charge
"#
    );
}

#[test]
fn a_message_of_who_does_not_know_the_key_is_handled_untraced() {
    let Some(url) = broker() else { return };
    let tree = recorded(false, async || {
        let connection = connect(&url).await;
        let (mut consumer, queue) = consume(&connection).await;
        let channel = connection.create_channel().await.unwrap();
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let key = queue.as_str().into();
        channel.publish_traced("".into(), key, options, b"7", properties).await.unwrap();
        let delivery = timeout(PATIENCE, consumer.next()).await.unwrap().unwrap().unwrap();
        let handle = async {
            let _point = Trace::new("charge", ());
            Ok::<_, String>(())
        };
        let handled = async move { delivery.handle_traced(&KeyRing::parse("other"), handle).await };
        tokio::spawn(handled).await.unwrap().unwrap();
    });
    assert_eq!(tree.lines().count(), 2, "{tree}");
}

/// The stock, a worker in Rust.
async fn stock(call: Call) -> Result<Value, Failure> {
    let item = call.args["item"].as_u64();
    let count = async move { item.map(|item| item * 2) };
    match &*call.method {
        "count" => Ok(json!(count.trace("count", info! { "item" => item }).await)),
        "user" => Ok(call.context.get("user").cloned().unwrap_or_default()),
        "sleep" => std::future::pending().await,
        "senseless" => Err(Failure::new("builtins", "ValueError", "senseless")),
        "broken" => Err(std::fs::read("/nowhere").unwrap_err().into()),
        method => Err(Failure::new("builtins", "AttributeError", format!("no method `{method}`"))),
    }
}

/// Serves the stock in a task, until the test ends.
async fn serve_stock(url: &str) {
    let connection = connect(url).await;
    let server = Server::open(&connection, "shop", "stock", "rust-1").await.unwrap();
    tokio::spawn(async move {
        // The connection lives as long as it serves.
        let _connection = connection;
        server.serve(stock).await
    });
}

/// The conductor, a service in Python.
struct Conductor {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Conductor {
    fn start() -> Self {
        let python = services::url("messaging", "python").unwrap();
        let url = services::url("messaging", "rpc").unwrap();
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/conductor.py");
        let mut command = Command::new(python);
        command.args([program, &url]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { process, output }
    }

    /// Ends it; gives what it recorded.
    fn stop(mut self) -> Vec<Record> {
        drop(self.process.stdin.take());
        let mut text = String::new();
        self.output.read_to_string(&mut text).unwrap();
        let record = |line| Record::from(&RecordView::parse(line).unwrap());
        let records = text.lines().map(record).collect();
        assert!(self.process.wait().unwrap().success());
        records
    }
}

impl Drop for Conductor {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn named(name: &str, value: &str) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), value.into())])
}

#[test]
fn a_trace_goes_from_rust_to_a_service_of_openstack_and_on_to_a_worker_in_rust() {
    let Some(url) = broker() else { return };
    let mut conductor = None;
    let mut records = captured(false, async || {
        serve_stock(&url).await;
        conductor = Some(Conductor::start());
        let connection = connect(&url).await;
        let client = Client::open(&connection, "shop").await.unwrap();
        let target = Target::new("conductor").version("1.0");
        let call = async |method, args| {
            timeout(PATIENCE, client.call(&target, method, args, named("user", "demo")))
                .await
                .unwrap()
        };
        let built = call("build", json!({"item": 21})).await.unwrap();
        assert_eq!(built, json!({"count": 42, "user": "demo"}));
        let failed = call("fail", json!({})).await.unwrap_err();
        let CallError::Failed(failure) = failed else { panic!("{failed}") };
        assert_eq!((&*failure.etype(), &*failure.message), ("ValueError", "no such item"));
        assert!(failure.traceback.concat().contains("conductor.py"), "{failure:?}");

        let told = call("provoke", json!({"method": "senseless"})).await.unwrap();
        assert_eq!(told, json!(["ValueError", "senseless"]));
        let told = call("provoke", json!({"method": "broken"})).await.unwrap();
        assert_eq!((&told[0], &told[1]), (&json!("RemoteError"), &json!("Error")));
        assert!(told[2].as_str().unwrap().contains("No such file"), "{told}");
    });
    records.extend(conductor.unwrap().stop());
    records.sort_by_key(|record| record.timestamp);
    assert_eq!(
        tree(&records),
        "request
  rpc
    conductor.build
      stock.count
        rpc
          count
  rpc ! ValueError
    conductor.fail ! ValueError
  rpc
    conductor.provoke
      rpc ! ValueError
  rpc
    conductor.provoke
      rpc ! std.io.error.Error
"
    );
}

#[test]
fn calls_of_one_server_of_all_and_of_none() {
    let Some(url) = broker() else { return };
    let tree = recorded(false, async || {
        serve_stock(&url).await;
        let connection = connect(&url).await;
        let client = Client::open(&connection, "shop").await.unwrap();
        let one = Target::new("stock").server("rust-1");
        let user = client
            .call(&one.clone().namespace("shop"), "user", json!({}), named("user", "demo"))
            .await
            .unwrap();
        assert_eq!(user, "demo");
        let all = Target::new("stock").fanout();
        client.cast(&all, "count", json!({"item": 1}), Map::new()).await.unwrap();
        // It is served in the order of its coming: when the next is done, so is the cast.
        client.call(&one, "count", json!({"item": 2}), Map::new()).await.unwrap();

        let none = Target::new("nobody");
        let error = client.call(&none, "count", json!({}), Map::new()).await.unwrap_err();
        assert!(matches!(error, CallError::Unroutable { .. }), "{error}");
        let dropped = client.call(&one, "sleep", json!({}), Map::new());
        timeout(Duration::from_millis(100), dropped).await.unwrap_err();
        Kind::Rpc.switch(false);
        client.call(&one, "count", json!({"item": 3}), Map::new()).await.unwrap();
        Kind::Rpc.switch(true);
    });
    assert_eq!(
        tree,
        r#"request
  rpc {"rpc":{"method":"user","topic":"stock","server":"rust-1","namespace":"shop"}}
    rpc {"rpc":{"method":"user","topic":"stock","namespace":"shop"}}
  rpc {"rpc":{"method":"count","topic":"stock","server":null,"namespace":null}}
    rpc {"rpc":{"method":"count","topic":"stock","namespace":null}}
      count {"item":1}
  rpc {"rpc":{"method":"count","topic":"stock","server":"rust-1","namespace":null}}
    rpc {"rpc":{"method":"count","topic":"stock","namespace":null}}
      count {"item":2}
  rpc {"rpc":{"method":"count","topic":"nobody","server":null,"namespace":null}} -> {"etype":"osprofiler::instrument::lapin::oslo::client::CallError","message":"nobody serves `nobody` on exchange `shop`; is the service up, and `shop` its `control_exchange`?"}
  rpc {"rpc":{"method":"sleep","topic":"stock","server":"rust-1","namespace":null}} -> {"cancelled":true}
    rpc {"rpc":{"method":"sleep","topic":"stock","namespace":null}} ...
  rpc {"rpc":{"method":"count","topic":"stock","namespace":null}}
    count {"item":3}
"#
    );
}

#[test]
fn of_many_calls_at_once_none_gets_into_the_trace_of_another() {
    let Some(url) = broker() else { return };
    let records = captured(false, async || {
        serve_stock(&url).await;
        let connection = connect(&url).await;
        let client = Client::open(&connection, "shop").await.unwrap();
        let calls = (0..200_u64).map(|item| {
            let client = client.clone();
            tokio::spawn(traced("call", async move {
                let target = Target::new("stock");
                let count = client.call(&target, "count", json!({"item": item}), Map::new()).await;
                assert_eq!(count.unwrap(), item * 2);
            }))
        });
        for call in calls.collect::<Vec<_>>() {
            timeout(PATIENCE, call).await.unwrap().unwrap();
        }
    });
    let mut traces: Vec<_> = records.iter().map(|record| record.base_id.to_string()).collect();
    traces.sort();
    traces.dedup();
    let trees = traces.iter().map(|base_id| {
        let own = records.iter().filter(|record| record.base_id.to_string() == *base_id);
        tree(&own.cloned().collect::<Vec<_>>())
    });
    let whole = trees.filter(|tree| tree == "call\n  rpc\n    rpc\n      count\n").count();
    assert_eq!(whole, 200);
}
