//! The server of a connection string.

use std::future::Future;
use std::time::Duration;

use mongodb::bson::RawDocumentBuf;
use mongodb::error::{
    Error as MongoError, ErrorKind as MongoErrorKind, RETRYABLE_WRITE_ERROR, WriteFailure,
};
use mongodb::options::{ClientOptions, Tls as MongoTls, TlsOptions};
use mongodb::{Client, Collection};

use crate::address::{Address, CONNECT_TIMEOUT};
use crate::error::brief;
use crate::runtime::block_on;
use crate::tls::Tls;
use crate::{ConnectionString, Error, ErrorKind};

/// The database that the Python library always uses.
const DATABASE: &str = "osprofiler";
/// Options of ours; what else there is belongs to the client.
const OWN_OPTIONS: [&str; 6] = ["ca", "cert", "database", "insecure", "key", "timeout"];

/// A client, and the collections.
#[derive(Clone)]
pub(super) struct Store {
    /// A document for each record.
    pub(super) records: Collection<RawDocumentBuf>,
    /// The rest of the text of very large records.
    pub(super) parts: Collection<RawDocumentBuf>,
    /// The traces in which a point failed, if the writer is told to keep a list of them.
    pub(super) errors: Collection<RawDocumentBuf>,
    timeout: Duration,
    /// What errors call it; without secrets.
    place: String,
}

impl Store {
    /// Makes a client. Nothing is asked of the server yet, but of DNS for `mongodb+srv://`.
    pub(super) fn open(connection: &ConnectionString) -> Result<Self, Error> {
        let address = Address::of(connection)?;
        let timeout = address.timeout()?;
        let database = address.option("database").unwrap_or(DATABASE).to_owned();
        let uri = uri_without_secrets(connection, &address);
        let (user, password) = (address.user.clone(), address.password.clone());
        let tls = tls_options(&address)?;
        let place = address.shown().to_owned();
        let client = block_on(async {
            let mut options = parse(uri, &place).await?;
            if let Some(credential) = &mut options.credential {
                credential.username = user.or_else(|| credential.username.take());
                credential.password = password.map(|password| password.expose().to_owned());
            }
            if let Some(tls) = tls {
                options.tls = Some(MongoTls::Enabled(tls));
            }
            options.app_name.get_or_insert_with(|| "osprofiler".to_owned());
            options.connect_timeout.get_or_insert(CONNECT_TIMEOUT);
            // A server that is in charge, too, is found within that time.
            options.server_selection_timeout.get_or_insert(CONNECT_TIMEOUT);
            Client::with_options(options).map_err(|cause| unusable(&place, &cause))
        })?;
        let database = client.database(&database);
        Ok(Self {
            records: database.collection("profiler"),
            parts: database.collection("profiler_part"),
            errors: database.collection("profiler_error"),
            timeout,
            place,
        })
    }

    /// Waits for an answer; `what` was to be done, such as `write records to`.
    pub(super) fn wait<T: Send>(
        &self,
        what: &str,
        answer: impl Future<Output = Result<T, MongoError>> + Send,
    ) -> Result<T, Error> {
        let timeout = self.timeout;
        block_on(async {
            match tokio::time::timeout(timeout, answer).await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(cause)) => Err(self.error(what, &cause)),
                Err(_) => Err(Error::new(
                    ErrorKind::Unavailable,
                    format!(
                        "cannot {what} `{}`: it did not answer in {} s",
                        self.place,
                        timeout.as_secs_f64()
                    ),
                )),
            }
        })
    }

    /// An error of the client or the server.
    pub(super) fn error(&self, what: &str, cause: &MongoError) -> Error {
        let (kind, why) = reason(cause);
        let hint = match kind {
            ErrorKind::Denied if is_about_tls(&why) => "; check `ca` and the name of the host",
            _ => kind.hint(),
        };
        Error::new(kind, format!("cannot {what} `{}`: {why}{hint}", self.place))
    }

    /// An error about what the server holds, or does not take.
    pub(super) fn refusal(&self, what: &str, why: &str) -> Error {
        Error::new(ErrorKind::Storage, format!("cannot {what} `{}`: {why}", self.place))
    }
}

async fn parse(uri: String, place: &str) -> Result<ClientOptions, Error> {
    match tokio::time::timeout(CONNECT_TIMEOUT, ClientOptions::parse(uri)).await {
        Ok(parsed) => parsed.map_err(|cause| unusable(place, &cause)),
        Err(_) => {
            Err(Error::new(ErrorKind::Unavailable, format!("`{place}`: DNS does not answer")))
        }
    }
}

/// The connection string with stand-ins for user and password, which the client might show when it
/// does not like them, and without options of ours.
fn uri_without_secrets(connection: &ConnectionString, address: &Address) -> String {
    let (connection, _) = connection.split_options(&OWN_OPTIONS);
    let rest = connection.expose_rest();
    let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let hosts_and_path = place.rsplit_once('@').map_or(place, |(_, behind)| behind);
    let credentials = match (&address.user, &address.password) {
        (None, None) => "",
        (_, None) => "user@",
        (_, Some(_)) => "user:password@",
    };
    let slash = if hosts_and_path.contains('/') { "" } else { "/" };
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{}://{credentials}{hosts_and_path}{slash}{mark}{query}", connection.scheme())
}

/// The options of TLS that we add to those of the client.
fn tls_options(address: &Address) -> Result<Option<TlsOptions>, Error> {
    let tls = Tls::of(address)?;
    if tls.ca.is_none() && tls.identity.is_none() && !tls.insecure {
        return Ok(None);
    }
    let mut options = TlsOptions::default();
    options.ca_file_path = tls.ca;
    options.allow_invalid_certificates = Some(tls.insecure);
    if let Some((cert, key)) = tls.identity {
        if cert != key {
            return Err(address.wrong("expected one PEM file with both as `cert` and `key`"));
        }
        options.cert_key_file_path = Some(cert);
    }
    Ok(Some(options))
}

fn unusable(place: &str, cause: &MongoError) -> Error {
    let (kind, why) = reason(cause);
    let kind = if kind == ErrorKind::Storage { ErrorKind::ConnectionString } else { kind };
    Error::new(kind, format!("`{place}`: {why}"))
}

/// What kind of error it is, and what it says on one line.
fn reason(cause: &MongoError) -> (ErrorKind, String) {
    let (kind, why) = match &*cause.kind {
        MongoErrorKind::Authentication { message, .. } => (ErrorKind::Denied, message.clone()),
        MongoErrorKind::Command(command) => (kind_of(command.code), command.message.clone()),
        MongoErrorKind::Write(WriteFailure::WriteError(error)) => {
            (kind_of(error.code), error.message.clone())
        }
        MongoErrorKind::Write(WriteFailure::WriteConcernError(error)) => {
            // It is stored, but not as safely as was asked for.
            (ErrorKind::Unavailable, error.message.clone())
        }
        MongoErrorKind::InsertMany(failure) => {
            match (
                failure.write_errors.as_deref().unwrap_or_default(),
                &failure.write_concern_error,
            ) {
                ([first, ..], _) => (kind_of(first.code), first.message.clone()),
                ([], Some(error)) => (ErrorKind::Unavailable, error.message.clone()),
                ([], None) => (ErrorKind::Storage, "it refused records".to_owned()),
            }
        }
        MongoErrorKind::Io(_)
        | MongoErrorKind::ConnectionPoolCleared { .. }
        | MongoErrorKind::ServerSelection { .. }
        | MongoErrorKind::DnsResolve { .. } => (ErrorKind::Unavailable, cause.kind.to_string()),
        other => (ErrorKind::Storage, other.to_string()),
    };
    let kind = match kind {
        ErrorKind::Unavailable if is_about_tls(&why) => ErrorKind::Denied,
        ErrorKind::Storage if cause.contains_label(RETRYABLE_WRITE_ERROR) => ErrorKind::Unavailable,
        kind => kind,
    };
    (kind, brief(&why))
}

/// The client has nothing but a text of the connections that it cannot make.
fn is_about_tls(why: &str) -> bool {
    why.contains("invalid peer certificate")
}

/// By the codes of servers.
pub(super) fn kind_of(code: i32) -> ErrorKind {
    match code {
        // Unauthorized, AuthenticationFailed, AtlasError.
        13 | 18 | 8000 => ErrorKind::Denied,
        // Unreachable or shutting down hosts, elections, timeouts, too many requests.
        6 | 7 | 50 | 64 | 89 | 91 | 100 | 112 | 133 | 134 | 189 | 202 | 262 | 317 | 429 | 462
        | 9001 | 10107 | 11600 | 11602 | 13388 | 13435 | 13436 | 16500 => ErrorKind::Unavailable,
        // Locks, memory, an operator's hand, a cursor that was lost with its host, a full disk.
        24 | 43 | 46 | 146 | 237 | 11601 | 14031 => ErrorKind::Unavailable,
        _ => ErrorKind::Storage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_told_from_what_a_record_is_refused_for() {
        for (code, kind) in [
            (18, ErrorKind::Denied),
            (10107, ErrorKind::Unavailable),
            // OutOfDiskSpace
            (14031, ErrorKind::Unavailable),
            // BSONObjectTooLarge, DocumentValidationFailure
            (10334, ErrorKind::Storage),
            (121, ErrorKind::Storage),
        ] {
            assert_eq!(kind_of(code), kind, "{code}");
        }
    }
}
