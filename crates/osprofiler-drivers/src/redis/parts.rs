//! What batches added to a trace, kept beside its records.
//!
//! A part says how many records it is about. If those of all parts are as many as the list of records
//! has, the parts tell everything; else somebody put in records who knows of no parts, and only the
//! records tell. A batch that is written again gives the same parts, which are counted once.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use osprofiler_wire::{Phase, Record, Timestamp};
use serde::{Deserialize, Serialize};

use crate::summary::{First, Kinds, Rank, Root, Tally, TraceSummarizer};

/// What a batch added to a trace, as it is stored.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Part {
    /// The same if the batch is written again, and of no other batch.
    id: String,
    records: u64,
    started_us: i64,
    ended_us: i64,
    starts: u64,
    stops: u64,
    errors: u64,
    kinds: Kinds,
    root: PartRoot,
}

/// The record of the batch that tells of the root.
#[derive(Debug, Serialize, Deserialize)]
struct PartRoot {
    at_us: i64,
    is_stop: bool,
    is_nested: bool,
    name: String,
    project: Option<String>,
    service: Option<String>,
    host: Option<String>,
    request: Option<String>,
}

impl Part {
    /// Sums up the records of a trace that a batch has.
    pub(super) fn of(records: &[&Record]) -> Self {
        let mut summarizer = TraceSummarizer::with_capacity(records.len());
        let mut hasher = DefaultHasher::new();
        for record in records {
            summarizer.add(record);
            let is_stop = record.phase == Phase::Stop;
            (&record.trace_id, is_stop, record.timestamp.as_micros()).hash(&mut hasher);
        }
        let tally = summarizer.into_tally().expect("a trace is known by a record");
        let First { rank, root } = tally.first;
        Self {
            id: format!("{:016x}", hasher.finish()),
            records: records.len() as u64,
            started_us: tally.started.as_micros(),
            ended_us: tally.ended.as_micros(),
            starts: tally.starts,
            stops: tally.stops,
            errors: tally.errors,
            kinds: tally.kinds,
            root: PartRoot {
                at_us: rank.at.as_micros(),
                is_stop: rank.is_stop,
                is_nested: rank.is_nested,
                name: root.name,
                project: root.project,
                service: root.service,
                host: root.host,
                request: root.request,
            },
        }
    }

    /// Whether a point failed.
    pub(super) fn has_failed(&self) -> bool {
        self.errors > 0
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers always are JSON")
    }

    fn into_tally(self) -> Tally {
        let PartRoot { name, project, service, host, request, .. } = self.root;
        Tally {
            started: Timestamp::from_micros(self.started_us),
            ended: Timestamp::from_micros(self.ended_us),
            starts: self.starts,
            stops: self.stops,
            errors: self.errors,
            kinds: self.kinds,
            first: First {
                rank: Rank {
                    is_stop: self.root.is_stop,
                    at: Timestamp::from_micros(self.root.at_us),
                    is_nested: self.root.is_nested,
                },
                root: Root { name, project, service, host, request },
            },
        }
    }
}

/// What the parts of a trace, oldest first, say together; `None` if they do not tell of all of its
/// `records`.
pub(super) fn tally<'a>(parts: impl Iterator<Item = &'a [u8]>, records: u64) -> Option<Tally> {
    let mut told = 0;
    let mut ids = HashSet::new();
    let mut tally: Option<Tally> = None;
    for part in parts {
        let part: Part = serde_json::from_slice(part).ok()?;
        told = part.records.checked_add(told)?;
        if ids.insert(part.id.clone()) {
            let part = part.into_tally();
            tally = Some(match tally {
                Some(earlier) => earlier.merge(part),
                None => part,
            });
        }
    }
    tally.filter(|_| told == records)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use osprofiler_wire::{Info, Origin};

    use super::*;

    fn record(trace_id: &str, phase: Phase, micros: i64) -> Record {
        Record {
            name: "db".into(),
            phase,
            base_id: "b".into(),
            parent_id: "b".into(),
            trace_id: trace_id.into(),
            timestamp: Timestamp::from_micros(micros),
            info: Info::new(),
            origin: Arc::new(Origin { service: Some("api".into()), ..Origin::default() }),
            source: None,
        }
    }

    fn part(records: &[Record]) -> String {
        Part::of(&records.iter().collect::<Vec<_>>()).to_json()
    }

    fn told(parts: &[&str], records: u64) -> Option<Tally> {
        tally(parts.iter().map(|part| part.as_bytes()), records)
    }

    #[test]
    fn a_part_is_stored_as_documented() {
        let json = part(&[record("1", Phase::Start, 5), record("1", Phase::Stop, 7)]);
        let (id, rest) = json.split_at(r#"{"id":"0123456789abcdef""#.len());
        assert!(id.starts_with(r#"{"id":""#), "{id}");
        assert_eq!(
            rest,
            concat!(
                r#","records":2,"started_us":5,"ended_us":7,"starts":1,"stops":1,"errors":0,"#,
                r#""kinds":[[null,"api","db"]],"root":{"at_us":5,"is_stop":false,"#,
                r#""is_nested":false,"name":"db","project":null,"service":"api","host":"","#,
                r#""request":null}}"#
            )
        );
    }

    #[test]
    fn parts_tell_of_a_trace_only_if_they_tell_of_all_records() {
        let (start, stop) = (record("1", Phase::Start, 5), record("1", Phase::Stop, 7));
        let (first, second) = (part(&[start]), part(&[stop]));
        let both = told(&[&first, &second], 2).unwrap();
        assert_eq!((both.started.as_micros(), both.ended.as_micros()), (5, 7));
        assert_eq!((both.starts, both.stops), (1, 1));
        assert_eq!(told(&[&first, &second], 3), None, "a record of somebody else");
        assert_eq!(told(&[&first, &second], 1), None, "a record that went away");
        assert_eq!(told(&[], 1), None);
        assert_eq!(told(&["{}"], 1), None, "a part that somebody else made");
        let boasting = first.replace("\"records\":1", &format!("\"records\":{}", u64::MAX));
        assert_eq!(told(&[&boasting, &boasting], 1), None, "and another");
        let many = first.replace("\"starts\":1", &format!("\"starts\":{}", u64::MAX));
        assert_eq!(
            told(&[&many, &second.replace("\"starts\":0", "\"starts\":2")], 2).unwrap().starts,
            u64::MAX
        );
    }

    #[test]
    fn a_batch_that_was_written_again_counts_once_and_one_that_looks_alike_counts() {
        let first = part(&[record("1", Phase::Start, 5)]);
        assert_eq!(told(&[&first, &first], 2).unwrap().starts, 1);
        let alike = part(&[record("2", Phase::Start, 5)]);
        assert_eq!(told(&[&first, &alike], 2).unwrap().starts, 2);
    }
}
