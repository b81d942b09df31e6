//! Sending many messages at once, each confirmed.

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection};

use super::bus::Bus;
use crate::Error;

/// A channel on which the broker says of each message whether it has it.
pub(super) struct Publisher {
    channel: Channel,
}

impl Publisher {
    pub(super) async fn open(bus: &Bus, connection: &Connection) -> Result<Self, Error> {
        let channel = bus.channel(connection).await?;
        let confirmed = channel.confirm_select(ConfirmSelectOptions::default()).await;
        confirmed.map_err(|cause| bus.error("write records to", cause))?;
        Ok(Self { channel })
    }

    /// Sends all messages, in this order, then waits for what the broker says to each.
    pub(super) async fn publish<'a>(
        &self,
        bus: &Bus,
        (exchange, routing_key): (&str, &str),
        messages: impl Iterator<Item = (&'a [u8], BasicProperties)>,
    ) -> Result<(), Error> {
        let send = |(body, properties)| async move {
            // What no queue takes comes back. It would be confirmed otherwise, and lost.
            let options = BasicPublishOptions { mandatory: true, immediate: false };
            let (exchange, routing_key) = (exchange.into(), routing_key.into());
            let sent = self
                .channel
                .basic_publish(exchange, routing_key, options, body, properties)
                .await?;
            sent.await
        };
        // Each is on its way once it was polled, which happens in this order.
        let mut under_way: FuturesOrdered<_> = messages.map(send).collect();
        while let Some(confirmation) = under_way.next().await {
            match confirmation.map_err(|cause| bus.error("write records to", cause))? {
                Confirmation::Ack(None) => {}
                Confirmation::Ack(_) => {
                    return Err(bus.unavailable("no queue takes the records; it was removed"));
                }
                _ => return Err(bus.unavailable("it cannot store the records")),
            }
        }
        Ok(())
    }
}
