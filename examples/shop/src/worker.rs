//! The worker: charges customers, asked over RabbitMQ.

use lapin::{Connection, ConnectionProperties};
use osprofiler::TraceExt;
use osprofiler::instrument::lapin::oslo::{Call, Failure, Server};
use osprofiler::instrument::sqlx::{TracePool, TracedPool};
use osprofiler::trace;
use serde_json::{Value, json};
use sqlx::Postgres;

use crate::Servers;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS shop.charge
    (id bigserial PRIMARY KEY, item integer NOT NULL, price bigint NOT NULL)";

pub(crate) async fn serve(servers: &Servers) -> anyhow::Result<()> {
    let db = crate::database(servers, TABLE).await?.traced();
    let bus = Connection::connect(&servers.rabbitmq, ConnectionProperties::default()).await?;
    let server = Server::open(&bus, "shop", "charges", "worker-1").await?;
    crate::ready("ready");
    let dispatch = async |call: Call| match &*call.method {
        "charge" => charge(&db, &call.args).await.map_err(Failure::from),
        method => Err(Failure::new("builtins", "AttributeError", format!("no method `{method}`"))),
    };
    Ok(server.serve(dispatch).await?)
}

async fn charge(db: &TracedPool<Postgres>, args: &Value) -> sqlx::Result<Value> {
    // A task of its own, which gets a fork of the profiler.
    let mail = tokio::spawn(mail().in_profiler());
    let mut tx = db.begin().await?;
    let insert = "INSERT INTO shop.charge (item, price) VALUES ($1, $2) RETURNING id";
    let id: i64 = sqlx::query_scalar(insert)
        .bind(args["item"].as_i64().unwrap_or_default() as i32)
        .bind(args["price"].as_i64())
        .fetch_one(&mut tx)
        .await?;
    tx.commit().await?;
    // It only sleeps: it neither panics nor is it aborted.
    let _ = mail.await;
    Ok(json!(id))
}

/// Would send the customer a mail.
#[trace("mail")]
async fn mail() {
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
}
