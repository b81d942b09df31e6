//! Signs headers, for programs in other languages and for shell scripts.
//!
//! Reads a JSON object a line, `{"key": "SECRET_KEY", "base_id": "...", "parent_id": "..."}`, and
//! writes one a line, `{"X-Trace-Info": "...", "X-Trace-HMAC": "..."}`. Without a `parent_id` the
//! parent is the trace itself.
//!
//! ```sh
//! echo '{"key": "SECRET_KEY", "base_id": "7d28af6a-79ae-40f3-8a56-2a6e1c8f1e0c"}' |
//!     cargo run --release --example sign_headers
//! ```

use std::io::{self, BufRead, Write};

use anyhow::Context;
use osprofiler_wire::sign::{TRACE_HMAC_HEADER, TRACE_INFO_HEADER};
use osprofiler_wire::{HmacKey, Id, TraceContext};
use serde::Deserialize;

#[derive(Deserialize)]
struct Request {
    key: String,
    base_id: Id,
    parent_id: Option<Id>,
}

fn main() -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for (at, line) in io::stdin().lock().lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let Request { key, base_id, parent_id } = serde_json::from_str(&line)
            .with_context(|| format!("line {}: expected `key`, `base_id`, `parent_id`", at + 1))?;
        let parent_id = parent_id.unwrap_or_else(|| base_id.clone());
        let signed = HmacKey::new(&key).sign(&TraceContext { base_id, parent_id });
        let answer = serde_json::json!({
            TRACE_INFO_HEADER: signed.info,
            TRACE_HMAC_HEADER: signed.hmac,
        });
        writeln!(out, "{answer}")?;
    }
    Ok(())
}
