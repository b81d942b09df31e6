//! The events API of Ceilometer and Panko, and the samples API that was there before it.

use osprofiler_wire::Id;
use osprofiler_wire::json::repair;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::json;

use super::keystone::Keystone;
use super::records::{self, Event};
use super::settings::{Login, Settings};
use crate::address::Secret;
use crate::http::{Answer, Http};
use crate::{Error, ErrorKind};

/// As many events as the existing library asks for, of a server that cannot give them in pages.
const ALL: usize = 100_000;

pub(super) struct Api {
    http: Http,
    /// Where there is another token when this one has expired.
    keystone: Option<Keystone>,
    token: Option<Secret>,
    dialect: Dialect,
    page: usize,
    all_tenants: bool,
}

/// Which parameters the server knows, besides conditions on traits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    /// `limit`, `sort` and `marker`, and times to search between with an operator.
    Paging,
    /// `limit`.
    Limit,
    /// None.
    Bare,
}

impl Dialect {
    fn older(self) -> Option<Self> {
        match self {
            Self::Paging => Some(Self::Limit),
            Self::Limit => Some(Self::Bare),
            Self::Bare => None,
        }
    }
}

/// Which events are asked for, and how far they have come.
///
/// Times are those of the notifications; servers that cannot search for them give all events.
#[derive(Debug, Default)]
pub(super) struct Search {
    base_id: Option<String>,
    since: Option<String>,
    until: Option<String>,
    is_newest_first: bool,
    /// The last one that came.
    marker: Option<String>,
    is_over: bool,
}

impl Search {
    /// The events of a trace, until then.
    pub(super) fn of_trace(base_id: &Id, until: Option<&str>) -> Self {
        Self {
            base_id: Some(base_id.to_string()),
            until: until.map(str::to_owned),
            ..Self::default()
        }
    }

    /// The events of all traces since then, the newest first if the server can sort.
    pub(super) fn of_all(since: Option<&str>) -> Self {
        Self { since: since.map(str::to_owned), is_newest_first: true, ..Self::default() }
    }

    /// Whether all have come.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }
}

impl Api {
    /// Finds the API, and gets a token for it.
    ///
    /// # Errors
    ///
    /// If Keystone does not let us in, or does not know where the API is.
    pub(super) fn open(settings: &Settings) -> Result<Self, Error> {
        let keystone = match (&settings.auth_url, settings.login.clone()) {
            (Some(url), Some(login)) => Some(Keystone::new(settings, url, login)?),
            _ => None,
        };
        let is_needed = |keystone: &&Keystone| keystone.can_renew() || settings.endpoint.is_none();
        let pass = keystone.as_ref().filter(is_needed).map(Keystone::log_in).transpose()?;
        let url = match (&settings.endpoint, &pass) {
            (None, Some(pass)) => pass.endpoint(settings)?,
            (endpoint, _) => endpoint.clone().unwrap_or_default(),
        };
        let token = match (pass, &settings.login) {
            (Some(pass), _) => Some(pass.token),
            (None, Some(Login::Token(token))) => Some(token.clone()),
            (None, _) => None,
        };
        Ok(Self {
            http: settings.http(url.trim_end_matches('/').trim_end_matches("/v2"))?,
            keystone,
            token,
            dialect: Dialect::Paging,
            page: settings.page,
            all_tenants: settings.all_tenants,
        })
    }

    /// The next events of a search that is not over.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the server has no events; and if it cannot be asked.
    pub(super) fn next(&mut self, search: &mut Search) -> Result<Vec<Event>, Error> {
        let answer = self.ask(search)?;
        let events = self.records(&answer, records::events)?;
        let marker = events.last().map(|event| event.message_id.clone());
        if marker.is_some() && marker == search.marker {
            let message = format!("`{}` gives the same page again", self.http.place());
            return Err(Error::new(ErrorKind::Storage, message));
        }
        search.marker = marker;
        search.is_over = self.dialect != Dialect::Paging || events.len() < self.page;
        Ok(events)
    }

    /// The samples of a trace.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the server has no samples; and if it cannot be asked.
    pub(super) fn samples(&mut self, base_id: &Id) -> Result<Vec<Event>, Error> {
        // The filter is JSON in a text.
        let filter = json!({"=": {"resource_id": format!("profiler-{base_id}")}}).to_string();
        let body = json!({ "filter": filter });
        let answer = self.send(&Method::POST, "v2/query/samples", |with| with.json(&body))?;
        self.records(&answer, records::samples)
    }

    /// Asks as the server understands it, which older ones show by refusing.
    fn ask(&mut self, search: &Search) -> Result<Answer, Error> {
        loop {
            let parameters = self.parameters(search);
            let answer = self.send(&Method::GET, "v2/events", |with| with.query(&parameters))?;
            match self.dialect.older() {
                // What has been paged through already would come again.
                Some(older)
                    if answer.status == StatusCode::BAD_REQUEST && search.marker.is_none() =>
                {
                    self.dialect = older;
                }
                _ => return Ok(answer),
            }
        }
    }

    fn parameters(&self, search: &Search) -> Vec<(&'static str, String)> {
        let mut parameters = match &search.base_id {
            Some(base_id) => condition("base_id", "eq", base_id),
            // All events of profilers have that, and no others.
            None => condition("base_id", "ne", ""),
        };
        if self.all_tenants {
            parameters.extend(condition("all_tenants", "eq", "True"));
        }
        match self.dialect {
            Dialect::Bare => {}
            Dialect::Limit => parameters.push(("limit", ALL.to_string())),
            Dialect::Paging => {
                for (field, op, at) in [
                    ("start_timestamp", "ge", &search.since),
                    ("end_timestamp", "le", &search.until),
                ] {
                    parameters.extend(at.iter().flat_map(|at| condition(field, op, at)));
                }
                parameters.push(("limit", self.page.to_string()));
                // Many events are of one instant. A page may end between them.
                let order = if search.is_newest_first { "desc" } else { "asc" };
                for key in ["generated", "message_id"] {
                    parameters.push(("sort", format!("{key}:{order}")));
                }
                parameters.extend(search.marker.clone().map(|marker| ("marker", marker)));
            }
        }
        parameters
    }

    /// Sends a request with a token; with a new one, if it has expired.
    fn send(
        &mut self,
        method: &Method,
        path: &str,
        add: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Answer, Error> {
        let answer = self.send_once(method, path, &add)?;
        match self.keystone.as_ref().filter(|keystone| keystone.can_renew()) {
            Some(keystone) if answer.status == StatusCode::UNAUTHORIZED => {
                self.token = Some(keystone.log_in()?.token);
                self.send_once(method, path, &add)
            }
            _ => Ok(answer),
        }
    }

    fn send_once(
        &self,
        method: &Method,
        path: &str,
        add: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Answer, Error> {
        self.http.send(method, path, |with| {
            let with = add(with);
            match &self.token {
                Some(token) => with.header("X-Auth-Token", token.expose()),
                None => with,
            }
        })
    }

    fn records(
        &self,
        answer: &Answer,
        read: fn(&str) -> serde_json::Result<Vec<Event>>,
    ) -> Result<Vec<Event>, Error> {
        if !answer.status.is_success() {
            return Err(self.http.refusal("read events from", answer));
        }
        let text = String::from_utf8_lossy(&answer.body);
        // Python writes some values that JSON does not have.
        read(&text).or_else(|_| read(&repair(&text))).map_err(|cause| {
            let place = self.http.place();
            let message =
                format!("`{place}` gave an answer that makes no sense; is it Ceilometer or Panko?");
            Error::new(ErrorKind::Storage, message).with_source(cause)
        })
    }
}

fn condition(field: &str, op: &str, value: &str) -> Vec<(&'static str, String)> {
    let parts = [("q.field", field), ("q.op", op), ("q.type", ""), ("q.value", value)];
    parts.map(|(key, value)| (key, value.to_owned())).to_vec()
}
