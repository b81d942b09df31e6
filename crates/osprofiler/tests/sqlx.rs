//! Statements sent with sqlx, to each of its databases.

mod common;

use futures_util::TryStreamExt;
use osprofiler::info;
use osprofiler::instrument::Kind;
use osprofiler::instrument::sql::SqlOptions;
use osprofiler::instrument::sqlx::{TraceConnection, TracePool};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Connection, Executor, MySqlPool, PgPool, QueryBuilder, Row, SqlitePool};

use crate::common::{recorded, services};

/// A database in memory, with one connection, since each would have its own.
async fn items() -> SqlitePool {
    let pool =
        SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
    pool.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL)").await.unwrap();
    pool.execute("INSERT INTO item VALUES (1, 'nut'), (2, 'bolt'), (3, 'pin')").await.unwrap();
    pool
}

fn all() -> SqlOptions {
    SqlOptions::default().with_rows()
}

#[test]
fn each_statement_is_a_point_whatever_way_it_is_sent() {
    let tree = recorded(true, async || {
        let db = items().await.traced_with(all());
        let names: Vec<String> =
            sqlx::query_scalar("SELECT name FROM item").fetch_all(&db).await.unwrap();
        assert_eq!(names, ["nut", "bolt", "pin"]);
        let pair: (i64, String) = sqlx::query_as("SELECT id, name FROM item WHERE id = ?")
            .bind(2)
            .fetch_one(&db)
            .await
            .unwrap();
        assert_eq!(pair, (2, "bolt".to_owned()));
        let row = sqlx::query!("SELECT id, name FROM item WHERE id = ?", 3).fetch_one(&db).await;
        assert_eq!(row.unwrap().name, "pin");
        let none = sqlx::query("SELECT 1 WHERE 1 = 0").fetch_optional(&db).await.unwrap();
        assert!(none.is_none());
        let mut insert = QueryBuilder::new("INSERT INTO item ");
        insert.push_values([(4, "cog"), (5, "cam")], |mut row, (id, name)| {
            row.push_bind(id).push_bind(name);
        });
        assert_eq!(insert.build().execute(&db).await.unwrap().rows_affected(), 2);
        let two = sqlx::raw_sql("SELECT 1; SELECT 2").fetch_all(&db).await.unwrap();
        assert_eq!(two.len(), 2);
    });
    assert_eq!(
        tree,
        r#"request
  db {"db":{"statement":"SELECT name FROM item"}} -> {"db":{"rows":3}}
  db {"db":{"statement":"SELECT id, name FROM item WHERE id = ?"}} -> {"db":{"rows":1}}
  db {"db":{"statement":"SELECT id, name FROM item WHERE id = ?"}} -> {"db":{"rows":1}}
  db {"db":{"statement":"SELECT 1 WHERE 1 = 0"}} -> {"db":{"rows":0}}
  db {"db":{"statement":"INSERT INTO item VALUES (?, ?), (?, ?)"}} -> {"db":{"rows":0}}
  db {"db":{"statement":"SELECT 1; SELECT 2"}} -> {"db":{"rows":2}}
"#
    );
}

#[test]
fn without_the_switch_a_point_says_only_what_kind_of_statement_it_is() {
    let tree = recorded(false, async || {
        let db = items().await.traced();
        sqlx::query("SELECT 'hush'").fetch_all(&db).await.unwrap();
        sqlx::query("SELECT none FROM item WHERE name = 'hush'").execute(&db).await.unwrap_err();
        let shown = db.showing(info! { "name" => "hush" });
        sqlx::query("DELETE FROM item").execute(shown).await.unwrap();
        Kind::Sql.switch(true);
        sqlx::query("SELECT 1").fetch_all(&db).await.unwrap();
        Kind::Sql.switch(false);
        Kind::Db.switch(false);
        sqlx::query("SELECT 1").fetch_all(&db).await.unwrap();
        db.begin().await.unwrap().commit().await.unwrap();
        Kind::Db.switch(true);
    });
    assert_eq!(
        tree,
        r#"request
  db {"db":{"operation":"SELECT"}}
  db {"db":{"operation":"SELECT"}} -> {"etype":"sqlx_core::error::Error","message":"error returned from database: (code: 1) no such column: none"}
  db {"db":{"operation":"DELETE"}}
  db {"db":{"statement":"SELECT 1"}}
"#
    );
}

#[test]
fn a_streamed_point_lasts_until_its_last_row_and_is_no_parent_of_what_is_done_with_rows() {
    let tree = recorded(true, async || {
        let db = items().await.traced_with(all().named("shop.db"));
        let mut rows = sqlx::query("SELECT name FROM item").fetch(&db);
        while let Some(row) = rows.try_next().await.unwrap() {
            let _point = osprofiler::Trace::new("use", info! { "name" => row.get::<String, _>(0) });
        }
        drop(rows);
        let mut rows = sqlx::query("SELECT id FROM item").fetch(&db);
        rows.try_next().await.unwrap().unwrap();
    });
    assert_eq!(
        tree,
        r#"request
  shop.db {"db":{"statement":"SELECT name FROM item"}} -> {"db":{"rows":3}}
  use {"name":"nut"}
  use {"name":"bolt"}
  use {"name":"pin"}
  shop.db {"db":{"statement":"SELECT id FROM item"}} -> {"db":{"rows":1},"cancelled":true}
"#
    );
}

#[test]
fn transactions_and_connections_are_traced_too() {
    let tree = recorded(true, async || {
        let db = items().await.traced();
        let mut tx = db.begin().await.unwrap();
        sqlx::query("DELETE FROM item").execute(&mut tx).await.unwrap();
        let mut inner = tx.begin().await.unwrap();
        inner.execute("SELECT 1").await.unwrap();
        inner.rollback().await.unwrap();
        let shown = tx.showing(info! { "id" => 7, "password" => "hush" });
        sqlx::query("SELECT ?").bind(7).execute(shown).await.unwrap();
        tx.commit().await.unwrap();

        let mut connection = db.acquire().await.unwrap();
        let statement = connection.traced().prepare(sqlx::SqlStr::from_static("SELECT ?")).await;
        let query = sqlx::Statement::query(statement.as_ref().unwrap()).bind(1);
        query.fetch_all(connection.traced()).await.unwrap();
        let mut plain = connection.begin().await.unwrap();
        sqlx::query("SELECT 2").execute(plain.traced()).await.unwrap();
    });
    assert_eq!(
        tree,
        r#"request
  db {"db":{"operation":"BEGIN"}}
  db {"db":{"statement":"DELETE FROM item"}}
  db {"db":{"operation":"SAVEPOINT"}}
  db {"db":{"statement":"SELECT 1"}}
  db {"db":{"operation":"ROLLBACK"}}
  db {"db":{"statement":"SELECT ?","params":{"id":7,"password":"***"}}}
  db {"db":{"operation":"COMMIT"}}
  db {"db":{"operation":"ACQUIRE"}}
  db {"db":{"operation":"PREPARE"}}
  db {"db":{"statement":"SELECT ?"}}
  db {"db":{"statement":"SELECT 2"}}
"#
    );
}

#[test]
fn secrets_in_a_statement_and_in_its_errors_are_masked_and_long_ones_cut() {
    let tree = recorded(true, async || {
        let db = items().await.traced();
        sqlx::query("SELECT 'hush' AS password").fetch_all(&db).await.unwrap();
        sqlx::query("SELECT secret 'hush' 'hush'").fetch_all(&db).await.unwrap_err();
        let long = format!("SELECT '{}'", "x".repeat(100_000));
        sqlx::query(sqlx::AssertSqlSafe(long)).fetch_all(&db).await.unwrap();
    });
    assert!(!tree.contains("hush"), "{tree}");
    let lines: Vec<&str> = tree.lines().collect();
    assert_eq!(lines[1], r#"  db {"db":{"statement":"SELECT '***' AS password"}}"#);
    assert!(lines[2].contains(r#"near \"***\": syntax error"#), "{}", lines[2]);
    assert!(lines[3].len() < 17_000 && lines[3].contains('…'), "{}", lines[3].len());
}

#[test]
fn what_is_not_traced_is_sent_as_it_is() {
    let tree = recorded(true, async || {
        let db = items().await.traced();
        let untraced = tokio::spawn(async move {
            let mut tx = db.begin().await.unwrap();
            let ids: Vec<i64> =
                sqlx::query_scalar("SELECT id FROM item").fetch_all(&mut tx).await.unwrap();
            tx.rollback().await.unwrap();
            ids
        });
        assert_eq!(untraced.await.unwrap(), [1, 2, 3]);
    });
    assert_eq!(tree, "request\n");
}

#[test]
fn statements_of_postgresql_are_points() {
    let Some(url) = services::url("postgresql", "postgresql") else { return };
    let tree = recorded(true, async || {
        let db = PgPool::connect(&url).await.unwrap().traced_with(all());
        let numbers: Vec<i32> = sqlx::query_scalar("SELECT * FROM generate_series(1, $1)")
            .bind(3)
            .fetch_all(&db)
            .await
            .unwrap();
        assert_eq!(numbers, [1, 2, 3]);
        let mut tx = db.begin().await.unwrap();
        sqlx::query("SELECT 1 FROM nowhere WHERE token = 'hush'")
            .execute(&mut tx)
            .await
            .unwrap_err();
        tx.rollback().await.unwrap();
    });
    // It also says in which line of its own source it found out.
    let tree = tree.replace(" at line 1392", "");
    assert_eq!(
        tree,
        r#"request
  db {"db":{"statement":"SELECT * FROM generate_series(1, $1)"}} -> {"db":{"rows":3}}
  db {"db":{"operation":"BEGIN"}}
  db {"db":{"statement":"SELECT 1 FROM nowhere WHERE token = '***'"}} -> {"etype":"sqlx_core::error::Error","message":"error returned from database: relation \"***\" does not exist"}
  db {"db":{"operation":"ROLLBACK"}}
"#
    );
}

#[test]
fn statements_of_mariadb_are_points() {
    let Some(url) = services::url("mariadb", "mariadb") else { return };
    let url = url.replace("mysql+pymysql", "mysql");
    let tree = recorded(true, async || {
        let db = MySqlPool::connect(&url).await.unwrap().traced_with(all());
        let sum: i64 = sqlx::query_scalar("SELECT ? + ?")
            .bind(1_i64)
            .bind(2_i64)
            .fetch_one(&db)
            .await
            .unwrap();
        assert_eq!(sum, 3);
        sqlx::query("SELECT 'hush' hush password").execute(&db).await.unwrap_err();
    });
    let lines: Vec<&str> = tree.lines().collect();
    assert_eq!(lines[1], r#"  db {"db":{"statement":"SELECT ? + ?"}} -> {"db":{"rows":1}}"#);
    assert!(lines[2].contains("near '***'"), "{tree}");
}
