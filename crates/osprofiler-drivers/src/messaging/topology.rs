//! The exchange and the queue, and what to do where they are missing.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ErrorKind as Cause, ExchangeKind, Queue};

use super::bus::Bus;
use crate::Error;
use crate::address::Address;

/// What notifications travel through. What is there already is taken as it is: a broker refuses to
/// declare it again in any other way than whoever came first did.
pub(super) struct Topology {
    /// Where they are sent to.
    pub(super) exchange: String,
    /// What they are sent with.
    pub(super) routing_key: String,
    /// Where they wait.
    pub(super) queue: String,
    /// How to declare what is missing.
    pub(super) is_durable: bool,
    pub(super) is_auto_delete: bool,
    pub(super) is_quorum: bool,
}

/// The code of a refusal: there is no such thing.
const NOT_FOUND: u16 = 404;
/// The code of a refusal: there is one, but declared in another way.
const PRECONDITION_FAILED: u16 = 406;

impl Topology {
    /// Takes names from the connection string, and how to declare from where the bus is named.
    pub(super) fn of(own: &Address, bus: &Address) -> Result<Self, Error> {
        let name = |option: &'static str, default: &str| match own.option(option) {
            Some("") => Err(own.wrong(&format!("expected a name as `{option}`"))),
            Some(name) if name.len() > 250 => {
                Err(own.wrong(&format!("`{option}` is too long; names end at 255 bytes")))
            }
            Some(name) => Ok(name.to_owned()),
            None => Ok(default.to_owned()),
        };
        let either = |flag, other| Ok::<_, Error>(bus.flag(flag)? || bus.flag(other)?);
        // A topic and a priority.
        let routing_key = format!("{}.info", name("topic", "profiler")?);
        Ok(Self {
            exchange: name("exchange", "openstack")?,
            queue: name("queue", &routing_key)?,
            routing_key,
            is_durable: either("durable", "amqp_durable_queues")?,
            is_auto_delete: either("auto_delete", "amqp_auto_delete")?,
            is_quorum: either("quorum", "rabbit_quorum_queue")?,
        })
    }

    /// Sees to it that messages find their way into the queue.
    pub(super) async fn ensure(&self, bus: &Bus, connection: &Connection) -> Result<(), Error> {
        let cannot = |cause| bus.error(&format!("send to exchange `{}` of", self.exchange), cause);
        if !is_there(self.declare_exchange(bus, connection, true).await?).map_err(cannot)? {
            let declared = self.declare_exchange(bus, connection, false).await?;
            or_somebody_was_faster(declared).map_err(cannot)?;
        }
        let cannot = |cause| bus.error(&format!("send to queue `{}` of", self.queue), cause);
        if !is_there(self.declare_queue(bus, connection, true).await?).map_err(cannot)? {
            let declared = self.declare_queue(bus, connection, false).await?;
            or_somebody_was_faster(declared.map(|_| ())).map_err(cannot)?;
        }
        let channel = bus.channel(connection).await?;
        let (queue, exchange, key) = (&*self.queue, &*self.exchange, &*self.routing_key);
        let options = QueueBindOptions::default();
        let bound = channel
            .queue_bind(queue.into(), exchange.into(), key.into(), options, FieldTable::default())
            .await;
        bound.map_err(cannot)
    }

    async fn declare_exchange(
        &self,
        bus: &Bus,
        connection: &Connection,
        passive: bool,
    ) -> Result<lapin::Result<()>, Error> {
        let options = ExchangeDeclareOptions {
            passive,
            durable: self.is_durable || self.is_quorum,
            auto_delete: self.is_auto_delete,
            ..ExchangeDeclareOptions::default()
        };
        let channel = bus.channel(connection).await?;
        let name = (*self.exchange).into();
        Ok(channel
            .exchange_declare(name, ExchangeKind::Topic, options, FieldTable::default())
            .await)
    }

    /// Declares the queue, or asks for it (`passive`).
    pub(super) async fn declare_queue(
        &self,
        bus: &Bus,
        connection: &Connection,
        passive: bool,
    ) -> Result<lapin::Result<Queue>, Error> {
        let options = QueueDeclareOptions {
            passive,
            durable: self.is_durable || self.is_quorum,
            auto_delete: self.is_auto_delete,
            ..QueueDeclareOptions::default()
        };
        let arguments = if self.is_quorum { quorum() } else { FieldTable::default() };
        let channel = bus.channel(connection).await?;
        Ok(channel.queue_declare((*self.queue).into(), options, arguments).await)
    }

    /// What the queue, which is there, is. A broker tells only by what it objects to.
    pub(super) async fn kind(&self, bus: &Bus, connection: &Connection) -> Result<Kind, Error> {
        let transient = QueueDeclareOptions::default();
        let durable = QueueDeclareOptions { durable: true, ..transient };
        let mut objection =
            self.objection(bus, connection, transient, FieldTable::default()).await?;
        let is_durable = objection.as_ref().is_some_and(|said| said.contains("'durable'"));
        if is_durable {
            objection = self.objection(bus, connection, durable, quorum()).await?;
        }
        let is_about = |what| objection.as_ref().is_some_and(|said| said.contains(what));
        Ok(if is_about("'auto_delete'") {
            Kind::AutoDelete
        } else if is_durable && !is_about("'x-queue-type'") {
            Kind::Quorum
        } else {
            Kind::Classic
        })
    }

    /// What the broker has against declaring the queue, which is there, in this way.
    async fn objection(
        &self,
        bus: &Bus,
        connection: &Connection,
        options: QueueDeclareOptions,
        arguments: FieldTable,
    ) -> Result<Option<String>, Error> {
        let channel = bus.channel(connection).await?;
        match channel.queue_declare((*self.queue).into(), options, arguments).await {
            Ok(_) => Ok(None),
            Err(cause) => match refusal(&cause) {
                Some((PRECONDITION_FAILED, said)) => Ok(Some(said.to_owned())),
                _ => Err(bus.error(&format!("read queue `{}` of", self.queue), cause)),
            },
        }
    }
}

/// What matters of a queue to those who look into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Classic,
    /// It is deleted, and all that is in it, when its last consumer leaves.
    AutoDelete,
    /// It counts how often a message came back.
    Quorum,
}

fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments
}

/// The code and the text with which the broker refused something.
pub(super) fn refusal(cause: &lapin::Error) -> Option<(u16, &str)> {
    match cause.kind() {
        Cause::ProtocolError(error) => Some((error.get_id(), error.get_message().as_str())),
        _ => None,
    }
}

fn is_there<T>(asked: lapin::Result<T>) -> lapin::Result<bool> {
    match asked {
        Ok(_) => Ok(true),
        Err(cause) if refusal(&cause).is_some_and(|(code, _)| code == NOT_FOUND) => Ok(false),
        Err(cause) => Err(cause),
    }
}

/// Whoever declared it since we asked may have done so in another way.
fn or_somebody_was_faster(declared: lapin::Result<()>) -> lapin::Result<()> {
    declared.or_else(|cause| match refusal(&cause) {
        Some((PRECONDITION_FAILED, _)) => Ok(()),
        _ => Err(cause),
    })
}
