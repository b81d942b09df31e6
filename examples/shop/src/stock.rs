//! The stock: knows what there is, in PostgreSQL, with Redis before it.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use osprofiler::instrument::redis::{TraceRedis, Traced};
use osprofiler::instrument::sql::SqlOptions;
use osprofiler::instrument::sqlx::{TracePool, TracedPool};
use osprofiler::instrument::tower::ServerLayer;
use osprofiler::propagation::KeyRing;
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};
use sqlx::{Executor, PgPool, Postgres};
use tokio::net::TcpListener;

use crate::Servers;

/// Seconds for which a price may be an old one.
const FRESH: u64 = 60;

#[derive(Clone)]
struct Stock {
    db: TracedPool<Postgres>,
    cache: Traced<MultiplexedConnection>,
}

pub(crate) async fn serve(
    listener: TcpListener,
    servers: &Servers,
    keys: &KeyRing,
) -> anyhow::Result<()> {
    let pool = PgPool::connect(&servers.postgresql).await?;
    pool.execute(
        "CREATE SCHEMA IF NOT EXISTS shop;
         CREATE TABLE IF NOT EXISTS shop.item (id integer PRIMARY KEY, price bigint NOT NULL);
         INSERT INTO shop.item SELECT n, 100 * n FROM generate_series(1, 100) n ON CONFLICT DO NOTHING;
         CREATE TABLE IF NOT EXISTS shop.charge
             (id bigserial PRIMARY KEY, item integer NOT NULL, price bigint NOT NULL)",
    )
    .await?;
    let redis = redis::Client::open(&*servers.redis)?;
    let mut cache = redis.get_multiplexed_async_connection().await?;
    let _: () = redis::cmd("FLUSHDB").query_async(&mut cache).await?;
    let stock =
        Stock { db: pool.traced_with(SqlOptions::default().with_rows()), cache: cache.traced() };
    let app = Router::new()
        .route("/items/{id}", get(item))
        .layer(ServerLayer::new(keys.clone()))
        .with_state(stock);
    crate::ready(listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

async fn item(
    State(stock): State<Stock>,
    Path(id): Path<i32>,
) -> Result<Json<Value>, (StatusCode, String)> {
    let failed = |error: anyhow::Error| (StatusCode::BAD_GATEWAY, format!("{error:#}"));
    match stock.price(id).await.map_err(failed)? {
        Some(price) => Ok(Json(json!({"id": id, "price": price}))),
        None => Err((StatusCode::NOT_FOUND, format!("no item {id}"))),
    }
}

impl Stock {
    async fn price(mut self, id: i32) -> anyhow::Result<Option<i64>> {
        let key = format!("item:{id}");
        if let Some(price) = self.cache.get(&key).await? {
            return Ok(Some(price));
        }
        let price: Option<i64> = sqlx::query_scalar("SELECT price FROM shop.item WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.db)
            .await?;
        if let Some(price) = price {
            let _: () = self.cache.set_ex(key, price, FRESH).await?;
        }
        Ok(price)
    }
}
