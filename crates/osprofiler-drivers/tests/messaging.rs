//! `rabbit://` and `messaging://`, against a real RabbitMQ, and with the Python library at the other end.

#![cfg(feature = "messaging")]

mod common;

use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::thread;
use std::time::{Duration, Instant};

use common::services::{self, url};
use common::upstream::{TRACES, comparable, python_with, report_of, trace, trace_file};
use common::{read, reader, record, writer};
use futures_util::StreamExt;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use osprofiler_drivers::{ErrorKind, ListQuery, Options, open_reader, open_writer};
use osprofiler_testkit::drivers;
use osprofiler_wire::Record;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

/// Held by those who use the server, and alone by who stops it.
static SERVER: RwLock<()> = RwLock::new(());

fn share() -> RwLockReadGuard<'static, ()> {
    SERVER.read().unwrap_or_else(PoisonError::into_inner)
}

/// A client of its own, for what the driver is to find and to leave.
struct Broker {
    runtime: Runtime,
    connection: Connection,
}

impl Broker {
    fn of(url: &str) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let url = url.split('?').next().unwrap().replacen("rabbit", "amqp", 1);
        let connection = Connection::connect(&url, ConnectionProperties::default());
        let connection = runtime.block_on(connection).unwrap();
        Self { runtime, connection }
    }

    fn channel(&self) -> Channel {
        self.runtime.block_on(self.connection.create_channel()).unwrap()
    }

    fn delete(&self, queue: &str) {
        let options = QueueDeleteOptions::default();
        self.runtime.block_on(self.channel().queue_delete(queue.into(), options)).unwrap();
    }

    fn declare(&self, queue: &str, options: QueueDeclareOptions, arguments: FieldTable) {
        let declared = self.channel();
        let declared = declared.queue_declare(queue.into(), options, arguments);
        self.runtime.block_on(declared).unwrap();
    }

    fn declare_exchange(&self, exchange: &str, options: ExchangeDeclareOptions) {
        let channel = self.channel();
        let kind = ExchangeKind::Topic;
        let declared =
            channel.exchange_declare(exchange.into(), kind, options, FieldTable::default());
        self.runtime.block_on(declared).unwrap();
    }

    fn publish(&self, queue: &str, body: &[u8]) {
        let options = BasicPublishOptions::default();
        let (channel, properties) = (self.channel(), BasicProperties::default());
        let sent = channel.basic_publish("".into(), queue.into(), options, body, properties);
        self.runtime.block_on(sent).unwrap();
    }

    fn waiting(&self, queue: &str) -> u32 {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let channel = self.channel();
        let asked = channel.queue_declare(queue.into(), options, FieldTable::default());
        self.runtime.block_on(asked).unwrap().message_count()
    }

    /// Takes that many messages.
    fn take(&self, queue: &str, count: usize) -> Vec<(Value, BasicProperties)> {
        self.runtime.block_on(async {
            let channel = self.connection.create_channel().await.unwrap();
            let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
            let (tag, arguments) = ("taker".into(), FieldTable::default());
            let consumer = channel.basic_consume(queue.into(), tag, options, arguments).await;
            let messages = consumer.unwrap().take(count).map(|message| message.unwrap());
            let parsed = messages.map(|message| {
                (serde_json::from_slice(&message.data).unwrap(), message.properties.clone())
            });
            parsed.collect().await
        })
    }
}

/// A queue that no other test uses, and that is not there: its connection string, its name, and a
/// client for it.
fn topic(name: &str) -> Option<(String, String, Broker)> {
    let server = url("messaging", "free")?;
    let broker = Broker::of(&server);
    let queue = format!("{name}.info");
    broker.delete(&queue);
    Some((format!("{server}?topic={name}&exchange={name}"), queue, broker))
}

fn records(base_id: &str, count: i64) -> Vec<Record> {
    (0..count).map(|at| record(base_id, at)).collect()
}

fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(Record::to_json).collect()
}

fn write(connection: &str, records: &[Record]) {
    writer(connection).unwrap().write(records).unwrap();
}

fn read_all(connection: &str, base_id: &str) -> Vec<String> {
    read(&mut *reader(connection).unwrap(), base_id).unwrap()
}

fn table<const N: usize>(arguments: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in arguments {
        table.insert(key.into(), value);
    }
    table
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

#[test]
fn the_driver_passes_the_suite() {
    let _guard = share();
    let Some(connection) = url("messaging", "suite") else { return };
    Broker::of(&connection).delete("profiler.info");
    assert_eq!(
        drivers::run(&connection).skipped,
        [
            "a_deleted_trace_is_gone_and_the_others_stay",
            "ids_that_look_alike_are_deleted_apart",
            "a_deleted_trace_may_be_written_again",
        ]
    );
}

#[test]
fn a_broker_may_go_away_and_come_back() {
    let _guard = SERVER.write().unwrap_or_else(PoisonError::into_inner);
    let Some(server) = url("messaging", "outage") else { return };
    Broker::of(&server).delete("profiler.info");
    drivers::outage(
        &format!("{server}?durable=true&exchange=lasting"),
        || services::stop("messaging"),
        || services::start("messaging"),
    );
}

#[test]
fn a_wrong_password_is_denied() {
    let _guard = share();
    let Some(server) = url("messaging", "free") else { return };
    let said = drivers::refusal(&server.replace(":hush@", ":secret-x@"), "secret-x");
    assert!(said.contains("check user, password and permissions"), "{said}");
}

#[test]
fn a_wrong_virtual_host_is_named() {
    let _guard = share();
    let Some(server) = url("messaging", "free") else { return };
    let said = drivers::refusal(&server.replace("/free", "/nowhere"), "hush");
    assert!(said.contains("check the virtual host") && said.contains("nowhere"), "{said}");
}

#[test]
fn tls_verifies_the_broker_unless_told_otherwise() {
    let _guard = share();
    let (Some(tls), Some((plain, queue, _))) = (url("messaging", "tls"), topic("tls")) else {
        return;
    };
    let own = "topic=tls&exchange=tls";
    write(&format!("{tls}&{own}"), &records("a", 2));
    assert_eq!(read_all(&plain, "a"), texts(&records("a", 2)));
    let (server, _) = tls.split_once('?').unwrap();
    let said = drivers::refusal(&format!("{server}?ssl=true&{own}"), "hush");
    assert!(said.contains("`ca=PATH`"), "{said}");
    let insecure = format!("{server}?ssl=true&insecure=true&{own}");
    assert_eq!(read_all(&insecure, "a").len(), 2, "{queue}");
    let amqps = insecure.replacen("rabbit", "amqps", 1).replace("ssl=true&", "");
    assert_eq!(read_all(&amqps, "a").len(), 2);
}

#[test]
fn a_host_that_is_down_is_passed_over() {
    let _guard = share();
    let Some((connection, ..)) = topic("failover") else { return };
    let connection = connection.replace("@127.0.0.1", "@127.0.0.1:1,127.0.0.1");
    write(&connection, &records("a", 2));
    assert_eq!(read_all(&connection, "a").len(), 2);
}

#[test]
fn nobody_there_is_an_error_that_may_be_retried() {
    for error in [
        writer("rabbit://u:hush@127.0.0.1:1").err().unwrap(),
        reader("rabbit://u:hush@127.0.0.1:1").err().unwrap(),
    ] {
        assert!(error.is_retryable(), "{error}");
        let said = error.to_string();
        assert!(said.contains("rabbit://u:***@127.0.0.1:1") && !said.contains("hush"), "{said}");
    }
}

#[test]
fn the_bus_may_be_named_by_a_transport_url() {
    let _guard = share();
    let Some((_, _, broker)) = topic("transport") else { return };
    let transport_url = url("messaging", "free").unwrap().parse().unwrap();
    let mut options = Options::default();
    options.transport_url = Some(transport_url);
    let connection = "messaging://?topic=transport&exchange=nova".parse().unwrap();
    open_writer(&connection, &options).unwrap().write(&records("a", 2)).unwrap();
    let mut reader = open_reader(&connection, &options).unwrap();
    assert_eq!(read(&mut *reader, "a").unwrap().len(), 2);
    assert_eq!(broker.waiting("transport.info"), 2);
}

#[test]
fn a_message_is_what_oslo_messaging_makes() {
    let _guard = share();
    for envelope in ["v1", "v2"] {
        let Some((connection, queue, broker)) = topic(envelope) else { return };
        let mut sent = record("a", 0);
        sent.origin = std::sync::Arc::new(osprofiler_wire::Origin {
            project: Some("nova".into()),
            service: Some("api".into()),
            host: "ctl1".into(),
        });
        write(&format!("{connection}&envelope={envelope}"), &[sent.clone(), sent.clone()]);
        write(&format!("{connection}&envelope={envelope}&publisher_id=me"), &[sent.clone()]);
        let taken = broker.take(&queue, 3);
        let messages: Vec<Value> = taken.iter().map(|(body, _)| without(envelope, body)).collect();
        for (message, publisher) in messages.iter().zip(["ctl1", "ctl1", "me"]) {
            let payload: Value = serde_json::from_str(&sent.to_json()).unwrap();
            assert_eq!(message["payload"], payload);
            assert_eq!(message["publisher_id"], publisher);
            assert_eq!(message["event_type"], "profiler.api");
            assert_eq!(message["priority"], "INFO");
            assert_eq!(message["message_id"].as_str().unwrap().len(), 36);
            assert_eq!(message["_unique_id"].as_str().unwrap().len(), 32);
            assert_eq!(message["timestamp"].as_str().unwrap().find(' '), Some(10));
            assert_eq!(message.as_object().unwrap().len(), 7);
        }
        // Receivers drop what comes with an id that they have seen.
        assert_ne!(messages[0]["_unique_id"], messages[1]["_unique_id"]);
        assert_ne!(messages[0]["message_id"], messages[1]["message_id"]);
        let properties = &taken[0].1;
        assert_eq!(properties.content_type().as_ref().unwrap().as_str(), "application/json");
        assert_eq!(properties.content_encoding().as_ref().unwrap().as_str(), "utf-8");
        assert_eq!((properties.delivery_mode(), properties.priority()), (&Some(2), &Some(0)));
    }
}

fn without(envelope: &str, body: &Value) -> Value {
    if envelope == "v1" {
        return body.clone();
    }
    assert_eq!(body["oslo.version"], "2.0");
    serde_json::from_str(body["oslo.message"].as_str().unwrap()).unwrap()
}

#[test]
fn however_exchange_and_queue_were_declared_they_are_used() {
    let _guard = share();
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let plain = QueueDeclareOptions::default();
    let auto_delete = QueueDeclareOptions { auto_delete: true, ..plain };
    let cases = [
        ("durable", durable, table([])),
        ("auto", auto_delete, table([])),
        ("quorum", durable, table([("x-queue-type", text("quorum"))])),
        ("ha", plain, table([("x-ha-policy", text("all"))])),
        ("max", plain, table([("x-max-length", AMQPValue::LongInt(1000))])),
        ("ttl", durable, table([("x-message-ttl", AMQPValue::LongInt(60_000))])),
        ("lazy", durable, table([("x-queue-mode", text("lazy"))])),
    ];
    for (name, options, arguments) in cases {
        let Some((connection, queue, broker)) = topic(name) else { return };
        broker.declare(&queue, options, arguments);
        let is_durable = name == "max" || options.durable;
        let exchange = ExchangeDeclareOptions { durable: is_durable, ..Default::default() };
        broker.declare_exchange(name, exchange);
        for flags in ["", "&durable=true", "&quorum=true", "&auto_delete=true"] {
            let base_id = format!("a{flags}");
            write(&format!("{connection}{flags}"), &records(&base_id, 3));
            let found = read_all(&format!("{connection}{flags}"), &base_id);
            assert_eq!(found, texts(&records(&base_id, 3)), "{name}{flags}");
        }
        assert_eq!(broker.waiting(&queue), 12, "{name}");
    }
}

#[test]
fn what_is_missing_is_declared_as_asked_for() {
    let _guard = share();
    for flags in ["durable=true", "auto_delete=true", "quorum=true"] {
        let name = flags.split('=').next().unwrap();
        let Some((connection, queue, broker)) = topic(&format!("made-{name}")) else { return };
        write(&format!("{connection}&{flags}"), &records("a", 1));
        // The broker refuses to declare it in any other way.
        let options = QueueDeclareOptions {
            durable: name != "auto_delete",
            auto_delete: name == "auto_delete",
            ..QueueDeclareOptions::default()
        };
        let quorum = table([("x-queue-type", text("quorum"))]);
        broker.declare(&queue, options, if name == "quorum" { quorum } else { table([]) });
        assert_eq!(broker.waiting(&queue), 1);
    }
}

#[test]
fn a_queue_that_is_removed_meanwhile_is_made_again_and_nothing_is_lost() {
    let _guard = share();
    let Some((connection, queue, broker)) = topic("removed") else { return };
    let mut writer = writer(&connection).unwrap();
    writer.write(&records("a", 2)).unwrap();
    broker.delete(&queue);
    let error = writer.write(&records("b", 2)).unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("no queue"), "{error}");
    writer.write(&records("b", 2)).unwrap();
    assert_eq!(read_all(&connection, "b").len(), 2);
}

#[test]
fn a_queue_that_is_not_there_is_an_error_that_names_it() {
    let _guard = share();
    let Some((connection, ..)) = topic("missing") else { return };
    let error = read(&mut *reader(&connection).unwrap(), "a").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("`missing.info`"), "{error}");
}

#[test]
fn reading_takes_nothing_and_changes_no_order() {
    let _guard = share();
    let Some((connection, queue, broker)) = topic("reading") else { return };
    let (a, b) = (records("a", 300), records("b", 300));
    let mixed: Vec<Record> = a.iter().zip(&b).flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
    write(&connection, &mixed);
    let mut reader = reader(&connection).unwrap();
    for _ in 0..3 {
        assert_eq!(read(&mut *reader, "a").unwrap(), texts(&a));
        assert_eq!(read(&mut *reader, "b").unwrap(), texts(&b));
        assert_eq!(reader.list(&ListQuery::default()).unwrap().len(), 2);
    }
    assert_eq!(broker.waiting(&queue), 600);
    let left = broker.take(&queue, 600);
    let left: Vec<_> = left.iter().map(|(body, _)| body["payload"]["trace_id"].clone()).collect();
    let written: Vec<_> = mixed.iter().map(|record| json!(record.trace_id.to_string())).collect();
    assert_eq!(left, written);
}

#[test]
fn readers_at_the_same_time_see_the_whole_trace() {
    let _guard = share();
    let Some((connection, ..)) = topic("readers") else { return };
    write(&connection, &records("a", 500));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..3 {
                    assert_eq!(read_all(&connection, "a").len(), 500);
                }
            });
        }
    });
}

#[test]
fn a_quorum_queue_may_be_waited_for() {
    let _guard = share();
    let Some((connection, ..)) = topic("settled") else { return };
    let connection = format!("{connection}&quorum=true");
    write(&connection, &records("a", 1));
    let mut options = Options::default();
    options.idle_timeout = Some(Duration::from_secs(1));
    let found = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(500));
            write(&connection, &[record("a", 1)]);
        });
        let mut reader = open_reader(&connection.parse().unwrap(), &options).unwrap();
        read(&mut *reader, "a").unwrap()
    });
    assert_eq!(found, texts(&records("a", 2)));
}

#[test]
fn a_quorum_queue_throws_nothing_away_however_often_it_is_read() {
    let _guard = share();
    let Some((connection, queue, broker)) = topic("limited") else { return };
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let limit = ("x-delivery-limit", AMQPValue::LongInt(0));
    broker.declare(&queue, durable, table([("x-queue-type", text("quorum")), limit]));
    // More than such a queue gives at once.
    let written = records("a", 3000);
    write(&connection, &written);
    for _ in 0..4 {
        assert_eq!(read_all(&connection, "a"), texts(&written));
    }
    assert_eq!(broker.waiting(&queue), 3000);
}

#[test]
fn a_queue_that_somebody_consumes_is_not_read() {
    let _guard = share();
    let Some((connection, queue, broker)) = topic("consumed") else { return };
    write(&connection, &records("a", 2));
    let channel = broker.channel();
    let options = BasicConsumeOptions::default();
    let consumed =
        channel.basic_consume(queue.as_str().into(), "c".into(), options, FieldTable::default());
    let _consumer = broker.runtime.block_on(consumed).unwrap();
    let error = read(&mut *reader(&connection).unwrap(), "a").unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("`consumed.info`"), "{error}");
}

#[test]
fn a_reader_that_is_told_so_waits_for_the_rest_of_a_trace() {
    let _guard = share();
    let Some((connection, ..)) = topic("idle") else { return };
    write(&connection, &records("a", 1));
    let mut options = Options::default();
    options.idle_timeout = Some(Duration::from_secs(2));
    let found = thread::scope(|scope| {
        scope.spawn(|| {
            for at in 1..4 {
                thread::sleep(Duration::from_millis(700));
                write(&connection, &[record("a", at), record("other", at)]);
            }
        });
        let mut reader = open_reader(&connection.parse().unwrap(), &options).unwrap();
        read(&mut *reader, "a").unwrap()
    });
    assert_eq!(found, texts(&records("a", 4)));
    let asked = Instant::now();
    assert_eq!(read_all(&connection, "other").len(), 3);
    assert!(asked.elapsed() < Duration::from_secs(2), "nobody waits unless told so");
}

#[test]
fn messages_of_all_kinds_are_read_or_counted() {
    let _guard = share();
    let Some((connection, queue, broker)) = topic("kinds") else { return };
    broker.declare(&queue, QueueDeclareOptions::default(), table([]));
    let [plain, escaped, context, enveloped, repaired] = [0, 1, 2, 3, 4].map(|at| record("é", at));
    let payload = |record: &Record| serde_json::from_str::<Value>(&record.to_json()).unwrap();
    let messages = [
        json!({"payload": payload(&plain), "priority": "INFO"}).to_string(),
        json!({"payload": payload(&escaped)}).to_string().replace('é', "\\u00e9"),
        json!({"_context_user": "u", "_context_trace_info": null, "payload": payload(&context)})
            .to_string(),
        json!({"oslo.version": "2.0", "oslo.message": json!({"payload": payload(&enveloped)}).to_string()})
            .to_string(),
        json!({"payload": payload(&repaired)}).to_string().replace("\"SELECT 4\"", "NaN"),
    ];
    let senseless: [&[u8]; 9] = [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        br#"{"payload": null}"#,
        br#"{"payload": "text"}"#,
        br#"{"payload": {"name": "db-start"}}"#,
        br#"{"oslo.version": "2.0", "oslo.message": 5}"#,
    ];
    messages.iter().for_each(|message| broker.publish(&queue, message.as_bytes()));
    senseless.iter().for_each(|message| broker.publish(&queue, message));
    while broker.waiting(&queue) < 14 {
        thread::sleep(Duration::from_millis(10));
    }
    let mut reader = reader(&connection).unwrap();
    assert_eq!(read(&mut *reader, "é").unwrap().len(), 5);
    assert_eq!(reader.skipped(), 9);
    assert_eq!(reader.list(&ListQuery::default()).unwrap()[0].points, 5);
    assert_eq!(reader.skipped(), 9);
    // What has no sign of a trace is not looked at for it.
    assert_eq!(read(&mut *reader, "plain-id").unwrap().len(), 0);
    assert_eq!(broker.waiting(&queue), 14);
}

#[test]
fn traces_of_the_python_library_are_shown_and_ours_by_it() {
    let _guard = share();
    let Some(connection) = url("messaging", "library") else { return };
    let interpreter = url("messaging", "python").unwrap();
    Broker::of(&connection).delete("profiler.info");
    let upstream = |arguments: &[&str]| {
        python_with(&interpreter, &json!({"transport_url": connection}), arguments)
    };
    let traces = TRACES.map(trace);
    let files = TRACES.map(trace_file);
    let mut put = vec!["put", "messaging://"];
    put.extend(files.iter().map(String::as_str));
    upstream(&put);
    upstream(&["trace", "messaging://", "7d28af6a-79ae-40f3-8a56-2a6e1c8f1e0c"]);
    let mut reader = reader(&connection).unwrap();
    for trace in &traces {
        let found = read(&mut *reader, &trace[0].base_id.to_string()).unwrap();
        assert_eq!(report_of(&found), report_of(&texts(trace)), "theirs, read by us");
    }
    let listed = reader.list(&ListQuery::default()).unwrap();
    assert_eq!(listed.len(), TRACES.len() + 1);
    let own = &listed[0];
    assert_eq!((own.points, own.unfinished, own.errors), (3, 0, 1));
    assert_eq!(own.root.request.as_deref(), Some("POST /v2.1/servers"));

    // It takes all messages when it shows one trace.
    Broker::of(&connection).delete("profiler.info");
    for (envelope, at) in [("v1", 0), ("v2", 1), ("v1", 2), ("v1", 3), ("v2", 4)] {
        let trace = &traces[at];
        let base_id = trace[0].base_id.to_string();
        let mut writer = writer(&format!("{connection}?envelope={envelope}")).unwrap();
        trace.chunks(100).for_each(|batch| writer.write(batch).unwrap());
        let shown: Vec<Value> =
            serde_json::from_str(&upstream(&["show", "messaging://", &base_id])).unwrap();
        assert_eq!(comparable(shown[0].clone()), report_of(&texts(trace)), "ours, shown by it");
    }
}
