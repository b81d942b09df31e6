//! `osprofiler request`: a signed request, and its trace.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use osprofiler::Profiler;
use osprofiler_drivers::{ErrorKind, Reader};
use osprofiler_report::{Report, ReportBuilder, units};
use osprofiler_wire::sign::{TRACE_HMAC_HEADER, TRACE_INFO_HEADER};
use osprofiler_wire::{Id, SignedContext};
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, Url};

use crate::args::{RequestArgs, StoreArgs};
use crate::commands::write_report;
use crate::output;
use crate::store::read_report;

/// How often the back end is asked for more of a trace.
const POLL: Duration = Duration::from_millis(100);

/// A trace in which every point has finished has settled if nothing comes for so long. Services
/// hand over their records several times a second.
const QUIET: Duration = Duration::from_millis(500);

pub(crate) fn request(args: &RequestArgs) -> anyhow::Result<()> {
    let profiler = Profiler::new(args.key.hmac_key.clone(), None, None);
    // Nothing is sent if the trace could not be read afterwards.
    open_if_there(&args.store)?;
    send(args, profiler.sign())?;
    let Awaited { report, settled } = await_trace(&args.store, profiler.base_id(), args.wait)?;
    if report.is_empty() {
        bail!(
            "no record of trace `{}` has come to `{}` within {:?}; are the services enabled, do \
             they accept this HMAC key, and do they write to this store?",
            profiler.base_id(),
            args.store.connection()?,
            args.wait
        );
    }
    if !settled {
        output::complain(&format!(
            "the trace has not settled within {:?}; for more: osprofiler trace show {}",
            args.wait,
            profiler.base_id()
        ));
    }
    write_report(&report, &args.format)
}

fn send(args: &RequestArgs, signed: SignedContext) -> anyhow::Result<()> {
    // Fails only if one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let has_data = args.data.is_some();
    let method = args.method.clone().unwrap_or(if has_data { Method::POST } else { Method::GET });
    let client = reqwest::Client::builder()
        .timeout(args.wait)
        // Signed headers are for the service that was named, not for whoever it points to.
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("osprofiler/", env!("CARGO_PKG_VERSION")))
        .build()
        .context("cannot make an HTTP client")?;
    let mut request = client
        .request(method.clone(), args.url.clone())
        .header(TRACE_INFO_HEADER, signed.info)
        .header(TRACE_HMAC_HEADER, signed.hmac);
    for (name, value) in &args.headers {
        let (parsed_name, parsed_value) =
            (HeaderName::try_from(name), HeaderValue::try_from(value));
        let (Ok(name), Ok(value)) = (parsed_name, parsed_value) else {
            bail!("header `{name}` cannot be sent: a character in it is not allowed");
        };
        request = request.header(name, value);
    }
    if let Some(data) = &args.data {
        request = request.body(data.clone());
    }

    let began = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let status = runtime.block_on(async {
        let mut response = request.send().await?;
        // To the end, so that the service is done with it; but nobody asked for what it says.
        while response.chunk().await?.is_some() {}
        Ok::<_, reqwest::Error>(response.status())
    });
    let status = status
        .map_err(|error| error.without_url())
        .with_context(|| format!("{method} {} failed", shown(&args.url)))?;
    let took = i64::try_from(began.elapsed().as_micros()).unwrap_or(i64::MAX);
    output::say(&format!("{method} {} -> {status} in {}", shown(&args.url), units::Micros(took)));
    Ok(())
}

/// A URL without what may be secret in it: name, password, query.
fn shown(url: &Url) -> Url {
    let mut url = url.clone();
    // Fails only for a URL that has no place for them.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url
}

/// A trace that was waited for.
pub(crate) struct Awaited {
    /// What has come of it.
    pub(crate) report: Report,
    /// Whether all points have finished and nothing came for a while.
    pub(crate) settled: bool,
}

/// Waits until a trace has settled, or `wait` is over.
pub(crate) fn await_trace(
    store: &StoreArgs,
    base_id: &Id,
    wait: Duration,
) -> anyhow::Result<Awaited> {
    let deadline = Instant::now() + wait;
    let mut report = ReportBuilder::new().finish();
    let mut quiet_since = Instant::now();
    let mut reader = None;
    loop {
        let asked = Instant::now();
        if reader.is_none() {
            reader = open_if_there(store)?;
        }
        let next = match &mut reader {
            Some(reader) => {
                let (report, read) = read_report(&mut **reader, base_id);
                read?;
                report
            }
            None => ReportBuilder::new().finish(),
        };
        if next.records() != report.records() {
            quiet_since = Instant::now();
        }
        report = next;
        let finished = !report.is_empty() && report.unfinished() == 0;
        if finished && quiet_since.elapsed() >= QUIET {
            return Ok(Awaited { report, settled: true });
        }
        if Instant::now() >= deadline {
            return Ok(Awaited { report, settled: false });
        }
        // A back end for which it is hard work is asked less often.
        thread::sleep(POLL.max(asked.elapsed()));
    }
}

/// Opens the back end; `None` if nothing has been stored there yet.
fn open_if_there(store: &StoreArgs) -> anyhow::Result<Option<Box<dyn Reader>>> {
    match store.reader() {
        Ok(reader) => Ok(Some(reader)),
        Err(error)
            if error
                .downcast_ref::<osprofiler_drivers::Error>()
                .is_some_and(|error| error.kind() == ErrorKind::NotFound) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
