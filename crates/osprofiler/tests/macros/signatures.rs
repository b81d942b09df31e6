//! Functions of every shape are traced, and none of them brings a warning.

#![deny(warnings)]
#![allow(dead_code)]

use std::fmt::{Debug, Display};
use std::future::Future;
use std::pin::Pin;

use osprofiler::{TracedImpl, info, trace, trace_impl};

// Names that the expansion must not pick up from here.
mod shadowed {
    #![allow(non_camel_case_types)]

    use ::osprofiler::{trace, trace_impl};

    mod std {}
    mod core {}
    struct Result;
    struct Option;
    struct Some;
    struct None;
    struct Ok;
    struct Err;
    struct Box;
    struct String;
    struct Info;
    struct Function;
    struct Value;
    struct Output;
    mod osprofiler {}

    trait Everything {
        fn show(&self) {}
        fn failure(&self) {}
        fn run(self)
        where
            Self: Sized,
        {
        }
        fn into_info(self)
        where
            Self: Sized,
        {
        }
    }
    impl<T> Everything for T {}

    #[trace("shadowed", show_result)]
    pub(super) fn sync(info: u8, function: u8, output: u8) -> u8 {
        info + function + output
    }

    #[trace_impl("shadowed", show_result)]
    pub(super) trait Open {
        fn open(&self, function: u8, output: u8) -> u8;
    }

    pub(super) struct Door;

    #[trace_impl("shadowed", show_result)]
    impl Open for Door {
        fn open(&self, function: u8, output: u8) -> u8 {
            function + output
        }
    }

    #[trace("shadowed", show_result)]
    pub(super) async fn future(info: u8, function: u8, output: u8) -> u8 {
        info + function + output
    }
}

#[trace]
fn nothing() {}

#[trace]
fn returns_early(n: u32) {
    if n == 0 {
        return;
    }
    nothing();
}

#[trace]
pub(crate) fn diverges() -> ! {
    panic!("on purpose")
}

#[trace]
async fn never_ready() -> ! {
    std::future::pending().await
}

#[trace]
#[rustfmt::skip]
async fn never_ready_in_a_line() -> ! { std::future::pending().await }

#[trace]
#[rustfmt::skip]
async fn impl_in_a_line(n: u32) -> impl Fn() -> u32 { move || n }

#[trace]
#[rustfmt::skip]
async fn in_a_line(n: u32) -> u32 { n }

#[trace]
#[rustfmt::skip]
fn sync_in_a_line(n: u32) -> u32 { n }

#[trace]
#[rustfmt::skip]
fn boxed_in_a_line(n: u32) -> Pin<Box<dyn Future<Output = u32>>> { Box::pin(async move { n }) }

/// Has documentation.
#[must_use]
#[inline]
#[trace("documented")]
fn documented(n: u32) -> u32 {
    n
}

#[trace(show_result)]
fn mutable(mut n: u32, mut text: String) -> String {
    n += 1;
    text.push_str(&n.to_string());
    text
}

struct Pair {
    left: String,
    right: u32,
}

#[trace]
fn patterns(
    (a, mut b): (u32, u32),
    Pair { left, right: _ }: Pair,
    [first, .., last]: [u8; 4],
    _: u8,
    &borrowed: &u32,
) -> String {
    b += a + u32::from(first) + u32::from(last) + borrowed;
    format!("{left}{b}")
}

#[trace]
fn borrows<'a>(text: &'a str, others: &mut Vec<&'a str>) -> &'a str {
    others.push(text);
    text.trim()
}

#[trace]
fn reborrows(items: &mut [u32]) -> &mut u32 {
    &mut items[0]
}

#[trace]
fn generic<T, const N: usize>(items: [T; N]) -> Option<T>
where
    T: Clone,
{
    let [first, ..] = &items[..] else {
        return None;
    };
    Some(first.clone())
}

#[trace]
fn impl_argument(shown: impl Debug + Display, hidden: impl Iterator<Item = u8>) -> String {
    format!("{shown}{}", hidden.count())
}

#[trace]
fn impl_result<'a>(text: &'a str, add: &'a u8) -> impl Iterator<Item = u8> + use<'a> {
    text.bytes().map(move |byte| byte + add)
}

#[trace(show_result)]
fn nested_impl_result(fail: bool) -> Result<impl Fn(u8) -> u8, std::io::Error> {
    if fail {
        Err(std::io::Error::other("asked for"))?;
    }
    Ok(move |byte| byte + 1)
}

#[trace]
fn coerces(numbers: bool) -> Box<dyn Iterator<Item = u8>> {
    if numbers {
        return Box::new(0..10);
    }
    Box::new(std::iter::empty())
}

#[trace]
async fn coerces_later(numbers: bool) -> Box<dyn Iterator<Item = u8> + Send> {
    if numbers {
        return Box::new(0..10);
    }
    Box::new(std::iter::empty())
}

#[trace]
fn question_mark(text: &str) -> Result<u32, Box<dyn std::error::Error>> {
    let n: u32 = text.parse()?;
    Ok(n)
}

#[trace]
async fn question_mark_later(text: &str) -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
    let n: u32 = text.parse()?;
    std::future::ready(()).await;
    Ok(n)
}

#[trace]
fn let_and_return(n: u32) -> u32 {
    let (sum, _) = n.overflowing_add(1);
    sum
}

#[trace]
fn recursive(n: u64) -> u64 {
    if n == 0 { 1 } else { n * recursive(n - 1) }
}

#[trace]
fn recursive_future(n: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move { if n == 0 { 1 } else { n * recursive_future(n - 1).await } })
}

#[trace]
async fn moves(text: String) -> usize {
    let task = async move { text.len() };
    task.await
}

#[trace]
async fn elided(text: &str) -> std::borrow::Cow<'_, str> {
    text.into()
}

#[trace]
fn future(n: u32) -> impl Future<Output = u32> + Send {
    async move { n + 1 }
}

#[trace]
fn items_first() -> String {
    const ONE: u32 = 1;
    fn print(n: u32) -> String {
        n.to_string()
    }
    print(ONE)
}

#[trace]
async fn items_first_later() -> u32 {
    const ONE: u32 = 1;
    std::future::ready(ONE).await
}

#[trace("raw")]
fn r#match(r#type: u32) -> u32 {
    r#type
}

#[trace]
fn unused_underscore(_unused: u32) {}

#[trace(hide_args)]
fn inner_attributes(n: u32) -> u32 {
    #![allow(clippy::identity_op)]
    n + 0
}

#[trace]
fn conditional(#[cfg(any())] missing: u32, #[cfg(not(any()))] there: u32) -> u32 {
    there
}

#[trace(info = info! { "n" => n, "text" => text }, skip(text), show(token))]
fn with_info(n: u32, text: &str, token: u32) -> u32 {
    n + token + u32::try_from(text.len()).unwrap_or(0)
}

#[trace]
extern "C" fn foreign(n: u32) -> u32 {
    n
}

#[trace]
fn closure_argument(f: impl FnOnce(u32) -> u32, g: &dyn Fn(u32) -> u32, h: fn(u32) -> u32) -> u32 {
    h(g(f(1)))
}

struct NotSync(std::cell::Cell<u32>);

#[trace]
async fn sends(cell: NotSync) -> u32 {
    std::future::ready(()).await;
    cell.0.get()
}

const fn require_send<T: Send>(_: &T) {}

#[derive(Clone, Debug, Default)]
struct Shop<T> {
    items: Vec<T>,
}

impl<T: Clone + Default> Shop<T> {
    #[trace]
    fn new() -> Self {
        Self::default()
    }

    #[trace]
    fn first(&self) -> Option<&T> {
        self.items.first()
    }

    #[trace]
    fn push(&mut self, item: T) -> &mut Self {
        self.items.push(item);
        self
    }

    #[trace]
    fn take(mut self) -> Vec<T> {
        self.items.truncate(1);
        self.items
    }

    #[trace]
    fn boxed(self: Box<Self>) -> Vec<T> {
        self.items
    }

    #[trace]
    fn pinned(self: Pin<&mut Self>) -> usize {
        self.items.len()
    }

    #[trace]
    async fn wait(&mut self, item: T) -> &T {
        self.items.push(item);
        std::future::ready(()).await;
        &self.items[0]
    }
}

trait Sell {
    type Price;

    fn price(&self) -> Self::Price;

    #[trace]
    fn twice(&self) -> (Self::Price, Self::Price) {
        (self.price(), self.price())
    }
}

impl<T: Clone> Sell for Shop<T> {
    type Price = usize;

    #[trace]
    fn price(&self) -> Self::Price {
        self.items.len()
    }
}

/// Has documentation.
#[trace_impl("visit", show_result)]
pub(crate) trait Visit<'a, K: ?Sized, const N: usize, V = u8>: Debug
where
    K: Debug + 'a,
    Self::Seen: Clone,
{
    const FIRST: Option<Self::Seen> = None;
    type Seen: Debug;

    /// Has documentation.
    #[must_use]
    fn visit(&mut self, keys: [&'a K; N], _unused: V) -> Option<Self::Seen>;

    #[deprecated = "visit"]
    fn old(&self) {}

    fn longest<'b>(&self, left: &'b str, right: &'b str) -> &'b str {
        if left.len() < right.len() { right } else { left }
    }

    fn elided(
        &self,
        visit: &mut dyn FnMut(&K) -> Result<(), Self::Seen>,
    ) -> std::slice::Iter<'_, u8>;

    fn each<F>(&self, mut f: F)
    where
        F: FnMut(<Self as Visit<'a, K, N, V>>::Seen),
        Self: Sized + 'a,
    {
        if let Some(first) = Self::FIRST {
            f(first);
        }
    }

    #[cfg(any())]
    fn missing(&self, missing: Missing);

    fn conditional(&self, #[cfg(any())] missing: Missing, there: u32) -> u32 {
        there
    }

    fn iterate(&self) -> impl Iterator<Item = u8> {
        std::iter::empty()
    }

    fn never(&self) -> ! {
        panic!("on purpose")
    }
}

#[derive(Clone, Debug)]
struct Visitor<T>(Vec<u8>, T);

#[trace_impl("visitor", show_result)]
impl<'a, K: Debug + ?Sized + 'a, T: Debug, const N: usize> Visit<'a, K, N> for Visitor<T> {
    type Seen = u8;

    fn visit(&mut self, keys: [&'a K; N], unused: u8) -> Option<u8> {
        self.0.push(unused + u8::from(keys.is_empty()));
        self.0.pop()
    }

    fn elided(&self, visit: &mut dyn FnMut(&K) -> Result<(), u8>) -> std::slice::Iter<'_, u8> {
        let _ = visit;
        self.0.iter()
    }
}

macro_rules! make {
    ($name:ident, $arg:ident) => {
        #[trace(show_result)]
        fn $name($arg: u32, other: u32) -> u32 {
            $arg + other
        }
    };
}
make!(made_by_a_macro, argument);

pub(crate) fn check() {
    let _ = shadowed::sync(1, 2, 3);
    drop(shadowed::future(1, 2, 3));
    require_send(&sends(NotSync(std::cell::Cell::new(1))));
    require_send(&coerces_later(true));
    assert_eq!(made_by_a_macro(1, 2), 3);
    assert_eq!(nested_impl_result(false).unwrap()(1), 2);
    assert_eq!(*reborrows(&mut [1, 2]), 1);
    assert_eq!(impl_result("a", &1).collect::<Vec<_>>(), b"b");
    assert_eq!(Shop::<u8>::new().push(1).clone().take(), [1]);
    assert_eq!(Shop::<u8>::new().twice(), (0, 0));
    let mut visitor = TracedImpl::new(Visitor(Vec::new(), 'a'));
    assert_eq!(visitor.visit(["a"], 2), Some(2));
    let visitor: &dyn shadowed::Open = &TracedImpl::new(shadowed::Door);
    assert_eq!(visitor.open(1, 2), 3);
}
