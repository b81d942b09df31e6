//! What the API answers with, and the records in it.

use osprofiler_wire::{Record, RecordView, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// An event, or a sample.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) message_id: String,
    /// When the notification was made that it comes from; as the API wants it back.
    pub(super) generated: String,
    /// The record in it as JSON; `None` if there is none.
    pub(super) record: Option<String>,
}

/// The events of an answer.
///
/// # Errors
///
/// If the text is no list of events.
pub(super) fn events(text: &str) -> serde_json::Result<Vec<Event>> {
    let found: Vec<FoundEvent<'_>> = serde_json::from_str(text)?;
    Ok(found.into_iter().map(FoundEvent::event).collect())
}

/// The samples of an answer, as events.
///
/// # Errors
///
/// If the text is no list of samples.
pub(super) fn samples(text: &str) -> serde_json::Result<Vec<Event>> {
    let found: Vec<FoundSample> = serde_json::from_str(text)?;
    Ok(found.into_iter().map(FoundSample::event).collect())
}

#[derive(Deserialize)]
struct FoundEvent<'a> {
    message_id: String,
    generated: String,
    traits: Vec<Trait>,
    /// The whole notification, if the agent stores it; else an empty object, or nothing.
    #[serde(borrow, default)]
    raw: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Trait {
    name: String,
    /// `string`, `integer`, `float` or `datetime`.
    #[serde(rename = "type", default)]
    kind: String,
    /// A text, whatever its type.
    value: Value,
}

impl FoundEvent<'_> {
    fn event(self) -> Event {
        let record = self.payload().or_else(|| self.of_traits());
        Event { message_id: self.message_id, generated: self.generated, record }
    }

    /// The record as it was sent.
    fn payload(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Raw<'a> {
            #[serde(borrow)]
            payload: &'a RawValue,
        }
        let raw: Raw<'_> = serde_json::from_str(self.raw?.get()).ok()?;
        let view = RecordView::parse(raw.payload.get()).ok()?;
        Some(Record::from(&view).to_json())
    }

    fn of_traits(&self) -> Option<String> {
        let mut parts = Parts::default();
        for found in &self.traits {
            let name = found.name.as_str();
            match name {
                "host" => parts.set_info(&["host"], found.typed()),
                "path" | "query" | "method" | "scheme" => {
                    parts.set_info(&["request", name], found.typed());
                }
                _ if parts.set(name, &found.value) => {}
                _ => parts.set_info(&name.split('.').collect::<Vec<_>>(), found.typed()),
            }
        }
        parts.record(&self.generated)
    }
}

impl Trait {
    fn typed(&self) -> Value {
        let number = match (self.kind.as_str(), self.value.as_str()) {
            ("integer", Some(text)) => text.parse::<i64>().ok().map(Value::from),
            ("float", Some(text)) => text.parse::<f64>().ok().map(Value::from),
            _ => None,
        };
        number.unwrap_or_else(|| self.value.clone())
    }
}

#[derive(Deserialize)]
struct FoundSample {
    #[serde(default)]
    message_id: String,
    timestamp: String,
    /// The record, flat: the keys of its levels are joined, the first two by `.`, the others by `:`.
    /// And `event_type` and `host`, which tell of the notification.
    metadata: Map<String, Value>,
}

impl FoundSample {
    fn event(self) -> Event {
        let mut parts = Parts::default();
        for (key, value) in &self.metadata {
            if !parts.set(key, value)
                && let Some(path) = key.strip_prefix("info.")
            {
                parts.set_info(&path.split([':', '.']).collect::<Vec<_>>(), value.clone());
            }
        }
        let record = parts.record(&self.timestamp);
        Event { message_id: self.message_id, generated: self.timestamp, record }
    }
}

/// A record that is made anew of what is left of it.
#[derive(Default, Serialize)]
struct Parts<'a> {
    name: Option<&'a str>,
    base_id: Option<&'a str>,
    trace_id: Option<&'a str>,
    parent_id: Option<&'a str>,
    timestamp: Option<String>,
    info: Map<String, Value>,
    project: Option<&'a str>,
    service: Option<&'a str>,
}

/// Levels of an info that are made anew: more than any has.
const MAX_LEVELS: usize = 32;

impl<'a> Parts<'a> {
    /// Sets a field of the record; says whether it is one.
    fn set(&mut self, key: &str, value: &'a Value) -> bool {
        let text = value.as_str();
        match key {
            "name" => self.name = text,
            "base_id" => self.base_id = text,
            "trace_id" => self.trace_id = text,
            "parent_id" => self.parent_id = text,
            "timestamp" => self.timestamp = text.and_then(exact),
            "project" => self.project = text,
            "service" => self.service = text,
            _ => return false,
        }
        true
    }

    fn set_info(&mut self, path: &[&str], value: Value) {
        // A name of thousands of levels was made to be one; whoever went down there would not come back.
        let (path, rest) = path.split_at(path.len().min(MAX_LEVELS));
        let Some((last, levels)) = path.split_last().filter(|_| rest.is_empty()) else { return };
        let mut map = &mut self.info;
        for level in levels {
            let below = map.entry(*level).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(below) = below else { return };
            map = below;
        }
        map.insert((*last).to_owned(), value);
    }

    /// The record as JSON, if it is whole; without a time of its own it has that of its
    /// notification.
    fn record(mut self, generated: &str) -> Option<String> {
        self.timestamp = self.timestamp.or_else(|| exact(generated));
        let json = serde_json::to_string(&self).ok()?;
        RecordView::parse(&json).is_ok().then_some(json)
    }
}

/// The API leaves out decimals that are all zero; records have always six.
fn exact(timestamp: &str) -> Option<String> {
    Some(Timestamp::parse(timestamp)?.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record_of(event: &Value) -> Option<Value> {
        let mut found = events(&json!([event]).to_string()).unwrap();
        found.remove(0).record.map(|json| serde_json::from_str(&json).unwrap())
    }

    fn traits(of: &[(&str, &str, &str)]) -> Value {
        let traits = of
            .iter()
            .map(|(name, kind, value)| json!({"name": name, "type": kind, "value": value}));
        json!(traits.collect::<Vec<_>>())
    }

    fn event() -> Value {
        let traits = traits(&[
            ("base_id", "string", "b"),
            ("db.params", "string", "{}"),
            ("db.statement", "string", "SELECT 1"),
            ("host", "string", "ctl1"),
            ("method", "string", "GET"),
            ("name", "string", "wsgi-start"),
            ("parent_id", "string", "b"),
            ("path", "string", "/v3"),
            ("project", "string", "keystone"),
            ("service", "string", "public"),
            ("timestamp", "datetime", "2026-11-23T09:19:30"),
            ("trace_id", "string", "t"),
            ("response.status_code", "integer", "200"),
        ]);
        json!({
            "message_id": "m", "event_type": "profiler.public", "traits": traits,
            "generated": "2026-11-23T09:19:30.923881", "raw": {},
        })
    }

    #[test]
    fn a_record_that_the_agent_stored_comes_back_as_it_was_sent() {
        let mut event = event();
        let payload = json!({
            "name": "wsgi-start", "base_id": "b", "trace_id": "t", "timestamp":
            "2026-11-23T09:19:30.923737", "info": {"function": {"name": "f"}}, "extra": [1],
        });
        event["raw"] = json!({"payload": payload});
        assert_eq!(record_of(&event), Some(payload));
    }

    #[test]
    fn a_record_is_made_anew_of_traits() {
        let expected = json!({
            "name": "wsgi-start", "base_id": "b", "trace_id": "t", "parent_id": "b",
            "timestamp": "2026-11-23T09:19:30.000000",
            "info": {
                "host": "ctl1",
                "request": {"method": "GET", "path": "/v3"},
                "db": {"statement": "SELECT 1", "params": "{}"},
                "response": {"status_code": 200},
            },
            "project": "keystone", "service": "public",
        });
        for raw in [json!({}), json!({"payload": {}}), Value::Null] {
            let mut event = event();
            event["raw"] = raw;
            assert_eq!(record_of(&event), Some(expected.clone()));
        }
    }

    #[test]
    fn an_event_without_a_time_has_that_of_its_notification() {
        let mut event = event();
        event["traits"][10]["value"] = "yesterday".into();
        assert_eq!(record_of(&event).unwrap()["timestamp"], "2026-11-23T09:19:30.923881");
    }

    #[test]
    fn an_event_of_something_else_is_no_record() {
        let mut event = event();
        event["traits"] = traits(&[("base_id", "string", "b"), ("instance_id", "string", "i")]);
        assert_eq!(record_of(&event), None);
    }

    #[test]
    fn levels_that_are_in_the_way_of_one_another_or_too_many_do_no_harm() {
        let mut parts = Parts::default();
        parts.set_info(&["deep"; 100_000], Value::Null);
        parts.set_info(&["db"], "odd".into());
        parts.set_info(&["db", "statement"], "SELECT 1".into());
        assert_eq!(Value::Object(parts.info), json!({"db": "odd"}));
    }

    #[test]
    fn a_sample_is_a_record_too() {
        let sample = json!({
            "message_id": "m", "timestamp": "2014-08-01T12:00:00", "resource_id": "profiler-b",
            "metadata": {
                "name": "wsgi-stop", "base_id": "b", "trace_id": "t", "parent_id": "b",
                "project": "nova", "service": "api", "host": "nova.ctl1",
                "timestamp": "2014-08-01T12:00:00.000100", "event_type": "profiler.api",
                "info.host": "ctl1", "info.request:path": "/v2",
            },
        });
        let found = samples(&json!([sample]).to_string()).unwrap();
        let record: Value = serde_json::from_str(found[0].record.as_deref().unwrap()).unwrap();
        let expected = json!({
            "name": "wsgi-stop", "base_id": "b", "trace_id": "t", "parent_id": "b",
            "timestamp": "2014-08-01T12:00:00.000100",
            "info": {"host": "ctl1", "request": {"path": "/v2"}},
            "project": "nova", "service": "api",
        });
        assert_eq!(record, expected);
    }
}
