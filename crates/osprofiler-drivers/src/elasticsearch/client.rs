//! Requests to the server.

use osprofiler_wire::Id;
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::layout::{self, Layout};
use crate::address::Address;
use crate::http::{Answer, Http, Settings};
use crate::{ConnectionString, Error, ErrorKind};

const PORT: u16 = 9200;

/// A server, and the indices on it.
pub(super) struct Client {
    http: Http,
    pub(super) layout: Layout,
}

impl Client {
    /// Nothing is sent yet.
    pub(super) fn new(connection: &ConnectionString) -> Result<Self, Error> {
        let address = Address::of(connection)?;
        let mut headers = HeaderMap::new();
        // To compress an answer takes the server longer than to send it.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(key) = address.option("api_key") {
            let mut value = HeaderValue::from_str(&format!("ApiKey {key}"))
                .map_err(|_| address.wrong("expected the encoded form of a key as `api_key`"))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let http = Http::new(
            &address,
            Settings {
                default_port: PORT,
                is_tls: connection.scheme().ends_with("+https"),
                has_basic_auth: true,
                headers,
                prefix: &address.path,
            },
        )?;
        let layout = Layout::of(&address)?;
        address.finish()?;
        Ok(Self { http, layout })
    }

    /// Sends a request with a body of JSON, or of lines of JSON; gives the answer, whatever it is.
    pub(super) fn send(&self, method: &Method, path: &str, body: &str) -> Result<Answer, Error> {
        self.http.send(method, path, |request| {
            if body.is_empty() {
                return request;
            }
            let is_lines = body.ends_with('\n');
            let kind = if is_lines { "application/x-ndjson" } else { "application/json" };
            request.header(CONTENT_TYPE, kind).body(body.to_owned())
        })
    }

    /// Sends a request; `what` is to be done, such as `write records to`.
    pub(super) fn ask<T: DeserializeOwned>(
        &self,
        what: &str,
        method: &Method,
        path: &str,
        body: &str,
    ) -> Result<T, Error> {
        self.succeed(what, self.send(method, path, body)?)?.json(&self.http)
    }

    /// Makes an error of an answer that is none.
    pub(super) fn succeed(&self, what: &str, answer: Answer) -> Result<Answer, Error> {
        if answer.status.is_success() { Ok(answer) } else { Err(self.http.refusal(what, &answer)) }
    }

    /// An error about the server that did something else than `what`.
    pub(super) fn error(&self, kind: ErrorKind, what: &str, why: &str) -> Error {
        Error::new(kind, format!("cannot {what} `{}`: {why}", self.http.place()))
    }

    /// Searches, in all indices with records; half an answer is none.
    pub(super) fn search(&self, what: &str, body: &Value) -> Result<Answer, Error> {
        let path = format!(
            "{}/_search?ignore_unavailable=true&allow_no_indices=true\
             &allow_partial_search_results=false",
            self.layout.searched()
        );
        self.succeed(what, self.send(&Method::POST, &path, &body.to_string())?)
    }

    /// Has the server show all that it acknowledged. Where we may not ask for that, it does so within
    /// a second by itself.
    pub(super) fn refresh(&self, what: &str) -> Result<(), Error> {
        let path = format!(
            "{}/_refresh?ignore_unavailable=true&allow_no_indices=true",
            self.layout.searched()
        );
        let answer = self.send(&Method::POST, &path, "")?;
        match answer.status {
            StatusCode::FORBIDDEN => Ok(()),
            _ => self.succeed(what, answer).map(drop),
        }
    }

    /// Deletes a trace; says whether there was one.
    pub(super) fn delete(&self, base_id: &Id) -> Result<bool, Error> {
        const WHAT: &str = "delete a trace from";
        #[derive(Deserialize)]
        struct Done {
            deleted: u64,
            failures: Vec<Value>,
        }
        self.refresh(WHAT)?;
        let path = format!(
            "{}/_delete_by_query?ignore_unavailable=true&allow_no_indices=true\
             &conflicts=proceed&scroll_size=5000",
            self.layout.all()
        );
        let body = json!({"query": of_trace(base_id)}).to_string();
        let done: Done = self.ask(WHAT, &Method::POST, &path, &body)?;
        match done.failures.first() {
            None => Ok(done.deleted > 0),
            Some(failure) => Err(self.error(ErrorKind::Unavailable, WHAT, &failure.to_string())),
        }
    }

    /// Tells the server how to make our indices, unless somebody did. It may be that we are not
    /// allowed to: then whoever runs the server is to do it.
    pub(super) fn prepare(&self) -> Result<(), Error> {
        const WHAT: &str = "prepare the indices of";
        let is_typed = self.is_typed()? && !self.layout.is_stream();
        let name = self.layout.template_name();
        let path =
            if is_typed { format!("_template/{name}") } else { format!("_index_template/{name}") };
        if !self.has_template(&path)? {
            let (path, template) = if is_typed {
                (format!("{path}?include_type_name=true"), self.layout.typed_template())
            } else {
                (path, self.layout.template())
            };
            self.put(WHAT, &path, &template)?;
        }
        // An index that was made by others has as many fields as it may have one day, and could not
        // take this one when it is needed.
        if let Some(index) = self.layout.shared_index() {
            let fields = json!({"properties": {"record": layout::record_field()}});
            let answer =
                self.send(&Method::PUT, &format!("{index}/_mapping"), &fields.to_string())?;
            if answer.status.is_server_error() || answer.status == StatusCode::UNAUTHORIZED {
                return Err(self.http.refusal(WHAT, &answer));
            }
        }
        Ok(())
    }

    fn put(&self, what: &str, path: &str, body: &Value) -> Result<(), Error> {
        let answer = self.send(&Method::PUT, path, &body.to_string())?;
        match answer.status {
            StatusCode::FORBIDDEN => Ok(()),
            _ => self.succeed(what, answer).map(drop),
        }
    }

    /// Whether documents have types on this server, as on Elasticsearch 7 and OpenSearch 1.
    fn is_typed(&self) -> Result<bool, Error> {
        #[derive(Deserialize)]
        struct About {
            version: Version,
        }
        #[derive(Deserialize)]
        struct Version {
            number: String,
            #[serde(default)]
            distribution: String,
        }
        let answer = self.send(&Method::GET, "", "")?;
        if answer.status == StatusCode::FORBIDDEN {
            return Ok(false);
        }
        let about: About = self.succeed("connect to", answer)?.json(&self.http)?;
        let typed = if about.version.distribution == "opensearch" { "1." } else { "7." };
        Ok(about.version.number.starts_with(typed))
    }

    /// Whether there is a template, and not one that we made long ago.
    fn has_template(&self, path: &str) -> Result<bool, Error> {
        let path = format!("{path}?filter_path=**.version");
        let answer = self.send(&Method::GET, &path, "")?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(false),
            StatusCode::FORBIDDEN => Ok(true),
            _ => {
                let answer = self.succeed("prepare the indices of", answer)?;
                Ok(version_in(&answer.json(&self.http)?).is_none_or(|v| v >= layout::VERSION))
            }
        }
    }
}

/// What finds the records of a trace.
pub(super) fn of_trace(base_id: &Id) -> Value {
    json!({"term": {"base_id.keyword": base_id}})
}

/// The version of the template that an answer tells of.
fn version_in(answer: &Value) -> Option<u64> {
    match answer {
        Value::Object(members) => members
            .get("version")
            .and_then(Value::as_u64)
            .or_else(|| members.values().find_map(version_in)),
        Value::Array(members) => members.iter().find_map(version_in),
        _ => None,
    }
}
