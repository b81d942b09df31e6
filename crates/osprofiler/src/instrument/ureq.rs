//! Sending traced requests with ureq.

use ureq::http::{Request, Response, StatusCode};
use ureq::middleware::{Middleware, MiddlewareNext};
use ureq::{Body, Error, SendBody};

use super::Kind;
use super::http_info::{ClientRequest, answer_info};
use crate::future::Inspect;
use crate::{Trace, profiler, propagation};

/// Records outgoing requests and sends the headers of their points along, as
/// [`tower::ClientLayer`](super::tower::ClientLayer) does.
///
/// A status that ureq makes an error is recorded as a status.
///
/// ```no_run
/// use osprofiler::instrument::ureq::ClientMiddleware;
///
/// let agent: ureq::Agent = ureq::Agent::config_builder().middleware(ClientMiddleware).build().into();
/// let response = agent.get("http://127.0.0.1:9292/v2/images").call()?;
/// # Ok::<(), ureq::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientMiddleware;

impl Middleware for ClientMiddleware {
    fn handle(
        &self,
        mut request: Request<SendBody>,
        next: MiddlewareNext,
    ) -> Result<Response<Body>, Error> {
        if !profiler::is_tracing() {
            return next.handle(request);
        }
        if !Kind::HttpClient.is_on() {
            propagation::inject(request.headers_mut());
            return next.handle(request);
        }
        let described = ClientRequest::of(&request);
        let answer = described.answer();
        let mut point = Trace::new(described.point(), described.info());
        // The headers are those of the point, so they are made when it has begun.
        propagation::inject(request.headers_mut());
        let result = next.handle(request);
        point.on_stop(match &result {
            Err(Error::StatusCode(status)) => {
                answer_info(StatusCode::from_u16(*status).unwrap_or_default(), None)
            }
            result => answer.inspect(result),
        });
        result
    }
}
