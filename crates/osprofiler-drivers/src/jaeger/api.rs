//! Jaeger's query API: what is asked, and what is answered.

use osprofiler_wire::Timestamp;
use osprofiler_wire::spans::Trace;
use reqwest::{Method, StatusCode};
use serde::Deserialize;

use super::QUERY_PORT;
use crate::Error;
use crate::address::Address;
use crate::http::{Answer, Http, Settings};
use crate::otlp::headers;

/// The servers of the API.
pub(super) struct Api {
    http: Http,
}

/// An answer with traces, which borrow its text: a trace may be large, and most of its tags are never
/// looked at.
pub(super) struct Page(Answer);

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
    pub(super) fn trace(&self, id: [u8; 16]) -> Result<Option<Page>, Error> {
        let path = format!("api/traces/{:032x}", u128::from_be_bytes(id));
        // Raw: as it was stored, with no clock corrected and no id replaced.
        let answer = self.get(&path, &[("raw", "true")])?;
        if is_not_found(&answer) {
            return Ok(None);
        }
        Ok(Some(Page(answer)))
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
    ) -> Result<Page, Error> {
        let query = [
            ("service", service),
            ("start", &from.as_micros().to_string()),
            ("end", &to.as_micros().to_string()),
            ("limit", &limit.to_string()),
            ("raw", "true"),
        ];
        self.get("api/traces", &query).map(Page)
    }

    /// The traces of an answer.
    pub(super) fn traces<'a>(&self, page: &'a Page) -> Result<Vec<Trace<'a>>, Error> {
        self.found(&page.0)
    }

    fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, Error> {
        self.http.send(&Method::GET, path, |request| request.query(query))
    }

    fn found<'a, T: Deserialize<'a>>(&self, answer: &'a Answer) -> Result<Vec<T>, Error> {
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
