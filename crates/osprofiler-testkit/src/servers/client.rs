//! A client that sends what it is told, byte for byte.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use osprofiler::propagation::{TRACE_HMAC_HEADER, TRACE_INFO_HEADER};
use osprofiler::{Id, Profiler};

/// How long a server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(20);

pub(super) struct Client {
    pub(super) address: SocketAddr,
}

/// A response, as far as it came.
#[derive(Debug, Default)]
pub(super) struct Response {
    /// 0 if there was none.
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Response {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Self { status: status.unwrap_or_default(), head: head.to_owned(), body: body.to_owned() }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl Client {
    pub(super) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the server listens");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout can be set");
        stream
    }

    /// Sends a request with these headers, and reads until the server closes the connection.
    pub(super) fn send(&self, request: &str, headers: &[u8], body: &str) -> Response {
        let mut stream = self.connect();
        // A server that has read enough may answer, and close, before all is sent.
        let _ = stream.write_all(&head(request, &[headers, b"Connection: close\r\n"].concat()));
        let _ = stream.write_all(body.as_bytes());
        let mut response = Vec::new();
        let _ = stream.read_to_end(&mut response);
        Response::parse(&response)
    }

    /// Sends a request signed with `key`, as a part of a trace of this id, without reading.
    pub(super) fn begin(&self, request: &str, key: &str, base_id: &str) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(&head(request, &signed(key, base_id))).expect("the server reads");
        stream
    }

    pub(super) fn get(&self, path: &str) -> Response {
        self.send(&format!("GET {path}"), b"", "")
    }

    pub(super) fn get_signed(&self, path: &str, key: &str, base_id: &str) -> Response {
        self.send(&format!("GET {path}"), &signed(key, base_id), "")
    }
}

fn head(request: &str, headers: &[u8]) -> Vec<u8> {
    [request.as_bytes(), b" HTTP/1.1\r\nHost: shop.example\r\n", headers, b"\r\n"].concat()
}

/// Our headers, as a caller of that trace makes them whose own point is `caller`.
pub(super) fn signed(key: &str, base_id: &str) -> Vec<u8> {
    let caller = Profiler::new(key, Some(Id::from(base_id)), Some(Id::from("caller")));
    let signed = caller.sign();
    format!("{TRACE_INFO_HEADER}: {}\r\n{TRACE_HMAC_HEADER}: {}\r\n", signed.info, signed.hmac)
        .into_bytes()
}
