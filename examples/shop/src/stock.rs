//! The stock: knows how much there is, and gives it out over gRPC.

use osprofiler::instrument::sql::SqlOptions;
use osprofiler::instrument::sqlx::{TracePool, TracedPool};
use osprofiler::instrument::tonic::ServerLayer;
use osprofiler::propagation::KeyRing;
use sqlx::Postgres;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use self::grpc::stock_server::{Stock, StockServer};
use crate::Servers;

/// What `build.rs` makes.
#[allow(unreachable_pub, clippy::allow_attributes_without_reason, reason = "it is generated")]
pub(crate) mod grpc {
    tonic::include_proto!("shop.Stock");
}

/// Opened, the stock is full.
const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS shop.stock (item integer PRIMARY KEY, pieces bigint NOT NULL);
    INSERT INTO shop.stock SELECT n, 1000000 FROM generate_series(1, 100) n
        ON CONFLICT (item) DO UPDATE SET pieces = EXCLUDED.pieces";
const TAKE: &str =
    "UPDATE shop.stock SET pieces = pieces - 1 WHERE item = $1 AND pieces > 0 RETURNING pieces";

struct Shelves {
    db: TracedPool<Postgres>,
}

pub(crate) async fn serve(
    listener: TcpListener,
    servers: &Servers,
    keys: &KeyRing,
) -> anyhow::Result<()> {
    let db = crate::database(servers, TABLE).await?;
    let shelves = Shelves { db: db.traced_with(SqlOptions::default().with_rows()) };
    let server = Server::builder()
        .layer(ServerLayer::new(keys.clone()))
        .add_service(StockServer::new(shelves));
    crate::ready(listener.local_addr()?);
    Ok(server.serve_with_incoming(TcpIncoming::from(listener)).await?)
}

#[tonic::async_trait]
impl Stock for Shelves {
    async fn take(&self, request: Request<i32>) -> Result<Response<i64>, Status> {
        let item = request.into_inner();
        match self.take_one(item).await {
            Ok(Some(left)) => Ok(Response::new(left)),
            Ok(None) => Err(Status::not_found(format!("no item {item}"))),
            Err(error) => Err(Status::internal(error.to_string())),
        }
    }
}

impl Shelves {
    /// Takes one piece; gives how many are left.
    ///
    /// It speaks `tracing`, as a library does that knows nothing of us.
    #[tracing::instrument(skip(self), err)]
    async fn take_one(&self, item: i32) -> sqlx::Result<Option<i64>> {
        sqlx::query_scalar(TAKE).bind(item).fetch_optional(&self.db).await
    }
}
