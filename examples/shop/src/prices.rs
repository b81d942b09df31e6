//! The prices: kept in PostgreSQL, with Redis before it, asked for over HTTP.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use osprofiler::instrument::axum::ServerLayer;
use osprofiler::instrument::redis::{TraceRedis, Traced};
use osprofiler::instrument::sql::SqlOptions;
use osprofiler::instrument::sqlx::{TracePool, TracedPool};
use osprofiler::propagation::KeyRing;
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};
use sqlx::Postgres;
use tokio::net::TcpListener;

use crate::Servers;

/// Seconds for which a price may be an old one.
const FRESH: u64 = 60;

const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS shop.price (item integer PRIMARY KEY, cents bigint NOT NULL);
    INSERT INTO shop.price SELECT n, 100 * n FROM generate_series(1, 100) n ON CONFLICT DO NOTHING";

#[derive(Clone)]
struct Prices {
    db: TracedPool<Postgres>,
    cache: Traced<MultiplexedConnection>,
}

pub(crate) async fn serve(
    listener: TcpListener,
    servers: &Servers,
    keys: &KeyRing,
) -> anyhow::Result<()> {
    let db = crate::database(servers, TABLE).await?;
    let redis = redis::Client::open(&*servers.redis)?;
    let mut cache = redis.get_multiplexed_async_connection().await?;
    let _: () = redis::cmd("FLUSHDB").query_async(&mut cache).await?;
    let prices =
        Prices { db: db.traced_with(SqlOptions::default().with_rows()), cache: cache.traced() };
    let app = Router::new()
        .route("/prices/{item}", get(price))
        .layer(ServerLayer::new(keys.clone()))
        .with_state(prices);
    crate::ready(listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

async fn price(
    State(prices): State<Prices>,
    Path(item): Path<i32>,
) -> Result<Json<Value>, (StatusCode, String)> {
    let failed = |error: anyhow::Error| (StatusCode::BAD_GATEWAY, format!("{error:#}"));
    match prices.price(item).await.map_err(failed)? {
        Some(price) => Ok(Json(json!({"item": item, "price": price}))),
        None => Err((StatusCode::NOT_FOUND, format!("no item {item}"))),
    }
}

impl Prices {
    async fn price(mut self, item: i32) -> anyhow::Result<Option<i64>> {
        let key = format!("price:{item}");
        if let Some(price) = self.cache.get(&key).await? {
            return Ok(Some(price));
        }
        let price: Option<i64> = sqlx::query_scalar("SELECT cents FROM shop.price WHERE item = $1")
            .bind(item)
            .fetch_optional(&self.db)
            .await?;
        if let Some(price) = price {
            let _: () = self.cache.set_ex(key, price, FRESH).await?;
        }
        Ok(price)
    }
}
