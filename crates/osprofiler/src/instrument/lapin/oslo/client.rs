//! The calling side.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_channel::oneshot;
use lapin::message::DeliveryResult;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Confirmation, Connection};
use osprofiler_wire::Info;
use serde_json::{Map, Value};

use super::{Failure, Target, envelope};
use crate::future::Traced;
use crate::instrument::Kind;
use crate::instrument::lapin::POINT;
use crate::outcome;

/// Calls and casts methods of services, over an exchange of theirs.
///
/// Calls are points named `rpc` while [`Kind::Rpc`] is on; whether they are or not, what the service
/// does hangs below whatever is current.
#[derive(Clone)]
pub struct Client {
    channel: Channel,
    exchange: String,
    reply_queue: String,
    waiting: Waiting,
}

/// Who waits for which reply.
#[derive(Clone, Default)]
struct Waiting(Arc<Mutex<HashMap<String, oneshot::Sender<Reply>>>>);

type Reply = Result<Value, Failure>;

impl Client {
    /// Opens a channel, with a queue for replies that lasts as long as the connection.
    ///
    /// `exchange` is the `control_exchange` of the services to be called: `nova`, `neutron`; without
    /// any, that of oslo.messaging is `openstack`.
    ///
    /// # Errors
    ///
    /// Those of the broker.
    pub async fn open(connection: &Connection, exchange: impl Into<String>) -> lapin::Result<Self> {
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let reply_queue = format!("reply_{}", envelope::unique());
        let own = QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
        channel.queue_declare(reply_queue.as_str().into(), own, FieldTable::default()).await?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let (queue, tag) = (reply_queue.as_str().into(), "".into());
        let consumer = channel.basic_consume(queue, tag, options, FieldTable::default()).await?;
        let waiting = Waiting::default();
        consumer.set_delegate({
            let waiting = waiting.clone();
            move |delivery: DeliveryResult| {
                waiting.take(delivery);
                std::future::ready(())
            }
        });
        Ok(Self { channel, exchange: exchange.into(), reply_queue, waiting })
    }

    /// Calls a method and waits for its result: for ever, so put a timeout around it.
    ///
    /// `args` is an object; `context` is what else the service wants to know of the request, such as
    /// its user.
    ///
    /// # Errors
    ///
    /// If the method fails, or the broker does.
    pub async fn call(
        &self,
        target: &Target,
        method: &str,
        args: Value,
        context: Map<String, Value>,
    ) -> Result<Value, CallError> {
        let call = async {
            let mut request = envelope::request(target, method, args, context);
            let msg_id = envelope::unique();
            request.insert("_msg_id".to_owned(), msg_id.as_str().into());
            request.insert("_reply_q".to_owned(), self.reply_queue.as_str().into());
            request.insert("_timeout".to_owned(), Value::Null);
            let expected = self.waiting.expect(msg_id);
            self.send(target, request).await?;
            expected.reply().await
        };
        traced(target, method, call).await
    }

    /// Sends a method to whoever is to run it, and waits for nothing.
    ///
    /// # Errors
    ///
    /// If the broker does not take it.
    pub async fn cast(
        &self,
        target: &Target,
        method: &str,
        args: Value,
        context: Map<String, Value>,
    ) -> Result<(), CallError> {
        let cast = async {
            let request = envelope::request(target, method, args, context);
            self.send(target, request).await
        };
        traced(target, method, cast).await
    }

    async fn send(&self, target: &Target, request: Map<String, Value>) -> Result<(), CallError> {
        let (exchange, routing_key) = match target.is_fanout {
            true => (format!("{}_fanout", target.topic), String::new()),
            false => (self.exchange.clone(), target.routing_key()),
        };
        // What no queue takes comes back, and is not waited for; a fanout may reach nobody.
        let options = BasicPublishOptions { mandatory: !target.is_fanout, immediate: false };
        let body = envelope::wrap(&Value::from(request));
        let (to, key) = (exchange.as_str().into(), routing_key.as_str().into());
        let properties = envelope::properties();
        let sent = self.channel.basic_publish(to, key, options, &body, properties).await?;
        match sent.await? {
            Confirmation::Ack(None) => Ok(()),
            _ => Err(CallError::Unroutable { exchange, routing_key }),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("exchange", &self.exchange).finish_non_exhaustive()
    }
}

/// Makes a point of a call.
async fn traced<T>(
    target: &Target,
    method: &str,
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    if !crate::profiler::is_tracing() || !Kind::Rpc.is_on() {
        return call.await;
    }
    let rpc = Info::new()
        .with("method", method)
        .with("topic", &target.topic)
        .with("server", &target.server)
        .with("namespace", &target.namespace);
    let inspect = |result: &Result<T, CallError>| {
        result.as_ref().err().map(CallError::info).unwrap_or_default()
    };
    Traced::inspected(call, POINT.into(), Info::new().with_info("rpc", rpc), inspect).await
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Reply>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expect(&self, msg_id: String) -> Expected<'_> {
        let (sender, receiver) = oneshot::channel();
        self.lock().insert(msg_id.clone(), sender);
        Expected { waiting: self, msg_id, receiver }
    }

    /// Hands a reply to who waits for it.
    fn take(&self, delivery: DeliveryResult) {
        let Ok(Some(delivery)) = delivery else {
            // No reply will come any more: whoever waits is told so.
            return self.lock().clear();
        };
        let Ok(mut reply) = envelope::unwrap(&delivery.data) else {
            return log::warn!("a reply on the message bus is not JSON; dropped");
        };
        // A service that works for long says now and then that it still does.
        if reply.get("ending") == Some(&Value::Bool(false)) {
            return;
        }
        let msg_id = envelope::take_text(&mut reply, "_msg_id").unwrap_or_default();
        let Some(waiting) = self.lock().remove(&msg_id) else { return };
        let result = match envelope::take_text(&mut reply, "failure") {
            Some(failure) => Err(serde_json::from_str(&failure)
                .unwrap_or_else(|_| Failure::new("", "RemoteError", failure))),
            None => Ok(reply.remove("result").unwrap_or_default()),
        };
        // Whoever has gone meanwhile wants it no more.
        let _ = waiting.send(result);
    }
}

/// A reply that is waited for; dropped, it is no more.
struct Expected<'a> {
    waiting: &'a Waiting,
    msg_id: String,
    receiver: oneshot::Receiver<Reply>,
}

impl Expected<'_> {
    async fn reply(mut self) -> Result<Value, CallError> {
        match (&mut self.receiver).await {
            Ok(reply) => reply.map_err(CallError::Failed),
            Err(oneshot::Canceled) => Err(CallError::Closed),
        }
    }
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        self.waiting.lock().remove(&self.msg_id);
    }
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The method raised this.
    #[error("{0}")]
    Failed(Failure),
    /// The broker did not take the call.
    #[error("cannot send the call: {0}")]
    Broker(#[from] lapin::Error),
    /// No queue takes it.
    #[error(
        "nobody serves `{routing_key}` on exchange `{exchange}`; is the service up, and `{exchange}` \
         its `control_exchange`?"
    )]
    Unroutable {
        /// Where it was sent.
        exchange: String,
        /// Whom it was for.
        routing_key: String,
    },
    /// The connection was closed before there was a reply.
    #[error("the connection to the message broker was closed before the reply came")]
    Closed,
}

impl CallError {
    /// What the stop record of a call says.
    fn info(&self) -> Info {
        match self {
            Self::Failed(failure) => {
                let message = outcome::bounded(format_args!("{}", failure.message));
                outcome::failure(&failure.etype(), &message)
            }
            _ => outcome::error_info(self),
        }
    }
}
