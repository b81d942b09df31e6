//! Traces of a real OpenStack, written by the Python library, come back from every driver.

#![cfg(all(feature = "file", feature = "memory", feature = "sqlite"))]

mod common;

use std::fs;

use common::{read, reader, writer};
use osprofiler_drivers::ListQuery;
use osprofiler_wire::{Record, RecordView};

const TRACES: [&str; 5] =
    ["image-list", "server-create", "server-create-novalidhost", "token-issue", "volume-create"];

#[test]
fn real_traces_come_back_byte_for_byte_and_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name| folder.path().join(name).display().to_string();
    for store in [
        "memory://real".to_owned(),
        format!("file://{}", path("traces.jsonl")),
        format!("sqlite://{}", path("traces.db")),
    ] {
        let mut writer = writer(&store).unwrap();
        for name in TRACES {
            let text = fs::read_to_string(format!("../../tests/data/traces/{name}.records.jsonl"))
                .unwrap();
            let records: Vec<Record> =
                text.lines().map(|line| (&RecordView::parse(line).unwrap()).into()).collect();
            records.chunks(100).for_each(|batch| writer.write(batch).unwrap());

            let mut reader = reader(&store).unwrap();
            let base_id = &records[0].base_id;
            let found = read(&mut *reader, &base_id.to_string()).unwrap();
            assert!(found.iter().eq(text.lines()), "{name} in {store}");
            let summaries = reader.list(&ListQuery::default()).unwrap();
            let summary = summaries.iter().find(|summary| summary.base_id == *base_id).unwrap();
            assert_eq!(summary.points, records.len() as u64 / 2, "{name} in {store}");
            assert_eq!(summary.unfinished, 0);
            assert_eq!(summary.root.request.as_deref(), Some("GET /v3"));
        }
    }
}
