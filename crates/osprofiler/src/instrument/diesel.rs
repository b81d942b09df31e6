//! SQL statements that are sent with diesel, to any of its databases.
//!
//! Once for the process, before the first connection:
//!
//! ```
//! diesel::connection::set_default_instrumentation(osprofiler::instrument::diesel::points)?;
//! # Ok::<(), diesel::result::Error>(())
//! ```
//!
//! or for one connection, with a choice of what its points are called and what they say:
//!
//! ```
//! use diesel::Connection;
//! use osprofiler::instrument::diesel::SqlPoints;
//! use osprofiler::instrument::sql::SqlOptions;
//!
//! # fn f(mut connection: impl Connection) {
//! connection.set_instrumentation(SqlPoints::new(SqlOptions::default().with_params()));
//! # }
//! ```
//!
//! A statement is a point named `db`; so are `BEGIN`, `COMMIT` and `ROLLBACK`, which diesel sends as
//! statements. diesel tells nothing of rows.

use std::fmt::Display;

use diesel::connection::{Instrumentation, InstrumentationEvent};

use super::sql::{OpenStatement, SqlOptions};

/// What stands between a statement and its parameters where diesel shows both.
const BINDS: &str = " -- binds: ";

/// Makes points of statements: for diesel's `set_default_instrumentation`.
#[must_use]
pub fn points() -> Option<Box<dyn Instrumentation>> {
    Some(Box::new(SqlPoints::default()))
}

/// Makes points of a connection's statements.
#[derive(Debug, Default)]
pub struct SqlPoints {
    options: SqlOptions,
    /// What has begun; one statement at a time.
    open: Option<OpenStatement>,
}

impl SqlPoints {
    /// Makes points that are called and say what these options say.
    #[must_use]
    pub fn new(options: SqlOptions) -> Self {
        Self { options, open: None }
    }

    fn begin(&mut self, shown: impl FnOnce() -> String) {
        if !crate::profiler::is_tracing() {
            return;
        }
        let shown = shown();
        let (sql, params) = shown.split_once(BINDS).unwrap_or((&shown, ""));
        let statement = self.options.statement(sql);
        let statement = statement.map(|statement| match params {
            "" | "[]" => statement,
            params => statement.params(|| params.to_owned()),
        });
        self.open = statement.and_then(|statement| statement.open());
    }

    fn end(&mut self, error: Option<&impl Display>) {
        match (self.open.take(), error) {
            (Some(open), Some(error)) => open.failed(error),
            (Some(open), None) => open.done(),
            (None, _) => {}
        }
    }
}

impl Instrumentation for SqlPoints {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match event {
            InstrumentationEvent::StartQuery { query, .. } => self.begin(|| query.to_string()),
            InstrumentationEvent::FinishQuery { error, .. } => self.end(error),
            InstrumentationEvent::StartEstablishConnection { .. } => {
                self.open = self.options.open_call("CONNECT");
            }
            InstrumentationEvent::FinishEstablishConnection { error, .. } => self.end(error),
            _ => {}
        }
    }
}
