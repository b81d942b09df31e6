use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection};
use osprofiler_wire::{Id, Record};

use super::bus::{Bus, close};
use super::notification::Composer;
use super::publisher::Publisher;
use super::settings::Settings;
use super::topology::Topology;
use crate::runtime::block_on;
use crate::{ConnectionString, Error, ErrorKind, Options, Writer};

pub(super) struct MessagingWriter {
    bus: Bus,
    topology: Topology,
    composer: Composer,
    /// `None` after a failure: what became of the messages under way is uncertain.
    link: Option<Link>,
}

/// A connection that is ready to take messages.
struct Link {
    connection: Connection,
    publisher: Publisher,
}

impl MessagingWriter {
    pub(super) fn open(connection: &ConnectionString, options: &Options) -> Result<Self, Error> {
        let Settings { bus, topology, envelope, publisher_id, .. } =
            Settings::of(connection, options)?;
        let composer = Composer::new(envelope, publisher_id);
        let mut writer = Self { bus, topology, composer, link: None };
        writer.link = Some(block_on(writer.connect())?);
        Ok(writer)
    }

    async fn connect(&mut self) -> Result<Link, Error> {
        let connection = self.bus.connect().await?;
        let publisher = self.bus.in_time(async {
            self.topology.ensure(&self.bus, &connection).await?;
            Publisher::open(&self.bus, &connection).await
        });
        let publisher = publisher.await?;
        Ok(Link { connection, publisher })
    }

    async fn send(&mut self, messages: &[String]) -> Result<(), Error> {
        let link = match self.link.take().filter(|link| link.connection.status().connected()) {
            Some(link) => link,
            None => self.connect().await?,
        };
        let to = (&*self.topology.exchange, &*self.topology.routing_key);
        let messages = messages.iter().map(|message| (message.as_bytes(), properties()));
        self.bus.in_time(link.publisher.publish(&self.bus, to, messages)).await?;
        self.link = Some(link);
        Ok(())
    }
}

/// As oslo.messaging has them.
fn properties() -> BasicProperties {
    BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into())
        .with_headers(FieldTable::default())
        .with_delivery_mode(2)
        .with_priority(0)
}

impl Writer for MessagingWriter {
    fn write(&mut self, records: &[Record]) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        let messages = self.composer.compose(records);
        block_on(self.send(&messages))
    }

    fn delete(&mut self, _: &Id) -> Result<bool, Error> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "a message queue cannot remove a trace; its records go when somebody takes them",
        ))
    }
}

impl Drop for MessagingWriter {
    fn drop(&mut self) {
        if let Some(link) = self.link.take() {
            // Without a thread to do it on, the connection just ends.
            let _ = block_on(async {
                close(link.connection).await;
                Ok(())
            });
        }
    }
}
