//! Every middleware of a server passes the suite of the testkit.

#[cfg(feature = "actix-web")]
mod actix_web;
#[cfg(feature = "axum")]
mod axum;
mod tower;

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::thread;

/// Runs a server on a thread of its own, for the rest of the process; gives its address.
fn in_background<F>(serve: impl FnOnce(TcpListener) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()>,
{
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2).enable_all().build().unwrap().block_on(serve(listener));
    });
    address
}
