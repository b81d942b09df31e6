//! Spans where nothing is traced. A process of its own: a span that is a point changes what others cost.

use osprofiler::instrument::tracing::Points;
use osprofiler::{Profiler, profiler};
use osprofiler_testkit::Capture;
use tracing::info_span;
use tracing_subscriber::layer::SubscriberExt;

#[test]
fn where_nothing_is_traced_no_span_is_made() {
    let capture = Capture::start();
    let subscriber = tracing_subscriber::registry().with(Points::default().only_layer());
    tracing::subscriber::with_default(subscriber, || {
        let is_made = || !info_span!("span").is_disabled();
        assert!(!is_made());
        {
            let _attached = Profiler::new("key", None, None).attach();
            assert!(is_made());
            let span = info_span!("span");
            // Another thread may name it as a parent.
            profiler::Fork::from(Profiler::new("key", None, None)).run(|| assert!(is_made()));
            drop(span);
        }
        assert!(!is_made());
        assert!(tracing::enabled!(tracing::Level::TRACE), "events are for others to see");
        assert!(tracing::debug_span!("no point").is_disabled());
    });
    assert_eq!(capture.tree(), "span\n".repeat(3));
}
