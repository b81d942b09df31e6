//! The one HTTP client of the drivers whose back ends speak HTTP.

use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;

use crate::address::{Address, CONNECT_TIMEOUT, Secret};
use crate::error::brief;
use crate::runtime::block_on;
use crate::tls::{self, Tls};
use crate::{Error, ErrorKind};

/// How much of a refusal is read: an error shows a line of it.
const MAX_REFUSAL: usize = 64 << 10;

/// The servers of a connection string, asked in turn until one answers.
pub(crate) struct Http {
    client: Client,
    /// Scheme, host, port, and the path of the connection string.
    servers: Vec<Url>,
    /// The one that answered last.
    last: AtomicUsize,
    /// User and password of HTTP's basic authentication.
    credentials: Option<(String, Option<Secret>)>,
    /// What errors call the back end; without secrets.
    place: String,
}

/// What the back end said, whatever it was.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// How to make an [`Http`].
pub(crate) struct Settings<'a> {
    /// Of servers that do not name one.
    pub(crate) default_port: u16,
    pub(crate) is_tls: bool,
    /// Whether user and password of the connection string are for HTTP's basic authentication.
    pub(crate) has_basic_auth: bool,
    /// Sent with every request.
    pub(crate) headers: HeaderMap,
    /// What stands before every path, such as `/prefix`; usually the path of the connection string.
    pub(crate) prefix: &'a str,
}

impl Http {
    /// Makes a client for the servers of a connection string; takes the options `timeout` (seconds),
    /// `proxy`, and those of [`Tls`]. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// If the connection string makes no sense.
    pub(crate) fn new(address: &Address, settings: Settings<'_>) -> Result<Self, Error> {
        let tls = Tls::if_on(address, settings.is_tls, "a scheme that has it")?;
        let client = match address.option("proxy") {
            // The environment's is for the world outside; records and passwords stay inside.
            None => Client::builder().no_proxy(),
            Some(url) => Client::builder().proxy(reqwest::Proxy::all(url).map_err(|_| {
                address.wrong("expected a URL as `proxy`, such as `http://proxy:3128`")
            })?),
        };
        let client = client
            .tls_backend_preconfigured(tls.client_config()?)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(address.timeout()?)
            .default_headers(settings.headers)
            // A back end that sends us elsewhere, credentials and all, is no back end.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|cause| address.wrong("cannot make an HTTP client").with_source(cause))?;
        let scheme = if settings.is_tls { "https" } else { "http" };
        let prefix = settings.prefix.trim_end_matches('/');
        let server = |host: &crate::address::Host| {
            let text = format!("{scheme}://{}{prefix}/", host.with_port(settings.default_port));
            Url::parse(&text).map_err(|cause| address.wrong("no such host").with_source(cause))
        };
        Ok(Self {
            client,
            servers: address.servers().iter().map(server).collect::<Result<_, _>>()?,
            last: AtomicUsize::new(0),
            credentials: (settings.has_basic_auth
                && (address.user.is_some() || address.password.is_some()))
            .then(|| (address.user.clone().unwrap_or_default(), address.password.clone())),
            place: address.shown().to_owned(),
        })
    }

    /// Sends a request to a path below the servers' own, and waits for the whole answer, whatever its
    /// status. `add` adds what the request has besides; it is called again for each server that is
    /// asked, one after the other, until one says something else than that it cannot now.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if none answers in time.
    pub(crate) fn send(
        &self,
        method: &Method,
        path: &str,
        add: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Answer, Error> {
        let first = self.last.load(Ordering::Relaxed);
        let mut last = None;
        for at in (0..self.servers.len()).map(|at| (first + at) % self.servers.len()) {
            let url = self.servers[at].join(path.trim_start_matches('/')).map_err(|cause| {
                Error::new(ErrorKind::Storage, format!("no such path `{path}`")).with_source(cause)
            })?;
            let mut request = self.client.request(method.clone(), url);
            if let Some((user, password)) = &self.credentials {
                request = request.basic_auth(user, password.as_ref().map(Secret::expose));
            }
            match self.try_send(add(request)) {
                Ok(answer) if kind_of(answer.status) != ErrorKind::Unavailable => {
                    self.last.store(at, Ordering::Relaxed);
                    return Ok(answer);
                }
                result => last = Some(result),
            }
        }
        last.unwrap_or_else(|| Err(Error::new(ErrorKind::ConnectionString, "no host")))
    }

    fn try_send(&self, request: RequestBuilder) -> Result<Answer, Error> {
        block_on(async {
            let unavailable = |cause: reqwest::Error| {
                let place = &self.place;
                let (kind, message) = if let Some(trouble) = tls::trouble(&cause) {
                    (ErrorKind::Denied, format!("`{place}`: {trouble}"))
                } else if cause.is_builder() {
                    (ErrorKind::Storage, format!("cannot make a request to `{place}`"))
                } else if cause.is_timeout() {
                    (ErrorKind::Unavailable, format!("`{place}` did not answer in time"))
                } else {
                    (ErrorKind::Unavailable, format!("`{place}` is out of reach"))
                };
                // The URL is without credentials, but options of a query may be secret.
                Error::new(kind, message).with_source(cause.without_url())
            };
            let response = request.send().await.map_err(unavailable)?;
            let (status, headers) = (response.status(), response.headers().clone());
            let body = if status.is_success() {
                response.bytes().await.map(Vec::from)
            } else {
                beginning_of(response).await
            };
            Ok(Answer { status, headers, body: body.map_err(unavailable)? })
        })
    }

    /// The error that an answer is that does not mean success; `what` was to be done, such as `write
    /// records to`.
    pub(crate) fn refusal(&self, what: &str, answer: &Answer) -> Error {
        let text = brief(&String::from_utf8_lossy(&answer.body));
        let kind = kind_of(answer.status);
        let (status, hint) = (answer.status.as_u16(), kind.hint());
        Error::new(kind, format!("cannot {what} `{}`: HTTP {status} {text}{hint}", self.place))
    }

    /// What errors call the back end; without secrets.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }
}

async fn beginning_of(mut response: Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while body.len() < MAX_REFUSAL
        && let Some(chunk) = response.chunk().await?
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(MAX_REFUSAL);
    Ok(body)
}

/// What a status means that is no success.
fn kind_of(status: StatusCode) -> ErrorKind {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::Denied,
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        StatusCode::REQUEST_TIMEOUT
        | StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => ErrorKind::Unavailable,
        _ => ErrorKind::Storage,
    }
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// If it is something else: this is another kind of server, or something between us and it.
    pub(crate) fn json<'a, T: Deserialize<'a>>(&'a self, http: &Http) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|cause| {
            let message = format!("`{}` gave an answer that makes no sense", http.place);
            Error::new(ErrorKind::Storage, message).with_source(cause)
        })
    }
}
