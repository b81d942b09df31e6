//! How spans travel: HTTP with protobuf, or gRPC.

use std::error::Error as _;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use prost::bytes::Bytes;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Status};

use crate::address::{Address, CONNECT_TIMEOUT, Host, Secret};
use crate::error::brief;
use crate::http::{self, Http};
use crate::runtime::block_on;
use crate::tls::{self, Tls};
use crate::{ConnectionString, Error, ErrorKind};

const HTTP_PORT: u16 = 4318;
const GRPC_PORT: u16 = 4317;

/// Where spans go to, and what a connection string says of it.
pub(crate) struct Target {
    pub(crate) address: Address,
    pub(crate) is_grpc: bool,
    pub(crate) is_tls: bool,
}

impl Target {
    pub(super) fn of(connection: &ConnectionString) -> Result<Self, Error> {
        let scheme = connection.scheme();
        Ok(Self {
            address: Address::of(connection)?,
            is_grpc: scheme.contains("grpc"),
            is_tls: matches!(scheme, "otlps" | "otlp+https" | "otlp+grpcs"),
        })
    }
}

/// What a receiver says against spans.
pub(super) struct Rejection {
    /// Against how many of them; it does not say which.
    pub(super) spans: usize,
    pub(super) error: Error,
}

/// A way to a receiver.
pub(super) enum Transport {
    Http(HttpTransport),
    Grpc(GrpcTransport),
}

impl Transport {
    /// Takes the options `header`, `compression`, `timeout` and those of TLS. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// If the connection string makes no sense.
    pub(super) fn new(target: &Target) -> Result<Self, Error> {
        let address = &target.address;
        let headers = headers(address)?;
        let is_compressed = match address.option("compression") {
            None | Some("none") => false,
            Some("gzip") => true,
            Some(_) => return Err(address.wrong("expected `gzip` or `none` as `compression`")),
        };
        Ok(if target.is_grpc {
            Self::Grpc(GrpcTransport::new(target, headers, is_compressed)?)
        } else {
            Self::Http(HttpTransport::new(target, headers, is_compressed)?)
        })
    }

    /// Sends spans; they are stored, or at least in the receiver's hands, when it returns. Tells what
    /// the receiver says against some of them.
    pub(super) fn export(
        &self,
        request: &ExportTraceServiceRequest,
    ) -> Result<Option<Rejection>, Error> {
        let (response, place) = match self {
            Self::Http(http) => (http.export(request)?, http.http.place()),
            Self::Grpc(grpc) => (grpc.export(request)?, grpc.place.as_str()),
        };
        let Some(ExportTracePartialSuccess { rejected_spans, error_message }) =
            response.partial_success.filter(|partial| partial.rejected_spans > 0)
        else {
            return Ok(None);
        };
        let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        let spans: usize = scopes.map(|scope| scope.spans.len()).sum();
        let said = brief(&error_message);
        let message = format!("`{place}` rejects {rejected_spans} of {spans} spans: {said}");
        Ok(Some(Rejection {
            spans: usize::try_from(rejected_spans).unwrap_or(spans).min(spans),
            error: Error::new(ErrorKind::Storage, message),
        }))
    }
}

/// What is sent with every request: the options `header=NAME:VALUE`.
pub(crate) fn headers(address: &Address) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for option in address.all_of("header") {
        let parsed = option.split_once(':').and_then(|(name, value)| {
            let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value.trim()).ok()?))
        });
        let (name, mut value) =
            parsed.ok_or_else(|| address.wrong("expected `NAME:VALUE` as `header`"))?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

pub(super) struct HttpTransport {
    http: Http,
    is_compressed: bool,
}

impl HttpTransport {
    fn new(target: &Target, mut headers: HeaderMap, is_compressed: bool) -> Result<Self, Error> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        if is_compressed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let path = target.address.path.trim_end_matches('/');
        let settings = http::Settings {
            default_port: HTTP_PORT,
            is_tls: target.is_tls,
            has_basic_auth: true,
            headers,
            prefix: path.strip_suffix("/v1/traces").unwrap_or(path),
        };
        Ok(Self { http: Http::new(&target.address, settings)?, is_compressed })
    }

    fn export(
        &self,
        request: &ExportTraceServiceRequest,
    ) -> Result<ExportTraceServiceResponse, Error> {
        let body = request.encode_to_vec();
        let body = Bytes::from(if self.is_compressed { gzip(&body) } else { body });
        let answer =
            self.http.send(&Method::POST, "v1/traces", |request| request.body(body.clone()))?;
        if answer.status != StatusCode::OK {
            return Err(self.http.refusal("write spans to", &answer));
        }
        ExportTraceServiceResponse::decode(&*answer.body).map_err(|cause| {
            let place = self.http.place();
            let message = format!("`{place}` gave an answer that makes no sense; is it OTLP?");
            Error::new(ErrorKind::Storage, message).with_source(cause)
        })
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    // Records are text that repeats itself: the fastest level leaves a tenth.
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("memory takes everything")
}

pub(super) struct GrpcTransport {
    clients: Vec<TraceServiceClient<Channel>>,
    /// The one that answered last.
    last: AtomicUsize,
    metadata: MetadataMap,
    timeout: Duration,
    place: String,
}

impl GrpcTransport {
    fn new(target: &Target, mut headers: HeaderMap, is_compressed: bool) -> Result<Self, Error> {
        let address = &target.address;
        if let Some(credentials) = credentials(address)? {
            headers.insert(reqwest::header::AUTHORIZATION, credentials);
        }
        let tls = Tls::if_on(address, target.is_tls, "`otlp+grpcs://`")?;
        let tls = target.is_tls.then(|| tls.client_config()).transpose()?.map(with_http2);
        let clients: Result<_, Error> = address
            .servers()
            .iter()
            .map(|host| {
                let client = TraceServiceClient::new(channel(address, host, tls.clone())?);
                Ok(if is_compressed {
                    client
                        .send_compressed(CompressionEncoding::Gzip)
                        .accept_compressed(CompressionEncoding::Gzip)
                } else {
                    client
                })
            })
            .collect();
        Ok(Self {
            clients: clients?,
            last: AtomicUsize::new(0),
            metadata: MetadataMap::from_headers(headers),
            timeout: address.timeout()?,
            place: address.shown().to_owned(),
        })
    }

    /// Asks the receivers in turn until one can be reached.
    fn export(
        &self,
        request: &ExportTraceServiceRequest,
    ) -> Result<ExportTraceServiceResponse, Error> {
        let first = self.last.load(Ordering::Relaxed);
        let mut failure = None;
        for at in (0..self.clients.len()).map(|at| (first + at) % self.clients.len()) {
            match self.export_to(self.clients[at].clone(), request) {
                Err(error) if error.is_retryable() => failure = Some(error),
                result => {
                    self.last.store(at, Ordering::Relaxed);
                    return result;
                }
            }
        }
        Err(failure.expect("there is a receiver"))
    }

    fn export_to(
        &self,
        mut client: TraceServiceClient<Channel>,
        request: &ExportTraceServiceRequest,
    ) -> Result<ExportTraceServiceResponse, Error> {
        let mut request = tonic::Request::new(request.clone());
        *request.metadata_mut() = self.metadata.clone();
        request.set_timeout(self.timeout);
        block_on(async {
            match tokio::time::timeout(self.timeout, client.export(request)).await {
                Ok(answer) => {
                    answer.map(tonic::Response::into_inner).map_err(|status| self.refusal(status))
                }
                Err(_) => Err(Error::new(
                    ErrorKind::Unavailable,
                    format!("`{}` did not answer in time", self.place),
                )),
            }
        })
    }

    /// The error that a status is.
    fn refusal(&self, status: Status) -> Error {
        if let Some(trouble) = tls::trouble(&status) {
            let message = format!("`{}`: {trouble}", self.place);
            return Error::new(ErrorKind::Denied, message).with_source(status);
        }
        let kind = kind_of(&status);
        let (said, hint) = (brief(status.message()), kind.hint());
        let message = format!("cannot write spans to `{}`: {said}{hint}", self.place);
        Error::new(kind, message).with_source(status)
    }
}

/// What a status means. The specification of OTLP says which may be retried.
fn kind_of(status: &Status) -> ErrorKind {
    match status.code() {
        // It was made here, whatever its code: the connection broke, and the receiver said nothing.
        _ if status.source().is_some() => ErrorKind::Unavailable,
        Code::Unauthenticated | Code::PermissionDenied => ErrorKind::Denied,
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => ErrorKind::Unavailable,
        // It may be too much now, or too much at once: the first one says when to come again.
        Code::ResourceExhausted if has_retry_info(status) => ErrorKind::Unavailable,
        _ => ErrorKind::Storage,
    }
}

/// The message `google.rpc.Status`, as far as we look into it.
#[derive(prost::Message)]
struct Details {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Detail>,
}

/// The message `google.protobuf.Any`.
#[derive(Clone, prost::Message)]
struct Detail {
    #[prost(string, tag = "1")]
    type_url: String,
}

/// Whether a receiver says after how long to try again.
fn has_retry_info(status: &Status) -> bool {
    let is_retry_info = |detail: &Detail| detail.type_url.ends_with("/google.rpc.RetryInfo");
    Details::decode(status.details()).is_ok_and(|told| told.details.iter().any(is_retry_info))
}

/// User and password of the connection string as HTTP's basic authentication.
fn credentials(address: &Address) -> Result<Option<HeaderValue>, Error> {
    if address.user.is_none() && address.password.is_none() {
        return Ok(None);
    }
    let user = address.user.as_deref().unwrap_or_default();
    let password = address.password.as_ref().map_or("", Secret::expose);
    let encoded = STANDARD.encode(format!("{user}:{password}"));
    let mut value = HeaderValue::try_from(format!("Basic {encoded}"))
        .map_err(|cause| address.wrong("cannot use the password").with_source(cause))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn with_http2(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// A connection that is made when it is needed, and again when it broke.
fn channel(
    address: &Address,
    host: &Host,
    tls: Option<Arc<ClientConfig>>,
) -> Result<Channel, Error> {
    let authority = host.with_port(GRPC_PORT);
    let no_such_host = |cause| address.wrong("no such host").with_source(cause);
    let endpoint = Endpoint::from_shared(format!("http://{authority}"))
        .map_err(no_such_host)?
        .connect_timeout(CONNECT_TIMEOUT);
    let Some(tls) = tls else {
        return block_on(async { Ok(endpoint.connect_lazy()) });
    };
    let origin = Uri::try_from(format!("https://{authority}"))
        .map_err(|cause| address.wrong("no such host").with_source(cause))?;
    let name = ServerName::try_from(host.name.clone())
        .map_err(|cause| address.wrong("no such host").with_source(cause))?;
    let connector = TlsConnector::from(tls);
    let connect = tower::service_fn(move |_: Uri| {
        let (authority, name, connector) = (authority.clone(), name.clone(), connector.clone());
        async move {
            let stream = TcpStream::connect(authority).await?;
            let stream = connector.connect(name, stream).await?;
            Ok::<_, std::io::Error>(TokioIo::new(stream))
        }
    });
    block_on(async { Ok(endpoint.origin(origin).connect_with_connector_lazy(connect)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_may_be_tried_again_if_the_receiver_says_when() {
        let status = |details| Status::with_details(Code::ResourceExhausted, "", details);
        let [info, retry] = ["ErrorInfo", "RetryInfo"]
            .map(|name| Detail { type_url: format!("type.googleapis.com/google.rpc.{name}") });
        let told = |details| Details { details }.encode_to_vec().into();
        for (details, kind) in [
            (Bytes::new(), ErrorKind::Storage),
            (Bytes::from_static(b"nonsense"), ErrorKind::Storage),
            (told(vec![info.clone()]), ErrorKind::Storage),
            (told(vec![info, retry]), ErrorKind::Unavailable),
        ] {
            assert_eq!(kind_of(&status(details)), kind);
        }
    }
}
