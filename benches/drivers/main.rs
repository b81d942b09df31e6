//! Drivers against their real servers: what a record costs to write, beside the existing Python library
//! on the same server, and what a trace costs to read, beside the server's own client. See the README.

mod read;
mod records;
#[path = "../../crates/osprofiler-drivers/tests/common/services.rs"]
#[allow(dead_code, reason = "the tests need more of it")]
mod services;
mod write;

use std::iter::repeat_n;

use osprofiler_benches::{Bench, Group, run};

const GROUPS: &[Group] = &[
    ("clickhouse", |bench| race(bench, &CLICKHOUSE)),
    ("elasticsearch", |bench| race(bench, &ELASTICSEARCH)),
    ("jaeger", |bench| race(bench, &JAEGER)),
    ("mariadb", |bench| race(bench, &MARIADB)),
    ("messaging", |bench| race(bench, &MESSAGING)),
    ("mongodb", |bench| race(bench, &MONGODB)),
    ("postgresql", |bench| race(bench, &POSTGRESQL)),
    ("redis", |bench| race(bench, &REDIS)),
];

/// A back end, and what it is measured beside.
struct BackEnd {
    /// The server, and which of its connection strings.
    server: &'static str,
    url: &'static str,
    /// What the existing library is told, out of ours.
    upstream: Option<fn(&str) -> String>,
    /// The bar: how much of its cost a record may cost.
    write_bar: f64,
    /// The server's own client, fetching what is stored of a trace. `None`: reading is not measured.
    raw_read: Option<RawRead>,
}

/// From a connection string, the id of a trace and a number to the command line of a program that
/// fetches the trace so many times, one after the other, over one connection.
type RawRead = fn(&str, &str, usize) -> Vec<String>;

/// The existing library does not know it.
const CLICKHOUSE: BackEnd = BackEnd {
    server: "clickhouse",
    url: "clickhouse",
    upstream: None,
    write_bar: 1.0 / 10.0,
    raw_read: Some(|url, base_id, times| {
        let (host, database) = url["clickhouse://".len()..].split_once('/').expect("a database");
        let place = format!("http://{host}/?database={database}");
        let query = format!("SELECT record FROM osprofiler_records WHERE base_id = '{base_id}'");
        curl(&["--data-binary", &query], &place, times)
    }),
};

const ELASTICSEARCH: BackEnd = BackEnd {
    server: "elasticsearch",
    url: "elasticsearch",
    upstream: Some(str::to_owned),
    write_bar: 1.0 / 10.0,
    raw_read: Some(|url, base_id, times| {
        let server = url.replace("elasticsearch://", "http://");
        let query = format!(
            r#"{{"size": 10000, "query": {{"term": {{"base_id.keyword": "{base_id}"}}}}}}"#
        );
        let search = format!("{server}/osprofiler-notifications/_search");
        let kind = "content-type: application/json";
        curl(&["-H", kind, "-d", &query], &search, times)
    }),
};

const JAEGER: BackEnd = BackEnd {
    server: "jaeger",
    url: "jaeger",
    upstream: Some(|url| {
        let (place, port) = url.split_once("?otlp_port=").expect("a port");
        let (host, _) = place["jaeger://".len()..].split_once(':').expect("a host");
        format!("otlp://{host}:{port}")
    }),
    write_bar: 1.0 / 10.0,
    raw_read: Some(|url, base_id, times| {
        let place = url.replace("jaeger://", "http://");
        let place = place.split('?').next().expect("a place");
        let trace = base_id.replace('-', "");
        curl(&[], &format!("{place}/api/traces/{trace}?raw=true"), times)
    }),
};

const MARIADB: BackEnd = BackEnd {
    server: "mariadb",
    url: "mariadb",
    upstream: Some(str::to_owned),
    write_bar: 1.0 / 10.0,
    raw_read: Some(|url, base_id, times| {
        let [user, password, host, port, database] = parts(url);
        let (user, password) = (format!("--user={user}"), format!("--password={password}"));
        let (host, port) = (format!("--host={host}"), format!("--port={port}"));
        let query = format!("SELECT * FROM data WHERE base_id = '{base_id}';").repeat(times);
        let query = format!("--execute={query}");
        words(&["mariadb", "--no-defaults", &user, &password, &host, &port, &database, &query])
            .collect()
    }),
};

const MESSAGING: BackEnd = BackEnd {
    server: "messaging",
    url: "bench",
    upstream: Some(str::to_owned),
    write_bar: 1.0 / 10.0,
    // A queue knows no traces: whoever reads one looks at all that waits.
    raw_read: None,
};

const MONGODB: BackEnd = BackEnd {
    server: "mongodb",
    url: "mongodb",
    upstream: Some(str::to_owned),
    write_bar: 1.0 / 10.0,
    raw_read: Some(|url, base_id, times| {
        let python = services::url("mongodb", "python").expect("it runs");
        let program = format!(
            "import sys, pymongo
profiler = pymongo.MongoClient(sys.argv[1]).osprofiler.profiler
for _ in range({times}): list(profiler.find({{'base_id': '{base_id}'}}))"
        );
        words(&[&python, "-c", &program, url]).collect()
    }),
};

const POSTGRESQL: BackEnd = BackEnd {
    server: "postgresql",
    url: "postgresql",
    upstream: Some(str::to_owned),
    write_bar: 1.0 / 10.0,
    raw_read: Some(|url, base_id, times| {
        let query = format!("SELECT * FROM data WHERE base_id = '{base_id}'");
        let queries = repeat_n(["-c", &query], times).flatten().map(str::to_owned);
        words(&["psql", url]).chain(queries).collect()
    }),
};

const REDIS: BackEnd = BackEnd {
    server: "redis",
    url: "redis",
    upstream: Some(str::to_owned),
    write_bar: 1.0 / 20.0,
    raw_read: Some(|url, base_id, times| {
        let (list, times) = (format!("osprofiler_opt:{base_id}"), times.to_string());
        words(&["redis-cli", "--raw", "-u", url, "-r", &times, "lrange", &list, "0", "-1"])
            .collect()
    }),
};

/// A request with these options, so many times.
fn curl(options: &[&str], url: &str, times: usize) -> Vec<String> {
    let urls = repeat_n(url.to_owned(), times);
    words(&["curl", "-sSf"]).chain(words(options)).chain(urls).collect()
}

fn words<'a>(words: &'a [&str]) -> impl Iterator<Item = String> + use<'a> {
    words.iter().map(|word| (*word).to_owned())
}

/// User, password, host, port and database of `scheme://user:password@host:port/database`.
fn parts(url: &str) -> [String; 5] {
    let rest = url.split_once("://").expect("a URL").1;
    let mut parts = rest.split([':', '@', '/', '?']).map(str::to_owned);
    std::array::from_fn(|_| parts.next().expect("all five"))
}

fn race(bench: &mut Bench, back_end: &BackEnd) {
    let Some(url) = services::url(back_end.server, back_end.url) else { return };
    // First, while the store holds nothing else.
    read::race(bench, back_end, &url);
    write::race(bench, back_end, &url);
}

fn main() {
    run(GROUPS, &[]);
}
