//! Messages as oslo.messaging writes them: JSON text within JSON.

use lapin::BasicProperties;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Target;
use crate::local::ids::PointId;
use crate::propagation::rpc::{TRACE_INFO_KEY, TraceInfo};

/// What stands before each key of the request context.
const CONTEXT: &str = "_context_";
const VERSION: &str = "2.0";

#[derive(Serialize, Deserialize)]
struct Envelope {
    #[serde(rename = "oslo.version")]
    version: String,
    #[serde(rename = "oslo.message")]
    message: String,
}

/// Wraps a message.
pub(super) fn wrap(message: &Value) -> Vec<u8> {
    let envelope = Envelope { version: VERSION.to_owned(), message: message.to_string() };
    serde_json::to_vec(&envelope).expect("text is JSON")
}

/// Unwraps a message; one without an envelope is taken as it is.
pub(super) fn unwrap(body: &[u8]) -> serde_json::Result<Map<String, Value>> {
    match serde_json::from_slice::<Envelope>(body) {
        Ok(envelope) => serde_json::from_str(&envelope.message),
        Err(_) => serde_json::from_slice(body),
    }
}

pub(super) fn properties() -> BasicProperties {
    BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into())
        .with_delivery_mode(2)
}

/// A name that nothing else has: 32 hexadecimal digits.
pub(super) fn unique() -> String {
    PointId::fresh().to_id().to_string().replace('-', "")
}

/// A request, with the trace of the current point in its context.
pub(super) fn request(
    target: &Target,
    method: &str,
    args: Value,
    context: Map<String, Value>,
) -> Map<String, Value> {
    let mut request = Map::new();
    request.insert("method".to_owned(), method.into());
    request.insert("args".to_owned(), args);
    request.insert("version".to_owned(), target.version.as_deref().unwrap_or("1.0").into());
    if let Some(namespace) = &target.namespace {
        request.insert("namespace".to_owned(), namespace.as_str().into());
    }
    request.insert("_unique_id".to_owned(), unique().into());
    request.extend(context.into_iter().map(|(key, value)| (CONTEXT.to_owned() + &key, value)));
    if let Some(trace_info) = TraceInfo::current() {
        let trace_info = serde_json::to_value(trace_info).expect("texts are JSON");
        request.insert(CONTEXT.to_owned() + TRACE_INFO_KEY, trace_info);
    }
    request
}

/// Takes the request context out of a message.
pub(super) fn take_context(message: &mut Map<String, Value>) -> Map<String, Value> {
    let keys: Vec<String> =
        message.keys().filter(|key| key.starts_with(CONTEXT)).cloned().collect();
    let named = |key: String| Some((key[CONTEXT.len()..].to_owned(), message.remove(&key)?));
    keys.into_iter().filter_map(named).collect()
}

/// Takes a text out of a message.
pub(super) fn take_text(message: &mut Map<String, Value>, key: &str) -> Option<String> {
    match message.remove(key) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// The answer to the request `msg_id`: a result, or the JSON text of a failure.
pub(super) fn reply(msg_id: &str, result: Value, failure: Option<String>) -> Value {
    json!({
        "result": result,
        "failure": failure,
        "ending": true,
        "_msg_id": msg_id,
        "_unique_id": unique(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_of_a_request_is_flat_and_comes_back() {
        let context = Map::from_iter([("user".to_owned(), "demo".into())]);
        let target = Target::new("stock").namespace("shop").version("1.2");
        let request = request(&target, "count", json!({"item": 7}), context.clone());
        assert_eq!(request["_context_user"], "demo");
        let mut read = unwrap(&wrap(&Value::from(request.clone()))).unwrap();
        assert_eq!(read, request);
        assert_eq!(take_context(&mut read), context);
        let rest = ["_unique_id", "args", "method", "namespace", "version"];
        assert!(read.keys().eq(rest), "{read:?}");
    }

    #[test]
    fn a_message_without_an_envelope_is_read_too() {
        assert_eq!(unwrap(br#"{"method": "x"}"#).unwrap()["method"], "x");
        assert!(unwrap(b"[]").is_err());
    }
}
