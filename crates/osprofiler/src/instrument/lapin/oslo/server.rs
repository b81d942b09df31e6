//! The serving side.

use std::fmt;

use futures_util::stream::{StreamExt, select_all};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer, ExchangeKind};
use osprofiler_wire::Info;
use serde_json::{Map, Value};

use super::{Failure, envelope};
use crate::future::Traced;
use crate::instrument::lapin::POINT;
use crate::outcome;
use crate::profiler::Fork;
use crate::propagation::rpc::TraceInfo;

/// Calls that are served at a time, as many as oslo.messaging has threads for.
const AT_A_TIME: u16 = 64;

/// A call, or a cast, as it came.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Call {
    /// The method.
    pub method: String,
    /// Its arguments, by name.
    pub args: Value,
    /// The version of the interface that the caller wants.
    pub version: Option<String>,
    /// The namespace of the method.
    pub namespace: Option<String>,
    /// What the caller says of the request, less the trace.
    pub context: Map<String, Value>,
}

/// Serves calls of a topic; each belongs to its caller's trace.
///
/// A call is acknowledged before it is served, as in oslo.messaging: if the process dies meanwhile, it is
/// not served again.
pub struct Server {
    channel: Channel,
    topic: String,
    consumers: Vec<Consumer>,
}

impl Server {
    /// Opens a channel, and the queues of a server: those of the topic, of this one server, and of
    /// what goes to all of the topic's. Exchanges and queues are declared with the flags that
    /// oslo.messaging has unless told otherwise: not durable.
    ///
    /// # Errors
    ///
    /// Those of the broker: that an exchange is there already, declared in another way, is one.
    pub async fn open(
        connection: &Connection,
        exchange: &str,
        topic: &str,
        server: &str,
    ) -> lapin::Result<Self> {
        let channel = connection.create_channel().await?;
        channel.basic_qos(AT_A_TIME, BasicQosOptions::default()).await?;
        let fanout = format!("{topic}_fanout");
        let own = format!("{topic}.{server}");
        let to_all = format!("{fanout}_{}", envelope::unique());
        declare_exchange(&channel, exchange, ExchangeKind::Topic).await?;
        declare_exchange(&channel, &fanout, ExchangeKind::Fanout).await?;
        let consumers = vec![
            consume(&channel, exchange, topic, topic, false).await?,
            consume(&channel, exchange, &own, &own, false).await?,
            consume(&channel, &fanout, topic, &to_all, true).await?,
        ];
        Ok(Self { channel, topic: topic.to_owned(), consumers })
    }

    /// Answers calls with what `handler` makes of them, 64 at a time, until the connection is closed.
    /// A cast's result is dropped.
    ///
    /// All run on the task that waits for this: a handler that computes for long spawns.
    ///
    /// # Errors
    ///
    /// That for which the connection was closed.
    pub async fn serve(
        self,
        handler: impl AsyncFn(Call) -> Result<Value, Failure>,
    ) -> lapin::Result<()> {
        let Self { channel, topic, consumers } = self;
        let mut ended = None;
        let calls = select_all(consumers).scan(&mut ended, |ended, delivery| {
            let delivery = delivery.map_err(|error| **ended = Some(error)).ok();
            std::future::ready(delivery)
        });
        let serve = |delivery| answer(&channel, &topic, &handler, delivery);
        calls.for_each_concurrent(usize::from(AT_A_TIME), serve).await;
        ended.map_or(Ok(()), Err)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("topic", &self.topic).finish_non_exhaustive()
    }
}

async fn declare_exchange(channel: &Channel, name: &str, kind: ExchangeKind) -> lapin::Result<()> {
    let options = ExchangeDeclareOptions {
        // As oslo.messaging declares them.
        auto_delete: kind == ExchangeKind::Fanout,
        ..ExchangeDeclareOptions::default()
    };
    channel.exchange_declare(name.into(), kind, options, FieldTable::default()).await
}

/// Declares and binds a queue, and consumes it.
async fn consume(
    channel: &Channel,
    exchange: &str,
    routing_key: &str,
    queue: &str,
    exclusive: bool,
) -> lapin::Result<Consumer> {
    let none = FieldTable::default;
    let options = QueueDeclareOptions { exclusive, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), options, none()).await?;
    let (exchange, routing_key) = (exchange.into(), routing_key.into());
    let options = QueueBindOptions::default();
    channel.queue_bind(queue.into(), exchange, routing_key, options, none()).await?;
    channel.basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), none()).await
}

/// Serves one call.
async fn answer(
    channel: &Channel,
    topic: &str,
    handler: &impl AsyncFn(Call) -> Result<Value, Failure>,
    delivery: Delivery,
) {
    if let Err(error) = delivery.ack(BasicAckOptions::default()).await {
        // It will come again.
        return log::warn!("cannot acknowledge a call on topic `{topic}`: {error}");
    }
    let Ok(mut message) = envelope::unwrap(&delivery.data) else {
        return log::warn!("a call on topic `{topic}` is not JSON; dropped");
    };
    let mut context = envelope::take_context(&mut message);
    let caller = TraceInfo::from_context(&context);
    context.remove(crate::propagation::rpc::TRACE_INFO_KEY);
    let mut text = |key| envelope::take_text(&mut message, key);
    let (reply_queue, msg_id) = (text("_reply_q"), text("_msg_id"));
    let call = Call {
        method: text("method").unwrap_or_default(),
        version: text("version"),
        namespace: text("namespace"),
        args: message.remove("args").unwrap_or_default(),
        context,
    };
    let result = handled(topic, handler, call, caller).await;
    if let (Some(queue), Some(msg_id)) = (reply_queue, msg_id) {
        reply(channel, queue, &msg_id, result).await;
    }
}

/// Runs the handler, as a point under the caller's if the caller traces.
async fn handled(
    topic: &str,
    handler: &impl AsyncFn(Call) -> Result<Value, Failure>,
    call: Call,
    caller: Option<TraceInfo>,
) -> Result<Value, Failure> {
    let Some(caller) = caller else {
        return handler(call).await;
    };
    let rpc = Info::new()
        .with("method", &call.method)
        .with("topic", topic)
        .with("namespace", &call.namespace);
    let inspect = |result: &Result<Value, Failure>| {
        let failure = result.as_ref().err();
        let info = |failure: &Failure| {
            let message = outcome::bounded(format_args!("{}", failure.message));
            outcome::failure(&failure.etype(), &message)
        };
        failure.map(info).unwrap_or_default()
    };
    let info = Info::new().with_info("rpc", rpc);
    let handled = Traced::inspected(handler(call), POINT.into(), info, inspect);
    Fork::from(caller.into_profiler()).scope(handled).await
}

async fn reply(channel: &Channel, queue: String, msg_id: &str, result: Result<Value, Failure>) {
    let (result, failure) = match result {
        Ok(result) => (result, None),
        Err(failure) => (Value::Null, serde_json::to_string(&failure).ok()),
    };
    let body = envelope::wrap(&envelope::reply(msg_id, result, failure));
    let (options, properties) = (BasicPublishOptions::default(), envelope::properties());
    let sent = channel.basic_publish("".into(), queue.into(), options, &body, properties).await;
    if let Err(error) = sent {
        log::warn!("cannot send a reply: {error}");
    }
}
