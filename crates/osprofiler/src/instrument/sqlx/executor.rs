//! sqlx's executors, with a point around each statement.
//!
//! sqlx makes the other ways to send a statement of the two here, `fetch_many` and `fetch_optional`.

use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use osprofiler_wire::Info;
use sqlx::{Database, Describe, Either, Error, Execute, Executor, Pool, SqlStr};

use super::statement::{self, Taken, traced_call};
use super::stream::Rows;
use super::{Traced, TracedPool, TracedTransaction};

type Step<DB> = Either<<DB as Database>::QueryResult, <DB as Database>::Row>;

impl<'c, X: Executor<'c>> Executor<'c> for Traced<X> {
    type Database = X::Database;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Step<X::Database>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, X::Database>,
    {
        if !crate::profiler::is_tracing() {
            return self.inner.fetch_many(query);
        }
        let query = Taken::from(query);
        let begin = statement::begin(&self.options, query.as_str(), &self.params);
        let rows = self.inner.fetch_many(query);
        match begin {
            Some(begin) => Box::pin(Rows::new(rows, begin)),
            None => rows,
        }
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<<X::Database as Database>::Row>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, X::Database>,
    {
        if !crate::profiler::is_tracing() {
            return self.inner.fetch_optional(query);
        }
        let query = Taken::from(query);
        let begin = statement::begin(&self.options, query.as_str(), &self.params);
        let row = self.inner.fetch_optional(query);
        match begin {
            Some(begin) => Box::pin(begin.trace(row, |row| u64::from(row.is_some()))),
            None => row,
        }
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [<X::Database as Database>::TypeInfo],
    ) -> BoxFuture<'e, Result<<X::Database as Database>::Statement, Error>>
    where
        'c: 'e,
    {
        let Self { inner, options, .. } = self;
        let prepared = inner.prepare_with(sql, parameters);
        Box::pin(async move { traced_call(&options, "PREPARE", prepared).await })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<X::Database>, Error>>
    where
        'c: 'e,
    {
        self.inner.describe(sql)
    }
}

/// Makes an executor of what has one within.
macro_rules! executor {
    ($c:lifetime, $($t:lifetime)?, $DB:ident, $type:ty, |$this:ident| $inner:expr) => {
        impl<$c, $($t,)? $DB: Database> Executor<$c> for $type
        where
            for<'any> &'any mut $DB::Connection: Executor<'any, Database = $DB>,
        {
            type Database = $DB;

            fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Step<$DB>, Error>>
            where
                $c: 'e,
                E: 'q + Execute<'q, $DB>,
            {
                let $this = self;
                $inner.fetch_many(query)
            }

            fn fetch_optional<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxFuture<'e, Result<Option<$DB::Row>, Error>>
            where
                $c: 'e,
                E: 'q + Execute<'q, $DB>,
            {
                let $this = self;
                $inner.fetch_optional(query)
            }

            fn prepare_with<'e>(
                self,
                sql: SqlStr,
                parameters: &'e [$DB::TypeInfo],
            ) -> BoxFuture<'e, Result<$DB::Statement, Error>>
            where
                $c: 'e,
            {
                let $this = self;
                $inner.prepare_with(sql, parameters)
            }

            fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<$DB>, Error>>
            where
                $c: 'e,
            {
                let $this = self;
                $inner.describe(sql)
            }
        }
    };
}

executor!('c, , DB, &'c TracedPool<DB>, |this| Traced {
    inner: &this.pool as &'c Pool<DB>,
    options: this.options.clone(),
    params: Info::new(),
});

executor!('c, 't, DB, &'c mut TracedTransaction<'t, DB>, |this| Traced {
    inner: &mut *this.transaction,
    options: this.options.clone(),
    params: Info::new(),
});
