//! The front: takes orders over HTTP.

use std::env;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use lapin::{Connection, ConnectionProperties};
use osprofiler::instrument::lapin::oslo::{Client, Target};
use osprofiler::instrument::reqwest::SendTraced;
use osprofiler::instrument::tower::ServerLayer;
use osprofiler::propagation::KeyRing;
use osprofiler::trace;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use crate::Servers;

#[derive(Clone)]
struct Front {
    client: reqwest::Client,
    stock: String,
    worker: Client,
}

pub(crate) async fn serve(
    listener: TcpListener,
    servers: &Servers,
    keys: &KeyRing,
) -> anyhow::Result<()> {
    let bus = Connection::connect(&servers.rabbitmq, ConnectionProperties::default()).await?;
    let front = Front {
        client: crate::client()?,
        stock: env::var("SHOP_STOCK")?,
        worker: Client::open(&bus, "shop").await?,
    };
    let app = Router::new()
        .route("/orders", post(order))
        .layer(ServerLayer::new(keys.clone()))
        .with_state(front);
    crate::ready(listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

async fn order(
    State(front): State<Front>,
    Json(order): Json<Value>,
) -> Result<Json<Value>, (StatusCode, String)> {
    let failed = |error: anyhow::Error| (StatusCode::BAD_GATEWAY, format!("{error:#}"));
    let item = order["item"].as_i64().ok_or((StatusCode::BAD_REQUEST, "no item".to_owned()))?;
    let price = front.price(item).await.map_err(failed)?;
    let receipt = front.charge(item, price).await.map_err(failed)?;
    Ok(Json(json!({"price": price, "receipt": receipt})))
}

impl Front {
    /// What an item costs now, in cents.
    #[trace("price")]
    async fn price(&self, item: i64) -> anyhow::Result<i64> {
        let url = format!("http://{}/items/{item}", self.stock);
        let response = self.client.get(url).send_traced().await?.error_for_status()?;
        let item: Value = response.json().await?;
        Ok(item["price"].as_i64().unwrap_or_default())
    }

    async fn charge(&self, item: i64, price: i64) -> anyhow::Result<Value> {
        let args = json!({"item": item, "price": price});
        Ok(self.worker.call(&Target::new("charges"), "charge", args, Map::new()).await?)
    }
}
