//! The scope: where in its trace a thread, or a future while it is polled, stands.

use std::borrow::Cow;

use osprofiler_wire::{Id, Info, Phase};

use crate::context::Profiler;
use crate::local::{emit, ids};

/// A profiler and the points that were opened under it and are not closed yet.
///
/// Exactly one place owns a scope: a thread's slot, or a future that is not being polled.
#[derive(Debug)]
pub(crate) struct Scope {
    profiler: Profiler,
    open: Vec<Open>,
    /// What was in the slot when this scope was attached to a thread, and is there again after it.
    pub(super) below: Option<Box<Scope>>,
    /// By which a guard finds the scope that it attached. Those of futures have none.
    pub(super) serial: Option<u64>,
}

#[derive(Debug)]
struct Open {
    id: Id,
    /// Both records of a point name the same parent, whatever was closed in between.
    parent_id: Id,
    name: Cow<'static, str>,
    closed_by: ClosedBy,
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
    pub(crate) fn boxed(profiler: Profiler) -> Box<Self> {
        Box::new(Self { profiler, open: Vec::new(), below: None, serial: None })
    }

    /// The profiler as it stands now: its current point is the innermost open one.
    pub(crate) fn profiler(&self) -> Profiler {
        match self.open.last() {
            None => self.profiler.clone(),
            Some(last) => self.profiler.below(last.parent_id.clone(), last.id.clone()),
        }
    }

    pub(crate) fn base_id(&self) -> &Id {
        self.profiler.base_id()
    }

    /// Opens a point under the current one; gives its id.
    pub(crate) fn start(&mut self, name: Cow<'static, str>, info: Info, closed_by: ClosedBy) -> Id {
        let id = ids::fresh();
        let point = Open { id: id.clone(), parent_id: self.current_id().clone(), name, closed_by };
        point.emit(&self.profiler, Phase::Start, info);
        self.open.push(point);
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
    pub(crate) fn close(&mut self, id: &Id, info: Info) {
        let Some(at) = self.open.iter().rposition(|point| point.id == *id) else {
            return;
        };
        while self.open.len() > at + 1
            && self.open.last().is_some_and(|last| last.closed_by == ClosedBy::Stop)
        {
            self.close_last(left_open());
        }
        self.open.remove(at).emit(&self.profiler, Phase::Stop, info);
    }

    /// Closes whatever is still open, innermost first.
    pub(crate) fn close_all(&mut self) {
        while !self.open.is_empty() {
            self.close_last(left_open());
        }
    }

    fn close_last(&mut self, info: Info) {
        if let Some(point) = self.open.pop() {
            point.emit(&self.profiler, Phase::Stop, info);
        }
    }

    fn current_id(&self) -> &Id {
        self.open.last().map_or(self.profiler.id(), |last| &last.id)
    }
}

impl Open {
    fn emit(&self, profiler: &Profiler, phase: Phase, info: Info) {
        emit::emit(profiler, &self.parent_id, phase, self.name.clone(), &self.id, info);
    }
}

/// On the stop record of a point that was closed only because what is around it ended.
fn left_open() -> Info {
    Info::new().with("left_open", &true)
}
