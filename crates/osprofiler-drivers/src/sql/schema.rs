//! The tables. Specified in `docs/drivers/sql.md`.

use super::connection::{Connection, Server, Value};
use crate::{Error, ErrorKind};

/// What there is in a database.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tables {
    /// The table `data`.
    pub(super) has_data: bool,
    /// Its column `summarized`, which the existing library does not make.
    pub(super) has_mark: bool,
    /// The table of summaries.
    pub(super) has_summaries: bool,
    /// Whether the columns of `data` hold any character; else those of ASCII are sure.
    pub(super) is_unicode: bool,
    /// Bytes that the values of a statement may have.
    pub(super) max_len: usize,
}

/// A server that is read-only refuses this all the same.
const CHANGE_NOTHING: &str = "UPDATE osprofiler_trace SET batch = 0 WHERE 1 = 0";

/// What a statement may have besides its values.
const STATEMENT_LEN: usize = 64 * 1024;

/// The name of the lock under which tables are made, and its number.
const LOCK: &str = "osprofiler";
const LOCK_NUMBER: i64 = 0x4f53_5072;
/// Functions of MySQL and of PostgreSQL.
const TAKE: [&str; 2] = ["SELECT GET_LOCK(?, 20)", "SELECT pg_advisory_lock(?)"];
const GIVE_BACK: [&str; 2] = ["SELECT RELEASE_LOCK(?)", "SELECT pg_advisory_unlock(?)"];

impl Tables {
    /// Looks for the tables.
    pub(super) async fn find(connection: &mut Connection) -> sqlx::Result<Self> {
        let columns = connection.dialect(
            "SELECT table_name, column_name, character_set_name, @@max_allowed_packet
             FROM information_schema.columns
             WHERE table_schema = DATABASE() AND table_name IN ('data', 'osprofiler_trace')",
            "SELECT relname::text, attname::text, current_setting('server_encoding'), 1 << 30
             FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
             WHERE attrelid IN (to_regclass('data'), to_regclass('osprofiler_trace'))
                 AND attnum > 0 AND NOT attisdropped",
        );
        let mut tables = Self::default();
        for row in connection.fetch(columns, &[]).await? {
            match (row.text(0)?, row.text(1)?) {
                (Some("data"), Some("base_id")) => {
                    tables.has_data = true;
                    tables.is_unicode = matches!(row.text(2)?, Some("utf8mb4" | "UTF8"));
                    let max_len = usize::try_from(row.number(3)?).unwrap_or(usize::MAX);
                    tables.max_len = max_len.saturating_sub(STATEMENT_LEN);
                }
                (Some("data"), Some("summarized")) => tables.has_mark = true,
                (Some("osprofiler_trace"), _) => tables.has_summaries = true,
                _ => (),
            }
        }
        Ok(tables)
    }

    /// Looks for the tables, and makes what is missing. If it `is_to_be_sure`, fails if the server would take
    /// no records.
    pub(super) async fn make(
        connection: &mut Connection,
        is_to_be_sure: bool,
    ) -> sqlx::Result<Self> {
        let found = Self::find(connection).await?;
        if found.is_complete() {
            if is_to_be_sure {
                connection.execute(CHANGE_NOTHING, [] as [&Value<'_>; 0]).await?;
            }
            return Ok(found);
        }
        // Others may be about to do the same.
        call_with_lock(connection, TAKE).await?;
        let made = Self::find(connection).await?.complete(connection).await;
        call_with_lock(connection, GIVE_BACK).await?;
        made?;
        Self::find(connection).await
    }

    /// Whether a writer can begin.
    pub(super) fn is_complete(self) -> bool {
        self.has_data && self.has_mark && self.has_summaries
    }

    async fn complete(self, connection: &mut Connection) -> sqlx::Result<()> {
        if !self.has_data {
            connection.run(connection.dialect(MYSQL_DATA, POSTGRES_DATA)).await?;
        } else if !self.has_mark {
            connection.run("ALTER TABLE data ADD COLUMN summarized SMALLINT NULL").await?;
            connection.run(connection.dialect(MYSQL_MARK_INDEX, POSTGRES_MARK_INDEX)).await?;
        }
        if !self.has_summaries {
            connection.run(connection.dialect(MYSQL_SUMMARIES, POSTGRES_SUMMARIES)).await?;
        }
        Ok(())
    }

    /// # Errors
    ///
    /// If there is no table of records.
    pub(super) fn must_have_data(self, server: &Server) -> Result<(), Error> {
        if self.has_data {
            return Ok(());
        }
        let place = server.place();
        let message = format!("there is no table `data` in `{place}`; trace something first");
        Err(Error::new(ErrorKind::NotFound, message))
    }
}

/// Takes the lock, or gives it back, by a function of the server.
async fn call_with_lock(
    connection: &mut Connection,
    [mysql, postgres]: [&str; 2],
) -> sqlx::Result<()> {
    let lock = match connection {
        Connection::MySql(_) => LOCK.into(),
        Connection::Postgres(_) => LOCK_NUMBER.into(),
    };
    let sql = connection.dialect(mysql, postgres);
    connection.fetch(sql, &[lock]).await.map(drop)
}

const MYSQL_DATA: &str = "
    CREATE TABLE data (
        id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
        timestamp VARCHAR(26),
        base_id VARCHAR(255),
        parent_id VARCHAR(255),
        trace_id VARCHAR(255),
        project VARCHAR(255),
        host VARCHAR(255),
        service VARCHAR(255),
        name VARCHAR(255),
        data JSON,
        summarized SMALLINT,
        KEY ix_data_base_id (base_id),
        KEY ix_data_trace_id (trace_id),
        KEY ix_data_summarized (summarized)
    ) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
const POSTGRES_DATA: &str = "
    CREATE TABLE data (
        id BIGSERIAL PRIMARY KEY,
        timestamp VARCHAR(26),
        base_id VARCHAR(255),
        parent_id VARCHAR(255),
        trace_id VARCHAR(255),
        project VARCHAR(255),
        host VARCHAR(255),
        service VARCHAR(255),
        name VARCHAR(255),
        data JSON,
        summarized SMALLINT
    );
    CREATE INDEX ix_data_base_id ON data (base_id, id);
    CREATE INDEX ix_data_trace_id ON data (trace_id);
    CREATE INDEX ix_data_summarized ON data (base_id) WHERE summarized IS NULL";
const MYSQL_MARK_INDEX: &str = "CREATE INDEX ix_data_summarized ON data (summarized)";
const POSTGRES_MARK_INDEX: &str =
    "CREATE INDEX ix_data_summarized ON data (base_id) WHERE summarized IS NULL";
const MYSQL_SUMMARIES: &str = "
    CREATE TABLE osprofiler_trace (
        base_id VARBINARY(1020) NOT NULL PRIMARY KEY,
        full_id LONGTEXT,
        batch BIGINT NOT NULL,
        started_us BIGINT NOT NULL,
        ended_us BIGINT NOT NULL,
        starts BIGINT NOT NULL,
        stops BIGINT NOT NULL,
        errors BIGINT NOT NULL,
        kinds LONGTEXT NOT NULL,
        root LONGTEXT NOT NULL,
        KEY ix_osprofiler_trace_started_us (started_us)
    ) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
const POSTGRES_SUMMARIES: &str = "
    CREATE TABLE osprofiler_trace (
        base_id TEXT COLLATE \"C\" NOT NULL PRIMARY KEY,
        full_id TEXT,
        batch BIGINT NOT NULL,
        started_us BIGINT NOT NULL,
        ended_us BIGINT NOT NULL,
        starts BIGINT NOT NULL,
        stops BIGINT NOT NULL,
        errors BIGINT NOT NULL,
        kinds TEXT NOT NULL,
        root TEXT NOT NULL
    );
    CREATE INDEX ix_osprofiler_trace_started_us ON osprofiler_trace (started_us)";
