//! Traced requests of `reqwest-middleware`.

use async_trait::async_trait;
use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next, Result};

use super::reqwest::send_within;

/// Records the requests of a client and sends the headers of their points along, as
/// [`send_traced`](super::reqwest::SendTraced::send_traced) does.
///
/// Behind a middleware that tries again, each attempt is a point.
///
/// ```no_run
/// use osprofiler::instrument::reqwest_middleware::ClientMiddleware;
/// use reqwest_middleware::ClientBuilder;
///
/// # async fn f() -> reqwest_middleware::Result<()> {
/// let client = ClientBuilder::new(reqwest::Client::new()).with(ClientMiddleware).build();
/// let response = client.get("http://127.0.0.1:9292/v2/images").send().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientMiddleware;

#[async_trait]
impl Middleware for ClientMiddleware {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        send_within(request, |request| next.run(request, extensions)).await
    }
}
