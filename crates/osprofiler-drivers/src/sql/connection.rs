//! One way to talk to both servers: statements with `?` for values, rows of texts and numbers.

use std::borrow::Cow;
use std::future::Future;
use std::time::Duration;

use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use tokio::time::timeout;

use super::options::{Options, ServerOptions};
use super::schema::Tables;
use crate::error::brief;
use crate::runtime::block_on;
use crate::{ConnectionString, Error, ErrorKind, tls};

/// Bytes of values that are sent at a time, if there are several rows. Every server takes as many.
const MAX_LEN: usize = 512 << 10;
/// How long a server is given to say goodbye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The servers of a connection string, and the connection to one of them, if there is one.
pub(super) struct Server {
    options: Options,
    connection: Option<Connection>,
}

impl Server {
    /// # Errors
    ///
    /// If the connection string makes no sense. Nothing is connected yet.
    pub(super) fn of(connection: &ConnectionString) -> Result<Self, Error> {
        Ok(Self { options: Options::of(connection)?, connection: None })
    }

    /// Takes the connection, or makes one to the first server that lets us in. Whoever has done with it
    /// what they wanted gives it back ([`keep`](Self::keep)); after a failure it is dropped, so that the
    /// next call makes another.
    pub(super) async fn connect(&mut self) -> Result<Connection, Error> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let mut failure = None;
        for at in 0..self.options.servers.len() {
            let opened = Connection::open(&self.options.servers[at]);
            match timeout(self.options.connect_timeout, opened).await {
                Ok(Ok(connection)) => {
                    self.options.servers.rotate_left(at);
                    return Ok(connection);
                }
                Ok(Err(cause)) => failure = Some(self.error("connect to", &cause)),
                Err(_) => failure = Some(self.silent(self.options.connect_timeout)),
            }
        }
        Err(failure.expect("a connection string has a server"))
    }

    /// What tables there are, on the first server that can tell; or that takes records, if it `is_to_write`:
    /// then what is missing is made. A server that lets us in may be one that does neither for now, such
    /// as a standby, or a node that is apart from its cluster.
    pub(super) async fn tables(&mut self, is_to_write: bool) -> Result<Tables, Error> {
        let servers = self.options.servers.len();
        let mut left = servers;
        loop {
            let mut connection = self.connect().await?;
            left -= 1;
            let found = if is_to_write {
                let made = Tables::make(&mut connection, servers > 1);
                self.answer("make the tables of", made).await
            } else {
                self.answer("open", Tables::find(&mut connection)).await
            };
            match found {
                Err(error) if error.is_retryable() && left > 0 => {}
                Err(error) => return Err(error),
                Ok(tables) => {
                    self.keep(connection);
                    return Ok(tables);
                }
            }
        }
    }

    pub(super) fn keep(&mut self, connection: Connection) {
        self.connection = Some(connection);
    }

    /// Waits for what the server does, but not for ever; `what` it is, such as `write to`. If it cannot do
    /// it now, the next connection is to another one.
    pub(super) async fn answer<T>(
        &mut self,
        what: &str,
        answer: impl Future<Output = sqlx::Result<T>>,
    ) -> Result<T, Error> {
        let answer = match timeout(self.options.timeout, answer).await {
            Ok(answer) => answer.map_err(|cause| self.error(what, &cause)),
            Err(_) => Err(self.silent(self.options.timeout)),
        };
        if answer.as_ref().is_err_and(Error::is_retryable) {
            self.options.servers.rotate_left(1);
        }
        answer
    }

    /// What errors call the server; without secrets.
    pub(super) fn place(&self) -> &str {
        &self.options.place
    }

    fn silent(&self, waited: Duration) -> Error {
        let (place, seconds) = (self.place(), waited.as_secs_f64());
        Error::new(ErrorKind::Unavailable, format!("`{place}` did not answer within {seconds} s"))
    }

    /// An error of the client or of the server. Only its text is kept: the rest may hold records.
    fn error(&self, what: &str, cause: &sqlx::Error) -> Error {
        let place = self.place();
        if let Some(trouble) = tls::trouble(cause) {
            return Error::new(ErrorKind::Denied, format!("cannot {what} `{place}`: {trouble}"));
        }
        let (kind, hint) = kind_of(cause);
        let said = match cause {
            sqlx::Error::Database(cause) => brief(cause.message()),
            cause => brief(&cause.to_string()),
        };
        Error::new(kind, format!("cannot {what} `{place}`: {said}{hint}"))
    }
}

impl Drop for Server {
    /// A server that is not told goodbye complains in its log.
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            let _ = block_on(async {
                let _ = timeout(CLOSE_TIMEOUT, connection.close()).await;
                Ok(())
            });
        }
    }
}

/// The kind of an error, and what to do about it.
fn kind_of(cause: &sqlx::Error) -> (ErrorKind, &'static str) {
    match cause {
        sqlx::Error::Database(cause) => {
            let number = cause
                .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
                .map(sqlx::mysql::MySqlDatabaseError::number);
            let kind = match number {
                Some(number) => mysql_kind(number),
                None => postgres_kind(cause.code().as_deref().unwrap_or_default()),
            };
            match kind {
                ErrorKind::Denied => (kind, "; check user, password and rights"),
                ErrorKind::NotFound => (kind, "; create it first"),
                kind => (kind, ""),
            }
        }
        sqlx::Error::Tls(_) => (ErrorKind::Denied, "; check `ca`, `cert` and `key`"),
        sqlx::Error::Io(_) => (ErrorKind::Unavailable, ""),
        sqlx::Error::Configuration(_) => (ErrorKind::ConnectionString, ""),
        _ => (ErrorKind::Storage, ""),
    }
}

/// By the numbers of MySQL, which are MariaDB's too.
fn mysql_kind(number: u16) -> ErrorKind {
    match number {
        // Access denied: to the server (also by host), the database, a table, a column, for want of a
        // privilege.
        1044 | 1045 | 1130 | 1142 | 1143 | 1227 | 1370 | 1698 => ErrorKind::Denied,
        1049 => ErrorKind::NotFound,
        // Too many connections, shutting down, locks and deadlocks, killed, read-only for now.
        1040 | 1053 | 1077 | 1203 | 1205 | 1206 | 1213 | 1226 | 1290 | 1317 | 1836 | 1927 => {
            ErrorKind::Unavailable
        }
        // Disk full or failing, out of memory, a full table.
        1021 | 1030 | 1037 | 1038 | 1041 | 1114 => ErrorKind::Unavailable,
        // A node of Galera that is apart from its cluster, or could not commit there.
        1047 | 1180 => ErrorKind::Unavailable,
        // We are blocked after many broken connections, or this one breaks.
        1129 | 1158..=1161 => ErrorKind::Unavailable,
        // A statement took too long: MariaDB, MySQL.
        1969 | 3024 => ErrorKind::Unavailable,
        // A table or a column is gone; a writer that is opened anew makes it.
        1054 | 1146 => ErrorKind::Unavailable,
        _ => ErrorKind::Storage,
    }
}

/// By the classes of SQLSTATE.
fn postgres_kind(code: &str) -> ErrorKind {
    match code {
        "42501" => ErrorKind::Denied,
        "3D000" => ErrorKind::NotFound,
        "25006" | "55P03" | "57014" => ErrorKind::Unavailable,
        // A table or a column is gone; a writer that is opened anew makes it.
        "42P01" | "42703" => ErrorKind::Unavailable,
        _ => match code.get(..2) {
            Some("28") => ErrorKind::Denied,
            // Connections, rolled back for others, resources, an operator's hand, the system.
            Some("08" | "40" | "53" | "57" | "58") => ErrorKind::Unavailable,
            _ => ErrorKind::Storage,
        },
    }
}

/// A connection to a server.
pub(super) enum Connection {
    MySql(Box<MySqlConnection>),
    Postgres(Box<PgConnection>),
}

/// A value of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Number(i64),
    Text(Option<Cow<'a, str>>),
}

impl<'a> From<i64> for Value<'a> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(text.into()))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Some(text.into()))
    }
}

impl<'a> From<Option<Cow<'a, str>>> for Value<'a> {
    fn from(text: Option<Cow<'a, str>>) -> Self {
        Self::Text(text)
    }
}

impl Value<'_> {
    fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(_) => None,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Number(_) => None,
            Self::Text(text) => text.as_deref(),
        }
    }

    /// Bytes that it takes on the way to the server, or a little less.
    fn len(&self) -> usize {
        match self {
            Self::Number(_) => 8,
            Self::Text(text) => text.as_deref().map_or(0, str::len),
        }
    }
}

/// A row of an answer.
pub(super) enum Row {
    MySql(MySqlRow),
    Postgres(PgRow),
}

impl Row {
    /// The text of a column; `None` if it is null.
    pub(super) fn text(&self, column: usize) -> sqlx::Result<Option<&str>> {
        match self {
            Self::MySql(row) => row.try_get_unchecked(column),
            Self::Postgres(row) => row.try_get_unchecked(column),
        }
    }

    /// The number of a column that is never null.
    pub(super) fn number(&self, column: usize) -> sqlx::Result<i64> {
        match self {
            Self::MySql(row) => row.try_get_unchecked(column),
            Self::Postgres(row) => row.try_get_unchecked(column),
        }
    }
}

/// Makes the query of a statement with its values.
macro_rules! query {
    ($sql:expr, $values:expr) => {{
        let mut query = sqlx::query(AssertSqlSafe($sql));
        for value in $values {
            query = match value {
                Value::Number(number) => query.bind(number),
                Value::Text(text) => query.bind(text.as_deref()),
            };
        }
        query
    }};
}

impl Connection {
    async fn open(server: &ServerOptions) -> sqlx::Result<Self> {
        Ok(match server {
            ServerOptions::MySql(options) => {
                Self::MySql(Box::new(MySqlConnection::connect_with(options).await?))
            }
            ServerOptions::Postgres(options) => {
                Self::Postgres(Box::new(PgConnection::connect_with(options).await?))
            }
        })
    }

    async fn close(self) -> sqlx::Result<()> {
        match self {
            Self::MySql(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        }
    }

    /// The text that this server understands, if the two differ in it.
    pub(super) fn dialect<'t>(&self, mysql: &'t str, postgres: &'t str) -> &'t str {
        match self {
            Self::MySql(_) => mysql,
            Self::Postgres(_) => postgres,
        }
    }

    /// Executes a statement without values.
    pub(super) async fn run(&mut self, sql: &str) -> sqlx::Result<()> {
        let sql = AssertSqlSafe(sql);
        match self {
            Self::MySql(connection) => {
                sqlx::raw_sql(sql).execute(&mut **connection).await.map(drop)
            }
            Self::Postgres(connection) => {
                sqlx::raw_sql(sql).execute(&mut **connection).await.map(drop)
            }
        }
    }

    /// Executes a statement; gives the number of rows that it changed.
    pub(super) async fn execute<'v>(
        &mut self,
        sql: &str,
        values: impl IntoIterator<Item = &'v Value<'v>, IntoIter: Send> + Send,
    ) -> sqlx::Result<u64> {
        Ok(match self {
            Self::MySql(connection) => {
                query!(sql, values).execute(&mut **connection).await?.rows_affected()
            }
            Self::Postgres(connection) => {
                let sql = numbered(sql);
                query!(sql, values).execute(&mut **connection).await?.rows_affected()
            }
        })
    }

    /// Executes a statement; gives the rows of its answer.
    pub(super) async fn fetch(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
    ) -> sqlx::Result<Vec<Row>> {
        Ok(match self {
            Self::MySql(connection) => {
                let rows = query!(sql, values).fetch_all(&mut **connection).await?;
                rows.into_iter().map(Row::MySql).collect()
            }
            Self::Postgres(connection) => {
                let sql = numbered(sql);
                let rows = query!(sql, values).fetch_all(&mut **connection).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// Executes `SELECT ... column` with `IN (some of the values)` behind it until all had their turn;
    /// gives all rows.
    pub(super) async fn fetch_of(&mut self, sql: &str, values: &[&str]) -> sqlx::Result<Vec<Row>> {
        let mut found = Vec::new();
        let mut left = values;
        while !left.is_empty() {
            let (some, rest) = left.split_at(shape(left.len()));
            left = rest;
            let sql = format!("{sql} IN ({})", marks(some.len()));
            let some: Vec<Value<'_>> = some.iter().map(|value| Value::from(*value)).collect();
            found.extend(self.fetch(&sql, &some).await?);
        }
        Ok(found)
    }

    /// Executes `INSERT INTO table (columns) VALUES ... end`, for many rows at a time.
    pub(super) async fn insert(
        &mut self,
        into: &str,
        rows: &[Vec<Value<'_>>],
        end: &str,
    ) -> sqlx::Result<()> {
        let mut left = rows;
        while let Some(row) = left.first() {
            let (some, rest) = left.split_at(shape(fitting(left)));
            left = rest;
            let tuple = format!("({})", marks(row.len()));
            let sql = format!("INSERT INTO {into} VALUES {} {end}", repeated(&tuple, some.len()));
            self.execute(&sql, some.iter().flatten()).await?;
        }
        Ok(())
    }

    /// Executes `INSERT INTO table (columns)` for many rows at a time, given a column at a time to a
    /// server that takes arrays of these `types`.
    pub(super) async fn append(
        &mut self,
        into: &str,
        types: &[&str],
        rows: &[Vec<Value<'_>>],
    ) -> sqlx::Result<()> {
        let Self::Postgres(connection) = self else {
            return self.insert(into, rows, "").await;
        };
        let arrays: Vec<String> = types.iter().map(|name| format!("?::{name}[]")).collect();
        let sql = format!("INSERT INTO {into} SELECT * FROM unnest({})", arrays.join(", "));
        let sql = numbered(&sql);
        let mut left = rows;
        while !left.is_empty() {
            let (some, rest) = left.split_at(fitting(left));
            left = rest;
            let mut query = sqlx::query(AssertSqlSafe(sql.clone()));
            for column in 0..types.len() {
                let values = some.iter().map(|row| &row[column]);
                query = match some[0][column] {
                    Value::Number(_) => query.bind(values.map(Value::number).collect::<Vec<_>>()),
                    Value::Text(_) => query.bind(values.map(Value::text).collect::<Vec<_>>()),
                };
            }
            query.execute(&mut **connection).await?;
        }
        Ok(())
    }
}

/// Bytes that a row takes on the way to the server, or a little more.
pub(super) fn len_of(row: &[Value<'_>]) -> usize {
    row.iter().map(|value| value.len() + 9).sum()
}

/// How many of the rows to send at a time; one at least.
fn fitting(rows: &[Vec<Value<'_>>]) -> usize {
    let mut len = 0;
    let fitting = rows.iter().take_while(|row| {
        len += len_of(row);
        len <= MAX_LEN
    });
    fitting.count().max(1)
}

/// The greatest power of two that is no greater, and not too many: so there are few statements, which
/// the server has to understand only once.
fn shape(count: usize) -> usize {
    const MOST: usize = 512;
    if count >= MOST { MOST } else { 1 << count.ilog2() }
}

fn marks(count: usize) -> String {
    repeated("?", count)
}

fn repeated(text: &str, count: usize) -> String {
    vec![text; count].join(", ")
}

/// The statement with `$1`, `$2`, ... for its values. No statement of ours has a `?` of another
/// meaning.
fn numbered(sql: &str) -> String {
    let mut numbered = String::with_capacity(sql.len() + sql.len() / 2);
    for (at, part) in sql.split('?').enumerate() {
        if at > 0 {
            numbered.push('$');
            numbered.push_str(&at.to_string());
        }
        numbered.push_str(part);
    }
    numbered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_told_from_what_a_record_is_refused_for() {
        for (number, kind) in [
            (1045, ErrorKind::Denied),
            (1049, ErrorKind::NotFound),
            // "WSREP has not yet prepared node for application use"
            (1047, ErrorKind::Unavailable),
            (1114, ErrorKind::Unavailable),
            (1153, ErrorKind::Storage),
            (1366, ErrorKind::Storage),
        ] {
            assert_eq!(mysql_kind(number), kind, "{number}");
        }
        for (code, kind) in [
            ("28P01", ErrorKind::Denied),
            ("3D000", ErrorKind::NotFound),
            ("25006", ErrorKind::Unavailable),
            ("53100", ErrorKind::Unavailable),
            ("22P05", ErrorKind::Storage),
            ("", ErrorKind::Storage),
        ] {
            assert_eq!(postgres_kind(code), kind, "{code}");
        }
    }
}
