//! Connection strings.

use std::env;
use std::fmt;
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
        let rest = self.expose_rest();
        let (place, query) = match rest.split_once('?') {
            Some((place, query)) => (place, Some(query)),
            None => (rest, None),
        };
        write!(f, "{}://", self.scheme())?;
        // Every host of a cluster may have its own credentials; a password may hold an `@`.
        match place.rsplit_once('@') {
            Some((credentials, hosts)) => match credentials.split_once(':') {
                Some((user, _)) => write!(f, "{user}:***@{hosts}")?,
                None => write!(f, "***@{hosts}")?,
            },
            None => f.write_str(place)?,
        }
        for (at, pair) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
            f.write_str(if at == 0 { "?" } else { "&" })?;
            match pair.split_once('=') {
                Some((key, _)) if is_secret(key) => write!(f, "{key}=***")?,
                _ => f.write_str(pair)?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectionString({self})")
    }
}

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["pass", "pwd", "secret", "token", "key", "auth"].iter().any(|word| key.contains(word))
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
            ("sqlite:///a/b.db", "sqlite:///a/b.db"),
            ("messaging://", "messaging://"),
        ] {
            let connection: ConnectionString = text.parse().unwrap();
            assert_eq!(connection.to_string(), shown);
            assert_eq!(format!("{connection:?}"), format!("ConnectionString({shown})"));
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
