//! Looking at the messages of a queue without taking them.
//!
//! A broker gives messages to a consumer, and until they are acknowledged it holds them for it.
//! This consumer acknowledges nothing: when its channel closes, or its process dies, all messages
//! are back where they were, in the same order.
//!
//! A quorum queue counts how often a message came back, and throws away what did so too often. There
//! each message is replaced by a copy of itself at the end of the queue, and acknowledged when the
//! broker has the copy: nothing is lost, and the order among them stays.
//!
//! A queue that is deleted with its last consumer is asked for each message instead.

use std::time::Duration;

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicQosOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer};
use tokio::time::{Instant, sleep};

use super::bus::Bus;
use super::publisher::Publisher;
use super::topology::{Kind, Topology, refusal};
use crate::Error;

/// The messages of a queue, held for us alone.
pub(super) struct Hold<'a> {
    bus: &'a Bus,
    topology: &'a Topology,
    connection: &'a Connection,
    channel: Channel,
    kind: Kind,
    consumer: Option<Consumer>,
    /// Of those that waited when it was counted, how many are still to come.
    left: u32,
    /// Messages of a quorum queue that have no copy yet.
    uncopied: Vec<Delivery>,
}

/// How many messages to take from a quorum queue at once.
const BATCH: u16 = 1_000;
/// How often to ask for a queue that another reader has, or for a message.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// The code of a refusal: it is another one's.
const RESOURCE_LOCKED: u16 = 405;

impl<'a> Hold<'a> {
    /// Waits until no other reader holds the queue, as long as for an answer, and takes hold of it
    /// until the connection closes.
    pub(super) async fn of(
        bus: &'a Bus,
        topology: &'a Topology,
        connection: &'a Connection,
    ) -> Result<Self, Error> {
        lock(bus, &topology.queue, connection).await?;
        bus.in_time(Self::locked(bus, topology, connection)).await
    }

    async fn locked(
        bus: &'a Bus,
        topology: &'a Topology,
        connection: &'a Connection,
    ) -> Result<Self, Error> {
        let left = waiting(bus, topology, connection).await?;
        let kind = topology.kind(bus, connection).await?;
        let channel = bus.channel(connection).await?;
        let (consumer, uncopied) = (None, Vec::new());
        Ok(Self { bus, topology, connection, channel, kind, consumer, left, uncopied })
    }

    /// Whether there are messages of which it is known that they wait.
    pub(super) fn has_more(&self) -> bool {
        self.left > 0
    }

    /// Whether it also gives messages that come later, each once: the copies come later too.
    pub(super) fn goes_on(&self) -> bool {
        self.kind != Kind::Quorum
    }

    /// Waits until for as long as `idle` no message came, or until `end`.
    pub(super) async fn settle(&mut self, idle: Duration, end: Instant) -> Result<(), Error> {
        while Instant::now() < end {
            sleep(idle).await;
            let before = self.left;
            self.left = self.bus.in_time(waiting(self.bus, self.topology, self.connection)).await?;
            if self.left == before {
                break;
            }
        }
        Ok(())
    }

    /// The next message, as soon as there is one.
    pub(super) async fn next(&mut self) -> Result<Delivery, Error> {
        let delivery = match self.kind {
            Kind::AutoDelete => self.get().await?,
            Kind::Classic => self.consume(0).await?,
            // No more than there were: the rest are copies.
            Kind::Quorum => self.consume(self.batch()).await?,
        };
        self.left = self.left.saturating_sub(1);
        Ok(delivery)
    }

    /// How many messages of a quorum queue are to be held before they are copied.
    fn batch(&self) -> u16 {
        let held = u32::try_from(self.uncopied.len()).unwrap_or_default();
        u16::try_from(held + self.left).unwrap_or(BATCH).min(BATCH)
    }

    async fn get(&self) -> Result<Delivery, Error> {
        loop {
            let options = BasicGetOptions::default();
            let got = self.channel.basic_get((*self.topology.queue).into(), options).await;
            match got.map_err(|cause| self.unreadable(cause))? {
                Some(message) => return Ok(message.delivery),
                None => sleep(ASK_AGAIN).await,
            }
        }
    }

    /// What comes to a consumer that holds so many messages at most; any number if 0.
    async fn consume(&mut self, at_most: u16) -> Result<Delivery, Error> {
        if self.consumer.is_none() {
            self.consumer = Some(self.consumer(at_most).await.map_err(|it| self.unreadable(it))?);
        }
        let next = match &mut self.consumer {
            Some(consumer) => consumer.next().await,
            None => None,
        };
        let removed = || self.bus.unavailable("the queue was removed while it was read");
        next.ok_or_else(removed)?.map_err(|cause| self.unreadable(cause))
    }

    async fn consumer(&self, at_most: u16) -> lapin::Result<Consumer> {
        self.channel.basic_qos(at_most, BasicQosOptions::default()).await?;
        let (queue, arguments) = ((*self.topology.queue).into(), FieldTable::default());
        self.channel
            .basic_consume(queue, "".into(), BasicConsumeOptions::default(), arguments)
            .await
    }

    /// Sees to it that a message that was looked at stays in the queue.
    pub(super) async fn keep(&mut self, delivery: Delivery) -> Result<(), Error> {
        if self.kind != Kind::Quorum {
            return Ok(());
        }
        self.uncopied.push(delivery);
        if self.uncopied.len() < usize::from(self.batch()) { Ok(()) } else { self.copy().await }
    }

    async fn copy(&mut self) -> Result<(), Error> {
        // Or else the copies would come to it.
        if let Some(consumer) = self.consumer.take() {
            let cancelled =
                self.channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await;
            cancelled.map_err(|cause| self.unreadable(cause))?;
        }
        let copies = self.uncopied.iter().map(|it| (&*it.data, it.properties.clone()));
        let publisher = Publisher::open(self.bus, self.connection).await?;
        // The default exchange puts it into the queue of that name, and into no other.
        publisher.publish(self.bus, ("", &self.topology.queue), copies).await?;
        if let Some(last) = self.uncopied.last() {
            let acknowledged = last.ack(BasicAckOptions { multiple: true }).await;
            acknowledged.map_err(|cause| self.unreadable(cause))?;
        }
        self.uncopied.clear();
        Ok(())
    }

    /// Gives all messages back. They are there again when this returns.
    pub(super) async fn release(self) -> Result<(), Error> {
        let closed = self.channel.close(200, "OK".into()).await;
        closed.map_err(|cause| self.unreadable(cause))
    }

    fn unreadable(&self, cause: lapin::Error) -> Error {
        unreadable(self.bus, self.topology, cause)
    }
}

/// How many messages wait in the queue, which nobody else is to consume.
async fn waiting(bus: &Bus, topology: &Topology, connection: &Connection) -> Result<u32, Error> {
    let found = topology.declare_queue(bus, connection, true).await?;
    let found = found.map_err(|cause| unreadable(bus, topology, cause))?;
    if found.consumer_count() > 0 {
        // It would get some of the messages, and we the others.
        return Err(bus.unavailable(&format!(
            "somebody takes the records out of queue `{}`; read where they are stored",
            topology.queue
        )));
    }
    Ok(found.message_count())
}

/// Locks other readers out: a part of the messages is no trace. The lock is a queue of this connection
/// alone, and goes with it.
async fn lock(bus: &Bus, queue: &str, connection: &Connection) -> Result<(), Error> {
    let name = format!("{queue}.reader");
    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let declare = async || {
        let channel = bus.channel(connection).await?;
        match channel.queue_declare((*name).into(), options, FieldTable::default()).await {
            Ok(_) => Ok(true),
            Err(cause) if refusal(&cause).is_some_and(|(code, _)| code == RESOURCE_LOCKED) => {
                Ok(false)
            }
            Err(cause) => Err(bus.error(&format!("declare queue `{name}` of"), cause)),
        }
    };
    let end = Instant::now() + bus.timeout;
    while !bus.in_time(declare()).await? {
        if Instant::now() >= end {
            let message = format!("another reader looks at queue `{queue}`; try again later");
            return Err(bus.unavailable(&message));
        }
        sleep(ASK_AGAIN).await;
    }
    Ok(())
}

fn unreadable(bus: &Bus, topology: &Topology, cause: lapin::Error) -> Error {
    bus.error(&format!("read queue `{}` of", topology.queue), cause)
}
