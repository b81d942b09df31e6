//! `#[trace_impl]` on blocks and traits, as a synchronous notifier sees it.

// What is `pub` is traced, so it is `pub` here too.
#![allow(unreachable_pub)]

use std::fmt::{Debug, Display};
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use osprofiler::{Phase, TraceExt, TracedImpl, info, profiler, trace, trace_impl};
use osprofiler_testkit::Capture;
use serde_json::json;

/// The notifier is the process's: one test at a time.
static TURN: Mutex<()> = Mutex::new(());

fn traced(work: impl FnOnce()) -> Capture {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let capture = Capture::start();
    profiler::init("SECRET_KEY", None, None);
    work();
    profiler::clean();
    capture
}

fn traced_future<F: Future>(future: F) -> (Capture, F::Output) {
    let mut output = None;
    let capture = traced(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        output = Some(runtime.block_on(future.in_profiler()));
    });
    (capture, output.unwrap())
}

/// The functions that were called, with their arguments.
fn functions(capture: &Capture) -> Vec<String> {
    let records = capture.take();
    let starts = records.iter().filter(|record| record.phase == Phase::Start);
    starts
        .map(|record| {
            let function = &record.info.to_map()["function"];
            let text = |key: &str| function[key].as_str().unwrap_or_default().to_owned();
            text("name") + &text("args")
        })
        .collect()
}

mod blocks {
    use super::*;

    macro_rules! account {
        ($name:ident, $($options:tt)*) => {
            pub struct $name(u32);

            #[trace_impl($($options)*)]
            impl $name {
                pub fn new(n: u32) -> Self {
                    Self(n)
                }

                pub fn try_new(n: u32) -> Option<Arc<Self>> {
                    Some(Arc::new(Self(n)))
                }

                pub fn named() -> Result<$name, String> {
                    Ok(Self::private_constructor())
                }

                fn private_constructor() -> Self {
                    Self(3)
                }

                pub fn limit() -> u32 {
                    Self::private_limit()
                }

                fn private_limit() -> u32 {
                    100
                }

                pub const fn constant(&self) -> u32 {
                    self.0
                }

                pub fn add(&mut self, n: u32) -> u32 {
                    self.0 += n;
                    self.check()
                }

                pub(crate) fn halve(&mut self) {
                    self.0 /= 2;
                }

                fn check(&self) -> u32 {
                    self.0
                }

                #[trace(skip)]
                pub fn untraced(&self) -> u32 {
                    self.0
                }
            }

            impl $name {
                /// Calls all there is.
                pub fn call_all() {
                    Self::new(1);
                    Self::try_new(1);
                    let mut it = Self::named().unwrap();
                    Self::limit();
                    it.constant();
                    it.add(2);
                    it.halve();
                    it.untraced();
                }
            }
        };
    }

    account!(Plain, "account");

    #[trace_impl("account")]
    impl Plain {
        pub async fn add_later(&mut self, n: u32) -> u32 {
            tokio::task::yield_now().await;
            self.add(n)
        }
    }

    account!(Everything, "account", trace_private, trace_associated, trace_constructors);
    account!(Associated, trace_associated, hide_args, trace_private = false);

    #[test]
    fn public_methods_are_traced() {
        let capture = traced(Plain::call_all);
        assert_eq!(capture.tree(), "account\naccount\n");
        assert_eq!(
            functions(&capture),
            ["trace_impl::blocks::Plain::add(n: 2)", "trace_impl::blocks::Plain::halve()"]
        );
    }

    #[test]
    fn private_methods_and_functions_without_receiver_are_traced_on_request() {
        let capture = traced(Everything::call_all);
        let names = functions(&capture);
        let names: Vec<&str> = names.iter().map(|name| name.rsplit("::").next().unwrap()).collect();
        assert_eq!(
            names,
            [
                "new(n: 1)",
                "try_new(n: 1)",
                "named()",
                "private_constructor()",
                "limit()",
                "private_limit()",
                "add(n: 2)",
                "check()",
                "halve()"
            ]
        );
    }

    #[test]
    fn associated_functions_are_traced_apart_from_constructors() {
        let capture = traced(Associated::call_all);
        assert_eq!(capture.tree(), "limit\nadd\nhalve\n");
        assert_eq!(functions(&capture)[0], "trace_impl::blocks::Associated::limit");
    }

    #[test]
    fn async_methods_are_traced_as_futures() {
        let (capture, n) = traced_future(async { Plain::new(1).add_later(2).await });
        assert_eq!(n, 3);
        assert_eq!(capture.tree(), "account\n  account\n");
    }

    struct Twice;

    #[trace_impl("block", info = info! { "by" => "block" })]
    impl Twice {
        #[trace("own", show_result, info = info! { "by" => "method" })]
        pub fn sync(&self) -> u32 {
            1
        }

        #[trace("own")]
        pub async fn later(&self) -> u32 {
            tokio::task::yield_now().await;
            1
        }

        #[osprofiler::trace("own")]
        pub fn boxed(&self) -> Pin<Box<dyn Future<Output = u32> + Send>> {
            Box::pin(async move { 1 })
        }

        #[trace("own")]
        fn private(&self) {}
    }

    #[test]
    fn a_method_with_its_own_attribute_is_two_points_the_blocks_outside() {
        let capture = traced(|| assert_eq!(Twice.sync(), 1));
        assert_eq!(capture.tree(), "block\n  own\n");
        let by: Vec<_> = capture.records()[..2]
            .iter()
            .map(|record| record.info.to_map()["by"].clone())
            .collect();
        assert_eq!(by, ["block", "method"]);
        let (capture, ()) = traced_future(async {
            Twice.later().await;
            Twice.boxed().await;
            Twice.private();
        });
        assert_eq!(capture.tree(), "block\n  own\nblock\n  own\nown\n");
    }

    struct Single;

    #[trace_impl("block", allow_multiple_trace = false)]
    impl Single {
        pub fn one(&self) {}

        #[trace(skip)]
        pub fn none(&self) {}
    }

    #[test]
    fn a_block_may_forbid_second_points() {
        let capture = traced(|| {
            Single.one();
            Single.none();
        });
        assert_eq!(capture.tree(), "block\n");
    }

    #[trace_impl("iterator", show_result, skip(n))]
    impl Iterator for Plain {
        type Item = u32;

        fn next(&mut self) -> Option<u32> {
            self.0.checked_sub(1).inspect(|n| self.0 = *n)
        }

        fn nth(&mut self, n: usize) -> Option<u32> {
            let _ = n;
            None
        }
    }

    #[test]
    fn all_methods_of_a_traits_implementation_are_traced() {
        let capture = traced(|| {
            let mut it = Plain::new(1);
            assert_eq!(it.next(), Some(0));
            assert_eq!(it.nth(7), None);
        });
        assert_eq!(capture.records()[1].info.to_json(), r#"{"function":{"result":"Some(0)"}}"#);
        assert_eq!(
            functions(&capture),
            ["trace_impl::blocks::Plain::next()", "trace_impl::blocks::Plain::nth()"]
        );
    }

    struct Remote;

    #[async_trait::async_trait]
    trait Call {
        async fn call(&self, n: u32) -> u32;
    }

    #[trace_impl("outside")]
    #[async_trait::async_trait]
    impl Call for Remote {
        async fn call(&self, n: u32) -> u32 {
            tokio::task::yield_now().await;
            n
        }
    }

    #[async_trait::async_trait]
    #[trace_impl("inside")]
    impl Call for Plain {
        async fn call(&self, n: u32) -> u32 {
            Remote.call(n).await
        }
    }

    #[test]
    fn blocks_under_async_trait_are_traced_whichever_comes_first() {
        let (capture, n) = traced_future(async { Plain(0).call(3).await });
        assert_eq!(n, 3);
        assert_eq!(capture.tree(), "inside\n  outside\n");
    }
}

mod delegation {
    use super::*;

    #[trace_impl("db", show_result)]
    pub(super) trait Store<K: Hash + Debug, V = String>: Send + Sync
    where
        V: Clone + Debug,
    {
        type Error: Debug + Display;
        type Rows<'a>: Iterator<Item = &'a V>
        where
            Self: 'a,
            V: 'a;
        const LIMIT: usize;
        const NAME: &'static str = "default";

        fn get(&self, key: &K) -> Result<V, Self::Error>;

        fn rows<'a>(&'a self, _: usize) -> Self::Rows<'a>;

        async fn put(&mut self, key: K, value: V) -> Option<V>;

        fn flush(&self) -> impl Future<Output = usize> + Send;

        fn close(self: Box<Self>) -> usize;

        fn map<T: From<u8>, const N: usize>(&self, f: impl Fn(usize) -> T) -> [T; N] {
            std::array::from_fn(f)
        }

        fn size_of<T>(&self) -> usize {
            size_of::<T>()
        }

        fn twice(&self, (left, right): (u32, u32), password: &str) -> u32 {
            let _ = password;
            left + right
        }

        #[trace(skip)]
        fn len(&self) -> usize {
            0
        }

        fn version() -> u32 {
            1
        }

        fn limited(self, limit: usize) -> Self
        where
            Self: Sized;

        fn fork(&self) -> Option<Self>
        where
            Self: Sized;
    }

    #[derive(Clone, Debug)]
    struct Memory(Vec<String>);

    #[derive(Debug)]
    struct Missing;

    impl Display for Missing {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("missing")
        }
    }

    impl Store<usize> for Memory {
        type Error = Missing;
        type Rows<'a> = std::slice::Iter<'a, String>;
        const LIMIT: usize = 7;
        const NAME: &'static str = "memory";

        fn get(&self, key: &usize) -> Result<String, Missing> {
            self.0.get(*key).cloned().ok_or(Missing)
        }

        fn rows<'a>(&'a self, from: usize) -> Self::Rows<'a> {
            self.0[from..].iter()
        }

        async fn put(&mut self, key: usize, value: String) -> Option<String> {
            tokio::task::yield_now().await;
            self.0.insert(key, value);
            None
        }

        async fn flush(&self) -> usize {
            tokio::task::yield_now().await;
            self.0.len()
        }

        fn close(self: Box<Self>) -> usize {
            self.0.len()
        }

        fn len(&self) -> usize {
            self.0.len()
        }

        fn limited(mut self, limit: usize) -> Self {
            self.0.truncate(limit);
            self
        }

        fn fork(&self) -> Option<Self> {
            Some(self.clone())
        }
    }

    fn double(n: usize) -> u32 {
        u32::try_from(2 * n).unwrap()
    }

    fn store() -> TracedImpl<Memory> {
        TracedImpl::new(Memory(vec!["a".into(), "b".into()]))
    }

    fn names(capture: &Capture) -> Vec<String> {
        let name = |full: String| full.replace("trace_impl::delegation::Memory::", "");
        functions(capture).into_iter().map(name).collect()
    }

    #[test]
    fn methods_of_the_wrapper_are_points_around_those_of_the_wrapped() {
        let capture = traced(|| {
            let store = store();
            assert_eq!(store.get(&0).unwrap(), "a");
            assert!(store.get(&5).is_err());
            assert_eq!(store.rows(1).collect::<Vec<_>>(), ["b"]);
            assert_eq!(store.map(double), [0_u32, 2, 4]);
            assert_eq!(store.size_of::<u16>(), 2);
            assert_eq!(store.twice((1, 2), "x"), 3);
            assert_eq!(store.len(), 2);
            assert_eq!(<TracedImpl<Memory> as Store<usize>>::version(), 1);
            assert_eq!(<TracedImpl<Memory> as Store<usize>>::LIMIT, 7);
            assert_eq!(<TracedImpl<Memory> as Store<usize>>::NAME, "memory");
            assert_eq!(Box::new(store).close(), 2);
        });
        let failed = format!("db ! {}", std::any::type_name::<Missing>());
        assert_eq!(capture.tree(), format!("db\n{failed}\ndb\ndb\ndb\ndb\ndb\n"));
        let stop = capture.records()[1].info.to_map();
        assert_eq!(stop["function"], json!({"result": "Ok(\"a\")"}));
        assert_eq!(
            names(&capture),
            [
                "get(key: 0)",
                "get(key: 5)",
                "rows()",
                "map(f: <trace_impl::delegation::double>)",
                "size_of()",
                "twice(arg1: (1, 2), password: ***)",
                "close()",
            ]
        );
    }

    #[test]
    fn futures_of_the_wrapped_are_points() {
        let (capture, ()) = traced_future(async {
            let mut store = store();
            store.put(0, "z".into()).await;
            fn require_send<T: Send>(value: T) -> T {
                value
            }
            assert_eq!(require_send(store.flush()).await, 3);
        });
        assert_eq!(capture.tree(), "db\ndb\n");
        let stops: Vec<_> = capture.records().iter().map(|it| it.info.to_json()).collect();
        assert_eq!(stops[3], r#"{"function":{"result":"3"}}"#);
        assert_eq!(names(&capture), ["put(key: 0, value: \"z\")", "flush()"]);
    }

    #[test]
    fn what_returns_the_wrapped_is_wrapped_again() {
        let capture = traced(|| {
            let fork: TracedImpl<Memory> = store().fork().unwrap();
            let limited: TracedImpl<Memory> = fork.limited(1);
            assert_eq!(limited.into_inner().0, ["a"]);
        });
        assert_eq!(names(&capture), ["fork()", "limited(limit: 1)"]);
    }

    #[trace_impl(trace_associated, trace_constructors)]
    trait Make: Sized {
        fn make(n: u8) -> Result<Self, String>;
        fn plain() -> Self;
        fn count() -> u32 {
            1
        }
    }

    impl Make for u8 {
        fn make(n: u8) -> Result<Self, String> {
            Ok(n)
        }
        fn plain() -> Self {
            0
        }
    }

    #[test]
    fn functions_without_receiver_are_traced_on_request() {
        let capture = traced(|| {
            assert_eq!(*TracedImpl::<u8>::make(3).unwrap(), 3);
            assert_eq!(*TracedImpl::<u8>::plain(), 0);
            assert_eq!(TracedImpl::<u8>::count(), 1);
        });
        assert_eq!(capture.tree(), "make\nplain\ncount\n");
        assert_eq!(functions(&capture), ["u8::make(n: 3)", "u8::plain()", "u8::count()"]);
    }

    pub(super) struct Login {
        password: u32,
        pin: u32,
    }

    #[trace_impl(skip(pin), show(api_token))]
    trait Door {
        fn pair(&self, (user, password): (u32, u32)) -> u32 {
            user + password
        }

        fn field(&self, Login { password: p, pin: n }: Login) -> u32 {
            p + n
        }

        fn part(&self, n: u32, (user, pin): (u32, u32)) -> u32 {
            n + user + pin
        }

        fn named(&self, pair @ (_, password): (u32, u32)) -> u32 {
            pair.0 + password
        }

        fn shown(&self, (user, api_token): (u32, u32), pin: u32) -> u32 {
            user + api_token + pin
        }
    }

    impl Door for u8 {}

    #[test]
    fn no_secret_is_recorded_by_way_of_a_pattern() {
        let door = TracedImpl::new(1_u8);
        let capture = traced(|| {
            assert_eq!(door.pair((1, 2)), 3);
            assert_eq!(door.field(Login { password: 4, pin: 5 }), 9);
            assert_eq!(door.part(1, (2, 3)), 6);
            assert_eq!(door.named((1, 2)), 3);
            assert_eq!(door.shown((1, 2), 3), 6);
        });
        assert_eq!(
            functions(&capture),
            [
                "u8::pair(arg1: ***)",
                "u8::field(arg1: ***)",
                "u8::part(n: 1)",
                "u8::named(pair: ***)",
                "u8::shown(arg1: (1, 2))",
            ]
        );
    }

    #[async_trait::async_trait]
    #[trace_impl]
    trait Later: Send + Sync {
        async fn above(&self, (user, password): (u32, u32)) -> u32 {
            user + password
        }
    }

    #[trace_impl]
    #[async_trait::async_trait]
    trait Sooner: Send + Sync {
        async fn below(&self, (user, password): (u32, u32)) -> u32 {
            user + password
        }
    }

    impl Later for u8 {}
    impl Sooner for u8 {}

    #[test]
    fn no_secret_is_recorded_by_way_of_a_pattern_that_async_trait_hides() {
        let (capture, sum) = traced_future(async {
            let door = TracedImpl::new(1_u8);
            door.above((1, 2)).await + door.below((3, 4)).await
        });
        assert_eq!(sum, 10);
        assert_eq!(functions(&capture), ["u8::above(__arg1: ***)", "u8::below(arg1: ***)"]);
    }

    #[trace_impl("shape")]
    trait Shape: Debug {
        fn area(&self) -> f64;
        fn grow(&mut self, by: f64);
        fn pinned(self: Pin<&mut Self>) -> f64;
        #[trace("default")]
        fn double(&self) -> f64 {
            2.0 * self.area()
        }
    }

    #[trace_impl("solid")]
    trait Solid: Shape {
        fn volume(&self) -> f64;
    }

    #[derive(Debug)]
    struct Square(f64);

    impl Shape for Square {
        fn area(&self) -> f64 {
            self.0 * self.0
        }
        fn grow(&mut self, by: f64) {
            self.0 += by;
        }
        fn pinned(self: Pin<&mut Self>) -> f64 {
            self.0
        }
    }

    impl Solid for Square {
        fn volume(&self) -> f64 {
            self.0 * self.area()
        }
    }

    #[test]
    fn the_wrapper_can_be_a_trait_object_and_has_the_supertraits() {
        let capture = traced(|| {
            let mut solid: Box<dyn Solid> = Box::new(TracedImpl::new(Square(1.0)));
            solid.grow(1.0);
            assert_eq!(solid.volume(), 8.0);
            assert_eq!(format!("{solid:?}"), "TracedImpl { inner: Square(2.0) }");
        });
        assert_eq!(capture.tree(), "shape\nsolid\n");
    }

    #[test]
    fn a_default_method_with_its_own_attribute_is_two_points() {
        let capture = traced(|| {
            let mut square = TracedImpl::from(Square(1.0));
            assert_eq!(square.double(), 2.0);
            assert_eq!(Pin::new(&mut square).pinned(), 1.0);
        });
        assert_eq!(capture.tree(), "shape\n  default\nshape\n");
    }

    #[trace_impl("boxed")]
    trait Boxed {
        fn fetch<'a>(&'a self, key: &'a str) -> Pin<Box<dyn Future<Output = usize> + Send + 'a>>;
    }

    impl Boxed for Square {
        fn fetch<'a>(&'a self, key: &'a str) -> Pin<Box<dyn Future<Output = usize> + Send + 'a>> {
            Box::pin(async move {
                tokio::task::yield_now().await;
                key.len()
            })
        }
    }

    #[trace_impl("first")]
    #[async_trait::async_trait]
    trait First: Send + Sync {
        async fn first(&self, key: &str) -> usize;
        async fn default(&self) -> usize {
            self.first("default").await
        }
    }

    #[async_trait::async_trait]
    #[trace_impl("second")]
    trait Second: Send + Sync {
        async fn second(&self, key: &str) -> usize;
        async fn default_too(&self) -> usize {
            self.second("default").await
        }
    }

    #[async_trait::async_trait]
    impl First for Square {
        async fn first(&self, key: &str) -> usize {
            tokio::task::yield_now().await;
            key.len()
        }
    }

    #[async_trait::async_trait]
    impl Second for Square {
        async fn second(&self, key: &str) -> usize {
            tokio::task::yield_now().await;
            key.len()
        }
    }

    #[test]
    fn boxed_futures_are_points_until_they_are_ready() {
        let (capture, n) = traced_future(async {
            let it = TracedImpl::new(Square(1.0));
            it.fetch("a").await
                + it.first("ab").await
                + it.second("abc").await
                + it.default().await
                + it.default_too().await
        });
        assert_eq!(n, 1 + 2 + 3 + 7 + 7);
        assert_eq!(capture.tree(), "boxed\nfirst\nsecond\nfirst\nsecond\n");
        let stops: Vec<_> = capture.records().iter().map(|record| record.phase).collect();
        assert_eq!(stops, [Phase::Start, Phase::Stop].repeat(5));
        assert_eq!(functions(&capture)[1], "trace_impl::delegation::Square::first(key: \"ab\")");
    }
}
