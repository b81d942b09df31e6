//! The parts of a connection string that names a server.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::{ConnectionString, Error, ErrorKind};

/// How long to wait for a connection to a host.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait for an answer, unless the option `timeout` says otherwise.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest time that an option says: a year. What is longer could not be added to the time of day.
const LONGEST: f64 = 365.0 * 86_400.0;

/// `scheme://user:password@host:port,host:port/path?option=value`, taken apart.
///
/// Characters of users, passwords, paths and options may be percent-encoded; `/ ? # @ : ,` of a
/// password have to be.
pub(crate) struct Address {
    /// The user, if one is named.
    pub(crate) user: Option<String>,
    /// The password, if there is one.
    pub(crate) password: Option<Secret>,
    /// The servers, in the order they are named; none if there is only a path.
    pub(crate) hosts: Vec<Host>,
    /// What stands behind the servers, with its slash; empty if there is nothing.
    pub(crate) path: String,
    /// The options, and whether somebody took them.
    options: Vec<(String, String)>,
    /// The names that were asked for.
    known: RefCell<Vec<&'static str>>,
    /// The connection string as it may be shown.
    shown: String,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// Its name or its address; an IPv6 address without its brackets.
    pub(crate) name: String,
    /// Its port, if it is given.
    pub(crate) port: Option<u16>,
}

impl Host {
    /// `name:port`, with brackets around an IPv6 address.
    pub(crate) fn with_port(&self, default: u16) -> String {
        let port = self.port.unwrap_or(default);
        if self.name.contains(':') {
            format!("[{}]:{port}", self.name)
        } else {
            format!("{}:{port}", self.name)
        }
    }
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Address {
    /// Takes a connection string apart.
    ///
    /// # Errors
    ///
    /// If a port is no number, or hosts come with different users or passwords.
    pub(crate) fn of(connection: &ConnectionString) -> Result<Self, Error> {
        let shown = connection.to_string();
        let rest = connection.expose_rest();
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        // A password that nobody encoded may hold a slash, a host cannot hold an `@`.
        let hosts_start = place.rfind('@').map_or(0, |at| at + 1);
        let hosts_end = place[hosts_start..].find('/').map_or(place.len(), |at| hosts_start + at);
        let (authority, path) = place.split_at(hosts_end);
        let mut address = Self {
            user: None,
            password: None,
            hosts: Vec::new(),
            path: decode(path),
            options: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            known: RefCell::default(),
            shown,
        };
        for part in authority.split(',').filter(|part| !part.is_empty()) {
            address.add_host(part)?;
        }
        Ok(address)
    }

    fn add_host(&mut self, part: &str) -> Result<(), Error> {
        let (credentials, host) = match part.rsplit_once('@') {
            Some((credentials, host)) => (Some(credentials), host),
            None => (None, part),
        };
        if let Some(credentials) = credentials {
            let (user, password) = match credentials.split_once(':') {
                Some((user, password)) => (user, Some(Secret(decode(password)))),
                None => (credentials, None),
            };
            let user = Some(decode(user)).filter(|user| !user.is_empty());
            let is_first = self.user.is_none() && self.password.is_none();
            if !is_first && (&user, &password) != (&self.user, &self.password) {
                return Err(self.wrong("all hosts must have the same user and password"));
            }
            (self.user, self.password) = (user, password);
        }
        if !host.is_empty() {
            let host = self.host(host)?;
            self.hosts.push(host);
        }
        Ok(())
    }

    /// Reads `name:port`.
    ///
    /// # Errors
    ///
    /// If the port is no number.
    pub(crate) fn host(&self, text: &str) -> Result<Host, Error> {
        let bracketed = text.strip_prefix('[').and_then(|text| text.split_once(']'));
        let (name, port) = match bracketed {
            Some((name, "")) => (name, None),
            Some((name, port)) => (name, port.strip_prefix(':').or(Some(port))),
            None => text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
        };
        let port = port.filter(|port| !port.is_empty()).map(str::parse).transpose();
        let port = port.map_err(|_| {
            self.wrong("expected a port behind `:`; characters like `:/?#@,` of a password must be percent-encoded")
        })?;
        Ok(Host { name: decode(name), port })
    }

    /// The servers; the one of this machine if none is named.
    pub(crate) fn servers(&self) -> Vec<Host> {
        if self.hosts.is_empty() { vec![self.first_server()] } else { self.hosts.clone() }
    }

    /// The first server, or the one of this machine.
    pub(crate) fn first_server(&self) -> Host {
        let this = || Host { name: "127.0.0.1".to_owned(), port: None };
        self.hosts.first().cloned().unwrap_or_else(this)
    }

    /// The path without its leading slash, if there is more of it: the name of a database.
    pub(crate) fn database(&self) -> Option<&str> {
        Some(self.path.trim_matches('/')).filter(|name| !name.is_empty())
    }

    /// The value of an option; the last one if it is given several times.
    pub(crate) fn option(&self, name: &'static str) -> Option<&str> {
        self.all_of(name).last().copied()
    }

    /// The values of an option that may be given several times.
    pub(crate) fn all_of(&self, name: &'static str) -> Vec<&str> {
        self.known.borrow_mut().push(name);
        let of_that_name = self.options.iter().filter(|(key, _)| key == name);
        of_that_name.map(|(_, value)| value.as_str()).collect()
    }

    /// The value of an option that is not just text; `expected` says what it is.
    ///
    /// # Errors
    ///
    /// If it is something else.
    pub(crate) fn parsed<T: FromStr>(
        &self,
        name: &'static str,
        expected: &str,
    ) -> Result<Option<T>, Error> {
        let value = self.option(name).map(str::parse).transpose();
        value.map_err(|_| self.wrong(&format!("expected {expected} as `{name}`")))
    }

    /// The value of an option that is a number of seconds, a year at most.
    ///
    /// # Errors
    ///
    /// If it is no number, or a negative one.
    pub(crate) fn seconds(&self, name: &'static str) -> Result<Option<Duration>, Error> {
        let expected = "a number of seconds";
        let seconds = self.parsed::<f64>(name, expected)?;
        seconds
            .map(|seconds| if seconds > LONGEST { LONGEST } else { seconds })
            .map(Duration::try_from_secs_f64)
            .transpose()
            .map_err(|_| self.wrong(&format!("expected {expected} as `{name}`")))
    }

    /// How long to wait for an answer: the option `timeout`, in seconds.
    ///
    /// # Errors
    ///
    /// If it is no number of seconds, or none at all.
    pub(crate) fn timeout(&self) -> Result<Duration, Error> {
        Ok(self.limit("timeout")?.unwrap_or(TIMEOUT))
    }

    /// The value of an option that is how long to wait for something, in seconds.
    ///
    /// # Errors
    ///
    /// If it is no number of seconds, or none at all.
    pub(crate) fn limit(&self, name: &'static str) -> Result<Option<Duration>, Error> {
        match self.seconds(name)? {
            Some(limit) if limit.is_zero() => {
                Err(self.wrong(&format!("expected more than 0 seconds as `{name}`")))
            }
            limit => Ok(limit),
        }
    }

    /// The value of an option that is yes or no; no if it is not given.
    ///
    /// # Errors
    ///
    /// If it is neither.
    pub(crate) fn flag(&self, name: &'static str) -> Result<bool, Error> {
        match self.option(name).map(str::to_ascii_lowercase).as_deref() {
            None | Some("0" | "false" | "no" | "off") => Ok(false),
            Some("" | "1" | "true" | "yes" | "on") => Ok(true),
            Some(_) => Err(self.wrong(&format!("expected `true` or `false` as `{name}`"))),
        }
    }

    /// Refuses options that nobody asked for.
    ///
    /// # Errors
    ///
    /// If there are any; names those that there are.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        let mut known = self.known.borrow().clone();
        known.sort_unstable();
        known.dedup();
        let strange = self.options.iter().find(|(key, _)| !known.contains(&key.as_str()));
        match strange {
            None => Ok(()),
            Some((key, _)) => {
                // Its value may be a password whose option is misspelled, so none is shown.
                let shown = self.shown.split('?').next().unwrap_or_default();
                let known = known.join("`, `");
                Err(Error::new(
                    ErrorKind::ConnectionString,
                    format!(
                        "`{shown}`: unknown option `{key}`; there are `{known}`, `spill` and `spill_max`"
                    ),
                ))
            }
        }
    }

    /// An error about the connection string.
    pub(crate) fn wrong(&self, what: &str) -> Error {
        Error::new(ErrorKind::ConnectionString, format!("`{}`: {what}", self.shown))
    }

    /// The connection string as it may be shown.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }
}

fn decode(text: &str) -> String {
    match percent_decode_str(text).decode_utf8_lossy() {
        Cow::Borrowed(text) => text.to_owned(),
        Cow::Owned(text) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Result<Address, Error> {
        Address::of(&text.parse().unwrap())
    }

    fn hosts(address: &Address) -> Vec<String> {
        address.hosts.iter().map(|host| host.with_port(1)).collect()
    }

    #[test]
    fn every_part_is_found() {
        let found =
            address("redis://us%40er:p%2Fw@h1:26379,h2,[::1]:5/data%20base?a=1&a=2&b=x%26y")
                .unwrap();
        assert_eq!(found.user.as_deref(), Some("us@er"));
        assert_eq!(found.password.as_ref().map(Secret::expose), Some("p/w"));
        assert_eq!(hosts(&found), ["h1:26379", "h2:1", "[::1]:5"]);
        assert_eq!(found.database(), Some("data base"));
        assert_eq!(found.all_of("a"), ["1", "2"]);
        assert_eq!(found.option("b"), Some("x&y"));
        found.finish().unwrap();
    }

    #[test]
    fn parts_may_be_missing() {
        let found = address("messaging://").unwrap();
        assert_eq!((found.user, found.password, found.hosts.len()), (None, None, 0));
        let found = address("redis://:pw@h").unwrap();
        assert_eq!(found.user, None);
        assert_eq!(found.password.unwrap().expose(), "pw");
        let found = address("redis:///var/run/redis.sock?db=1").unwrap();
        assert_eq!((found.hosts.len(), found.path.as_str()), (0, "/var/run/redis.sock"));
        assert_eq!(found.first_server().with_port(6379), "127.0.0.1:6379");
        assert_eq!(found.servers(), [found.first_server()]);
        assert_eq!(address("mysql://u:p@h/").unwrap().database(), None);
    }

    #[test]
    fn a_password_may_hold_a_slash_and_an_at_sign() {
        let found = address("mysql://u:a/b@h:3306/db").unwrap();
        assert_eq!(found.password.unwrap().expose(), "a/b");
        assert_eq!(found.hosts[0].port, Some(3306));
    }

    #[test]
    fn hosts_may_repeat_their_credentials_but_not_differ_in_them() {
        let found = address("rabbit://u:p@h1:1,u:p@h2:2/v").unwrap();
        assert_eq!(hosts(&found), ["h1:1", "h2:2"]);
        let error = address("rabbit://u:p@h1:1,u:hush@h2:2/v").err().unwrap().to_string();
        assert!(error.contains("same user") && !error.contains("hush"), "{error}");
    }

    #[test]
    fn values_have_types() {
        let found = address("x://h?t=0.5&f=True&n=7&long=1e30&none=0&bad=hush").unwrap();
        assert_eq!(found.seconds("t").unwrap(), Some(Duration::from_millis(500)));
        let year = Duration::from_secs(365 * 86_400);
        assert_eq!(found.seconds("long").unwrap(), Some(year), "it can be added to an instant");
        assert!(found.limit("none").unwrap_err().to_string().contains("more than 0 seconds"));
        assert!(found.flag("f").unwrap() && !found.flag("g").unwrap());
        assert_eq!(found.parsed::<u32>("n", "a number").unwrap(), Some(7));
        for error in [
            found.seconds("bad").unwrap_err(),
            found.flag("bad").unwrap_err(),
            found.parsed::<u32>("bad", "a number").unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::ConnectionString);
            assert!(error.to_string().contains("as `bad`"), "{error}");
        }
    }

    #[test]
    fn an_option_that_nobody_asked_for_is_an_error_that_names_the_others() {
        let found = address("x://h?db=1&expires=7").unwrap();
        assert_eq!((found.option("db"), found.option("expire")), (Some("1"), None));
        let error = found.finish().unwrap_err().to_string();
        assert!(error.contains("unknown option `expires`; there are `db`, `expire`"), "{error}");
    }

    #[test]
    fn a_port_that_is_none_is_refused_and_no_password_is_shown() {
        for text in ["x://h:port", "x://u:hush?x@h:1", "x://h:99999", "x://u:p@[::1]x"] {
            let error = address(text).err().unwrap_or_else(|| panic!("{text}")).to_string();
            assert!(error.contains("expected a port") && !error.contains("hush"), "{error}");
        }
        assert_eq!(format!("{:?}", Secret::new("hush")), "***");
    }
}
