//! `tracing`: with a registry that records nothing, and with the bridge to OpenTelemetry.

use tracing::{Dispatch, dispatcher, info_span};

use super::{DEPTH, Library, Values, WIDTH, otel, work};

pub(crate) struct Registry {
    dispatch: Dispatch,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self { dispatch: Dispatch::new(tracing_subscriber::registry()) }
    }

    pub(crate) fn dispatch(&self) -> Dispatch {
        self.dispatch.clone()
    }
}

pub(crate) struct Bridge {
    provider: otel::Provider,
    dispatch: Dispatch,
}

impl Bridge {
    pub(crate) fn new() -> Self {
        let provider = otel::Provider::always();
        Self { dispatch: provider.dispatch(), provider }
    }

    pub(crate) fn dispatch(&self) -> Dispatch {
        self.dispatch.clone()
    }
}

fn nested() {
    #[inline(never)]
    fn nest(depth: u64) {
        let _span = info_span!("point").entered();
        work();
        if depth > 0 {
            nest(depth - 1);
        }
    }
    nest(DEPTH);
}

fn wide() {
    #[inline(never)]
    fn span() {
        let _span = info_span!("point").entered();
        work();
    }
    let _root = info_span!("root").entered();
    for _ in 0..WIDTH {
        span();
    }
}

fn with_attributes(values: Values<'_>) {
    #[inline(never)]
    fn nest(depth: u64, values: Values<'_>) {
        let Values { method, path, statement } = values;
        let _span = info_span!("point", method, path, statement).entered();
        work();
        if depth > 0 {
            nest(depth - 1, values);
        }
    }
    nest(DEPTH, values);
}

impl Library for Registry {
    fn name(&self) -> &'static str {
        "tracing, registry (records nothing)"
    }

    fn threads(&self) -> &'static str {
        "none"
    }

    fn enter(&self, work: &mut dyn FnMut()) {
        dispatcher::with_default(&self.dispatch, work);
    }

    fn nested(&self) {
        nested();
    }

    fn wide(&self) {
        wide();
    }

    fn with_attributes(&self, values: Values<'_>) {
        with_attributes(values);
    }

    fn delivered(&self) -> Option<u64> {
        None
    }
}

impl Library for Bridge {
    fn name(&self) -> &'static str {
        "tracing-opentelemetry"
    }

    fn threads(&self) -> &'static str {
        otel::THREADS
    }

    fn enter(&self, work: &mut dyn FnMut()) {
        dispatcher::with_default(&self.dispatch, work);
    }

    fn nested(&self) {
        nested();
    }

    fn wide(&self) {
        wide();
    }

    fn with_attributes(&self, values: Values<'_>) {
        with_attributes(values);
    }

    fn delivered(&self) -> Option<u64> {
        Some(self.provider.delivered())
    }
}
