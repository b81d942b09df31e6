//! The front: takes orders over HTTP.

use std::env;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use lapin::{Connection, ConnectionProperties};
use osprofiler::instrument::axum::ServerLayer;
use osprofiler::instrument::lapin::oslo::{Client, Target};
use osprofiler::instrument::reqwest::SendTraced;
use osprofiler::instrument::tonic::{Client as Traced, ClientLayer};
use osprofiler::propagation::KeyRing;
use osprofiler::trace;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tonic::transport::{Channel, Endpoint};
use tower::Layer;

use crate::Servers;
use crate::stock::grpc::stock_client::StockClient;

#[derive(Clone)]
struct Front {
    client: reqwest::Client,
    prices: String,
    stock: StockClient<Traced<Channel>>,
    worker: Client,
}

pub(crate) async fn serve(
    listener: TcpListener,
    servers: &Servers,
    keys: &KeyRing,
) -> anyhow::Result<()> {
    let bus = Connection::connect(&servers.rabbitmq, ConnectionProperties::default()).await?;
    let stock = Endpoint::from_shared(format!("http://{}", env::var("SHOP_STOCK")?))?;
    let front = Front {
        client: crate::client()?,
        prices: env::var("SHOP_PRICES")?,
        stock: StockClient::new(ClientLayer.layer(stock.connect().await?)),
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
    let item = order["item"].as_i64().and_then(|item| item.try_into().ok());
    let item = item.ok_or((StatusCode::BAD_REQUEST, "no item".to_owned()))?;
    let price = front.price(item).await.map_err(failed)?;
    let left = front.take(item).await.map_err(failed)?;
    let receipt = front.charge(item, price).await.map_err(failed)?;
    Ok(Json(json!({"price": price, "left": left, "receipt": receipt})))
}

impl Front {
    /// What an item costs now, in cents.
    #[trace("price")]
    async fn price(&self, item: i32) -> anyhow::Result<i64> {
        let url = format!("http://{}/prices/{item}", self.prices);
        let response = self.client.get(url).send_traced().await?.error_for_status()?;
        let answer: Value = response.json().await?;
        Ok(answer["price"].as_i64().unwrap_or_default())
    }

    /// Takes one out of the stock; gives how many are left.
    async fn take(&self, item: i32) -> anyhow::Result<i64> {
        Ok(self.stock.clone().take(item).await?.into_inner())
    }

    async fn charge(&self, item: i32, price: i64) -> anyhow::Result<Value> {
        let args = json!({"item": item, "price": price});
        Ok(self.worker.call(&Target::new("charges"), "charge", args, Map::new()).await?)
    }
}
