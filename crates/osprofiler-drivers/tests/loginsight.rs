//! `loginsight://`, against a small server of ours that speaks its API: no Log Insight can be had.

#![cfg(feature = "loginsight")]

mod common;

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::Duration;

use common::services::{self, url};
use common::upstream::{TRACES, comparable, python, report_of, trace};
use common::{read, reader, writer};
use osprofiler_drivers::{ErrorKind, ListQuery};
use osprofiler_testkit::drivers;
use osprofiler_wire::{Id, Record, RecordView};
use serde_json::Value;

/// Held by those who use the server, and alone by those who stop it.
static SERVER: RwLock<()> = RwLock::new(());

fn share() -> RwLockReadGuard<'static, ()> {
    SERVER.read().unwrap_or_else(PoisonError::into_inner)
}

fn take() -> RwLockWriteGuard<'static, ()> {
    SERVER.write().unwrap_or_else(PoisonError::into_inner)
}

/// A trace that no other run has written: the server forgets nothing.
fn fresh(trace: &[Record]) -> Vec<Record> {
    let old = trace[0].base_id.to_string();
    let new = Id::from_random(uuid()).to_string();
    let renamed = trace.iter().map(|record| record.to_json().replace(&old, &new));
    renamed.map(|json| Record::from(&RecordView::parse(&json).unwrap())).collect()
}

fn uuid() -> u128 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_nanos() << 40 | u128::from(std::process::id())
}

#[test]
fn our_server_passes_the_suite() {
    let _guard = share();
    let Some(connection) = url("loginsight", "loginsight") else { return };
    let skipped = drivers::run(&connection).skipped;
    let is_beyond_it = |case: &str| case.contains("list") || case.contains("delete");
    let others: Vec<&str> = skipped.into_iter().filter(|case| !is_beyond_it(case)).collect();
    assert_eq!(
        others,
        [
            "odd_ids_come_back",
            "ids_that_look_alike_do_not_mix",
            "records_may_come_in_any_order",
            "records_that_come_again_do_no_harm",
        ]
    );
}

#[test]
fn what_the_server_refuses_is_told_and_secrets_are_not() {
    let _guard = share();
    let Some(connection) = url("loginsight", "loginsight") else { return };
    let plain = url("loginsight", "plain").unwrap();
    let said = drivers::refusal(&connection.replace("hush", "f0rgotten"), "f0rgotten");
    assert!(said.contains("check user and password"), "{said}");
    let said = drivers::refusal(&plain, "hush");
    assert!(said.contains("`ca=PATH`"), "{said}");
    reader(&format!("{plain}?insecure=true")).unwrap();
}

#[test]
fn connection_strings_that_make_no_sense_are_refused() {
    for (connection, expected) in [
        ("loginsight://h", "USER:PASSWORD@HOST"),
        ("loginsight://f0rgotten@h", "USER:PASSWORD@HOST"),
        ("loginsight://u:f0rgotten@h?colour=red", "unknown option `colour`"),
    ] {
        let error = reader(connection).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::ConnectionString, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!format!("{error} {error:?}").contains("f0rgotten"), "{error}");
    }
}

#[test]
fn a_session_that_has_run_out_is_begun_anew() {
    let _guard = share();
    let Some(connection) = url("loginsight", "loginsight") else { return };
    let records = fresh(&trace(TRACES[0]));
    let mut writer = writer(&connection).unwrap();
    let mut reader = reader(&connection).unwrap();
    thread::sleep(Duration::from_millis(2500));
    writer.write(&records).unwrap();
    let found = read(&mut *reader, &records[0].base_id.to_string()).unwrap();
    assert_eq!(found.len(), records.len());
}

#[test]
fn a_server_that_goes_away_and_comes_back_keeps_what_it_acknowledged() {
    let _guard = take();
    let Some(connection) = url("loginsight", "loginsight") else { return };
    let (stop, start) = (|| services::stop("loginsight"), || services::start("loginsight"));
    drivers::outage(&connection, stop, start);
}

#[test]
fn what_it_cannot_do_is_told() {
    let _guard = share();
    let Some(connection) = url("loginsight", "loginsight") else { return };
    let error = reader(&connection).unwrap().list(&ListQuery::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let error = writer(&connection).unwrap().delete(&"b".into()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[test]
fn traces_of_the_python_library_are_shown_and_ours_by_it() {
    let _guard = share();
    let Some(connection) = url("loginsight", "loginsight") else { return };
    let plain = url("loginsight", "plain").unwrap();
    let interpreter = url("loginsight", "python").unwrap();
    let folder = tempfile::tempdir().unwrap();
    // Of the real traces the smaller ones: the existing library asks the server anew for each record.
    let smaller = ["image-list", "token-issue", "volume-create"];
    for (writes, names) in [("they", &smaller[..]), ("we", &TRACES)] {
        let traces: Vec<_> = names.iter().map(|name| fresh(&trace(name))).collect();
        let texts = |records: &[Record]| records.iter().map(Record::to_json).collect::<Vec<_>>();
        if writes == "we" {
            let mut writer = writer(&connection).unwrap();
            traces.iter().for_each(|records| writer.write(records).unwrap());
        } else {
            let file = folder.path().join("traces").display().to_string();
            std::fs::write(&file, texts(&traces.concat()).join("\n")).unwrap();
            python(&interpreter, &["put", &plain, &file]);
        }
        let base_ids: Vec<_> =
            traces.iter().map(|records| records[0].base_id.to_string()).collect();
        let show = ["show", &plain].into_iter().chain(base_ids.iter().map(String::as_str));
        let shown = python(&interpreter, &show.collect::<Vec<_>>());
        let shown: Vec<Value> = serde_json::from_str(&shown).unwrap();
        assert_eq!(shown.len(), names.len());
        let mut reader = reader(&connection).unwrap();
        for (((name, records), base_id), shown) in
            names.iter().zip(&traces).zip(&base_ids).zip(shown)
        {
            let expected = report_of(&texts(records));
            let found = read(&mut *reader, base_id).unwrap();
            assert_eq!(report_of(&found), expected, "our report of {name}, {writes} wrote");
            assert_eq!(comparable(shown), expected, "their report of {name}, {writes} wrote");
        }
    }
}
