//! Statements sent with diesel and with rusqlite, on a real SQLite.
#![allow(missing_docs, reason = "what diesel makes of tables")]

mod common;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use osprofiler::instrument::Kind;
use osprofiler::instrument::diesel::SqlPoints;
use osprofiler::instrument::rusqlite::TraceStatements;
use osprofiler::instrument::sql::SqlOptions;
use osprofiler::{Trace, profiler};

use crate::common::recorded;

diesel::table! {
    item (id) {
        id -> Integer,
        name -> Text,
    }
}

diesel::table! {
    token (id) {
        id -> Integer,
        text -> Text,
    }
}

/// A database in memory.
fn connect(options: SqlOptions) -> SqliteConnection {
    let mut connection = SqliteConnection::establish(":memory:").unwrap();
    connection
        .batch_execute(
            "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
             CREATE TABLE token (id INTEGER PRIMARY KEY, text TEXT NOT NULL)",
        )
        .unwrap();
    connection.set_instrumentation(SqlPoints::new(options));
    connection
}

#[test]
fn statements_of_diesel_are_points() {
    let tree = recorded(true, async || {
        let mut db = connect(SqlOptions::default().with_params());
        db.transaction(|db| {
            diesel::insert_into(item::table)
                .values((item::id.eq(1), item::name.eq("nut -- binds: ")))
                .execute(db)
        })
        .unwrap();
        let _point = Trace::new("after", ());
        diesel::insert_into(token::table)
            .values((token::id.eq(1), token::text.eq("hush")))
            .execute(&mut db)
            .unwrap();
        diesel::sql_query("SELECT secret 'hush' 'hush'").execute(&mut db).unwrap_err();
        db.set_instrumentation(SqlPoints::new(SqlOptions::default().named("shop.db")));
        let names: Vec<String> = item::table.select(item::name).load(&mut db).unwrap();
        assert_eq!(names, ["nut -- binds: "]);
        Kind::Sql.switch(false);
        let _: i64 = item::table.filter(item::name.eq("hush")).count().get_result(&mut db).unwrap();
    });
    assert_eq!(
        tree,
        r#"request
  db {"db":{"statement":"BEGIN"}}
  db {"db":{"statement":"INSERT INTO `item` (`id`, `name`) VALUES (?, ?)","params":"[1, \"nut -- binds: \"]"}}
  db {"db":{"statement":"COMMIT"}}
  after
    db {"db":{"statement":"INSERT INTO `token` (`id`, `text`) VALUES (?, ?)","params":"***"}}
    db {"db":{"statement":"SELECT secret '***' '***'"}} -> {"etype":"diesel::result::Error","message":"near \"***\": syntax error"}
    shop.db {"db":{"statement":"SELECT `item`.`name` FROM `item`"}}
    shop.db {"db":{"operation":"SELECT"}}
"#
    );
}

#[test]
fn connections_that_are_made_later_have_diesels_default() {
    let tree = recorded(true, async || {
        let points = osprofiler::instrument::diesel::points;
        diesel::connection::set_default_instrumentation(points).unwrap();
        SqliteConnection::establish("/nowhere/hush").err().unwrap();
        let mut db = SqliteConnection::establish(":memory:").unwrap();
        diesel::connection::set_default_instrumentation(|| None).unwrap();
        diesel::sql_query("SELECT 1").execute(&mut db).unwrap();
        profiler::clean();
        diesel::sql_query("SELECT 2").execute(&mut db).unwrap();
    });
    let lines: Vec<&str> = tree.lines().collect();
    assert!(lines[1].starts_with(r#"  db {"db":{"operation":"CONNECT"}} -> {"etype""#), "{tree}");
    assert_eq!(lines[2], r#"  db {"db":{"operation":"CONNECT"}}"#);
    assert!(tree.contains("SELECT 1") && !tree.contains("SELECT 2"), "{tree}");
}

#[test]
fn statements_of_rusqlite_are_points() {
    let tree = recorded(true, async || {
        let db = rusqlite::Connection::open_in_memory().unwrap();
        db.trace_statements();
        db.execute_batch(
            "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT);
             CREATE TRIGGER more AFTER INSERT ON item WHEN new.id < 3 BEGIN
                 INSERT INTO item VALUES (new.id + 10, 'more');
             END",
        )
        .unwrap();
        let mut insert = db.prepare("INSERT INTO item VALUES (?, ?)").unwrap();
        for id in 1..=2 {
            insert.execute((id, "hush")).unwrap();
        }
        let mut select = db.prepare("SELECT id FROM item").unwrap();
        let mut rows = select.query([]).unwrap();
        let _: i64 = rows.next().unwrap().unwrap().get(0).unwrap();
        {
            let _point = Trace::new("within", ());
            let _: i64 = db.query_row("SELECT count(*) FROM item", [], |row| row.get(0)).unwrap();
        }
        drop(rows);
        db.execute("SELECT nothing FROM nowhere", []).unwrap_err();
        let _point = Trace::new("after", ());
    });
    let (tables, rest) = tree.split_once("  db {\"db\":{\"statement\":\"INSERT INTO item").unwrap();
    assert_eq!(tables.matches("CREATE").count(), 2, "{tables}");
    assert_eq!(
        rest,
        r#" VALUES (?, ?)"}}
  db {"db":{"statement":"INSERT INTO item VALUES (?, ?)"}}
  db {"db":{"statement":"SELECT id FROM item"}}
    within
      db {"db":{"statement":"SELECT count(*) FROM item"}}
  after
"#
    );
}
