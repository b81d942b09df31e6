//! The scope: where in its trace a thread, or a future while it is polled, stands.

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Arc;
use std::thread;

#[cfg(feature = "tracing")]
use osprofiler_wire::Timestamp;
use osprofiler_wire::{Id, Info, Phase};

use crate::context::{Place, Profiler, TraceState};
use crate::local::emit::emit;
use crate::local::ids::PointId;
use crate::outcome;

/// A place in a trace, and the points that were opened under it and are not closed yet.
///
/// Exactly one place owns a scope: a thread's slot, or a future that is not being polled.
pub(crate) struct Scope {
    base: Base,
    open: Stack,
    /// The name of the point that the future which carries this scope is, if it is one: the base is
    /// that point then.
    own: Option<Cow<'static, str>>,
    /// What was in the slot when this scope was attached to a thread, and is there again after it.
    pub(super) below: Option<Box<Scope>>,
    /// By which a guard finds the scope that it attached. Those of futures have none.
    pub(super) serial: Option<u64>,
}

/// A place in a trace.
#[derive(Clone)]
pub(crate) struct Base {
    trace: Arc<TraceState>,
    parent: Place,
    place: Place,
}

impl From<&Profiler> for Base {
    fn from(profiler: &Profiler) -> Self {
        let (parent, place) = (profiler.parent(), profiler.place());
        Self { trace: profiler.trace().clone(), parent, place }
    }
}

#[cfg(feature = "tracing")]
impl Base {
    /// What time it is in the trace.
    pub(crate) fn timestamp(&self) -> Timestamp {
        self.trace.anchor().timestamp()
    }
}

/// A point that is not closed yet.
pub(super) struct Open {
    pub(super) id: PointId,
    /// Both records of a point name the same parent, whatever was closed in between.
    pub(super) parent: Place,
    pub(super) name: Cow<'static, str>,
    closed_by: ClosedBy,
    /// Whether it was opened while the thread was panicking.
    in_panic: bool,
}

/// Open points, the innermost last.
#[derive(Default)]
struct Stack(Vec<Open>);

/// Open points that the room has which a thread keeps for its next scope, at most.
const MAX_SPARE: usize = 64;

thread_local! {
    /// The room of a scope that is gone: each request needs one.
    static SPARE: Cell<Vec<Open>> = const { Cell::new(Vec::new()) };
}

impl Stack {
    #[inline(always)]
    fn push(&mut self, point: Open) {
        if self.0.capacity() == 0 {
            self.take_room();
        }
        self.0.push(point);
    }

    #[cold]
    fn take_room(&mut self) {
        self.0 = SPARE.try_with(Cell::take).unwrap_or_default();
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if (1..=MAX_SPARE).contains(&self.0.capacity()) {
            let mut open = std::mem::take(&mut self.0);
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
    /// One that begins here.
    #[inline]
    pub(crate) fn at(base: Base) -> Self {
        Self { base, open: Stack::default(), own: None, below: None, serial: None }
    }

    /// Where another one is to begin, to go on under the current point of this one.
    #[inline]
    pub(crate) fn fork(&self) -> Base {
        let (parent, place) = self.current();
        Base { trace: self.base.trace.clone(), parent, place }
    }

    /// Where one is to begin that goes on where the trace entered the process.
    #[cfg(feature = "tracing")]
    pub(crate) fn entry(&self) -> Base {
        Base { trace: self.base.trace.clone(), parent: Place::BASE, place: Place::ENTRY }
    }

    /// The profiler as it stands now: its current point is the innermost open one.
    pub(crate) fn profiler(&self) -> Profiler {
        let (parent, place) = self.current();
        Profiler::at(self.base.trace.clone(), parent, place)
    }

    #[inline]
    fn current(&self) -> (Place, Place) {
        match self.open.0.last() {
            None => (self.base.parent, self.base.place),
            Some(last) => (last.parent, last.id.into()),
        }
    }

    /// The name of the current point, if it was opened here.
    #[cfg(feature = "tracing")]
    pub(crate) fn name(&self) -> Option<Cow<'static, str>> {
        self.open.0.last().map(|point| &point.name).or(self.own.as_ref()).cloned()
    }

    pub(crate) fn base_id(&self) -> &Id {
        self.base.trace.base_id()
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
        let parent = match self.open.0.last() {
            Some(last) => last.id.into(),
            None => self.base.place,
        };
        let in_panic = thread::panicking();
        self.open.push(Open { id, parent, name, closed_by, in_panic });
        if let Some(point) = self.open.0.last() {
            emit(&self.base.trace, point, Phase::Start, info);
        }
        id
    }

    /// Closes the current point if `stop` is to close it, else does nothing.
    pub(crate) fn stop(&mut self, info: Info) {
        if self.open.0.last().is_some_and(|last| last.closed_by == ClosedBy::Stop) {
            self.close_last(info);
        }
    }

    /// Closes a point by its id, wherever it stands; does nothing if it is not open here.
    ///
    /// What `start` opened under it and nobody stopped is closed with it: it must not become the
    /// parent of what comes next.
    #[inline(always)]
    pub(crate) fn close(&mut self, id: PointId, info: Info) {
        match self.open.0.last() {
            Some(last) if last.id == id => self.close_last(info),
            _ => self.close_below(id, info),
        }
    }

    /// [`close`](Self::close) by a panic: the point failed, unless it began in one.
    #[cold]
    pub(crate) fn close_panicking(&mut self, id: PointId, mut info: Info) {
        if self.open.0.iter().any(|point| point.id == id && !point.in_panic) {
            info.merge(&outcome::panic_info(""));
        }
        self.close(id, info);
    }

    #[cold]
    fn close_below(&mut self, id: PointId, info: Info) {
        let Some(at) = self.open.0.iter().rposition(|point| point.id == id) else {
            return;
        };
        while self.open.0.len() > at + 1
            && self.open.0.last().is_some_and(|last| last.closed_by == ClosedBy::Stop)
        {
            self.close_last(left_open());
        }
        let point = self.open.0.remove(at);
        emit(&self.base.trace, &point, Phase::Stop, info);
    }

    /// Opens the point that the future which carries this scope is, under what is its base.
    pub(crate) fn begin(&mut self, name: Cow<'static, str>, info: Info) {
        let id = PointId::fresh();
        self.base.parent = std::mem::replace(&mut self.base.place, id.into());
        let point = Open::of_future(id, self.base.parent, name);
        emit(&self.base.trace, &point, Phase::Start, info);
        self.own = Some(point.name);
    }

    /// Whether such a point was begun and has not ended.
    #[cfg(feature = "tracing")]
    pub(crate) fn is_begun(&self) -> bool {
        self.own.is_some()
    }

    /// Closes that point, after whatever is still open in it.
    pub(crate) fn end(&mut self, info: Info) {
        self.close_all();
        if let Some(name) = self.own.take()
            && let Place { sequence: Some(sequence), number } = self.base.place
        {
            let id = PointId { sequence, number };
            emit(&self.base.trace, &Open::of_future(id, self.base.parent, name), Phase::Stop, info);
        }
    }

    /// Closes whatever is still open, innermost first.
    pub(crate) fn close_all(&mut self) {
        while !self.open.0.is_empty() {
            self.close_last(left_open());
        }
    }

    #[inline(always)]
    fn close_last(&mut self, info: Info) {
        if let Some(point) = self.open.0.last() {
            emit(&self.base.trace, point, Phase::Stop, info);
            self.open.0.pop();
        }
    }
}

impl Open {
    /// The point that a future is. It is not among those that are open in its scope.
    fn of_future(id: PointId, parent: Place, name: Cow<'static, str>) -> Self {
        Self { id, parent, name, closed_by: ClosedBy::Handle, in_panic: false }
    }
}

/// On the stop record of a point that was closed only because what is around it ended.
fn left_open() -> Info {
    Info::new().with("left_open", &true)
}
