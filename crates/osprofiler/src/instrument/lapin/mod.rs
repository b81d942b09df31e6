//! Messages over AMQP, with lapin.
//!
//! Between services of your own, the signed headers travel in the headers of the message:
//!
//! ```no_run
//! use lapin::options::{BasicAckOptions, BasicPublishOptions};
//! use lapin::{BasicProperties, Channel, message::Delivery};
//! use osprofiler::instrument::lapin::{DeliveryExt, PublishTraced};
//! use osprofiler::propagation::KeyRing;
//!
//! # async fn charge(_: &[u8]) -> Result<(), std::io::Error> { Ok(()) }
//! # async fn f(channel: Channel, delivery: Delivery, keys: KeyRing) -> Result<(), Box<dyn std::error::Error>> {
//! // The sender:
//! let options = BasicPublishOptions::default();
//! let properties = BasicProperties::default();
//! channel.publish_traced("".into(), "charges".into(), options, b"7", properties).await?.await?;
//!
//! // The consumer:
//! delivery.handle_traced(&keys, charge(&delivery.data)).await?;
//! delivery.ack(BasicAckOptions::default()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! With OpenStack's services it is the RPC of oslo.messaging: [`oslo`].

pub mod oslo;

use std::fmt::Display;

use lapin::message::Delivery;
use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, PublisherConfirm};
use osprofiler_wire::Info;

use super::Kind;
use crate::future::{OnError, Traced};
use crate::profiler::{self, Fork};
use crate::propagation::{self, Extractor, Injector, KeyRing};

/// Name of the points of calls and messages, on either side.
const POINT: &str = "rpc";

impl Injector for FieldTable {
    fn set(&mut self, name: &'static str, value: String) {
        self.insert(name.into(), AMQPValue::LongString(value.into()));
    }
}

impl Extractor for FieldTable {
    fn get(&self, name: &str) -> Option<&[u8]> {
        let named = self.into_iter().filter(|(key, _)| key.as_str().eq_ignore_ascii_case(name));
        match propagation::only(named)? {
            (_, AMQPValue::LongString(value)) => Some(value.as_bytes()),
            (_, AMQPValue::ShortString(value)) => Some(value.as_str().as_bytes()),
            (_, AMQPValue::ByteArray(value)) => Some(value.as_slice()),
            _ => None,
        }
    }
}

/// Sending messages that belong to the current trace.
pub trait PublishTraced {
    /// [`Channel::basic_publish`], as a point named `rpc` (while [`Kind::Rpc`] is on), and with the
    /// headers that let the consumer go on below it. Just `basic_publish` where nothing is traced.
    ///
    /// The point lasts until the message is on its way: whether the broker has it is known later.
    ///
    /// # Errors
    ///
    /// Those of `basic_publish`.
    fn publish_traced(
        &self,
        exchange: ShortString,
        routing_key: ShortString,
        options: BasicPublishOptions,
        payload: &[u8],
        properties: BasicProperties,
    ) -> impl Future<Output = lapin::Result<PublisherConfirm>> + Send;
}

impl PublishTraced for Channel {
    async fn publish_traced(
        &self,
        exchange: ShortString,
        routing_key: ShortString,
        options: BasicPublishOptions,
        payload: &[u8],
        properties: BasicProperties,
    ) -> lapin::Result<PublisherConfirm> {
        if !profiler::is_tracing() {
            return self.basic_publish(exchange, routing_key, options, payload, properties).await;
        }
        let info = message(&exchange, &routing_key, payload);
        // The headers are those of the point, so they are made when it has begun.
        let publish = async move {
            let properties = with_trace(properties);
            self.basic_publish(exchange, routing_key, options, payload, properties).await
        };
        if !Kind::Rpc.is_on() {
            return publish.await;
        }
        Traced::inspected(publish, POINT.into(), info, OnError).await
    }
}

/// Adds the headers of the current point to those of a message.
fn with_trace(properties: BasicProperties) -> BasicProperties {
    let mut headers = properties.headers().clone().unwrap_or_default();
    propagation::inject(&mut headers);
    properties.with_headers(headers)
}

/// Handling messages within the trace of their senders.
pub trait DeliveryExt {
    /// Runs what handles this message, as a point named `rpc` under the sender's, if one of `keys`
    /// gives the message's signature; else just runs it, untraced.
    fn handle_traced<T, E: Display>(
        &self,
        keys: &KeyRing,
        handle: impl Future<Output = Result<T, E>> + Send,
    ) -> impl Future<Output = Result<T, E>> + Send;
}

impl DeliveryExt for Delivery {
    fn handle_traced<T, E: Display>(
        &self,
        keys: &KeyRing,
        handle: impl Future<Output = Result<T, E>> + Send,
    ) -> impl Future<Output = Result<T, E>> + Send {
        let headers = self.properties.headers().as_ref();
        let sender = headers.and_then(|headers| propagation::extract(headers, keys));
        let info = if sender.is_some() {
            message(&self.exchange, &self.routing_key, &self.data)
        } else {
            Info::new()
        };
        async move {
            match sender {
                Some(sender) => {
                    let handled = Traced::inspected(handle, POINT.into(), info, OnError);
                    Fork::from(sender).scope(handled).await
                }
                None => handle.await,
            }
        }
    }
}

/// What is told of a message.
fn message(exchange: &ShortString, routing_key: &ShortString, payload: &[u8]) -> Info {
    let rpc = Info::new()
        .with("exchange", exchange.as_str())
        .with("routing_key", routing_key.as_str())
        .with("size", &payload.len());
    Info::new().with_info("rpc", rpc)
}
