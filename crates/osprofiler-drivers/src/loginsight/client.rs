//! The server's API: sessions, ingestion, queries.

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use crate::address::{Address, Secret};
use crate::http::{Answer, Http, Settings};
use crate::{ConnectionString, Error, ErrorKind};

/// The agent that the Python library says it is; any UUID is fine.
const AGENT: &str = "F52D775B-6017-4787-8C8A-F21AE0AEC057";
const PORT: u16 = 9543;
/// What the server says of a session that has run out.
const LOGIN_TIMEOUT: u16 = 440;

pub(super) struct Client {
    http: Http,
    user: String,
    password: Secret,
    provider: Option<String>,
    session: Secret,
}

impl Client {
    /// Begins a session.
    pub(super) fn open(connection: &ConnectionString) -> Result<Self, Error> {
        let address = Address::of(connection)?;
        let (Some(user), Some(password)) = (address.user.clone(), address.password.clone()) else {
            return Err(address.wrong("expected `loginsight://USER:PASSWORD@HOST`"));
        };
        let http = Http::new(
            &address,
            Settings {
                default_port: PORT,
                is_tls: true,
                has_basic_auth: false,
                headers: HeaderMap::new(),
                prefix: &address.path,
            },
        )?;
        let provider = address.option("provider").map(str::to_owned);
        address.finish()?;
        let mut client = Self { http, user, password, provider, session: Secret::new("") };
        client.log_in()?;
        Ok(client)
    }

    fn log_in(&mut self) -> Result<(), Error> {
        #[derive(Serialize)]
        struct Credentials<'a> {
            username: &'a str,
            password: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            provider: Option<&'a str>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Session {
            session_id: String,
        }
        let credentials = Credentials {
            username: &self.user,
            password: self.password.expose(),
            provider: self.provider.as_deref(),
        };
        let answer = self
            .http
            .send(&Method::POST, "api/v1/sessions", |request| request.json(&credentials))?;
        if !answer.status.is_success() {
            return Err(self.http.refusal("log in to", &answer));
        }
        self.session = Secret::new(answer.json::<Session>(&self.http)?.session_id);
        Ok(())
    }

    /// Stores events: the JSON of an array of them.
    pub(super) fn ingest(&self, events: &str) -> Result<(), Error> {
        let path = format!("api/v1/events/ingest/{AGENT}");
        let body = format!("{{\"events\":{events}}}");
        let answer = self.http.send(&Method::POST, &path, |request| {
            request.header("content-type", "application/json").body(body.clone())
        })?;
        if answer.status.is_success() {
            Ok(())
        } else {
            Err(self.http.refusal("write records to", &answer))
        }
    }

    /// What a query finds; `path` has its constraints.
    pub(super) fn query(&mut self, what: &str, path: &str) -> Result<Answer, Error> {
        let mut answer = self.ask(path)?;
        let has_run_out =
            [LOGIN_TIMEOUT, StatusCode::UNAUTHORIZED.as_u16()].contains(&answer.status.as_u16());
        if has_run_out {
            self.log_in()?;
            answer = self.ask(path)?;
        }
        if answer.status.is_success() { Ok(answer) } else { Err(self.http.refusal(what, &answer)) }
    }

    fn ask(&self, path: &str) -> Result<Answer, Error> {
        self.http.send(&Method::GET, path, |request| {
            request.header("x-li-session-id", self.session.expose())
        })
    }

    pub(super) fn http(&self) -> &Http {
        &self.http
    }

    /// An error about what the server has.
    pub(super) fn error(&self, kind: ErrorKind, what: &str, why: &str) -> Error {
        Error::new(kind, format!("cannot {what} `{}`: {why}", self.http.place()))
    }
}
