//! The RPC of the demo: one JSON message a line, with a context that carries the trace the way
//! OpenStack's services carry it.

use anyhow::Context;
use osprofiler::propagation::rpc::{TRACE_INFO_KEY, TraceInfo};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// A call.
#[derive(Serialize, Deserialize)]
pub(super) struct Call {
    pub(super) context: Map<String, Value>,
    pub(super) method: String,
    pub(super) args: Value,
}

/// Calls a method of a worker, within the current trace.
pub(super) async fn call(address: &str, method: &str, args: &Value) -> anyhow::Result<Value> {
    let mut context = Map::new();
    if let Some(trace_info) = TraceInfo::current() {
        context.insert(TRACE_INFO_KEY.to_owned(), serde_json::to_value(trace_info)?);
    }
    let call = Call { context, method: method.to_owned(), args: args.clone() };
    let mut stream = BufReader::new(TcpStream::connect(address).await?);
    write_line(&mut stream, &call).await?;
    let answer: Result<Value, String> =
        read_line(&mut stream).await?.context("the worker has hung up")?;
    answer.map_err(anyhow::Error::msg)
}

/// Reads one message; `None` if there are no more.
pub(super) async fn read_line<T: for<'de> Deserialize<'de>>(
    stream: &mut BufReader<TcpStream>,
) -> anyhow::Result<Option<T>> {
    let mut line = String::new();
    let length = stream.read_line(&mut line).await?;
    if length == 0 { Ok(None) } else { Ok(Some(serde_json::from_str(&line)?)) }
}

/// Writes one message.
pub(super) async fn write_line<T: Serialize>(
    stream: &mut BufReader<TcpStream>,
    message: &T,
) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(stream.write_all(&line).await?)
}
