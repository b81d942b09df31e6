//! What `#[trace]` and `#[trace_impl]` expand to. Not part of the public interface.
//!
//! A function's arguments and its result have types that the macro does not see. Whether they can be
//! shown, and whether the result is an error, is found by method resolution: the first step of
//! autoref at which a trait is implemented wins, so the most telling one is put on the most
//! references.

use std::any::type_name;
use std::borrow::Cow;
use std::fmt::{Debug, Display};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use osprofiler_wire::{Id, Info};

use crate::IntoInfo;
use crate::future::{Inspect, Traced};
use crate::local::scope::ClosedBy;
use crate::local::slot;
use crate::outcome::{self, bounded};

/// The point of a function that is about to run; none if nothing is traced.
#[derive(Debug)]
pub struct Entered(Option<Id>);

/// Starts the point of a function.
#[inline]
pub fn enter(name: &'static str, info: impl IntoInfo) -> Entered {
    if !slot::is_tracing() {
        return Entered(None);
    }
    let info = info.into_info();
    Entered(slot::with(|scope| {
        scope.start(name.into(), info, ClosedBy::Handle)
    }))
}

impl Entered {
    /// Runs the function and stops its point, also when it panics.
    #[inline]
    pub fn run<R>(self, body: impl FnOnce() -> R, inspect: impl FnOnce(&R) -> Info) -> R {
        match self.0 {
            None => body(),
            Some(id) => run_traced(&id, body, inspect),
        }
    }
}

#[cold]
fn run_traced<R>(id: &Id, body: impl FnOnce() -> R, inspect: impl FnOnce(&R) -> Info) -> R {
    let outcome = catch_unwind(AssertUnwindSafe(body));
    let info = match &outcome {
        Ok(result) => (|| inspect(result)).into_info(),
        Err(panic) => outcome::panic_info(outcome::panic_message(&**panic)),
    };
    slot::with(|scope| scope.close(id, info));
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Makes a point of a function's future.
pub fn traced<F: Future, I: IntoInfo, C: Inspect<F::Output>>(
    future: F,
    name: &'static str,
    info: I,
    inspect: C,
) -> Traced<F, I, C> {
    Traced::inspected(future, Cow::Borrowed(name), info, inspect)
}

/// Collects the info of a function: its name, and its arguments unless they are hidden.
#[derive(Debug)]
pub struct Function {
    function: Info,
    args: Option<String>,
}

impl Function {
    /// A function whose arguments are hidden.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            function: Info::new().with("name", name),
            args: None,
        }
    }

    /// Adds an argument. The first makes `args` appear.
    #[must_use]
    pub fn arg(mut self, name: &str, value: &str) -> Self {
        let args = self.args.get_or_insert_default();
        if !args.is_empty() {
            args.push_str(", ");
        }
        args.push_str(name);
        args.push_str(": ");
        args.push_str(value);
        self
    }

    /// Makes `args` appear even if there are none.
    #[must_use]
    pub fn args(mut self) -> Self {
        self.args.get_or_insert_default();
        self
    }

    /// The start info: `function`, and what the caller gave besides.
    #[must_use]
    pub fn info(self, more: impl IntoInfo) -> Info {
        let mut function = self.function;
        if let Some(args) = self.args {
            function.set("args", &format!("({args})"));
            // Python's functions have both; ours take every argument by position.
            function.set("kwargs", "{}");
        }
        let mut info = Info::new().with_info("function", function);
        info.merge(&more.into_info());
        info
    }
}

/// The stop info of a function whose result is shown.
#[must_use]
pub fn with_result(mut info: Info, result: &str) -> Info {
    info.set_info("function", &Info::new().with("result", result));
    info
}

/// An argument or a result, to be shown: `(&Value(&x)).show()`.
#[derive(Debug)]
pub struct Value<'a, T: ?Sized>(pub &'a T);

/// Shows what implements `Debug`.
pub trait ShowDebug {
    /// As `Debug` does, within bounds.
    fn show(&self) -> String;
}

impl<T: Debug + ?Sized> ShowDebug for Value<'_, T> {
    fn show(&self) -> String {
        bounded(format_args!("{:?}", self.0))
    }
}

/// Shows the type of everything else.
pub trait ShowType {
    /// The name of the type in angle brackets.
    fn show(&self) -> String;
}

impl<T: ?Sized> ShowType for &Value<'_, T> {
    fn show(&self) -> String {
        format!("<{}>", type_name::<T>())
    }
}

/// A result, to be asked for its error: `(&&&&Output(&x)).failure()`.
#[derive(Debug)]
pub struct Output<'a, T: ?Sized>(pub &'a T);

/// An error that displays itself.
pub trait FailureDisplay {
    /// The stop info, empty if there is no error.
    fn failure(&self) -> Info;
}

impl<T, E: Display> FailureDisplay for &&&Output<'_, Result<T, E>> {
    fn failure(&self) -> Info {
        self.0
            .as_ref()
            .err()
            .map(outcome::error_info)
            .unwrap_or_default()
    }
}

/// An error that can be debugged.
pub trait FailureDebug {
    /// The stop info, empty if there is no error.
    fn failure(&self) -> Info;
}

impl<T, E: Debug> FailureDebug for &&Output<'_, Result<T, E>> {
    fn failure(&self) -> Info {
        let info = |error| outcome::failure(type_name::<E>(), &bounded(format_args!("{error:?}")));
        self.0.as_ref().err().map(info).unwrap_or_default()
    }
}

/// An error that cannot be shown.
pub trait FailureType {
    /// The stop info, empty if there is no error.
    fn failure(&self) -> Info;
}

impl<T, E> FailureType for &Output<'_, Result<T, E>> {
    fn failure(&self) -> Info {
        let info = |_| outcome::failure(type_name::<E>(), "");
        self.0.as_ref().err().map(info).unwrap_or_default()
    }
}

/// Anything that is no `Result`.
pub trait NoFailure {
    /// Empty.
    fn failure(&self) -> Info;
}

impl<T: ?Sized> NoFailure for Output<'_, T> {
    fn failure(&self) -> Info {
        Info::new()
    }
}
