//! A wrapper whose trait implementations are traced.

use std::error::Error;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;

use pin_project_lite::pin_project;

pin_project! {
    /// Wraps what implements a trait, so that calls of the trait's methods are points.
    ///
    /// It implements every trait that stands under
    /// [`#[trace_impl]`](macro@crate::trace_impl) and that `T` implements: a method makes its point,
    /// and calls that of `T`. What `T` has besides is reached through [`Deref`], untraced. Callers
    /// that are generic over the trait, or that hold a `dyn Trait`, need not know.
    ///
    /// ```
    /// use osprofiler::{TracedImpl, trace_impl};
    ///
    /// #[trace_impl("db")]
    /// trait Store {
    ///     fn get(&self, key: u32) -> Option<String>;
    /// }
    ///
    /// struct Memory;
    ///
    /// impl Store for Memory {
    ///     fn get(&self, key: u32) -> Option<String> {
    ///         Some(key.to_string())
    ///     }
    /// }
    ///
    /// let store: Box<dyn Store> = Box::new(TracedImpl::new(Memory));
    /// assert_eq!(store.get(7).as_deref(), Some("7"));
    /// ```
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct TracedImpl<T> {
        #[pin]
        inner: T,
    }
}

impl<T> TracedImpl<T> {
    /// Wraps `inner`.
    pub const fn new(inner: T) -> Self {
        Self { inner }
    }

    /// Gives back what was wrapped.
    pub fn into_inner(self) -> T {
        self.inner
    }
}

impl<T> From<T> for TracedImpl<T> {
    fn from(inner: T) -> Self {
        Self::new(inner)
    }
}

impl<T> Deref for TracedImpl<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for TracedImpl<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T> AsRef<T> for TracedImpl<T> {
    fn as_ref(&self) -> &T {
        &self.inner
    }
}

impl<T> AsMut<T> for TracedImpl<T> {
    fn as_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T: fmt::Display> fmt::Display for TracedImpl<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<T: Error> Error for TracedImpl<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.inner.source()
    }
}

/// What a method of the wrapper takes for `self`, to be turned into what that of `T` takes.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a method whose `self` is `{Self}` cannot be delegated",
    label = "expected `self`, or a reference to it, in a `Box` or a `Pin` or in neither",
    note = "`#[trace_impl]` on a trait implements it for `TracedImpl`, which owns what it wraps"
)]
pub trait Receiver {
    type Inner;

    fn inner(self) -> Self::Inner;
}

/// Unwraps the receiver of a delegating method.
#[doc(hidden)]
#[inline]
pub fn inner<R: Receiver>(receiver: R) -> R::Inner {
    receiver.inner()
}

impl<T> Receiver for TracedImpl<T> {
    type Inner = T;

    fn inner(self) -> T {
        self.inner
    }
}

impl<'a, T> Receiver for &'a TracedImpl<T> {
    type Inner = &'a T;

    fn inner(self) -> &'a T {
        &self.inner
    }
}

impl<'a, T> Receiver for &'a mut TracedImpl<T> {
    type Inner = &'a mut T;

    fn inner(self) -> &'a mut T {
        &mut self.inner
    }
}

impl<T> Receiver for Box<TracedImpl<T>> {
    type Inner = Box<T>;

    fn inner(self) -> Box<T> {
        Box::new(self.inner)
    }
}

impl<'a, T> Receiver for Pin<&'a TracedImpl<T>> {
    type Inner = Pin<&'a T>;

    fn inner(self) -> Pin<&'a T> {
        self.project_ref().inner
    }
}

impl<'a, T> Receiver for Pin<&'a mut TracedImpl<T>> {
    type Inner = Pin<&'a mut T>;

    fn inner(self) -> Pin<&'a mut T> {
        self.project().inner
    }
}
