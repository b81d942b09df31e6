//! A statement on its way.

use std::borrow::Cow;
use std::fmt::Display;

use osprofiler_wire::Info;
use sqlx::error::BoxDynError;
use sqlx::{Database, Execute, SqlStr, Statement as _};

use crate::future::{OnError, Traced};
use crate::instrument::sql::{Ending, SqlOptions};

/// What a point begins and ends with.
pub(super) struct Begin {
    pub(super) point: Cow<'static, str>,
    pub(super) info: Info,
    pub(super) ending: Ending,
}

/// What the point of a statement begins with; `None` if there is to be none.
pub(super) fn begin(options: &SqlOptions, sql: &str, params: &Info) -> Option<Begin> {
    let statement = options.statement(sql)?.named_params(params);
    let (point, info) = (statement.point(), statement.info());
    Some(Begin { point, info, ending: statement.ending() })
}

impl Begin {
    /// Makes the point of a future; `count` tells how many rows it gave.
    pub(super) fn trace<T, E: Display>(
        self,
        future: impl Future<Output = Result<T, E>> + Send,
        count: impl FnOnce(&T) -> u64 + Send,
    ) -> impl Future<Output = Result<T, E>> + Send {
        let Self { point, info, ending } = self;
        let inspect = move |result: &Result<T, E>| match result {
            Ok(output) => ending.rows(count(output)),
            Err(error) => ending.failed(error),
        };
        Traced::inspected(future, point, info, inspect)
    }
}

/// Runs what is no statement of the user's, as a point.
pub(super) async fn traced_call<T, E: Display>(
    options: &SqlOptions,
    operation: &str,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    match options.call(operation) {
        Some((point, info)) => Traced::inspected(call, point, info, OnError).await,
        None => call.await,
    }
}

/// A query whose text has been looked at, which sqlx gives only to who takes it apart.
pub(super) struct Taken<DB: Database> {
    sql: SqlStr,
    statement: Option<DB::Statement>,
    arguments: Option<Result<Option<DB::Arguments>, BoxDynError>>,
    persistent: bool,
}

impl<DB: Database> Taken<DB> {
    pub(super) fn from<'q>(mut query: impl Execute<'q, DB>) -> Self {
        let (statement, persistent) = (query.statement().cloned(), query.persistent());
        let arguments = Some(query.take_arguments());
        let sql = match &statement {
            Some(statement) => statement.sql().clone(),
            None => query.sql(),
        };
        Self { sql, statement, arguments, persistent }
    }

    pub(super) fn as_str(&self) -> &str {
        self.sql.as_str()
    }
}

impl<DB: Database> Execute<'_, DB> for Taken<DB>
where
    DB::Statement: Send,
{
    fn sql(self) -> SqlStr {
        self.sql
    }

    fn statement(&self) -> Option<&DB::Statement> {
        self.statement.as_ref()
    }

    fn take_arguments(&mut self) -> Result<Option<DB::Arguments>, BoxDynError> {
        self.arguments.take().unwrap_or(Ok(None))
    }

    fn persistent(&self) -> bool {
        self.persistent
    }
}
