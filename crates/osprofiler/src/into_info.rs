//! What may be given as the info of a point.

use std::panic::{AssertUnwindSafe, catch_unwind};

use osprofiler_wire::Info;

/// What may be given as the info of a point: `()` for none, an [`Info`], or a closure that makes
/// one. A closure is called only while tracing.
pub trait IntoInfo {
    /// Makes the info. If a closure panics, the info says so instead: profiling does not fail its
    /// caller.
    fn into_info(self) -> Info;
}

impl IntoInfo for () {
    fn into_info(self) -> Info {
        Info::new()
    }
}

impl IntoInfo for Info {
    fn into_info(self) -> Info {
        self
    }
}

impl<F: FnOnce() -> Info> IntoInfo for F {
    fn into_info(self) -> Info {
        catch_unwind(AssertUnwindSafe(self))
            .unwrap_or_else(|_| Info::new().with("info", "<panicked>"))
    }
}

/// Writes a closure that makes an [`Info`], so that nothing is built unless it is wanted.
///
/// A value is anything that serde serialises, or a nested dictionary in braces.
///
/// ```
/// use osprofiler::{IntoInfo, info};
///
/// let (sql, id) = ("SELECT 1", 7);
/// let info = info! { "db" => { "statement" => sql, "params" => [id] }, "rows" => 1 };
/// assert_eq!(
///     info.into_info().to_json(),
///     r#"{"db":{"statement":"SELECT 1","params":[7]},"rows":1}"#
/// );
/// ```
#[macro_export]
macro_rules! info {
    ($($members:tt)*) => {
        || $crate::__info_of!($($members)*)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __info_of {
    () => { $crate::Info::new() };
    ($($members:tt)+) => {{
        let mut info = $crate::Info::new();
        $crate::__info_set!(info $($members)+);
        info
    }};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __info_set {
    ($info:ident) => {};
    ($info:ident $key:expr => { $($nested:tt)* } $(, $($rest:tt)*)?) => {
        $info.set_info($key, &$crate::__info_of!($($nested)*));
        $crate::__info_set!($info $($($rest)*)?);
    };
    ($info:ident $key:expr => $value:expr $(, $($rest:tt)*)?) => {
        $info.set($key, &$value);
        $crate::__info_set!($info $($($rest)*)?);
    };
}
