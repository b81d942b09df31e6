//! A child of a fork makes ids of its own; checked under valgrind as well, where there is one.
//!
//! Without the usual harness, whose threads a child would not have.

#![allow(clippy::print_stdout, clippy::print_stderr)] // it is its own harness

use std::collections::HashSet;
use std::env;
use std::io::{Read, Write, pipe};
use std::process::{Command, exit};

use fork::{Fork, fork, waitpid};
use osprofiler::{Id, Profiler, Trace, notifier};

/// Ids that each process makes.
const IDS: usize = 1000;

/// Says that this is the run under valgrind.
const UNDER_VALGRIND: &str = "OSPROFILER_TEST_UNDER_VALGRIND";

fn main() {
    let trace = Profiler::new("key", None, None);
    let mut ids = make_ids(&trace);
    let (mut reader, mut writer) = pipe().unwrap();
    match fork().unwrap() {
        Fork::Child => {
            let ids: Vec<u8> =
                make_ids(&trace).iter().flat_map(|id| id.uuid_bytes().unwrap()).collect();
            exit(i32::from(writer.write_all(&ids).is_err()));
        }
        Fork::Parent(child) => {
            drop(writer);
            ids.extend(make_ids(&trace));
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).unwrap();
            assert_eq!(waitpid(child).unwrap(), 0, "the child failed");
            let (of_child, []) = bytes.as_chunks::<16>() else { panic!("half an id") };
            ids.extend(of_child.iter().map(|bytes| Id::from_uuid_bytes(*bytes)));
        }
    }
    assert_eq!(ids.len(), 3 * IDS);
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 3 * IDS, "an id was made twice");
    println!("ids of a parent and a child of a fork differ: ok");
    child_without_background(&trace);
    if env::var_os(UNDER_VALGRIND).is_none() {
        run_under_valgrind();
    }
}

/// Nothing takes the records of a child whose parent had a driver: it makes none, and does not hang.
fn child_without_background(trace: &Profiler) {
    let notifier = notifier::create("memory://forks").unwrap();
    let _attached = trace.attach();
    drop(Trace::new("before", ()));
    match fork().unwrap() {
        Fork::Child => {
            for _ in 0..100_000 {
                drop(Trace::new("in the child", ()));
            }
            let another = notifier::create("memory://child").unwrap();
            drop(Trace::new("in the child", ()));
            drop(another);
            exit(i32::from(notifier::stats().dropped() > 0));
        }
        Fork::Parent(child) => assert_eq!(waitpid(child).unwrap(), 0, "the child failed"),
    }
    drop(Trace::new("after", ()));
    drop(notifier);
    assert_eq!(notifier::stats().dropped(), 0);
    println!("the child of a fork records nothing without a background: ok");
}

/// Makes points of a trace that began before the fork, and the ids of others.
fn make_ids(trace: &Profiler) -> Vec<Id> {
    notifier::set(|_| ());
    let _attached = trace.attach();
    (0..IDS)
        .map(|at| {
            let _point = Trace::new("point", ());
            if at % 2 == 0 {
                osprofiler::profiler::get().unwrap().id().clone()
            } else {
                Profiler::new("key", None, None).base_id().clone()
            }
        })
        .collect()
}

fn run_under_valgrind() {
    let run = Command::new("valgrind")
        .args(["--quiet", "--error-exitcode=9", "--trace-children=no"])
        .arg(env::current_exe().unwrap())
        .env(UNDER_VALGRIND, "1")
        .status();
    match run {
        Ok(status) => assert!(status.success(), "valgrind found something"),
        Err(error) => eprintln!("SKIPPED 1 check: valgrind does not run: {error}"),
    }
}
