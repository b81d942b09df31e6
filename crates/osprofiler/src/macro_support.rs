//! What `#[trace]` and `#[trace_impl]` expand to. Not part of the public interface.
//!
//! A function's arguments and its result have types that the macro does not see. Whether they can be
//! shown, and whether the result is an error, is found by method resolution: the first step of
//! autoref at which a trait is implemented wins, so the most telling one is put on the most
//! references.

use std::fmt::{self, Debug};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::IntoInfo;
use crate::future::{Begun, Carried, Traced};
use crate::local::ids::PointId;
use crate::local::scope::ClosedBy;
use crate::local::slot;
use crate::outcome::{self, bounded};

pub use std::any::type_name;
pub use std::boxed::Box;
pub use std::module_path;

pub use osprofiler_wire::Info;

pub use crate::traced_impl::inner;

/// The point of a function that is about to run; none if nothing is traced.
#[derive(Debug)]
pub struct Entered(Option<PointId>);

/// Starts the point of a function.
#[inline]
pub fn enter(name: &'static str, info: impl IntoInfo) -> Entered {
    if slot::is_tracing() { start(name, info) } else { Entered(None) }
}

#[cold]
fn start(name: &'static str, info: impl IntoInfo) -> Entered {
    let info = info.into_info();
    Entered(slot::with(|scope| scope.start(name.into(), info, ClosedBy::Handle)))
}

impl Entered {
    /// Runs the function and stops its point, also when it panics.
    #[inline]
    pub fn run<R>(self, body: impl FnOnce() -> R, inspect: impl FnOnce(&R) -> Info) -> R {
        match self.0 {
            None => body(),
            Some(id) => run_traced(id, body, inspect),
        }
    }
}

#[cold]
fn run_traced<R>(id: PointId, body: impl FnOnce() -> R, inspect: impl FnOnce(&R) -> Info) -> R {
    let outcome = catch_unwind(AssertUnwindSafe(body));
    let info = match &outcome {
        Ok(result) => (|| inspect(result)).into_info(),
        Err(panic) => outcome::panic_info(outcome::panic_message(&**panic)),
    };
    slot::with(|scope| scope.close(id, info));
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Starts the point of a future that is polled at once; none if nothing is traced. It begins before
/// the future is there, because that takes the arguments which the info tells of.
#[inline]
pub fn begin(name: &'static str, info: impl IntoInfo) -> Begin {
    Begin(if slot::is_tracing() { begin_traced(name, info) } else { Carried::default() })
}

#[cold]
fn begin_traced(name: &'static str, info: impl IntoInfo) -> Carried {
    Carried::begin(name.into(), info.into_info())
}

/// A point that waits for its future; see [`begin`].
pub struct Begin(Carried);

impl Begin {
    /// Makes it the point of this future.
    #[inline]
    pub fn of<F: Future, C: FnOnce(&F::Output) -> Info>(
        self,
        future: F,
        inspect: C,
    ) -> Begun<F, C> {
        Begun::new(future, self.0, inspect)
    }
}

impl fmt::Debug for Begin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Begin")
    }
}

/// Makes the start info of a future that is polled later; see [`begin`]. None if nothing is traced.
#[inline]
pub fn start_info(info: impl IntoInfo) -> Option<Info> {
    slot::is_tracing().then(|| cold(|| info.into_info()))
}

#[cold]
fn cold<R>(f: impl FnOnce() -> R) -> R {
    f()
}

/// Makes a point of a future, from its first poll on.
pub fn traced<F: Future, C: FnOnce(&F::Output) -> Info>(
    name: &'static str,
    info: Option<Info>,
    future: F,
    inspect: C,
) -> Traced<F, Info, C> {
    Traced::inspected(future, name.into(), info.unwrap_or_default(), inspect)
}

/// Stands where it is never called, in an async block, and so tells the block what it returns.
pub fn output<R>() -> R {
    unreachable!("called only under `if false`")
}

/// Collects the info of a function: its name, and its arguments unless they are hidden.
#[derive(Debug)]
pub struct Function {
    function: Info,
    args: Option<String>,
}

impl Function {
    /// A function of a module or a type, whose arguments are hidden.
    #[must_use]
    pub fn new(place: &str, name: &str) -> Self {
        Self { function: Info::new().with("name", &format_args!("{place}::{name}")), args: None }
    }

    /// Makes `args` appear, even if there are none.
    #[must_use]
    pub fn args(mut self) -> Self {
        self.args.get_or_insert_default();
        self
    }

    /// Adds an argument.
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

/// The stop info of a function whose result is shown, unless it failed.
#[must_use]
pub fn with_result(failure: Info, result: impl FnOnce() -> String) -> Info {
    if !failure.is_empty() {
        return failure;
    }
    Info::new().with_info("function", Info::new().with("result", &result()))
}

/// An argument or a result, to be shown: `(&Value(&x)).osprofiler_show()`.
#[derive(Debug)]
pub struct Value<'a, T: ?Sized>(pub &'a T);

/// What shows a [`Value`]. The names of the methods are such that no trait of the caller's has them.
pub mod show {
    use super::{Debug, Value, bounded, type_name};

    /// Shows what implements `Debug`.
    pub trait ShowDebug {
        /// As `Debug` does, within bounds.
        fn osprofiler_show(&self) -> String;
    }

    impl<T: Debug + ?Sized> ShowDebug for Value<'_, T> {
        fn osprofiler_show(&self) -> String {
            bounded(format_args!("{:?}", self.0))
        }
    }

    /// Shows the type of everything else.
    pub trait ShowType {
        /// The name of the type in angle brackets.
        fn osprofiler_show(&self) -> String;
    }

    impl<T: ?Sized> ShowType for &Value<'_, T> {
        fn osprofiler_show(&self) -> String {
            format!("<{}>", type_name::<T>())
        }
    }
}

/// A result, to be asked for its error: `(&&&&Output(&x)).osprofiler_failure()`.
#[derive(Debug)]
pub struct Output<'a, T: ?Sized>(pub &'a T);

/// What asks an [`Output`] for its error.
pub mod failure {
    use std::fmt::Display;

    use super::{Debug, Info, Output, bounded, outcome, type_name};

    /// An error that displays itself.
    pub trait FailureDisplay {
        /// The stop info, empty if there is no error.
        fn osprofiler_failure(&self) -> Info;
    }

    impl<T, E: Display> FailureDisplay for &&&Output<'_, Result<T, E>> {
        fn osprofiler_failure(&self) -> Info {
            let error = self.0.as_ref().err();
            error.map(outcome::error_info).unwrap_or_default()
        }
    }

    /// An error that can be debugged.
    pub trait FailureDebug {
        /// The stop info, empty if there is no error.
        fn osprofiler_failure(&self) -> Info;
    }

    impl<T, E: Debug> FailureDebug for &&Output<'_, Result<T, E>> {
        fn osprofiler_failure(&self) -> Info {
            let info =
                |error| outcome::failure(type_name::<E>(), &bounded(format_args!("{error:?}")));
            self.0.as_ref().err().map(info).unwrap_or_default()
        }
    }

    /// An error that cannot be shown.
    pub trait FailureType {
        /// The stop info, empty if there is no error.
        fn osprofiler_failure(&self) -> Info;
    }

    impl<T, E> FailureType for &Output<'_, Result<T, E>> {
        fn osprofiler_failure(&self) -> Info {
            let info = |_| outcome::failure(type_name::<E>(), "");
            self.0.as_ref().err().map(info).unwrap_or_default()
        }
    }

    /// Anything that is no `Result`.
    pub trait NoFailure {
        /// Empty.
        fn osprofiler_failure(&self) -> Info;
    }

    impl<T: ?Sized> NoFailure for Output<'_, T> {
        fn osprofiler_failure(&self) -> Info {
            Info::new()
        }
    }
}
