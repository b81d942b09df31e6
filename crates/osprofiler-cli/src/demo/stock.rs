//! The stock of the demo: knows what there is, in a SQL database.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use osprofiler::instrument::Kind;
use osprofiler::instrument::axum::ServerLayer;
use osprofiler::{TraceExt, info};
use serde_json::{Value, json};
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{Row, query};
use tokio::net::TcpListener;

use super::Profiling;

type Answer = Result<Json<Value>, (StatusCode, String)>;

const ITEM: &str = "SELECT name, price FROM item WHERE id = ?";
const OFFER: &str = "SELECT name, price FROM item ORDER BY price LIMIT 1";
const RESERVE: &str = "UPDATE item SET count = count - 1 WHERE id = ? AND count > 0";

/// Serves until the end of the process.
pub(super) async fn serve(listener: TcpListener, profiling: &Profiling) -> anyhow::Result<()> {
    let app = Router::new()
        .route("/items/{id}", get(item))
        .route("/offer", get(offer))
        .route("/reservations", post(reserve))
        .layer(ServerLayer::new(profiling.keys.clone()))
        .with_state(filled_database().await?);
    Ok(axum::serve(listener, app).await?)
}

/// A database in memory; one connection, since each would have its own.
async fn filled_database() -> Result<SqlitePool, sqlx::Error> {
    let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
    query("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price INTEGER, count INTEGER)")
        .execute(&pool)
        .await?;
    for id in 1..=20 {
        query("INSERT INTO item VALUES (?, ?, ?, 100)")
            .bind(id)
            .bind(format!("item {id}"))
            .bind(id * 7 % 13 + 1)
            .execute(&pool)
            .await?;
    }
    Ok(pool)
}

async fn item(State(pool): State<SqlitePool>, Path(id): Path<u32>) -> Answer {
    let row = statement(ITEM, query(ITEM).bind(id).fetch_optional(&pool)).await?;
    let row = row.ok_or_else(|| (StatusCode::NOT_FOUND, format!("no item {id}")))?;
    Ok(Json(described(&row)))
}

async fn offer(State(pool): State<SqlitePool>) -> Answer {
    let row = statement(OFFER, query(OFFER).fetch_one(&pool)).await?;
    Ok(Json(described(&row)))
}

async fn reserve(State(pool): State<SqlitePool>, Json(items): Json<Vec<u32>>) -> Answer {
    let mut reserved = 0;
    for id in items {
        let updated = statement(RESERVE, query(RESERVE).bind(id).execute(&pool)).await?;
        reserved += updated.rows_affected();
    }
    Ok(Json(json!(reserved)))
}

/// Runs a statement, as a point if SQL is traced.
async fn statement<T>(
    sql: &'static str,
    running: impl Future<Output = sqlx::Result<T>>,
) -> Result<T, (StatusCode, String)> {
    let result = if Kind::Sql.is_on() {
        running.trace_result("db", info! { "db" => { "statement" => sql } }).await
    } else {
        running.await
    };
    result.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

fn described(row: &SqliteRow) -> Value {
    let (name, price): (String, i64) = (row.get("name"), row.get("price"));
    json!({"name": name, "price": price})
}
