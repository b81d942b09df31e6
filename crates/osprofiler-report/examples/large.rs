//! Makes the records of a large trace, to measure with, and its page:
//! `cargo run --release -p osprofiler-report --example large 1000000 PAGE.html`. With `deep` behind it, each
//! point is inside the one before.

use std::{env, error::Error, fs};

use osprofiler_report::{ReportBuilder, html::render_html};
use osprofiler_wire::{Id, Timestamp};

const SERVICES: [(&str, &str); 6] = [
    ("nova", "api"),
    ("nova", "conductor"),
    ("nova", "compute"),
    ("keystone", "public"),
    ("neutron", "server"),
    ("cinder", "volume"),
];
const STATEMENTS: [&str; 4] = [
    "SELECT instances.id, instances.host FROM instances WHERE instances.deleted = %(deleted)s",
    "SELECT project.id, project.name FROM project WHERE project.id = %(pk_1)s",
    "UPDATE instances SET updated_at=%(updated_at)s WHERE instances.id = %(id)s",
    "INSERT INTO ports (id, name) VALUES (%(id)s, %(name)s)",
];

fn main() -> Result<(), Box<dyn Error>> {
    let [count, page, shape] = [1, 2, 3].map(|at| env::args().nth(at));
    let (Some(count), Some(page)) = (count.and_then(|count| count.parse().ok()), page) else {
        return Err("expected a number of points and a file to write".into());
    };
    let mut trace = Trace::new();
    if shape.as_deref() == Some("deep") {
        trace.deep(count)
    } else {
        trace.wide(count)
    }
    fs::write(page, render_html(&trace.builder.finish()))?;
    Ok(())
}

/// A trace as it is made, and the clock by which it runs.
struct Trace {
    builder: ReportBuilder,
    points: usize,
    us: i64,
    seed: u64,
}

/// A point that has started.
#[derive(Clone)]
struct Open {
    name: &'static str,
    id: Id,
    parent: Id,
    service: usize,
}

impl Trace {
    fn new() -> Self {
        Self { builder: ReportBuilder::new(), points: 0, us: 0, seed: 1 }
    }

    /// Requests that make calls, which send statements.
    fn wide(&mut self, count: usize) {
        let top =
            self.start("wsgi", base_id(), r#""request":{"method":"POST","path":"/servers"},"#, 0);
        while self.points < count {
            let service = self.random(SERVICES.len() as u64) as usize;
            let query = self.random(100);
            let info =
                format!(r#""request":{{"method":"GET","path":"/ports","query":"limit={query}"}},"#);
            let request = self.start("wsgi", top.id.clone(), &info, service);
            for _ in 0..self.random(25) + 3 {
                self.call(&request);
            }
            self.stop(&request, 90);
        }
        self.stop(&top, 10);
    }

    fn call(&mut self, request: &Open) {
        let argument = self.random(1000);
        let info =
            format!(r#""function":{{"name":"manager.Manager.build","args":"({argument})"}},"#);
        let call = self.start("rpc", request.id.clone(), &info, request.service);
        for _ in 0..self.random(6) {
            let statement = STATEMENTS[self.random(STATEMENTS.len() as u64) as usize];
            let info = format!(r#""db":{{"statement":"{statement}"}},"#);
            let db = self.start("db", call.id.clone(), &info, call.service);
            self.us += self.random(3000) as i64;
            self.stop(&db, 0);
        }
        self.stop(&call, 30);
    }

    fn deep(&mut self, count: usize) {
        let mut open: Vec<Open> = Vec::new();
        for at in 0..count {
            let parent = open.last().map_or_else(base_id, |above| above.id.clone());
            open.push(self.start("inner", parent, "", at % SERVICES.len()));
        }
        while let Some(point) = open.pop() {
            self.stop(&point, 1);
        }
    }

    fn start(&mut self, name: &'static str, parent: Id, info: &str, service: usize) -> Open {
        self.points += 1;
        let bits = u128::from(self.random(u64::MAX)) << 64 | u128::from(self.random(u64::MAX));
        let point = Open { name, id: Id::from_random(bits), parent, service };
        self.us += self.random(20) as i64;
        self.record(&point, "start", info);
        point
    }

    fn stop(&mut self, point: &Open, after_us: i64) {
        self.us += after_us;
        self.record(point, "stop", "");
    }

    fn record(&mut self, point: &Open, phase: &str, info: &str) {
        let Open { name, id, parent, service } = point;
        let (project, service) = SERVICES[*service];
        let (base, at) = (base_id(), Timestamp::from_micros(1_767_225_600_000_000 + self.us));
        let json = format!(
            r#"{{"name":"{name}-{phase}","base_id":"{base}","trace_id":"{id}","parent_id":"{parent}","timestamp":"{at}","info":{{{info}"host":"ctl1"}},"project":"{project}","service":"{service}"}}"#
        );
        self.builder.add(&json).expect("this is a record");
    }

    /// A number below `end`, the same in every run (splitmix64).
    fn random(&mut self, end: u64) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.seed;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % end
    }
}

fn base_id() -> Id {
    Id::from_random(0)
}
