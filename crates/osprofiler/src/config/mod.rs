//! Configuration: the options of the Python library, by their names, from wherever a service keeps
//! its own.

mod ini;

use std::env;
use std::time::Duration;

use osprofiler_drivers::{
    ConnectionString, Error as DriverError, Options, default_connection_string,
};
use osprofiler_wire::HmacKeys;

use crate::instrument::Kind;
use crate::notifier::{self, Guard};
use crate::propagation::{Format, KeyRing};

/// The section of an INI file, and the table of a TOML file, that holds the options.
const SECTION: &str = "profiler";

/// What stands before an option's name, in upper case, in the environment.
const ENV_PREFIX: &str = "OSPROFILER_";

/// The options of the Python library.
///
/// Values may come from several places; what is read later wins. Options that we do not have are passed
/// over: `es_doc_type`, `es_scroll_time` and `es_scroll_size` say how to talk to Elasticsearch, which
/// the driver finds out by itself. `trace_rpc`, `trace_db` and `trace_driver` are ours only. The Python
/// library has `trace_requests` off at first, because there it changes how all requests are sent.
///
/// | option | meaning | if not given |
/// |---|---|---|
/// | `enabled` | trace requests that are signed | false |
/// | `hmac_keys` | the keys that are accepted, separated by commas | none: nothing is traced |
/// | `connection_string` | where records go | the user's own SQLite file |
/// | `trace_sqlalchemy`, `trace_sql` | record SQL statements, [`Kind::Sql`] | false |
/// | `trace_requests` | record HTTP calls, [`Kind::HttpClient`] | true |
/// | `trace_rpc` | record RPC calls, [`Kind::Rpc`] | true |
/// | `trace_db` | record DB API calls, [`Kind::Db`] | true |
/// | `trace_driver` | record driver calls, [`Kind::Driver`] | true |
/// | `filter_error_trace` | keep a list of traces with errors | false |
/// | `propagators` | what is spoken besides our headers, see [`Format`]: `tracecontext`, `b3`, `b3multi`, separated by commas, or `none` | `tracecontext` |
/// | `trust_unsigned` | trace requests that nobody signed but whose sender says that it records; **mind the risk**, see [`KeyRing::trust_unsigned`] | false |
/// | `sentinel_service_name` | the name by which Redis Sentinels know their master | `mymaster` |
/// | `socket_timeout` | seconds to wait for Redis behind Sentinels | 30 |
///
/// ```
/// use osprofiler::Config;
///
/// let mut config = Config::default();
/// config.merge_ini("[profiler]\nenabled = yes\nhmac_keys = SECRET_KEY\n")?;
/// config.merge_env()?; // OSPROFILER_ENABLED, OSPROFILER_HMAC_KEYS, ...
/// assert!(config.enabled);
/// # Ok::<(), osprofiler::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Trace requests that are signed.
    pub enabled: bool,
    /// The keys that are accepted; the first one signs.
    pub hmac_keys: HmacKeys,
    /// Where records go; the user's own SQLite file if `None`.
    pub connection_string: Option<ConnectionString>,
    /// Record SQL statements.
    pub trace_sqlalchemy: bool,
    /// Record HTTP calls.
    pub trace_requests: bool,
    /// Record RPC calls.
    pub trace_rpc: bool,
    /// Record DB API calls.
    pub trace_db: bool,
    /// Record driver calls.
    pub trace_driver: bool,
    /// Keep a list of traces with errors, in back ends that need one.
    pub filter_error_trace: bool,
    /// What is spoken besides our headers.
    pub propagators: Vec<Format>,
    /// Trace requests that nobody signed but whose sender says that it records.
    pub trust_unsigned: bool,
    /// The name by which Redis Sentinels know their master.
    pub sentinel_service_name: Option<String>,
    /// How long to wait for Redis behind Sentinels.
    pub socket_timeout: Option<Duration>,
}

/// Name of each option, and what it is also called.
const OPTIONS: [(&str, &[&str]); 13] = [
    ("enabled", &["profiler_enabled"]),
    ("hmac_keys", &[]),
    ("connection_string", &[]),
    ("trace_sqlalchemy", &["trace_sql"]),
    ("trace_requests", &[]),
    ("trace_rpc", &[]),
    ("trace_db", &[]),
    ("trace_driver", &[]),
    ("filter_error_trace", &[]),
    ("propagators", &[]),
    ("trust_unsigned", &[]),
    ("sentinel_service_name", &[]),
    ("socket_timeout", &[]),
];

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: false,
            hmac_keys: HmacKeys::default(),
            connection_string: None,
            trace_sqlalchemy: false,
            trace_requests: true,
            trace_rpc: true,
            trace_db: true,
            trace_driver: true,
            filter_error_trace: false,
            propagators: vec![Format::W3c],
            trust_unsigned: false,
            sentinel_service_name: None,
            socket_timeout: None,
        }
    }
}

impl Config {
    /// Takes options from the environment: `OSPROFILER_ENABLED`, `OSPROFILER_HMAC_KEYS` and so on.
    ///
    /// # Errors
    ///
    /// If a value makes no sense for its option; the options before it are set.
    pub fn merge_env(&mut self) -> Result<(), ConfigError> {
        for (option, aliases) in OPTIONS {
            for name in aliases.iter().chain([&option]) {
                let variable = format!("{ENV_PREFIX}{}", name.to_ascii_uppercase());
                match env::var(&variable) {
                    Ok(value) => self.set(option, &value, &variable)?,
                    Err(env::VarError::NotPresent) => {}
                    Err(env::VarError::NotUnicode(_)) => {
                        return Err(ConfigError::NotText { option: variable });
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes options from the section `[profiler]` of an INI file as oslo.config reads it, such as
    /// `nova.conf`.
    ///
    /// # Errors
    ///
    /// If a value makes no sense for its option; the options before it are set.
    pub fn merge_ini(&mut self, text: &str) -> Result<(), ConfigError> {
        for (key, value) in ini::section(text, SECTION) {
            self.set(&key, &value, &key)?;
        }
        Ok(())
    }

    /// Takes options from the table `[profiler]` of a TOML file.
    ///
    /// # Errors
    ///
    /// If the text is not TOML, or a value makes no sense for its option.
    #[cfg(feature = "toml")]
    pub fn merge_toml(&mut self, text: &str) -> Result<(), ConfigError> {
        let file: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            // The error's own text would show the line, which may hold a key.
            ConfigError::Toml { reason: error.message().to_owned() }
        })?;
        let Some(section) = file.get(SECTION) else {
            return Ok(());
        };
        let options = section
            .as_table()
            .ok_or(ConfigError::Toml { reason: format!("`{SECTION}` is not a table") })?;
        for (key, value) in options {
            let text = match value {
                toml::Value::String(text) => text.clone(),
                toml::Value::Boolean(on) => on.to_string(),
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Float(number) => number.to_string(),
                toml::Value::Array(items) if items.iter().all(toml::Value::is_str) => {
                    items.iter().filter_map(toml::Value::as_str).collect::<Vec<_>>().join(",")
                }
                _ if OPTIONS.iter().any(|(option, _)| option == key) => {
                    return Err(ConfigError::NotText { option: key.clone() });
                }
                _ => continue,
            };
            self.set(key, &text, key)?;
        }
        Ok(())
    }

    /// Sets an option by its name; `given_as` is what the user calls it.
    fn set(&mut self, name: &str, value: &str, given_as: &str) -> Result<(), ConfigError> {
        let known = OPTIONS
            .iter()
            .find(|(option, aliases)| *option == name || aliases.contains(&name))
            .map(|(option, _)| *option);
        match known {
            Some("enabled") => self.enabled = boolean(value, given_as)?,
            Some("hmac_keys") => self.hmac_keys = HmacKeys::parse(value),
            Some("connection_string") => {
                let value = value.trim();
                self.connection_string = (!value.is_empty())
                    .then(|| value.parse())
                    .transpose()
                    .map_err(ConfigError::Connection)?;
            }
            Some("trace_sqlalchemy") => self.trace_sqlalchemy = boolean(value, given_as)?,
            Some("trace_requests") => self.trace_requests = boolean(value, given_as)?,
            Some("trace_rpc") => self.trace_rpc = boolean(value, given_as)?,
            Some("trace_db") => self.trace_db = boolean(value, given_as)?,
            Some("trace_driver") => self.trace_driver = boolean(value, given_as)?,
            Some("filter_error_trace") => self.filter_error_trace = boolean(value, given_as)?,
            Some("propagators") => self.propagators = formats(value, given_as)?,
            Some("trust_unsigned") => self.trust_unsigned = boolean(value, given_as)?,
            Some("sentinel_service_name") => {
                self.sentinel_service_name =
                    Some(value.trim().to_owned()).filter(|name| !name.is_empty());
            }
            Some("socket_timeout") => self.socket_timeout = Some(seconds(value, given_as)?),
            _ => {}
        }
        Ok(())
    }

    /// Starts what is configured: names where records come from, sets the notifier, switches the
    /// kinds of points. If not `enabled`, nothing is started and no request is ever traced.
    ///
    /// # Errors
    ///
    /// If no driver of this build knows the connection string, or there is none and no home folder.
    ///
    /// ```no_run
    /// # #[cfg(feature = "axum")] {
    /// use osprofiler::{Config, instrument::axum::ServerLayer};
    ///
    /// let mut config = Config::default();
    /// config.merge_env()?;
    /// let profiling = config.start("shop", "api")?; // keep it until the end of main
    /// let app: axum::Router = axum::Router::new().layer(ServerLayer::new(profiling.keys.clone()));
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn start(&self, project: &str, service: &str) -> Result<Profiling, ConfigError> {
        if !self.enabled {
            return Ok(Profiling { keys: KeyRing::default(), guard: None });
        }
        if self.hmac_keys.first().is_none() {
            log::warn!("profiling is enabled, but without `hmac_keys` nothing is ever traced");
        }
        let connection = match &self.connection_string {
            Some(connection) => connection.clone(),
            None => default_connection_string().map_err(ConfigError::Connection)?,
        };
        let mut options = Options::default();
        options.filter_error_trace = self.filter_error_trace;
        options.sentinel_service_name.clone_from(&self.sentinel_service_name);
        options.socket_timeout = self.socket_timeout;
        notifier::set_origin(project, service);
        let guard = notifier::create_from(connection, options).map_err(ConfigError::Connection)?;
        self.switch_kinds();
        Format::ALL.iter().for_each(|format| format.switch(self.propagators.contains(format)));
        let keys = KeyRing::from(self.hmac_keys.clone());
        keys.trust_unsigned(self.trust_unsigned);
        Ok(Profiling { keys, guard: Some(guard) })
    }

    fn switch_kinds(&self) {
        Kind::HttpClient.switch(self.trace_requests);
        Kind::Rpc.switch(self.trace_rpc);
        Kind::Db.switch(self.trace_db);
        Kind::Driver.switch(self.trace_driver);
        Kind::Sql.switch(self.trace_sqlalchemy);
    }
}

/// What [`Config::start`] started. Dropping it flushes, see [`Guard`].
#[derive(Debug)]
#[must_use = "dropped at once, it flushes before there is anything to flush"]
#[non_exhaustive]
pub struct Profiling {
    /// The keys to give to whatever checks headers; none if profiling is not enabled.
    pub keys: KeyRing,
    /// The notifier; none if profiling is not enabled.
    pub guard: Option<Guard>,
}

/// Why a configuration makes no sense. No message shows a key or a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Neither yes nor no.
    #[error(
        "option `{option}` is `{value}`, expected `true`, `yes`, `on`, `1` or `false`, `no`, `off`, `0`"
    )]
    Boolean {
        /// The option as it was given.
        option: String,
        /// Its value.
        value: String,
    },
    /// No number of seconds.
    #[error("option `{option}` is `{value}`, expected a number of seconds such as `0.1`")]
    Seconds {
        /// The option as it was given.
        option: String,
        /// Its value.
        value: String,
    },
    /// No format of another tracing system.
    #[error("option `{option}` has `{value}`, expected `none` or some of {known:?}")]
    Format {
        /// The option as it was given.
        option: String,
        /// What is none of its values.
        value: String,
        /// Those there are.
        known: Vec<&'static str>,
    },
    /// A value that is not text, nor a list of texts, nor a boolean, nor a number.
    #[error("option `{option}` is not text")]
    NotText {
        /// The option as it was given.
        option: String,
    },
    /// Not TOML.
    #[error("not a TOML configuration: {reason}")]
    Toml {
        /// What is wrong with it.
        reason: String,
    },
    /// The connection string.
    #[error("option `connection_string`: {0}")]
    Connection(#[source] DriverError),
}

/// The words that oslo.config takes.
fn boolean(value: &str, option: &str) -> Result<bool, ConfigError> {
    match value.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(ConfigError::Boolean { option: option.to_owned(), value: value.to_owned() }),
    }
}

fn seconds(value: &str, option: &str) -> Result<Duration, ConfigError> {
    let seconds = value.trim().parse().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
    seconds
        .ok_or_else(|| ConfigError::Seconds { option: option.to_owned(), value: value.to_owned() })
}

/// Names separated by commas, as OpenTelemetry's `OTEL_PROPAGATORS`.
fn formats(value: &str, option: &str) -> Result<Vec<Format>, ConfigError> {
    let names = value.split(',').map(str::trim).filter(|name| !matches!(*name, "" | "none"));
    names
        .map(|name| {
            let format = Format::ALL.into_iter().find(|format| format.name() == name);
            format.ok_or_else(|| ConfigError::Format {
                option: option.to_owned(),
                value: name.to_owned(),
                known: Format::ALL.map(Format::name).to_vec(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_one_back_end_reach_its_driver() {
        let mut config = Config::default();
        config
            .merge_ini("[profiler]\nsentinel_service_name = kolla\nsocket_timeout = 0.1\n")
            .unwrap();
        assert_eq!(config.sentinel_service_name.as_deref(), Some("kolla"));
        assert_eq!(config.socket_timeout, Some(Duration::from_millis(100)));
        let error = config.merge_ini("[profiler]\nsocket_timeout = soon").unwrap_err();
        assert!(error.to_string().contains("expected a number of seconds"), "{error}");
    }

    #[test]
    fn options_are_read_from_the_section_of_an_ini_file() {
        let mut config = Config::default();
        config
            .merge_ini(
                "[DEFAULT]\nenabled = maybe\n\n[profiler]\n# a comment\nenabled: True\n\
                 hmac_keys = key-a,\n  key-b\nconnection_string=redis://:hush@h:6379\n\
                 es_doc_type = notification\ntrace_sqlalchemy = 1\ntrace_requests = 0\n[other]\nenabled = no\n",
            )
            .unwrap();
        assert!(config.enabled && config.trace_sqlalchemy && !config.trace_requests);
        assert_eq!(config.hmac_keys, HmacKeys::parse("key-a,key-b"));
        assert_eq!(config.connection_string.as_ref().unwrap().expose_rest(), ":hush@h:6379");
        let shown = format!("{config:?}");
        assert!(!shown.contains("hush") && !shown.contains("key-a"), "{shown}");
    }

    #[test]
    fn all_kinds_but_sql_are_on_unless_switched_off() {
        let mut config = Config::default();
        config.merge_ini("[profiler]\ntrace_rpc = no\ntrace_driver = off\n").unwrap();
        assert!(config.trace_requests && config.trace_db && !config.trace_sqlalchemy);
        assert!(!config.trace_rpc && !config.trace_driver);
    }

    #[test]
    fn what_is_spoken_besides_is_a_list_of_names() {
        let mut config = Config::default();
        config.merge_ini("[profiler]\npropagators = tracecontext\ntrust_unsigned = on\n").unwrap();
        assert!(config.propagators == [Format::W3c] && config.trust_unsigned);
        config.merge_ini("[profiler]\npropagators = b3multi, tracecontext,b3\n").unwrap();
        assert_eq!(config.propagators, [Format::B3Multi, Format::W3c, Format::B3]);
        config.merge_ini("[profiler]\npropagators = none\n").unwrap();
        assert_eq!(config.propagators, []);
        let error = config.merge_ini("[profiler]\npropagators = jaeger").unwrap_err().to_string();
        assert!(
            error.starts_with("option `propagators` has `jaeger`, expected `none` or"),
            "{error}"
        );
    }

    #[test]
    fn no_means_no_and_nonsense_is_refused() {
        let mut config = Config { enabled: true, ..Config::default() };
        config.merge_ini("[profiler]\nenabled = no").unwrap();
        assert!(!config.enabled);
        let error = config.merge_ini("[profiler]\nprofiler_enabled = perhaps").unwrap_err();
        assert!(error.to_string().starts_with("option `profiler_enabled` is `perhaps`"), "{error}");
    }

    #[test]
    fn a_connection_string_in_error_is_not_shown() {
        let error = Config::default()
            .merge_ini("[profiler]\nconnection_string = hush")
            .unwrap_err()
            .to_string();
        assert!(error.contains("connection_string") && !error.contains("hush"), "{error}");
    }

    #[cfg(feature = "toml")]
    #[test]
    fn options_are_read_from_toml() {
        let mut config = Config::default();
        config
            .merge_toml(
                "title = 1\n[profiler]\nenabled = true\nhmac_keys = [\"a\", \"b\"]\n\
                 trace_sql = \"on\"\nes_scroll_size = 10000",
            )
            .unwrap();
        assert!(config.enabled && config.trace_sqlalchemy);
        assert_eq!(config.hmac_keys, HmacKeys::parse("a,b"));
        assert!(config.merge_toml("[profiler]\nenabled = 1.5").is_err());
        let error = config.merge_toml("[profiler]\nhmac_keys = hush").unwrap_err().to_string();
        assert!(!error.contains("hush"), "{error}");
    }
}
