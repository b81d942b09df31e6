//! Redis commands, with the redis crate: driver calls.
//!
//! Wrap a connection, synchronous or not, and use it as before:
//!
//! ```no_run
//! use osprofiler::instrument::redis::TraceRedis;
//! use redis::AsyncCommands;
//!
//! # async fn f(connection: redis::aio::MultiplexedConnection) -> redis::RedisResult<()> {
//! let mut connection = connection.traced();
//! let _: () = connection.set("greeting", "hello").await?; // a point: SET greeting
//! # Ok(())
//! # }
//! ```
//!
//! A command is a point named `redis` while [`Kind::Driver`] is on; so is a pipeline, which goes out and
//! comes back as one. A point shows commands and their keys, never values.

mod command;

use std::slice;

use osprofiler_wire::Info;
use redis::{Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value, aio};

use self::command::described;
use super::Kind;
use crate::Trace;
use crate::future::Traced as TracedFuture;
use crate::outcome;

/// Name of the points.
const POINT: &str = "redis";

/// Tracing of connections to Redis.
pub trait TraceRedis: Sized {
    /// Makes a connection whose commands are points.
    fn traced(self) -> Traced<Self> {
        Traced(self)
    }
}

impl<C> TraceRedis for C {}

/// A connection whose commands are points; see [`TraceRedis`].
#[derive(Clone, Debug)]
pub struct Traced<C>(C);

impl<C> Traced<C> {
    /// The connection itself, for what is not to be traced.
    pub fn inner_mut(&mut self) -> &mut C {
        &mut self.0
    }
}

/// Whether a command is to be a point.
fn is_wanted() -> bool {
    crate::profiler::is_tracing() && Kind::Driver.is_on()
}

fn info(packed: &[u8]) -> Info {
    Info::new().with_info("redis", described(packed))
}

impl<C: aio::ConnectionLike + Send> aio::ConnectionLike for Traced<C> {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        if !is_wanted() {
            return self.0.req_packed_command(cmd);
        }
        let info = info(&cmd.get_packed_command());
        let answer = self.0.req_packed_command(cmd);
        Box::pin(TracedFuture::inspected(answer, POINT.into(), info, one))
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        if !is_wanted() {
            return self.0.req_packed_commands(pipeline, offset, count);
        }
        let info = info(&pipeline.get_packed_pipeline());
        let answers = self.0.req_packed_commands(pipeline, offset, count);
        Box::pin(TracedFuture::inspected(answers, POINT.into(), info, many))
    }

    fn get_db(&self) -> i64 {
        self.0.get_db()
    }
}

impl<C: redis::ConnectionLike> redis::ConnectionLike for Traced<C> {
    fn req_packed_command(&mut self, cmd: &[u8]) -> RedisResult<Value> {
        traced(cmd, one, || self.0.req_packed_command(cmd))
    }

    fn req_packed_commands(
        &mut self,
        cmd: &[u8],
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        traced(cmd, many, || self.0.req_packed_commands(cmd, offset, count))
    }

    fn get_db(&self) -> i64 {
        self.0.get_db()
    }

    fn supports_pipelining(&self) -> bool {
        self.0.supports_pipelining()
    }

    fn check_connection(&mut self) -> bool {
        self.0.check_connection()
    }

    fn is_open(&self) -> bool {
        self.0.is_open()
    }
}

/// Runs what sends commands, as a point.
fn traced<T>(
    packed: &[u8],
    inspect: impl FnOnce(&RedisResult<T>) -> Info,
    send: impl FnOnce() -> RedisResult<T>,
) -> RedisResult<T> {
    if !is_wanted() {
        return send();
    }
    let mut point = Trace::new(POINT, info(packed));
    let result = send();
    point.on_stop(inspect(&result));
    result
}

/// Stop info of one answer.
fn one(result: &RedisResult<Value>) -> Info {
    result
        .as_ref()
        .map(|answer| failed(slice::from_ref(answer)))
        .unwrap_or_else(outcome::error_info)
}

/// Stop info of several.
fn many(result: &RedisResult<Vec<Value>>) -> Info {
    result.as_ref().map(|answers| failed(answers)).unwrap_or_else(outcome::error_info)
}

/// The first of the answers by which the server refuses something.
fn failed(answers: &[Value]) -> Info {
    let refusal = answers.iter().find_map(|answer| match answer {
        Value::ServerError(error) => Some(error.clone()),
        _ => None,
    });
    refusal.map(|error| outcome::error_info(&RedisError::from(error))).unwrap_or_default()
}
