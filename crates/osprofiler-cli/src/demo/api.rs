//! The API of the demo: takes orders over HTTP.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use osprofiler::instrument::axum::ServerLayer;
use osprofiler::{info, trace};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Profiling, SendTraced, client, rpc};

#[derive(Clone)]
struct Api {
    client: reqwest::Client,
    stock: String,
    worker: String,
}

#[derive(Deserialize)]
struct Order {
    items: Vec<u32>,
}

/// Serves until the end of the process.
pub(super) async fn serve(
    listener: TcpListener,
    stock: String,
    worker: String,
    profiling: &Profiling,
) -> anyhow::Result<()> {
    let app = Router::new()
        .route("/orders", post(order))
        .layer(ServerLayer::new(profiling.keys.clone()))
        .with_state(Api { client: client()?, stock, worker });
    Ok(axum::serve(listener, app).await?)
}

async fn order(
    State(api): State<Api>,
    Json(order): Json<Order>,
) -> Result<Json<Value>, (StatusCode, String)> {
    let failed = |error: anyhow::Error| (StatusCode::BAD_GATEWAY, format!("{error:#}"));
    validate(&order.items).map_err(|error| failed(error.into()))?;
    // At the same time: neither needs the other.
    let (price, offer) = tokio::join!(api.price(&order.items), api.offer());
    let (price, offer) = (price.map_err(failed)?, offer.map_err(failed)?);
    let receipt = api.reserve(&order.items).await.map_err(failed)?;
    Ok(Json(json!({"price": price, "offer": offer, "receipt": receipt})))
}

#[derive(Debug)]
struct EmptyOrder;

impl std::fmt::Display for EmptyOrder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an order needs an item")
    }
}

impl std::error::Error for EmptyOrder {}

#[trace("validate")]
fn validate(items: &[u32]) -> Result<(), EmptyOrder> {
    if items.is_empty() { Err(EmptyOrder) } else { Ok(()) }
}

impl Api {
    /// Asks for the price of each item, one after the other: what a report should complain about.
    #[trace("price")]
    async fn price(&self, items: &[u32]) -> anyhow::Result<u64> {
        let mut sum = 0;
        for item in items {
            let url = format!("http://{}/items/{item}", self.stock);
            let item: Value = self.client.get(url).send_traced().await?.json().await?;
            sum += item["price"].as_u64().unwrap_or_default();
        }
        Ok(sum)
    }

    #[trace("offer")]
    async fn offer(&self) -> anyhow::Result<Value> {
        let url = format!("http://{}/offer?limit=1", self.stock);
        Ok(self.client.get(url).send_traced().await?.json().await?)
    }

    #[trace("rpc", info = info! { "rpc" => { "method" => "reserve" } })]
    async fn reserve(&self, items: &[u32]) -> anyhow::Result<Value> {
        rpc::call(&self.worker, "reserve", &json!({"items": items})).await
    }
}
