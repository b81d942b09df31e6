//! The message in which a record travels: what oslo.messaging's notifier makes of it.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::{SystemTime, UNIX_EPOCH};

use osprofiler_wire::{Id, Record, RecordView, Timestamp, json::repair};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Error;
use crate::address::Address;
use crate::records::with_record;

/// What is around the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Envelope {
    /// Nothing (oslo.messaging's driver `messaging`).
    V1,
    /// Its version and its text (driver `messagingv2`).
    V2,
}

impl Envelope {
    pub(super) fn of(address: &Address) -> Result<Self, Error> {
        match address.option("envelope") {
            None | Some("v1") => Ok(Self::V1),
            Some("v2") => Ok(Self::V2),
            Some(_) => Err(address.wrong("expected `v1` or `v2` as `envelope`")),
        }
    }
}

/// Makes messages of records.
pub(super) struct Composer {
    envelope: Envelope,
    publisher_id: Option<String>,
    /// Random numbers: a keyed hash of a count.
    random: RandomState,
    made: u64,
}

impl Composer {
    pub(super) fn new(envelope: Envelope, publisher_id: Option<String>) -> Self {
        Self { envelope, publisher_id, random: RandomState::new(), made: 0 }
    }

    /// The messages of a batch, sent now.
    pub(super) fn compose(&mut self, records: &[Record]) -> Vec<String> {
        // Later than 1970, and for the next 292,000 years.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let now = Timestamp::from_micros(i64::try_from(now).unwrap_or_default()).to_string();
        // As Python shows it.
        let now = now.replace('T', " ");
        records.iter().map(|record| self.message(record, &now)).collect()
    }

    fn message(&mut self, record: &Record, now: &str) -> String {
        let mut out = String::with_capacity(1024);
        out.push_str(r#"{"message_id": ""#);
        Id::from_random(self.next()).with_text(|id| out.push_str(id));
        out.push_str(r#"", "publisher_id": "#);
        out.push_str(&quoted(self.publisher_id.as_deref().unwrap_or(&record.origin.host)));
        out.push_str(r#", "event_type": "#);
        // A service without a name is Python's.
        let service = record.origin.service.as_deref().unwrap_or("None");
        out.push_str(&quoted(&format!("profiler.{service}")));
        out.push_str(r#", "priority": "INFO", "payload": "#);
        record.push_json(&mut out);
        out.push_str(r#", "timestamp": ""#);
        out.push_str(now);
        out.push_str(r#"", "_unique_id": ""#);
        out.push_str(&format!("{:032x}", self.next()));
        out.push_str("\"}");
        match self.envelope {
            Envelope::V1 => out,
            Envelope::V2 => {
                format!(r#"{{"oslo.version": "2.0", "oslo.message": {}}}"#, quoted(&out))
            }
        }
    }

    fn next(&mut self) -> u128 {
        let mut half = || {
            self.made += 1;
            u128::from(self.random.hash_one(self.made))
        };
        half() << 64 | half()
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// What a message was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// A record of the trace.
    Wanted,
    /// Something of another trace; it may not have been looked at any closer.
    Other,
    /// No record.
    None,
}

/// Takes a record, and says whether it is of the trace.
pub(super) type Visit<'a> = &'a mut (dyn FnMut(&RecordView<'_>) -> bool + Send);

/// Shows the record of a message to `visit`, if it may be of the trace `wanted`.
pub(super) fn look_into(body: &[u8], wanted: Option<&Needle>, visit: Visit<'_>) -> Content {
    let Ok(body) = std::str::from_utf8(body) else { return Content::None };
    if wanted.is_some_and(|wanted| !wanted.may_be_in(body)) {
        return Content::Other;
    }
    let Some(payload) = payload(body) else { return Content::None };
    match with_record(&payload, |view| visit(view)) {
        Some(true) => Content::Wanted,
        Some(false) => Content::Other,
        None => Content::None,
    }
}

/// What a message carries, with an envelope or without.
fn payload(body: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow)]
        payload: Option<&'a RawValue>,
        /// The message itself, if this is an envelope.
        #[serde(rename = "oslo.message")]
        enveloped: Option<String>,
    }
    // Others may have written what Python writes although it is not JSON.
    let repaired;
    let message: Message<'_> = match serde_json::from_str(body) {
        Ok(message) => message,
        Err(_) => {
            repaired = repair(body);
            serde_json::from_str(&repaired).ok()?
        }
    };
    match message.enveloped {
        Some(enveloped) => payload(&enveloped),
        None => Some(message.payload?.get().to_owned()),
    }
}

/// An id to look for in text, which is several times faster than to read JSON.
pub(super) struct Needle(Option<String>);

impl Needle {
    pub(super) fn new(base_id: &Id) -> Self {
        let text = base_id.to_string();
        // What producers may write in more ways than one is not looked for.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        Self((!text.is_empty() && text.chars().all(is_plain)).then_some(text))
    }

    fn may_be_in(&self, body: &str) -> bool {
        // Any letter may be written as an escape, and then the backslash twice in an envelope.
        self.0.as_deref().is_none_or(|id| body.contains(id) || body.contains("\\u"))
    }
}
