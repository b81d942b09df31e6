//! Jaeger's query API: what is asked, and what is answered.

use std::collections::HashMap;

use osprofiler_wire::Timestamp;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::QUERY_PORT;
use crate::Error;
use crate::address::Address;
use crate::http::{Answer, Http, Settings};
use crate::otlp::headers;

/// The servers of the API.
pub(super) struct Api {
    http: Http,
}

#[derive(Deserialize)]
struct Found<T> {
    /// `null` if there is nothing.
    data: Option<Vec<T>>,
}

/// Why nothing was found.
#[derive(Deserialize)]
struct Refused {
    errors: Vec<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    code: u16,
}

#[derive(Debug, Deserialize)]
pub(super) struct Trace {
    /// Hexadecimal digits, without leading zeros on old versions.
    #[serde(rename = "traceID")]
    pub(super) trace_id: String,
    pub(super) spans: Vec<Span>,
    pub(super) processes: HashMap<String, Process>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Span {
    #[serde(rename = "spanID")]
    pub(super) span_id: String,
    pub(super) operation_name: String,
    #[serde(default)]
    pub(super) references: Vec<Reference>,
    /// Microseconds since the epoch.
    pub(super) start_time: i64,
    /// Microseconds.
    pub(super) duration: i64,
    #[serde(default)]
    pub(super) tags: Vec<Tag>,
    #[serde(default)]
    pub(super) logs: Vec<Log>,
    #[serde(rename = "processID")]
    pub(super) process_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reference {
    pub(super) ref_type: String,
    #[serde(rename = "traceID")]
    pub(super) trace_id: String,
    #[serde(rename = "spanID")]
    pub(super) span_id: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Tag {
    pub(super) key: String,
    pub(super) value: Value,
}

#[derive(Debug, Deserialize)]
pub(super) struct Log {
    /// Microseconds since the epoch.
    pub(super) timestamp: i64,
    pub(super) fields: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Process {
    pub(super) service_name: String,
    #[serde(default)]
    pub(super) tags: Vec<Tag>,
}

/// The value of the last tag with a key.
pub(super) fn tag<'a>(tags: &'a [Tag], key: &str) -> Option<&'a Value> {
    tags.iter().rev().find(|tag| tag.key == key).map(|tag| &tag.value)
}

impl Api {
    pub(super) fn new(address: &Address, is_tls: bool) -> Result<Self, Error> {
        let settings = Settings {
            default_port: QUERY_PORT,
            is_tls,
            has_basic_auth: true,
            headers: headers(address)?,
            prefix: &address.path,
        };
        Ok(Self { http: Http::new(address, settings)? })
    }

    /// A trace by its id; `None` if there is none.
    pub(super) fn trace(&self, id: [u8; 16]) -> Result<Option<Trace>, Error> {
        let path = format!("api/traces/{:032x}", u128::from_be_bytes(id));
        // Raw: as it was stored, with no clock corrected and no id replaced.
        let answer = self.get(&path, &[("raw", "true")])?;
        if is_not_found(&answer) {
            return Ok(None);
        }
        let mut found: Vec<Trace> = self.found(&answer)?;
        Ok(found.pop())
    }

    /// The names of all services.
    pub(super) fn services(&self) -> Result<Vec<String>, Error> {
        let answer = self.get("api/services", &[])?;
        self.found(&answer)
    }

    /// Traces in which a span of a service started between two instants, both included.
    pub(super) fn search(
        &self,
        service: &str,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<Trace>, Error> {
        let query = [
            ("service", service),
            ("start", &from.as_micros().to_string()),
            ("end", &to.as_micros().to_string()),
            ("limit", &limit.to_string()),
            ("raw", "true"),
        ];
        let answer = self.get("api/traces", &query)?;
        self.found(&answer)
    }

    fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, Error> {
        self.http.send(&Method::GET, path, |request| request.query(query))
    }

    fn found<T: for<'de> Deserialize<'de>>(&self, answer: &Answer) -> Result<Vec<T>, Error> {
        if answer.status != StatusCode::OK {
            return Err(self.http.refusal("read traces from", answer));
        }
        let found: Found<T> = answer.json(&self.http)?;
        Ok(found.data.unwrap_or_default())
    }
}

/// Whether it is Jaeger that says so, and not a server that knows no such path.
fn is_not_found(answer: &Answer) -> bool {
    answer.status == StatusCode::NOT_FOUND
        && serde_json::from_slice::<Refused>(&answer.body)
            .is_ok_and(|refused| refused.errors.iter().any(|reason| reason.code == 404))
}
