//! A service under load: an axum server in a process of its own, clients with open connections that
//! send the next request when they have the answer to the last.
//!
//! Servers and clients share the machine. The clients are threads of this process that send prepared
//! bytes and look for no more than the length of the answer, so that the load is mostly the server's.
//! A round is a fixed number of requests. It is counted from when the connections have been busy for
//! a tenth of that, so that the background has as much to do from before as it leaves over.

mod clients;
mod server;
mod shop;

use std::thread;
use std::time::Duration;

use osprofiler::{HmacKey, Profiler};
use osprofiler_benches::{Bench, Table, in_turn};
use osprofiler_drivers::{ListQuery, Options, TraceSummary, open_reader};

use self::clients::Clients;
use self::server::Running;
pub(crate) use self::server::job;

const SECRET: &str = "SECRET_KEY";

const NONE: &str = "no layer, no points";
const UNTRACED: &str = "layer and points, no header";
const TRACED: &str = "layer and points, every request traced";

/// Connections, each with a thread.
const CONNECTIONS: usize = 8;
/// Points of a request: five, and the request itself.
const POINTS: u64 = 6;
/// How long what a round left over may take.
const REST: Duration = Duration::from_millis(150);
/// Requests per second there have to be at least, in parts of those without tracing.
const UNTRACED_SHARE: f64 = 0.99;
const TRACED_SHARE: f64 = 0.9;

/// What the service is asked for.
struct Load {
    title: &'static str,
    path: &'static str,
    /// Requests of a round.
    requests: usize,
    bars: [&'static str; 2],
}

const LOADS: [Load; 2] = [
    Load {
        title: "service: a small API, five steps of work",
        path: "/projects/7/items",
        requests: 2500,
        bars: ["service_without_header", "service_traced"],
    },
    Load {
        title: "service: the worst case, five points around nothing",
        path: "/hello",
        requests: 15_000,
        bars: ["service_hello_without_header", "service_hello_traced"],
    },
];

pub(crate) fn run(bench: &mut Bench) {
    for load in &LOADS {
        measure(bench, load);
    }
}

fn measure(bench: &mut Bench, load: &Load) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = format!("sqlite://{}", folder.path().join("traces.db").display());
    let (plain, traced) = (Running::start("plain", &store), Running::start("traced", &store));
    let subjects = [(&plain, false), (&traced, false), (&traced, true)];
    let mut subjects = subjects.map(|(server, signed)| Subject::new(server, signed, load));
    let rows = in_turn(bench.pick(25, 3), &mut subjects, Subject::round);
    let mut table = Table::new(load.title, ["requests/s", "us/request", "server CPU us/request"]);
    for (name, samples) in [NONE, UNTRACED, TRACED].into_iter().zip(rows) {
        table.add(name, samples);
    }
    table.print();
    let sent: usize = subjects.iter().filter(|subject| subject.signed).map(|it| it.sent).sum();
    drop(subjects);
    plain.stop();
    let dropped = traced.stop();
    bench.say(&told(sent, &stored(&store), dropped));
    let us = |name| table.median(name, "us/request");
    let [untraced_bar, traced_bar] = load.bars;
    bench.bar(untraced_bar, us(UNTRACED), us(NONE), 1.0 / UNTRACED_SHARE);
    // A service that drops records has less to do.
    let ours = if dropped > 0 { f64::INFINITY } else { us(TRACED) };
    bench.bar(traced_bar, ours, us(NONE), 1.0 / TRACED_SHARE);
}

fn stored(store: &str) -> Vec<TraceSummary> {
    let store = store.parse().expect("a connection string");
    let mut reader = open_reader(&store, &Options::default()).expect("a store");
    reader.list(&ListQuery::default()).expect("traces")
}

fn told(sent: usize, stored: &[TraceSummary], dropped: u64) -> String {
    let is_whole = |trace: &&TraceSummary| trace.points == POINTS && trace.unfinished == 0;
    let whole = stored.iter().filter(is_whole).count();
    assert!(dropped > 0 || whole == sent, "{whole} of {sent} traces are whole");
    format!(
        "{sent} requests traced, {whole} traces of {POINTS} points stored, {dropped} records dropped"
    )
}

/// A server, and what is sent to it.
struct Subject<'a> {
    server: &'a Running,
    signed: bool,
    load: &'a Load,
    clients: Clients,
    key: HmacKey,
    /// Requests until now.
    sent: usize,
}

impl<'a> Subject<'a> {
    fn new(server: &'a Running, signed: bool, load: &'a Load) -> Self {
        let clients = Clients::connect(server.address, CONNECTIONS);
        Self { server, signed, load, clients, key: HmacKey::new(SECRET), sent: 0 }
    }

    /// Requests per second; microseconds from one to the next; CPU time of the server for each.
    fn round(&mut self) -> [f64; 3] {
        let (counted, warm_up) = (self.load.requests, self.load.requests / 10);
        let requests: Vec<_> = (0..counted + warm_up).map(|_| self.request()).collect();
        self.sent += requests.len();
        thread::sleep(REST);
        let [wall, cpu] = self.clients.send(&requests, warm_up, || self.server.cpu());
        let us = |time: Duration| time.as_secs_f64() * 1e6 / counted as f64;
        [1e6 / us(wall), us(wall), us(cpu)]
    }

    fn request(&self) -> Vec<u8> {
        let mut request = format!(
            "GET {} HTTP/1.1\r\nhost: shop.example\r\nuser-agent: bench\r\naccept: */*\r\n\
             authorization: {}\r\n",
            self.load.path,
            shop::token("user 7")
        );
        if self.signed {
            // A trace of its own.
            let signed = Profiler::new(self.key.clone(), None, None).sign();
            request.push_str(&format!(
                "x-trace-info: {}\r\nx-trace-hmac: {}\r\n",
                signed.info, signed.hmac
            ));
        }
        request.push_str("\r\n");
        request.into()
    }
}
