//! The rows of a statement, as they come.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::stream::BoxStream;
use osprofiler_wire::Info;
use sqlx::{Either, Error};

use super::statement::Begin;
use crate::future::Carried;
use crate::instrument::sql::Ending;

/// A stream that is a point: from its first poll until its end, or until it is dropped.
pub(super) struct Rows<'e, T> {
    rows: BoxStream<'e, Result<T, Error>>,
    begin: Option<Begin>,
    carried: Carried,
    ended: Option<Ending>,
    count: u64,
}

impl<'e, T> Rows<'e, T> {
    pub(super) fn new(rows: BoxStream<'e, Result<T, Error>>, begin: Begin) -> Self {
        Self { rows, begin: Some(begin), carried: Carried::default(), ended: None, count: 0 }
    }

    fn end(&mut self, info: impl FnOnce(Ending, u64) -> Info) {
        if let Some(ending) = self.ended.take() {
            self.carried.end(info(ending, self.count));
        }
    }
}

impl<R, T> Stream for Rows<'_, Either<R, T>> {
    type Item = Result<Either<R, T>, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(Begin { point, info, ending }) = this.begin.take() {
            this.carried = Carried::begin(point, info);
            this.ended = Some(ending);
        }
        let rows = &mut this.rows;
        let step = ready!(this.carried.run(|| rows.as_mut().poll_next(cx)));
        match &step {
            Some(Ok(Either::Right(_))) => this.count += 1,
            Some(Ok(Either::Left(_))) => {}
            Some(Err(error)) => this.end(|ending, _| ending.failed(error)),
            None => this.end(Ending::rows),
        }
        Poll::Ready(step)
    }
}

impl<T> Drop for Rows<'_, T> {
    fn drop(&mut self) {
        // Whoever takes a row or two of many has all that was asked for.
        self.end(|ending, count| {
            let mut info = ending.rows(count);
            info.set("cancelled", &true);
            info
        });
    }
}
