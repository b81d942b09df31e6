//! Drivers against their real servers: what a record costs to write, beside the existing Python library
//! on the same server, and what a trace costs to read, beside the server's own client. See the README.

mod read;
mod records;
#[path = "../../crates/osprofiler-drivers/tests/common/services.rs"]
#[allow(dead_code, reason = "the tests need more of it")]
mod services;
mod write;

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
    /// Programs that read with the server's own client: fetch what is stored of a trace, and nothing,
    /// which is what the program itself costs. `None`: reading is not measured.
    raw_read: Option<RawRead>,
}

/// From a connection string and the id of a trace to two command lines.
type RawRead = fn(&str, &str) -> [Vec<String>; 2];

/// The existing library does not know it.
const CLICKHOUSE: BackEnd = BackEnd {
    server: "clickhouse",
    url: "clickhouse",
    upstream: None,
    write_bar: 1.0 / 10.0,
    raw_read: Some(|url, base_id| {
        let (host, database) = url["clickhouse://".len()..].split_once('/').expect("a database");
        let place = format!("http://{host}/?database={database}");
        let client = |statement: &str| {
            words(&["curl", "--silent", "--fail", &place, "--data-binary", statement]).collect()
        };
        let read = format!("SELECT record FROM osprofiler_records WHERE base_id = '{base_id}'");
        [client(&read), client("SELECT 1")]
    }),
};

const ELASTICSEARCH: BackEnd = BackEnd {
    server: "elasticsearch",
    url: "elasticsearch",
    upstream: Some(str::to_owned),
    write_bar: 1.0 / 10.0,
    raw_read: Some(|url, base_id| {
        let server = url.replace("elasticsearch://", "http://");
        let query = format!(
            r#"{{"size": 10000, "query": {{"term": {{"base_id.keyword": "{base_id}"}}}}}}"#
        );
        let search = format!("{server}/osprofiler-notifications/_search");
        let kind = "content-type: application/json";
        [
            words(&["curl", "-sSf", "-H", kind, "-d", &query, &search]).collect(),
            words(&["curl", "-sSf", &server]).collect(),
        ]
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
    raw_read: Some(|url, base_id| {
        let place = url.replace("jaeger://", "http://");
        let place = place.split('?').next().expect("a place");
        let client = |path: &str| {
            words(&["curl", "--silent", "--fail", &format!("{place}/api/{path}")]).collect()
        };
        [client(&format!("traces/{}?raw=true", base_id.replace('-', ""))), client("services")]
    }),
};

const MARIADB: BackEnd = BackEnd {
    server: "mariadb",
    url: "mariadb",
    upstream: Some(str::to_owned),
    write_bar: 1.0 / 10.0,
    raw_read: Some(|url, base_id| {
        let [user, password, host, port, database] = parts(url);
        let client = |statement: String| {
            let (user, password) = (format!("--user={user}"), format!("--password={password}"));
            let (host, port) = (format!("--host={host}"), format!("--port={port}"));
            let execute = format!("--execute={statement}");
            words(&[
                "mariadb",
                "--no-defaults",
                &user,
                &password,
                &host,
                &port,
                &database,
                &execute,
            ])
            .collect()
        };
        [
            client(format!("SELECT * FROM data WHERE base_id = '{base_id}'")),
            client("SELECT 1".into()),
        ]
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
    raw_read: Some(|url, base_id| {
        let python = services::url("mongodb", "python").expect("it runs");
        let client = |statement: &str| {
            let program = format!(
                "import sys, pymongo; found = pymongo.MongoClient(sys.argv[1]).osprofiler; {statement}"
            );
            words(&[&python, "-c", &program, url]).collect()
        };
        let read = format!("list(found.profiler.find({{'base_id': '{base_id}'}}))");
        [client(&read), client("found.command('ping')")]
    }),
};

const POSTGRESQL: BackEnd = BackEnd {
    server: "postgresql",
    url: "postgresql",
    upstream: Some(str::to_owned),
    write_bar: 1.0 / 10.0,
    raw_read: Some(|url, base_id| {
        let client = |statement: String| words(&["psql", url, "-c", &statement]).collect();
        [
            client(format!("SELECT * FROM data WHERE base_id = '{base_id}'")),
            client("SELECT 1".into()),
        ]
    }),
};

const REDIS: BackEnd = BackEnd {
    server: "redis",
    url: "redis",
    upstream: Some(str::to_owned),
    write_bar: 1.0 / 20.0,
    raw_read: Some(|url, base_id| {
        let client = |command: &[&str]| {
            words(&["redis-cli", "--raw", "-u", url]).chain(words(command)).collect()
        };
        [client(&["lrange", &format!("osprofiler_opt:{base_id}"), "0", "-1"]), client(&["ping"])]
    }),
};

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
