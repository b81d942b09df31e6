//! The scope: where in its trace a thread, or a future while it is polled, stands.

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Arc;

use osprofiler_wire::{Id, Info, Phase};

use crate::context::{Place, Profiler, TraceState};
use crate::local::emit::emit;
use crate::local::ids::PointId;

/// A place in a trace, and the points that were opened under it and are not closed yet.
///
/// Exactly one place owns a scope: a thread's slot, or a future that is not being polled.
pub(crate) struct Scope {
    trace: Arc<TraceState>,
    parent: Place,
    place: Place,
    open: Vec<Open>,
    /// The point that the future which carries this scope is, if it is one.
    own: Option<PointId>,
    /// What was in the slot when this scope was attached to a thread, and is there again after it.
    pub(super) below: Option<Box<Scope>>,
    /// By which a guard finds the scope that it attached. Those of futures have none.
    pub(super) serial: Option<u64>,
}

/// A point that is not closed yet.
pub(super) struct Open {
    pub(super) id: PointId,
    /// Both records of a point name the same parent, whatever was closed in between.
    pub(super) parent: Place,
    pub(super) name: Cow<'static, str>,
    closed_by: ClosedBy,
}

/// Open points that a scope has room for from its first on.
const ROOM: usize = 4;

/// Open points that the room has which a thread keeps for its next scope, at most.
const MAX_SPARE: usize = 64;

thread_local! {
    /// The room of a scope that is gone: each request and each traced future needs one.
    static SPARE: Cell<Vec<Open>> = const { Cell::new(Vec::new()) };
}

impl Drop for Scope {
    fn drop(&mut self) {
        let mut open = std::mem::take(&mut self.open);
        if (1..=MAX_SPARE).contains(&open.capacity()) {
            open.clear();
            // A thread that is shutting down has no spare any more.
            let _ = SPARE.try_with(|spare| spare.set(open));
        }
    }
}

/// Who closes a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClosedBy {
    /// A guard or a future, which knows its id.
    Handle,
    /// A call of `stop`, which does not.
    Stop,
}

impl Scope {
    pub(crate) fn boxed(profiler: &Profiler) -> Box<Self> {
        Self::at(profiler.trace().clone(), profiler.parent(), profiler.place())
    }

    /// One that goes on under the current point of this one.
    pub(crate) fn fork(&self) -> Box<Self> {
        let (parent, place) = self.current();
        Self::at(self.trace.clone(), parent, place)
    }

    fn at(trace: Arc<TraceState>, parent: Place, place: Place) -> Box<Self> {
        Box::new(Self {
            trace,
            parent,
            place,
            open: SPARE.try_with(Cell::take).unwrap_or_default(),
            own: None,
            below: None,
            serial: None,
        })
    }

    /// The profiler as it stands now: its current point is the innermost open one.
    pub(crate) fn profiler(&self) -> Profiler {
        let (parent, place) = self.current();
        Profiler::at(self.trace.clone(), parent, place)
    }

    #[inline]
    fn current(&self) -> (Place, Place) {
        match self.open.last() {
            None => (self.parent, self.place),
            Some(last) => (last.parent, last.id.into()),
        }
    }

    pub(crate) fn base_id(&self) -> &Id {
        self.trace.base_id()
    }

    /// Opens a point under the current one; gives its id.
    #[inline(always)]
    pub(crate) fn start(
        &mut self,
        name: Cow<'static, str>,
        info: Info,
        closed_by: ClosedBy,
    ) -> PointId {
        let id = PointId::fresh();
        let parent = self.open.last().map_or(self.place, |last| last.id.into());
        if self.open.capacity() == 0 {
            self.open.reserve_exact(ROOM);
        }
        self.open.push(Open { id, parent, name, closed_by });
        if let Some(point) = self.open.last() {
            emit(&self.trace, point, Phase::Start, info);
        }
        id
    }

    /// Closes the current point if `stop` is to close it, else does nothing.
    pub(crate) fn stop(&mut self, info: Info) {
        if self.open.last().is_some_and(|last| last.closed_by == ClosedBy::Stop) {
            self.close_last(info);
        }
    }

    /// Closes a point by its id, wherever it stands; does nothing if it is not open here.
    ///
    /// What `start` opened under it and nobody stopped is closed with it: it must not become the
    /// parent of what comes next.
    #[inline(always)]
    pub(crate) fn close(&mut self, id: PointId, info: Info) {
        match self.open.last() {
            Some(last) if last.id == id => self.close_last(info),
            _ => self.close_below(id, info),
        }
    }

    #[cold]
    fn close_below(&mut self, id: PointId, info: Info) {
        let Some(at) = self.open.iter().rposition(|point| point.id == id) else {
            return;
        };
        while self.open.len() > at + 1
            && self.open.last().is_some_and(|last| last.closed_by == ClosedBy::Stop)
        {
            self.close_last(left_open());
        }
        let point = self.open.remove(at);
        emit(&self.trace, &point, Phase::Stop, info);
    }

    /// Opens the point that the future which carries this scope is.
    pub(crate) fn begin(mut self: Box<Self>, name: Cow<'static, str>, info: Info) -> Box<Self> {
        self.own = Some(self.start(name, info, ClosedBy::Handle));
        self
    }

    /// Closes that point, and whatever is still open.
    pub(crate) fn end(&mut self, info: Info) {
        if let Some(id) = self.own.take() {
            self.close(id, info);
        }
        self.close_all();
    }

    /// Closes whatever is still open, innermost first.
    pub(crate) fn close_all(&mut self) {
        while !self.open.is_empty() {
            self.close_last(left_open());
        }
    }

    #[inline(always)]
    fn close_last(&mut self, info: Info) {
        if let Some(point) = self.open.last() {
            emit(&self.trace, point, Phase::Stop, info);
            self.open.pop();
        }
    }
}

/// On the stop record of a point that was closed only because what is around it ended.
fn left_open() -> Info {
    Info::new().with("left_open", &true)
}
