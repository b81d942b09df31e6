//! What the command line takes.

use std::error::Error as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Args as ClapArgs, CommandFactory, Parser, Subcommand, ValueEnum};
use osprofiler_collector::{Settings, Token};
use osprofiler_drivers::ConnectionString;
use osprofiler_report::export::Format;
use osprofiler_wire::{HmacKey, Id, Timestamp};

/// Traces one request through every service it crosses, and shows what made it slow
#[derive(Debug, Parser)]
#[command(
    name = "osprofiler",
    bin_name = "osprofiler",
    version,
    disable_version_flag = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Args {
    /// Print version
    #[arg(short, long, action = ArgAction::Version)]
    version: Option<bool>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show, list, import and delete traces
    #[command(arg_required_else_help = true)]
    Trace {
        #[command(subcommand)]
        command: TraceCommand,
    },
    /// Print signed headers, ready for `curl -H @-`
    Headers(HeadersArgs),
    /// Send a signed request, wait for its trace to settle, and show it
    Request(RequestArgs),
    /// Show traces in a browser: list them, open them, watch them grow
    Ui(UiArgs),
    /// Trace one request through three services on this machine, and show it
    Demo(DemoArgs),
    #[command(hide = true)]
    DemoService(DemoServiceArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum TraceCommand {
    /// Show one trace: as a tree in the terminal, or in another format
    Show(ShowArgs),
    /// List traces, newest first
    List(ListArgs),
    /// Store records from files
    Import(ImportArgs),
    /// Delete traces
    Delete(DeleteArgs),
}

/// Where traces are stored.
#[derive(Debug, ClapArgs)]
pub(crate) struct StoreArgs {
    /// The back end, such as `sqlite:///var/lib/traces.db` or `file:///tmp/traces.jsonl`
    ///
    /// Without it, the user's own store: `sqlite://$XDG_DATA_HOME/osprofiler/traces.db`.
    #[arg(
        long,
        value_name = "URL",
        env = "OSPROFILER_CONNECTION_STRING",
        hide_env_values = true,
        value_parser = connection_string
    )]
    connection_string: Option<Given>,

    /// Message bus of a `messaging://` back end; others do without
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub(crate) transport_url: Option<ConnectionString>,

    /// Seconds of silence after which a `messaging://` back end has given all it has
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds, hide_short_help = true)]
    pub(crate) idle_timeout: Duration,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ShowArgs {
    /// Id of a trace; or a file with records, a report, or spans (OTLP, Jaeger, Zipkin) as JSON, `-` for
    /// standard input
    #[arg(value_name = "ID|FILE")]
    pub(crate) trace: String,

    #[command(flatten)]
    pub(crate) format: FormatArgs,

    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// How a trace is shown, and where.
#[derive(Debug, ClapArgs)]
pub(crate) struct FormatArgs {
    /// As this: text, json, records, html, dot, svg, folded (for flame graphs), speedscope, perfetto
    #[arg(long, value_name = "FORMAT", group = "as")]
    format: Option<Format>,

    /// The report as JSON
    #[arg(long, group = "as")]
    json: bool,

    /// A page that needs nothing but a browser
    #[arg(long, group = "as")]
    html: bool,

    /// The tree as a graph in DOT
    #[arg(long, group = "as")]
    dot: bool,

    /// Draw the graph into a file with Graphviz; its suffix says the format, `.pdf` if it has none
    #[arg(long, value_name = "FILE")]
    pub(crate) render_dot: Option<PathBuf>,

    /// Write to a file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// Accepted for compatibility: a page never loads anything from elsewhere
    #[arg(long, hide_short_help = true)]
    pub(crate) local_libs: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ListArgs {
    /// Only traces in which a point failed
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        default_value = "false",
        default_missing_value = "true",
        hide_default_value = true,
        hide_possible_values = true,
        value_parser = BoolishValueParser::new(),
        action = ArgAction::Set
    )]
    pub(crate) error_trace: bool,

    /// At most so many
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,

    /// Only traces that started at this time or later: a time in UTC such as `2026-01-31T12:00`, or
    /// how long ago, such as `90m`
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub(crate) since: Option<Timestamp>,

    /// Only traces that started before this time
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub(crate) until: Option<Timestamp>,

    /// Only traces that took at least so long, such as `200ms` or `1.5s`
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) min_duration: Option<Duration>,

    /// Only traces with a point of this project; of `--project`, `--service` and `--name`, one point
    /// has to have all that are given
    #[arg(long)]
    pub(crate) project: Option<String>,

    /// Only traces with a point of this service
    #[arg(long)]
    pub(crate) service: Option<String>,

    /// Only traces with a point of this name
    #[arg(long)]
    pub(crate) name: Option<String>,

    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ImportArgs {
    /// Records as JSON lines or in an array, a report, or spans (OTLP, Jaeger, Zipkin), all as JSON; `-` for
    /// standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DeleteArgs {
    /// Ids of traces
    #[arg(value_name = "ID", required = true, value_parser = id)]
    pub(crate) ids: Vec<Id>,

    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// The key that switches tracing on.
#[derive(Debug, ClapArgs)]
pub(crate) struct KeyArgs {
    /// A key that the services accept; rather given in the environment, where no other user of the
    /// machine sees it
    #[arg(
        long,
        value_name = "KEY",
        env = "OSPROFILER_HMAC_KEY",
        hide_env_values = true,
        value_parser = hmac_key
    )]
    pub(crate) hmac_key: HmacKey,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct HeadersArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,

    /// Id of the trace; a new one if not given
    #[arg(long, value_name = "ID", value_parser = id)]
    pub(crate) base_id: Option<Id>,

    /// The point that becomes the parent; the trace itself if not given
    #[arg(long, value_name = "ID", value_parser = id)]
    pub(crate) parent_id: Option<Id>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RequestArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,

    /// Where to send the request
    pub(crate) url: reqwest::Url,

    /// Method of the request; POST if there is data, else GET
    #[arg(short = 'X', long, value_name = "METHOD")]
    pub(crate) method: Option<reqwest::Method>,

    /// A header of the request, `Name: value`
    #[arg(short = 'H', long = "header", value_name = "HEADER", value_parser = header)]
    pub(crate) headers: Vec<(String, String)>,

    /// Body of the request
    #[arg(short, long)]
    pub(crate) data: Option<String>,

    /// Seconds to wait for the trace, and for the response before that
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) wait: Duration,

    #[command(flatten)]
    pub(crate) format: FormatArgs,

    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct UiArgs {
    /// Where to listen. Elsewhere than on loopback, whoever comes has to show a token
    #[arg(long, value_name = "ADDRESS", default_value_t = Settings::LOOPBACK)]
    pub(crate) listen: SocketAddr,

    /// The token; a new one if not given and needed. Rather given in the environment, where no other user
    /// of the machine sees it
    #[arg(long, value_name = "TOKEN", env = "OSPROFILER_UI_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<Token>,

    /// Open it in the browser of the desktop
    #[arg(long)]
    pub(crate) open: bool,

    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DemoArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DemoServiceArgs {
    pub(crate) service: Service,

    /// Address of the stock service
    #[arg(long)]
    pub(crate) stock: Option<String>,

    /// Address of the worker
    #[arg(long)]
    pub(crate) worker: Option<String>,
}

/// The services of the demo.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Service {
    /// Takes orders over HTTP.
    Api,
    /// Reserves and charges, called over RPC.
    Worker,
    /// Knows what there is, in a SQL database.
    Stock,
}

impl Service {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Worker => "worker",
            Self::Stock => "stock",
        }
    }
}

/// A mistake in one line: what was given, what was expected, where to read on.
pub(crate) fn one_line(error: &clap::Error, given: impl Iterator<Item = String>) -> String {
    let text = error.render().to_string();
    let mistake = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = mistake.split_whitespace().collect();
    let mut line = words.join(" ");
    if let Some(secret) = secret_argument(error) {
        let reason = error.source().map(ToString::to_string).unwrap_or_default();
        line = format!("invalid value for '{secret}': {reason}");
    }
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    let line = line.replace("--hmac-key <KEY>", "--hmac-key <KEY> (or `OSPROFILER_HMAC_KEY`)");
    format!("{line}; see `{} --help`", called_command(given))
}

/// The command that was called, with its subcommands, as far as there is one.
fn called_command(given: impl Iterator<Item = String>) -> String {
    let mut command = &Args::command();
    let mut path = command.get_name().to_owned();
    for word in given.skip(1) {
        let Some(subcommand) = command.find_subcommand(&word) else {
            break;
        };
        command = subcommand;
        path = format!("{path} {word}");
    }
    path
}

/// The argument whose value is wrong, if the value may hold a secret and is not to be repeated.
fn secret_argument(error: &clap::Error) -> Option<&str> {
    match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::ValueValidation, Some(ContextValue::String(argument)))
            if ["URL", "KEY", "TOKEN"].iter().any(|secret| argument.contains(secret)) =>
        {
            Some(argument)
        }
        _ => None,
    }
}

fn id(text: &str) -> Result<Id, String> {
    if text.is_empty() { Err("expected the id of a trace".into()) } else { Ok(text.into()) }
}

/// A connection string, or an empty text, which is as good as none: a variable that is set to
/// nothing.
#[derive(Clone, Debug)]
struct Given(Option<ConnectionString>);

fn connection_string(text: &str) -> Result<Given, osprofiler_drivers::Error> {
    if text.trim().is_empty() { Ok(Given(None)) } else { text.parse().map(|url| Given(Some(url))) }
}

impl FormatArgs {
    /// The format that was asked for, if any.
    pub(crate) fn given(&self) -> Option<Format> {
        let flags = [(self.json, Format::Json), (self.html, Format::Html), (self.dot, Format::Dot)];
        let flag = flags.into_iter().find_map(|(is_set, format)| is_set.then_some(format));
        self.format.or(flag)
    }
}

impl StoreArgs {
    /// The back end that was asked for, if any.
    pub(crate) fn given(&self) -> Option<&ConnectionString> {
        self.connection_string.as_ref()?.0.as_ref()
    }
}

/// A key as the services know it: out of a list with commas, without spaces around it.
fn hmac_key(text: &str) -> Result<HmacKey, String> {
    if text.is_empty() {
        Err("expected a key".into())
    } else if text.contains(',') || text.trim() != text {
        Err("expected one key, without commas and without spaces around it".into())
    } else {
        Ok(HmacKey::new(text))
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected `Name: value`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// A time in UTC, or how long ago it was.
fn instant(text: &str) -> Result<Timestamp, String> {
    let expected =
        || "expected a time such as `2026-01-31T12:00` (UTC) or how long ago, such as `90m`";
    let utc = || -> Option<jiff::Timestamp> {
        let time = text.parse::<jiff::civil::DateTime>().ok()?;
        Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    };
    let instant = match text.parse::<jiff::Timestamp>().ok().or_else(utc) {
        Some(instant) => instant,
        None => jiff::Timestamp::now()
            .checked_sub(duration(text).map_err(|_| expected())?)
            .map_err(|_| expected())?,
    };
    Ok(Timestamp::from_micros(instant.as_microsecond()))
}

fn duration(text: &str) -> Result<Duration, String> {
    let expected = || "expected a duration such as `200ms`, `1.5s` or `90m`".to_owned();
    let duration: jiff::SignedDuration = text.parse().map_err(|_| expected())?;
    Duration::try_from(duration).map_err(|_| expected())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let expected = || "expected a number of seconds".to_owned();
    let seconds: f64 = text.trim().parse().map_err(|_| expected())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| expected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_mistake_is_one_line_that_says_where_to_read_on() {
        for (args, line) in [
            (
                &["trace", "show"][..],
                "the following required arguments were not provided: <ID|FILE>; \
                 see `osprofiler trace show --help`",
            ),
            (
                &["trace", "show", "x", "--json", "--html"],
                "the argument '--json' cannot be used with '--html'; \
                 see `osprofiler trace show --help`",
            ),
            (&["frobnicate"], "unrecognized subcommand 'frobnicate'; see `osprofiler --help`"),
            (
                &["trace", "list", "--connection-string", "hush"],
                "invalid value for '--connection-string <URL>': the connection string has \
                 no scheme; expected one like `sqlite:///var/lib/traces.db`; \
                 see `osprofiler trace list --help`",
            ),
        ] {
            let args = [&["osprofiler"], args].concat();
            let error = Args::try_parse_from(&args).expect_err("a mistake");
            assert_eq!(one_line(&error, args.into_iter().map(str::to_owned)), line);
        }
    }

    #[test]
    fn a_time_is_a_date_in_utc_or_how_long_ago() {
        let at = |text| instant(text).map(|instant| instant.to_string());
        let noon = Ok("2026-01-31T12:00:00.000000".to_owned());
        for text in ["2026-01-31T12:00", "2026-01-31 12:00:00", "2026-01-31T13:00:00+01:00"] {
            assert_eq!(at(text), noon, "{text}");
        }
        assert_eq!(at("2026-01-31"), Ok("2026-01-31T00:00:00.000000".to_owned()));
        let hour_ago = jiff::Timestamp::now().as_microsecond() - 3_600_000_000;
        for text in ["1h", "60m", "3600s", "1h 0m"] {
            let apart = instant(text).unwrap().as_micros() - hour_ago;
            assert!((0..10_000_000).contains(&apart), "{text}: {apart}");
        }
        for text in ["", "soon", "2026-13-01", "-", "99999999999h"] {
            assert!(instant(text).unwrap_err().contains("expected a time"), "{text}");
        }
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert!(duration("-1s").is_err() && duration("200").is_err());
    }

    #[test]
    fn error_trace_is_a_flag_that_may_have_a_value() {
        for (args, expected) in
            [(&[][..], false), (&["--error-trace"], true), (&["--error-trace", "False"], false)]
        {
            let args = Args::parse_from([&["osprofiler", "trace", "list"], args].concat());
            let Command::Trace { command: TraceCommand::List(list) } = args.command else {
                panic!("another command");
            };
            assert_eq!(list.error_trace, expected);
        }
    }
}
