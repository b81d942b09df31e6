//! SQL statements that are sent with rusqlite.
//!
//! ```
//! use osprofiler::instrument::rusqlite::TraceStatements;
//!
//! let connection = rusqlite::Connection::open_in_memory()?;
//! connection.trace_statements();
//! let one: i64 = connection.query_row("SELECT 1", [], |row| row.get(0))?; // a point
//! # assert_eq!(one, 1);
//! # Ok::<(), rusqlite::Error>(())
//! ```
//!
//! A statement is a point named `db` from its first step until it is reset: the last row was read, or the
//! rows are dropped. What else happens meanwhile hangs below it. SQLite tells its hook neither of
//! errors nor of parameters, and takes one that holds nothing, so there are no options; what points say is
//! up to the switches of [`sql`](super::sql).

use std::cell::RefCell;

use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};

use super::sql::{OpenStatement, SqlOptions};

/// Tracing of connections to SQLite.
pub trait TraceStatements {
    /// Makes points of all statements of this connection that are sent while a trace is there. It takes
    /// the one trace hook that a connection has.
    fn trace_statements(&self);
}

impl TraceStatements for Connection {
    fn trace_statements(&self) {
        let codes = TraceEventCodes::SQLITE_TRACE_STMT | TraceEventCodes::SQLITE_TRACE_PROFILE;
        self.trace_v2(codes, Some(observe));
    }
}

thread_local! {
    /// Statements of this thread that have begun, in that order.
    static OPEN: RefCell<Vec<(String, OpenStatement)>> = const { RefCell::new(Vec::new()) };
}

fn observe(event: TraceEvent<'_>) {
    match event {
        // What a trigger does comes as a comment.
        TraceEvent::Stmt(_, sql) if !sql.starts_with("--") => begin(sql),
        TraceEvent::Profile(statement, _) => end(&statement.sql()),
        _ => {}
    }
}

fn begin(sql: &str) {
    let options = SqlOptions::default();
    let open = options.statement(sql).and_then(|statement| statement.open());
    if let Some(open) = open {
        OPEN.with_borrow_mut(|all| all.push((sql.to_owned(), open)));
    }
}

fn end(sql: &str) {
    // The text is all that tells statements apart; of equal ones the last ends first.
    let ended = OPEN.with_borrow_mut(|all| {
        let at = all.iter().rposition(|(text, _)| text == sql)?;
        Some(all.remove(at).1)
    });
    if let Some(open) = ended {
        open.done();
    }
}
