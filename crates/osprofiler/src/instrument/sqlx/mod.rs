//! SQL statements that are sent with sqlx, to any of its databases.
//!
//! Trace the pool once, and use it as before:
//!
//! ```
//! use osprofiler::instrument::sqlx::TracePool;
//!
//! # async fn f(pool: sqlx::SqlitePool) -> sqlx::Result<()> {
//! let db = pool.traced();
//! let names: Vec<String> = sqlx::query_scalar("SELECT name FROM item").fetch_all(&db).await?;
//!
//! let mut tx = db.begin().await?;
//! sqlx::query("DELETE FROM item WHERE id = ?").bind(7).execute(&mut tx).await?;
//! tx.commit().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Each statement is a point, from when it is sent to its last row; what it says is up to
//! [`SqlOptions`] and to the switches of [`sql`](super::sql). sqlx hands over parameters in the
//! encoding of the database, so a caller who wants them seen [shows](TracedPool::showing) them.

mod executor;
mod statement;
mod stream;

use std::fmt;
use std::ops::Deref;

use osprofiler_wire::Info;
use sqlx::pool::PoolConnection;
use sqlx::{Connection, Database, Pool, Result, Transaction};

use self::statement::traced_call;
use super::Kind;
use super::sql::SqlOptions;
use crate::IntoInfo;

/// Tracing of pools.
pub trait TracePool<DB: Database> {
    /// Makes a pool whose statements are points named `db`. It is the same pool: a clone is cheap.
    fn traced(&self) -> TracedPool<DB> {
        self.traced_with(SqlOptions::default())
    }

    /// [`traced`](Self::traced), with a choice of what points are called and what they say.
    fn traced_with(&self, options: SqlOptions) -> TracedPool<DB>;
}

impl<DB: Database> TracePool<DB> for Pool<DB> {
    fn traced_with(&self, options: SqlOptions) -> TracedPool<DB> {
        TracedPool { pool: self.clone(), options }
    }
}

/// Tracing of connections.
pub trait TraceConnection: Connection + Sized {
    /// Borrows the connection as one whose statements are points named `db`.
    ///
    /// Works on whatever dereferences to a connection: one of a pool, a transaction.
    ///
    /// ```
    /// use osprofiler::instrument::sqlx::TraceConnection;
    ///
    /// # async fn f(mut connection: sqlx::SqliteConnection) -> sqlx::Result<()> {
    /// sqlx::query("SELECT 1").execute(connection.traced()).await?;
    /// # Ok(())
    /// # }
    /// ```
    fn traced(&mut self) -> Traced<&mut Self> {
        self.traced_with(SqlOptions::default())
    }

    /// [`traced`](Self::traced), with a choice of what points are called and what they say.
    fn traced_with(&mut self, options: SqlOptions) -> Traced<&mut Self> {
        Traced { inner: self, options, params: Info::new() }
    }
}

impl<C: Connection> TraceConnection for C {}

/// A pool whose statements are points; see [`TracePool`].
///
/// `&TracedPool` is an [`Executor`](sqlx::Executor). The pool itself is behind [`Deref`], for what is
/// not to be traced.
pub struct TracedPool<DB: Database> {
    pool: Pool<DB>,
    options: SqlOptions,
}

impl<DB: Database> TracedPool<DB> {
    /// Begins a transaction: a point, as are its statements, its commit and its rollback.
    ///
    /// # Errors
    ///
    /// Those of [`Pool::begin`].
    pub async fn begin(&self) -> Result<TracedTransaction<'static, DB>> {
        let transaction = traced_call(&self.options, "BEGIN", self.pool.begin()).await?;
        Ok(TracedTransaction { transaction, options: self.options.clone() })
    }

    /// Takes a connection, which may have to wait for one to be free: a point. What is then done with
    /// the connection is traced with [`TraceConnection::traced`].
    ///
    /// # Errors
    ///
    /// Those of [`Pool::acquire`].
    pub async fn acquire(&self) -> Result<PoolConnection<DB>> {
        traced_call(&self.options, "ACQUIRE", self.pool.acquire()).await
    }

    /// An executor for one statement, that shows these parameters beside it while [`Kind::Sql`] is on.
    /// Values whose names say secret are masked.
    ///
    /// ```
    /// use osprofiler::info;
    /// use osprofiler::instrument::sqlx::TracePool;
    ///
    /// # async fn f(pool: sqlx::SqlitePool) -> sqlx::Result<()> {
    /// # let db = pool.traced();
    /// let id = 7;
    /// let shown = db.showing(info! { "id" => id });
    /// sqlx::query("DELETE FROM item WHERE id = ?").bind(id).execute(shown).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn showing(&self, params: impl IntoInfo) -> Traced<&Pool<DB>> {
        Traced { inner: &self.pool, options: self.options.clone(), params: shown(params) }
    }
}

/// Parameters, if a point is going to show them.
fn shown(params: impl IntoInfo) -> Info {
    let are_seen = crate::profiler::is_tracing() && Kind::Sql.is_on();
    if are_seen { params.into_info() } else { Info::new() }
}

impl<DB: Database> Deref for TracedPool<DB> {
    type Target = Pool<DB>;

    fn deref(&self) -> &Pool<DB> {
        &self.pool
    }
}

impl<DB: Database> Clone for TracedPool<DB> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), options: self.options.clone() }
    }
}

impl<DB: Database> fmt::Debug for TracedPool<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracedPool").field("options", &self.options).finish_non_exhaustive()
    }
}

/// A transaction whose statements are points; see [`TracedPool::begin`].
///
/// `&mut TracedTransaction` is an [`Executor`](sqlx::Executor). Dropped, it is rolled back, as a
/// transaction of sqlx is, when its connection is used next: that is no point.
pub struct TracedTransaction<'t, DB: Database> {
    transaction: Transaction<'t, DB>,
    options: SqlOptions,
}

impl<DB: Database> TracedTransaction<'_, DB> {
    /// Commits, as a point.
    ///
    /// # Errors
    ///
    /// Those of [`Transaction::commit`].
    pub async fn commit(self) -> Result<()> {
        traced_call(&self.options, "COMMIT", self.transaction.commit()).await
    }

    /// Rolls back, as a point.
    ///
    /// # Errors
    ///
    /// Those of [`Transaction::rollback`].
    pub async fn rollback(self) -> Result<()> {
        traced_call(&self.options, "ROLLBACK", self.transaction.rollback()).await
    }

    /// Begins a transaction within this one, with a savepoint.
    ///
    /// # Errors
    ///
    /// Those of [`Connection::begin`].
    pub async fn begin(&mut self) -> Result<TracedTransaction<'_, DB>> {
        let options = self.options.clone();
        let transaction = traced_call(&options, "SAVEPOINT", self.transaction.begin()).await?;
        Ok(TracedTransaction { transaction, options })
    }

    /// An executor for one statement, that shows these parameters; see [`TracedPool::showing`].
    pub fn showing(&mut self, params: impl IntoInfo) -> Traced<&mut DB::Connection> {
        let options = self.options.clone();
        Traced { inner: &mut *self.transaction, options, params: shown(params) }
    }
}

impl<DB: Database> fmt::Debug for TracedTransaction<'_, DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracedTransaction").field("options", &self.options).finish_non_exhaustive()
    }
}

/// An executor whose statements are points.
#[derive(Clone, Debug)]
pub struct Traced<E> {
    inner: E,
    options: SqlOptions,
    params: Info,
}
