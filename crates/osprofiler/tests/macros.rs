//! `#[trace]`, as a synchronous notifier sees it.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use osprofiler::{Info, Phase, Trace, TraceExt, info, profiler, trace};
use osprofiler_testkit::Capture;
use serde_json::{Value, json};

#[warn(clippy::pedantic)]
#[path = "macros/signatures.rs"]
mod signatures;

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
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .enable_all()
            .build()
            .unwrap();
        output = Some(runtime.block_on(future.in_profiler()));
    });
    (capture, output.unwrap())
}

/// The infos of the first point: at its start, and at its stop.
fn infos(capture: &Capture) -> (Value, Value) {
    let records = capture.records();
    let first = &records[0];
    let stop = records
        .iter()
        .find(|record| record.phase == Phase::Stop && record.trace_id == first.trace_id)
        .unwrap();
    (first.info.to_map().into(), stop.info.to_map().into())
}

fn args(capture: &Capture) -> String {
    let (start, _) = infos(capture);
    start["function"]["args"].as_str().unwrap().to_owned()
}

struct Opaque;

#[trace("sum")]
fn sum(left: u32, right: &str, opaque: Opaque) -> u32 {
    let Opaque = opaque;
    left + right.parse::<u32>().unwrap()
}

#[test]
fn a_call_is_a_point_with_its_name_and_arguments() {
    let capture = traced(|| assert_eq!(sum(1, "2", Opaque), 3));
    assert_eq!(capture.tree(), "sum\n");
    let (start, stop) = infos(&capture);
    assert_eq!(
        start,
        json!({"function": {
            "name": "macros::sum",
            "args": "(left: 1, right: \"2\", opaque: <macros::Opaque>)",
            "kwargs": "{}",
        }})
    );
    assert_eq!(stop, json!({}));
}

#[test]
fn without_a_profiler_nothing_is_formatted_and_nothing_recorded() {
    struct Loud;
    impl std::fmt::Debug for Loud {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            unreachable!("formatted although nobody traces")
        }
    }
    #[trace(info = never(), show_result)]
    fn sync(loud: Loud) -> Loud {
        loud
    }
    #[trace(info = never(), show_result)]
    async fn later(loud: Loud) -> Loud {
        loud
    }
    fn never() -> Info {
        unreachable!("built although nobody traces")
    }
    let capture = traced(|| {
        profiler::clean();
        sync(Loud);
        assert!(matches!(poll_once(pin!(later(Loud))), Poll::Ready(Loud)));
    });
    assert_eq!(capture.tree(), "");
}

#[test]
fn the_name_of_the_function_is_the_name_of_the_point_unless_given() {
    #[trace]
    fn plain() {}
    #[trace]
    fn r#loop() {}
    let capture = traced(|| {
        plain();
        r#loop();
    });
    assert_eq!(capture.tree(), "plain\nloop\n");
    let (start, _) = infos(&capture);
    assert_eq!(start["function"]["name"], "macros::plain");
    assert_eq!(start["function"]["args"], "()");
}

#[test]
fn arguments_can_be_hidden_all_or_singly() {
    #[trace(hide_args)]
    fn all(_n: u32) {}
    #[trace(skip(left))]
    fn some((left, right): (u32, u32), mut rest: Vec<u32>) {
        rest.push(left + right);
    }
    let capture = traced(|| all(1));
    let (start, _) = infos(&capture);
    assert_eq!(start, json!({"function": {"name": "macros::all"}}));
    let capture = traced(|| some((1, 2), vec![3]));
    assert_eq!(args(&capture), "(right: 2, rest: [3])");
}

#[test]
fn arguments_whose_names_say_secret_are_masked_unless_asked_for() {
    #[trace(show(page_token))]
    fn log_in(user: &str, user_password: &str, api_key: u32, page_token: u32, secrets: u32) {
        let _ = (user, user_password, api_key, page_token, secrets);
    }
    let capture = traced(|| log_in("me", "hunter2", 1, 2, 3));
    assert_eq!(
        args(&capture),
        "(user: \"me\", user_password: ***, api_key: ***, page_token: 2, secrets: ***)"
    );
}

#[derive(Clone, Copy, Debug)]
struct Login {
    password: u32,
    pin: u32,
}

#[test]
fn no_secret_is_recorded_by_way_of_a_pattern() {
    #[trace]
    fn pair((user, password): (u32, u32)) {
        let _ = (user, password);
    }
    #[trace]
    fn renamed(Login { password: p, pin }: Login) {
        let _ = (p, pin);
    }
    #[trace]
    fn whole(login @ Login { password, .. }: Login) {
        let _ = (login, password);
    }
    #[trace]
    fn unbound(login @ Login { password: _, .. }: Login) {
        let _ = login;
    }
    #[trace(skip(pin))]
    fn part_skipped(login @ Login { pin, .. }: Login) {
        let _ = (login, pin);
    }
    #[trace(show(p))]
    fn shown(Login { password: p, .. }: Login) {
        let _ = p;
    }
    let login = Login { password: 1, pin: 2 };
    assert_eq!(args(&traced(|| pair((1, 2)))), "(user: 1, password: ***)");
    assert_eq!(args(&traced(|| renamed(login))), "(p: ***, pin: 2)");
    assert_eq!(args(&traced(|| whole(login))), "(login: ***, password: ***)");
    assert_eq!(args(&traced(|| unbound(login))), "(login: ***)");
    assert_eq!(args(&traced(|| part_skipped(login))), "()");
    assert_eq!(args(&traced(|| shown(login))), "(p: 1)");
}

#[async_trait::async_trait]
trait LogIn {
    async fn log_in(&self, login: Login);
}

#[async_trait::async_trait]
impl LogIn for Opaque {
    #[trace]
    async fn log_in(&self, Login { password, .. }: Login) {
        let _ = password;
    }
}

#[test]
fn no_secret_is_recorded_by_way_of_a_pattern_that_async_trait_hides() {
    let (capture, ()) = traced_future(async { Opaque.log_in(Login { password: 1, pin: 2 }).await });
    assert_eq!(args(&capture), "(__arg1: ***)");
}

#[test]
fn all_words_that_say_secret_are_known() {
    #[trace]
    fn f(pwd: u32, bearer: u32, my_jwt: u32, dsn: u32, connection_string: u32, url: u32) {
        let _ = (pwd, bearer, my_jwt, dsn, connection_string, url);
    }
    #[trace]
    fn g(database_url: u32, transport_url: u32) {
        let _ = (database_url, transport_url);
    }
    assert_eq!(
        args(&traced(|| f(1, 2, 3, 4, 5, 6))),
        "(pwd: ***, bearer: ***, my_jwt: ***, dsn: ***, connection_string: ***, url: 6)"
    );
    assert_eq!(args(&traced(|| g(1, 2))), "(database_url: ***, transport_url: ***)");
}

#[test]
fn arguments_are_recorded_as_they_were_before_the_body() {
    #[trace]
    fn changes(mut n: u32, items: &mut Vec<u32>) -> u32 {
        n += 1;
        items.clear();
        n
    }
    let capture = traced(|| assert_eq!(changes(1, &mut vec![2]), 2));
    assert_eq!(args(&capture), "(n: 1, items: [2])");
}

#[test]
fn an_argument_that_panics_when_shown_harms_nobody() {
    struct Broken;
    impl std::fmt::Debug for Broken {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("on purpose")
        }
    }
    #[trace(show_result)]
    fn f(broken: Broken) -> Broken {
        broken
    }
    let capture = traced(|| assert!(matches!(f(Broken), Broken)));
    assert_eq!(args(&capture), "(broken: <panicked while formatting>)");
    let (_, stop) = infos(&capture);
    assert_eq!(stop["function"]["result"], "<panicked while formatting>");
}

#[test]
fn info_of_the_caller_may_use_the_arguments() {
    #[trace("db", hide_args, info = info! { "db" => { "statement" => sql, "rows" => rows.len() } })]
    fn closure(sql: &str, rows: Vec<u32>) -> Vec<u32> {
        assert!(!sql.is_empty());
        rows
    }
    #[trace("db", hide_args, info = Info::new().with("sql", sql))]
    async fn value(sql: &str) -> usize {
        sql.len()
    }
    let capture = traced(|| drop(closure("SELECT 1", vec![1])));
    let (start, _) = infos(&capture);
    assert_eq!(start["db"], json!({"statement": "SELECT 1", "rows": 1}));
    let (capture, _) = traced_future(value("SELECT 2"));
    let (start, _) = infos(&capture);
    assert_eq!(start, json!({"function": {"name": "macros::value"}, "sql": "SELECT 2"}));
}

#[test]
fn a_result_is_shown_on_request() {
    #[trace(show_result)]
    fn debug(n: u32) -> Option<u32> {
        n.checked_add(1)
    }
    #[trace(show_result)]
    fn opaque() -> Opaque {
        Opaque
    }
    #[trace(show_result)]
    async fn later(text: String) -> Result<String, io::Error> {
        Ok(text)
    }
    let stop = |capture: Capture| infos(&capture).1;
    assert_eq!(
        stop(traced(|| assert!(debug(1).is_some()))),
        json!({"function": {"result": "Some(2)"}})
    );
    assert_eq!(
        stop(traced(|| assert!(matches!(opaque(), Opaque)))),
        json!({"function": {"result": "<macros::Opaque>"}})
    );
    assert_eq!(
        stop(traced_future(later("x".into())).0),
        json!({"function": {"result": "Ok(\"x\")"}})
    );
}

mod alias {
    pub(super) type Fallible<T = (), E = std::io::Error> = std::result::Result<T, E>;
}

#[test]
fn an_error_is_recorded_whatever_its_result_is_called() {
    #[trace(show_result)]
    fn fails() -> alias::Fallible {
        Err(io::Error::other("disk gone"))?;
        Ok(())
    }
    #[trace]
    async fn fails_later() -> alias::Fallible {
        Err(io::Error::other("disk gone"))
    }
    let expected = json!({"etype": "std::io::error::Error", "message": "disk gone"});
    let capture = traced(|| assert!(fails().is_err()));
    assert_eq!(infos(&capture).1, expected);
    let (capture, result) = traced_future(fails_later());
    assert!(result.is_err());
    assert_eq!(infos(&capture).1, expected);
}

#[test]
fn an_error_says_what_it_can() {
    #[derive(Debug)]
    struct Debugged;
    #[trace]
    fn debugged() -> Result<u32, Debugged> {
        Err(Debugged)
    }
    #[trace]
    fn opaque() -> Result<u32, Opaque> {
        Err(Opaque)
    }
    #[trace]
    fn generic<E>(error: E) -> Result<u32, E> {
        Err(error)
    }
    #[trace]
    fn none() -> Option<u32> {
        None
    }
    let stop = |work: fn()| infos(&traced(work)).1;
    assert_eq!(stop(|| assert!(debugged().is_err()))["message"], "Debugged");
    assert_eq!(
        stop(|| assert!(opaque().is_err())),
        json!({"etype": "macros::Opaque", "message": ""})
    );
    assert_eq!(stop(|| assert!(generic(1_u8).is_err()))["etype"], "u8");
    assert_eq!(stop(|| assert!(none().is_none())), json!({}));
}

#[test]
fn a_panic_is_recorded_and_goes_on() {
    #[trace]
    fn outer(message: &str) {
        inner(message);
    }
    #[trace]
    fn inner(message: &str) {
        panic!("{message}");
    }
    #[trace]
    async fn later() {
        tokio::task::yield_now().await;
        panic!("on purpose");
    }
    let capture = traced(|| {
        let caught = catch_unwind(|| outer("on purpose"));
        let panic = caught.unwrap_err();
        assert_eq!(panic.downcast_ref::<String>().unwrap(), "on purpose");
        drop(Trace::new("next", ()));
    });
    assert_eq!(capture.tree(), "outer ! panic\n  inner ! panic\nnext\n");
    assert_eq!(infos(&capture).1["message"], "on purpose");
    let (capture, result) = traced_future(async { tokio::spawn(later().in_profiler()).await });
    assert!(result.unwrap_err().is_panic());
    assert_eq!(capture.tree(), "later ! panic\n");
    assert_eq!(infos(&capture).1["message"], "on purpose");
}

#[test]
fn calls_nest_as_they_are_made() {
    #[trace]
    fn countdown(n: u32) {
        if n == 0 {
            return;
        }
        countdown(n - 1);
    }
    let capture = traced(|| {
        countdown(2);
        countdown(0);
    });
    assert_eq!(capture.tree(), "countdown\n  countdown\n    countdown\ncountdown\n");
}

struct Shop<T>(T);

impl<T: Clone> Shop<T> {
    #[trace]
    fn open(stock: T) -> Self {
        Self(stock)
    }

    #[trace]
    fn stock(&self, deep: bool) -> T {
        let _ = deep;
        self.0.clone()
    }
}

#[test]
fn a_method_is_named_after_its_type_and_self_is_not_recorded() {
    let capture = traced(|| assert_eq!(Shop::open(7_u8).stock(true), 7));
    let names: Vec<Value> = capture.records()[..]
        .iter()
        .filter(|record| record.phase == Phase::Start)
        .map(|record| record.info.to_map()["function"].clone())
        .collect();
    assert_eq!(names[0]["name"], "macros::Shop<u8>::open");
    assert_eq!(names[1]["name"], "macros::Shop<u8>::stock");
    assert_eq!(names[1]["args"], "(deep: true)");
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_future_is_a_point_from_its_first_poll_on() {
    #[trace]
    async fn later(n: u32) -> u32 {
        tokio::task::yield_now().await;
        n
    }
    let capture = traced(|| {
        drop(later(1));
        let mut future = pin!(later(2));
        drop(Trace::new("between", ()));
        assert!(poll_once(future.as_mut()).is_pending());
        drop(Trace::new("not within", ()));
        assert_eq!(poll_once(future), Poll::Ready(2));
    });
    assert_eq!(capture.tree(), "between\nlater\nnot within\n");
}

#[test]
fn a_future_that_is_dropped_is_cancelled() {
    #[trace("slow")]
    async fn slow() {
        inner().await;
    }
    #[trace]
    async fn inner() {
        std::future::pending::<()>().await;
    }
    let (capture, result) =
        traced_future(async { tokio::time::timeout(Duration::from_millis(1), slow()).await });
    assert!(result.is_err());
    assert_eq!(capture.tree(), "slow\n  inner\n");
    for record in &capture.records()[2..] {
        assert_eq!(record.info.to_json(), r#"{"cancelled":true}"#);
    }
}

#[test]
fn a_function_that_returns_a_future_is_traced_as_that_future() {
    #[trace("boxed", show_result)]
    fn boxed(n: u32) -> Pin<Box<dyn Future<Output = u32> + Send>> {
        let twice = n * 2;
        Box::pin(async move {
            leaf().await;
            twice
        })
    }
    #[trace("plain", show_result)]
    fn plain(n: &u32) -> impl Future<Output = u32> {
        async move {
            leaf().await;
            *n
        }
    }
    #[trace]
    async fn leaf() {
        tokio::task::yield_now().await;
    }
    let (capture, n) = traced_future(async { boxed(1).await + plain(&3).await });
    assert_eq!(n, 5);
    assert_eq!(capture.tree(), "boxed\n  leaf\nplain\n  leaf\n");
    let (start, stop) = infos(&capture);
    assert_eq!(start["function"]["args"], "(n: 1)");
    assert_eq!(stop["function"]["result"], "2");
}

#[async_trait::async_trait]
trait Fetch {
    async fn fetch(&self, key: &str) -> Result<String, io::Error>;
}

#[async_trait::async_trait]
impl Fetch for Opaque {
    #[trace("fetch")]
    async fn fetch(&self, key: &str) -> Result<String, io::Error> {
        tokio::task::yield_now().await;
        if key.is_empty() {
            return Err(io::Error::other("no key"));
        }
        Ok(key.to_owned())
    }
}

#[test]
fn a_method_of_async_trait_is_traced_as_async() {
    let (capture, results) =
        traced_future(async { (Opaque.fetch("a").await, Opaque.fetch("").await) });
    assert_eq!(results.0.unwrap(), "a");
    assert!(results.1.is_err());
    assert_eq!(capture.tree(), "fetch\nfetch ! std::io::error::Error\n");
    let (start, _) = infos(&capture);
    assert_eq!(
        start["function"],
        json!({"name": "macros::Opaque::fetch", "args": "(key: \"a\")", "kwargs": "{}"})
    );
}

#[trace("task")]
async fn task(n: u32, depth: u32) -> u32 {
    tokio::task::yield_now().await;
    if depth == 0 {
        return sync_leaf(n);
    }
    let (left, right) = tokio::join!(Box::pin(task(n, depth - 1)), Box::pin(task(n, depth - 1)));
    left + right
}

#[trace("leaf")]
fn sync_leaf(n: u32) -> u32 {
    n
}

#[test]
fn futures_that_are_joined_are_siblings() {
    let (capture, sum) = traced_future(task(1, 2));
    assert_eq!(sum, 4);
    let half = "  task\n    task\n      leaf\n    task\n      leaf\n";
    assert_eq!(capture.tree(), format!("task\n{half}{half}"));
}

#[test]
fn of_futures_that_race_the_loser_is_cancelled() {
    #[trace]
    async fn winner() {
        tokio::task::yield_now().await;
    }
    #[trace]
    async fn loser() {
        std::future::pending::<()>().await;
    }
    #[trace]
    async fn race() {
        tokio::select! {
            biased;
            () = loser() => {}
            () = winner() => {}
        }
        drop(Trace::new("after", ()));
    }
    let (capture, ()) = traced_future(race());
    assert_eq!(capture.tree(), "race\n  loser\n  winner\n  after\n");
}

#[test]
fn a_spawned_task_goes_on_under_the_point_that_spawned_it() {
    #[trace]
    async fn parent() {
        let with = tokio::spawn(sync_later(1).in_profiler());
        let without = tokio::spawn(sync_later(2));
        let blocking = tokio::task::spawn_blocking(profiler::fork().wrap(|| sync_leaf(3)));
        let (_, _, _) = tokio::join!(with, without, blocking);
    }
    #[trace]
    async fn sync_later(n: u32) -> u32 {
        tokio::task::yield_now().await;
        n
    }
    let (capture, ()) = traced_future(parent());
    let mut lines: Vec<String> = capture.tree().lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["  leaf", "  sync_later", "parent"]);
}

#[test]
fn points_of_a_hundred_concurrent_traces_never_mix() {
    let (capture, ()) = traced_future(async {
        let tasks: Vec<_> = (0..100)
            .map(|n| {
                let base_id = format!("trace {n}").as_str().into();
                let profiler = osprofiler::Profiler::new("SECRET_KEY", Some(base_id), None);
                tokio::spawn(profiler::Fork::from(profiler).scope(task(n, 3)))
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    let records = capture.records();
    assert_eq!(records.len(), 100 * 2 * (15 + 8));
    let expected = traced_future(task(0, 3)).0.tree();
    for n in 0..100 {
        let base_id = format!("trace {n}").as_str().into();
        let mut of_one = records.clone();
        of_one.retain(|record| record.base_id == base_id);
        assert_eq!(osprofiler_testkit::capture::tree(&of_one), expected);
        for record in of_one.iter().filter(|record| record.phase == Phase::Start) {
            let args = record.info.to_map()["function"]["args"].to_string();
            assert!(args.contains(&format!("n: {n}")), "{args} in trace {n}");
        }
    }
}

#[test]
fn a_function_marked_skip_is_left_as_it_is() {
    #[trace(skip)]
    const fn untraced() -> u32 {
        1
    }
    let capture = traced(|| assert_eq!(untraced(), 1));
    assert_eq!(capture.tree(), "");
}

#[test]
fn functions_of_any_signature_do_what_they_did() {
    let capture = traced(|| {
        signatures::check();
        let caught = catch_unwind(AssertUnwindSafe(signatures::diverges));
        assert!(caught.is_err());
    });
    assert!(capture.tree().ends_with("diverges ! panic\n"));
}
