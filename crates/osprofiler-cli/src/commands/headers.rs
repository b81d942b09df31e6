//! `osprofiler headers`: what switches tracing on for one request.

use osprofiler::Profiler;
use osprofiler_wire::sign::{TRACE_HMAC_HEADER, TRACE_INFO_HEADER};

use crate::args::HeadersArgs;
use crate::output;

pub(crate) fn headers(args: &HeadersArgs) -> anyhow::Result<()> {
    let profiler =
        Profiler::new(args.key.hmac_key.clone(), args.base_id.clone(), args.parent_id.clone());
    let signed = profiler.sign();
    output::write(None, |out| {
        writeln!(out, "{TRACE_INFO_HEADER}: {}", signed.info)?;
        writeln!(out, "{TRACE_HMAC_HEADER}: {}", signed.hmac)
    })?;
    output::say(&format!("to see the trace: osprofiler trace show {}", profiler.base_id()));
    Ok(())
}
