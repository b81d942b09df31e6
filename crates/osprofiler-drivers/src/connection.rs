//! Connection strings.

use std::env;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::{Error, ErrorKind};

/// A URL whose scheme chooses the driver. It may hold a password, so it is masked when shown.
///
/// ```
/// use osprofiler_drivers::ConnectionString;
///
/// let store: ConnectionString = "redis://admin:hush@db1:6379/0?password=hush&db=0".parse()?;
/// assert_eq!(store.scheme(), "redis");
/// assert_eq!(store.to_string(), "redis://admin:***@db1:6379/0?password=***&db=0");
/// # Ok::<(), osprofiler_drivers::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionString {
    text: String,
    scheme_len: usize,
}

impl ConnectionString {
    /// What stands before `://`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.text[..self.scheme_len]
    }

    /// What stands behind `://`, secrets included.
    #[must_use]
    pub fn expose_rest(&self) -> &str {
        &self.text[self.scheme_len + "://".len()..]
    }

    /// Takes options out of the query; gives the connection string without them, and what they were.
    #[cfg(feature = "_address")]
    pub(crate) fn split_options(&self, names: &[&str]) -> (Self, Vec<(String, String)>) {
        let mut text = self.text.clone();
        let mut taken = Vec::new();
        if let Some((before, query)) = self.text.split_once('?')
            && !PATH_SCHEMES.contains(&self.scheme())
        {
            let mut left = Vec::new();
            for pair in query.split('&') {
                match form_urlencoded::parse(pair.as_bytes()).into_owned().next() {
                    Some((key, value)) if names.contains(&key.as_str()) => taken.push((key, value)),
                    _ => left.push(pair),
                }
            }
            text = if left.is_empty() {
                before.to_owned()
            } else {
                format!("{before}?{}", left.join("&"))
            };
        }
        (Self { text, scheme_len: self.scheme_len }, taken)
    }

    /// The rest as the path of a file; `None` if it is empty.
    ///
    /// It is taken as it stands: `file:///var/t.jsonl` is absolute, `file://t.jsonl` is not, and
    /// nothing is percent-decoded.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        Some(self.expose_rest()).filter(|rest| !rest.is_empty()).map(Path::new)
    }
}

impl FromStr for ConnectionString {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let scheme_len = text.find("://").unwrap_or(0);
        let scheme = &text[..scheme_len];
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        if !is_scheme {
            // What was given is not shown: it may be a password in the wrong place.
            return Err(Error::new(
                ErrorKind::ConnectionString,
                "the connection string has no scheme; expected one like `sqlite:///var/lib/traces.db`",
            ));
        }
        Ok(Self { text: text.to_owned(), scheme_len })
    }
}

impl fmt::Display for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme())?;
        let rest = self.expose_rest();
        let mut secrets: Vec<_> = secret_values(rest).collect();
        if !PATH_SCHEMES.contains(&self.scheme()) {
            secrets.extend(credentials(rest));
        }
        secrets.sort_by_key(|secret| secret.start);
        let mut shown = 0;
        for secret in secrets {
            if secret.start >= shown {
                write!(f, "{}***", &rest[shown..secret.start])?;
            }
            shown = shown.max(secret.end);
        }
        f.write_str(&rest[shown..])
    }
}

impl fmt::Debug for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectionString({self})")
    }
}

/// Schemes whose rest is a path, in which `@` and `:` mean nothing.
const PATH_SCHEMES: [&str; 2] = ["file", "sqlite"];

/// Where the credentials of a rest are: behind the user's name if there is one, up to the last
/// `@`. Every host of a cluster may have its own, and a password that somebody did not encode may
/// hold any character: rather a host is hidden than a part of a password shown.
fn credentials(rest: &str) -> Option<Range<usize>> {
    let end = rest.rfind('@')?;
    let start = rest[..end].find(':').map_or(0, |colon| colon + 1);
    Some(start..end)
}

/// Where the secret values of a query are; each reaches to the next `&`.
fn secret_values(rest: &str) -> impl Iterator<Item = Range<usize>> {
    let query = rest.find('?').map_or(rest.len(), |mark| mark + 1);
    let mut start = query;
    rest[query..].split('&').filter_map(move |pair| {
        let pair_start = start;
        start += pair.len() + 1;
        let mut keys = pair.match_indices('=').map(|(equals, _)| equals);
        let key = keys.find(|key| is_secret(&pair[..*key]))?;
        Some(pair_start + key + 1..pair_start + pair.len())
    })
}

/// Parts of a parameter's name that say that its value is a secret, or a URL that may hold one. Whatever
/// argument `#[trace]` masks is masked here too.
const SECRET: [&str; 16] = [
    "auth",
    "bearer",
    "connection_string",
    "cookie",
    "credential",
    "database_url",
    "dsn",
    "header",
    "jwt",
    "key",
    "pass",
    "proxy",
    "pwd",
    "secret",
    "token",
    "transport_url",
];

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SECRET.iter().any(|word| key.contains(word))
}

/// Where records go when nobody says where: the file `traces.db` in the user's XDG data folder
/// (`$XDG_DATA_HOME/osprofiler`, or `~/.local/share/osprofiler`), so that services and the command
/// line of one user meet without configuration.
///
/// # Errors
///
/// If the process has neither `XDG_DATA_HOME` nor a home folder.
pub fn default_connection_string() -> Result<ConnectionString, Error> {
    // A relative path counts as unset (XDG Base Directory Specification, "Environment variables").
    let data_home = env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(env::home_dir()?.join(".local/share")))
        .ok_or_else(|| {
            Error::new(
                ErrorKind::ConnectionString,
                "no connection string, and no home folder for the default store; \
                 set `OSPROFILER_CONNECTION_STRING` or `XDG_DATA_HOME`",
            )
        })?;
    format!("sqlite://{}", data_home.join("osprofiler/traces.db").display()).parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_masked() {
        for (text, shown) in [
            ("redis://:pw@h:1/0", "redis://:***@h:1/0"),
            ("redis://token@h", "redis://***@h"),
            ("mysql://u:p@ss:w/rd@h/db", "mysql://u:***@h/db"),
            ("rabbit://u:p@h1:1,u:p@h2:1/", "rabbit://u:***@h2:1/"),
            ("es://h/?Password=x&a=b&api_key=y", "es://h/?Password=***&a=b&api_key=***"),
            ("redis://:p?w@h", "redis://:***@h"),
            ("redis://:p?w@h/0?password=x&db=0", "redis://:***@h/0?password=***&db=0"),
            ("mysql://u:pa?ss@h/db", "mysql://u:***@h/db"),
            ("mysql://u:p#a/s&s@h/db", "mysql://u:***@h/db"),
            ("es://h/?password=x@y&a=b", "es://***&a=b"),
            ("es://h:1/?token=x=y&a=b@c&key=z", "es://h:***@c&key=***"),
            ("es://h/?key=a:b@c&a=b", "es://h/?key=***&a=b"),
            ("es://h/?proxy=http%3A%2F%2Fu%3Apw%40p&a=b", "es://h/?proxy=***&a=b"),
            ("mysql://h/db?a=1;password=x;y", "mysql://h/db?a=1;password=***"),
            ("new:///home/a@b/c", "new://***@b/c"),
            ("es://密:密@h/?密=1&token=密", "es://密:***@h/?密=1&token=***"),
            ("messaging://", "messaging://"),
        ] {
            let connection: ConnectionString = text.parse().unwrap();
            assert_eq!(connection.to_string(), shown);
            assert_eq!(format!("{connection:?}"), format!("ConnectionString({shown})"));
        }
    }

    #[test]
    fn paths_are_shown_as_they_are() {
        for text in [
            "sqlite:///a/b.db",
            "sqlite:///home/a@b/t.db",
            "file:///srv/a:b@c/t.jsonl",
            "file://a@b.jsonl",
            "sqlite:///a?b@c/t.db?mode=ro&x=1",
            "sqlite://",
        ] {
            let connection: ConnectionString = text.parse().unwrap();
            assert_eq!(connection.to_string(), text);
        }
        // Other programs give the key of an encrypted file that way.
        let connection: ConnectionString = "sqlite:///a@b.db?key=hush&x=1".parse().unwrap();
        assert_eq!(connection.to_string(), "sqlite:///a@b.db?key=***&x=1");
    }

    #[test]
    fn parameters_are_masked_whose_names_say_secret_to_the_attributes() {
        for name in [
            "access_key",
            "api_key",
            "apikey",
            "authorization",
            "bearer",
            "connection_string",
            "cookie",
            "credential",
            "database_url",
            "dsn",
            "header",
            "encryption_key",
            "hmac_key",
            "jwt",
            "passphrase",
            "passwd",
            "password",
            "private_key",
            "pwd",
            "secret",
            "signing_key",
            "token",
            "transport_url",
        ] {
            let connection: ConnectionString = format!("es://h/?my_{name}=hush").parse().unwrap();
            assert_eq!(connection.to_string(), format!("es://h/?my_{name}=***"));
        }
    }

    #[test]
    fn a_string_without_a_scheme_is_refused_and_not_shown() {
        for text in ["", "hush", "/var/traces.db", "://x", "1a://x", "a b://x"] {
            let error = text.parse::<ConnectionString>().unwrap_err().to_string();
            assert!(!error.contains("hush") && error.contains("no scheme"), "{error}");
        }
    }
}
