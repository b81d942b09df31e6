//! Records as services write them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use osprofiler_wire::{Id, Info, Origin, Phase, Record, Timestamp};

/// The records of a trace of so many points, each with an SQL statement, one after the other.
pub(crate) fn trace(points: u64) -> Vec<Record> {
    let base_id = fresh_id();
    let info = Info::new().with("host", "host");
    let origin = Arc::new(Origin {
        project: Some("bench".into()),
        service: Some("ours".into()),
        host: "host".into(),
    });
    let start = micros_now();
    let mut records = Vec::new();
    for at in 0..points {
        let trace_id = fresh_id();
        let statement = Info::new()
            .with("statement", "SELECT id, name, state FROM instances WHERE project_id = ?")
            .with("params", &format!("('{at}',)"));
        for (phase, info) in
            [(Phase::Start, info.clone().with_info("db", statement)), (Phase::Stop, info.clone())]
        {
            let later = 2 * at as i64 + i64::from(phase == Phase::Stop);
            records.push(Record {
                name: "db".into(),
                phase,
                base_id: base_id.clone(),
                parent_id: base_id.clone(),
                trace_id: trace_id.clone(),
                timestamp: Timestamp::from_micros(start + later),
                info,
                origin: origin.clone(),
                source: None,
            });
        }
    }
    records
}

fn fresh_id() -> Id {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let made = MADE.fetch_add(1, Ordering::Relaxed);
    // Two ids next to each other are far apart, as random ones are.
    let scattered = u128::from(made).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    Id::from_random(scattered ^ (micros_now() as u128) << 64)
}

fn micros_now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    i64::try_from(now.as_micros()).expect("a clock of our era")
}
