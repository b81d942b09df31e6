//! The clients: threads with a connection each, which they keep.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of a response at most.
const RESPONSE: usize = 64 << 10;

pub(super) struct Clients(Vec<Connection>);

impl Clients {
    pub(super) fn connect(address: SocketAddr, connections: usize) -> Self {
        Self((0..connections).map(|_| Connection::open(address)).collect())
    }

    /// Sends all requests, each as soon as a connection is free. Gives the time that all but the
    /// first `warm_up` took, and by how much `cpu` has grown meanwhile.
    pub(super) fn send(
        &mut self,
        requests: &[Vec<u8>],
        warm_up: usize,
        cpu: impl Fn() -> Duration,
    ) -> [Duration; 2] {
        let next = AtomicUsize::new(0);
        let (begin, end) = (Barrier::new(self.0.len() + 1), Barrier::new(self.0.len() + 1));
        thread::scope(|scope| {
            for connection in &mut self.0 {
                scope.spawn(|| {
                    connection.send(&next, &requests[..warm_up]);
                    begin.wait();
                    connection.send(&next, requests);
                    end.wait();
                });
            }
            begin.wait();
            let (start, before) = (Instant::now(), cpu());
            end.wait();
            [start.elapsed(), cpu() - before]
        })
    }
}

struct Connection {
    stream: TcpStream,
    response: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, response: vec![0; RESPONSE] }
    }

    fn send(&mut self, next: &AtomicUsize, requests: &[Vec<u8>]) {
        let take = || {
            let taken = next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |at| {
                (at < requests.len()).then_some(at + 1)
            });
            taken.ok().map(|at| &requests[at])
        };
        while let Some(request) = take() {
            self.stream.write_all(request).expect("the server listens");
            self.receive();
        }
    }

    fn receive(&mut self) {
        let mut len = 0;
        loop {
            let read = self.stream.read(&mut self.response[len..]).expect("a response");
            assert!(read > 0, "the server hung up, or says too much");
            len += read;
            if response_len(&self.response[..len]).is_some_and(|expected| expected <= len) {
                return;
            }
        }
    }
}

/// Bytes that a response has in all, as soon as its head is there.
fn response_len(response: &[u8]) -> Option<usize> {
    const LENGTH: &[u8] = b"content-length: ";
    let head = response.windows(4).position(|end| end == b"\r\n\r\n")?;
    let text = &response[..head];
    assert!(text.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(text));
    let at = text.windows(LENGTH.len()).position(|name| name == LENGTH).expect("a length");
    let digits = text[at + LENGTH.len()..].iter().take_while(|digit| digit.is_ascii_digit());
    Some(head + 4 + digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0')))
}
