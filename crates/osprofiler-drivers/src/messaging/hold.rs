//! Looking at the messages of a queue without taking them.
//!
//! A broker gives messages to a consumer, and until they are acknowledged it holds them for it.
//! This consumer acknowledges nothing: when its channel closes, or its process dies, all messages
//! are back where they were, in the same order.
//!
//! A quorum queue counts how often a message came back, and throws away what did so too often. There
//! each message is replaced by a copy of itself at the end of the queue, and acknowledged when the
//! broker has the copy: nothing is lost, and the order among them stays.

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer};
use std::time::Duration;
use tokio::time::sleep;

use super::bus::Bus;
use super::publisher::Publisher;
use super::topology::{Topology, refusal};
use crate::Error;

/// The messages of a queue, held for us alone.
pub(super) struct Hold<'a> {
    bus: &'a Bus,
    queue: &'a str,
    channel: Channel,
    deliveries: Consumer,
    renewal: Option<Renewal>,
    /// How many there were in the beginning.
    pub(super) waiting: u32,
}

/// What a quorum queue wants.
struct Renewal {
    publisher: Publisher,
    /// Messages without a copy yet.
    uncopied: Vec<Delivery>,
}

/// How many messages of a quorum queue to hold. It gives 2,000 at most.
const UNCOPIED: usize = 1_000;
/// How often to ask for a queue that another reader has.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// The code of a refusal: it is another one's.
const RESOURCE_LOCKED: u16 = 405;

impl<'a> Hold<'a> {
    /// Waits until no other reader holds the queue, and takes hold of it until the connection closes.
    pub(super) async fn of(
        bus: &'a Bus,
        topology: &'a Topology,
        connection: &Connection,
    ) -> Result<Self, Error> {
        let queue = &*topology.queue;
        lock(bus, queue, connection).await?;
        let found = topology.declare_queue(bus, connection, true).await?;
        let found = found.map_err(|cause| unreadable(bus, queue, cause))?;
        if found.consumer_count() > 0 {
            // It would get some of the messages, and we the others.
            let what = format!(
                "somebody takes the records out of queue `{queue}`; read where they are stored"
            );
            return Err(bus.unavailable(&what));
        }
        let renewal = if topology.has_quorum(bus, connection).await? {
            Some(Renewal {
                publisher: Publisher::open(bus, connection).await?,
                uncopied: Vec::new(),
            })
        } else {
            None
        };
        let channel = bus.channel(connection).await?;
        let options = BasicConsumeOptions::default();
        let consumed =
            channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await;
        let deliveries = consumed.map_err(|cause| unreadable(bus, queue, cause))?;
        Ok(Self { bus, queue, channel, deliveries, renewal, waiting: found.message_count() })
    }

    /// The next message, as soon as there is one.
    pub(super) async fn next(&mut self) -> Result<Delivery, Error> {
        match self.deliveries.next().await {
            Some(delivery) => delivery.map_err(|cause| unreadable(self.bus, self.queue, cause)),
            None => Err(self.bus.unavailable("the queue was removed while it was read")),
        }
    }

    /// Sees to it that a message that was looked at stays in the queue.
    pub(super) async fn keep(&mut self, delivery: Delivery) -> Result<(), Error> {
        let Some(renewal) = &mut self.renewal else { return Ok(()) };
        renewal.uncopied.push(delivery);
        if renewal.uncopied.len() < UNCOPIED { Ok(()) } else { self.copy().await }
    }

    /// Gives all messages back. They are there again when this returns.
    pub(super) async fn release(mut self) -> Result<(), Error> {
        self.copy().await?;
        let closed = self.channel.close(200, "OK".into()).await;
        closed.map_err(|cause| unreadable(self.bus, self.queue, cause))
    }

    async fn copy(&mut self) -> Result<(), Error> {
        let Some(renewal) = &mut self.renewal else { return Ok(()) };
        let Some(last) = renewal.uncopied.last() else { return Ok(()) };
        let copies = renewal.uncopied.iter().map(|it| (&*it.data, it.properties.clone()));
        // The default exchange puts it into the queue of that name, and into no other.
        renewal.publisher.publish(self.bus, ("", self.queue), copies).await?;
        let acknowledged = last.ack(BasicAckOptions { multiple: true }).await;
        renewal.uncopied.clear();
        acknowledged.map(|_| ()).map_err(|cause| unreadable(self.bus, self.queue, cause))
    }
}

/// Locks other readers out: a part of the messages is no trace. The lock is a queue of this connection
/// alone, and goes with it.
async fn lock(bus: &Bus, queue: &str, connection: &Connection) -> Result<(), Error> {
    let name = format!("{queue}.reader");
    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    loop {
        let channel = bus.channel(connection).await?;
        match channel.queue_declare((*name).into(), options, FieldTable::default()).await {
            Ok(_) => return Ok(()),
            Err(cause) if refusal(&cause).is_some_and(|(code, _)| code == RESOURCE_LOCKED) => {
                sleep(ASK_AGAIN).await;
            }
            Err(cause) => return Err(bus.error(&format!("declare queue `{name}` of"), cause)),
        }
    }
}

fn unreadable(bus: &Bus, queue: &str, cause: lapin::Error) -> Error {
    bus.error(&format!("read queue `{queue}` of"), cause)
}
