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
}

#[derive(Debug)]
struct Open {
    id: Id,
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
        ids::check_fork();
        Box::new(Self { profiler, open: Vec::new() })
    }

    /// The profiler as it stands now: its current point is the innermost open one.
    pub(crate) fn profiler(&self) -> Profiler {
        match self.open.as_slice() {
            [] => self.profiler.clone(),
            [only] => self.profiler.below(self.profiler.id().clone(), only.id.clone()),
            [.., parent, last] => self.profiler.below(parent.id.clone(), last.id.clone()),
        }
    }

    pub(crate) fn base_id(&self) -> &Id {
        self.profiler.base_id()
    }

    /// Opens a point under the current one; gives its id.
    pub(crate) fn start(&mut self, name: Cow<'static, str>, info: Info, closed_by: ClosedBy) -> Id {
        let id = ids::fresh();
        let point = Open { id: id.clone(), name, closed_by };
        emit::emit(&self.profiler, self.current_id(), Phase::Start, point.name.clone(), &id, info);
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
        let parent_id = self.id_at(at);
        let Open { id, name, .. } = self.open.remove(at);
        emit::emit(&self.profiler, &parent_id, Phase::Stop, name, &id, info);
    }

    /// Closes whatever is still open, innermost first.
    pub(crate) fn close_all(&mut self) {
        while !self.open.is_empty() {
            self.close_last(left_open());
        }
    }

    fn close_last(&mut self, info: Info) {
        if let Some(Open { id, name, .. }) = self.open.pop() {
            emit::emit(&self.profiler, self.current_id(), Phase::Stop, name, &id, info);
        }
    }

    fn current_id(&self) -> &Id {
        self.open.last().map_or(self.profiler.id(), |last| &last.id)
    }

    /// The id that is the parent of the point at `at`.
    fn id_at(&self, at: usize) -> Id {
        at.checked_sub(1).map_or(self.profiler.id(), |above| &self.open[above].id).clone()
    }
}

/// On the stop record of a point that was closed only because what is around it ended.
fn left_open() -> Info {
    Info::new().with("left_open", &true)
}
