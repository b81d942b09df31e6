//! What can go wrong with a back end.

use std::error::Error as StdError;
use std::fmt;

use crate::{ConnectionString, driver};

/// How much of what a server said an error shows.
#[cfg(any(feature = "_http", feature = "messaging", feature = "mongodb", feature = "sql"))]
const SHOWN: usize = 300;

/// One line of what a server said.
#[cfg(any(feature = "_http", feature = "messaging", feature = "mongodb", feature = "sql"))]
pub(crate) fn brief(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SHOWN).collect()
}

/// What went wrong, what it concerned, whether trying again can help, and the cause.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The connection string makes no sense to its driver.
    ConnectionString,
    /// No driver of this build knows the scheme.
    UnknownScheme,
    /// The back end cannot do what was asked.
    Unsupported,
    /// There is nothing at the place that the connection string names.
    NotFound,
    /// The back end does not know the user, or does not let them do this.
    Denied,
    /// The back end is busy or out of reach; it may be back.
    Unavailable,
    /// The back end refused, or what it holds is damaged.
    Storage,
}

impl ErrorKind {
    /// What to do about a server that refused, as the end of a sentence.
    #[cfg(any(feature = "_http", feature = "mongodb"))]
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::Denied => "; check user and password, and what that user may do",
            _ => "",
        }
    }
}

/// The schemes that there are, by the features that bring them.
const FEATURES: [(&str, &[&str]); 13] = [
    ("ceilometer", &["ceilometer", "ceilometer+https", "panko", "panko+https"]),
    ("clickhouse", &["clickhouse", "clickhouse+https"]),
    (
        "elasticsearch",
        &[
            "elasticsearch",
            "elasticsearch+http",
            "elasticsearch+https",
            "opensearch",
            "opensearch+https",
        ],
    ),
    ("file", &["file"]),
    ("jaeger", &["jaeger", "jaeger+https"]),
    ("loginsight", &["loginsight"]),
    ("memory", &["memory"]),
    ("messaging", &["messaging", "rabbit", "amqp", "amqps"]),
    ("mongodb", &["mongodb", "mongodb+srv"]),
    ("otlp", &["otlp", "otlps", "otlp+https", "otlp+grpc", "otlp+grpcs"]),
    ("redis", &["redis", "rediss", "redis+unix", "unix", "redissentinel", "rediscluster"]),
    (
        "sql",
        &[
            "mysql",
            "mysql+pymysql",
            "mysql+mysqldb",
            "mariadb",
            "postgresql",
            "postgresql+psycopg2",
            "postgres",
        ],
    ),
    ("sqlite", &["sqlite"]),
];

impl Error {
    /// Makes an error; `message` says what was given, what was expected and what to do, in lower
    /// case and without a final stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What went wrong, to match on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.kind == ErrorKind::Unavailable
    }

    pub(crate) fn unknown_scheme(connection: &ConnectionString) -> Self {
        let mut known: Vec<String> = driver::drivers()
            .iter()
            .flat_map(|driver| driver.schemes)
            .map(|scheme| format!("`{scheme}`"))
            .collect();
        known.sort();
        let scheme = connection.scheme();
        let has = if known.is_empty() { "no driver".to_owned() } else { known.join(", ") };
        let feature = FEATURES.iter().find(|(_, schemes)| schemes.contains(&scheme));
        let hint = feature
            .map(|(feature, _)| format!("; enable the feature `{feature}`"))
            .unwrap_or_default();
        Self::new(
            ErrorKind::UnknownScheme,
            format!(
                "unknown driver scheme `{scheme}` in connection string; this build has {has}{hint}"
            ),
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(all(test, feature = "all"))]
mod tests {
    use super::*;
    use crate::drivers;

    #[test]
    fn the_feature_of_every_scheme_is_known() {
        let told: Vec<&[&str]> = FEATURES.iter().map(|(_, schemes)| *schemes).collect();
        let there: Vec<&[&str]> = drivers().iter().map(|driver| driver.schemes).collect();
        assert_eq!(told, there);
    }
}
