use osprofiler_wire::spans::records;
use osprofiler_wire::{Id, Timestamp, w3c};

use super::api::Api;
use super::search;
use crate::address::Address;
use crate::{Error, ListQuery, Reader, TraceSummary};

/// How far back a list goes that is not told since when, unless the option `lookback` says otherwise.
const LOOKBACK_SECONDS: f64 = 30.0 * 86_400.0;

pub(super) struct JaegerReader {
    api: Api,
    lookback_us: i64,
}

impl JaegerReader {
    pub(super) fn new(address: &Address, is_tls: bool) -> Result<Self, Error> {
        let lookback: f64 = address
            .parsed("lookback", "a number of seconds")?
            .filter(|seconds| *seconds >= 0.0)
            .unwrap_or(LOOKBACK_SECONDS);
        Ok(Self { api: Api::new(address, is_tls)?, lookback_us: (lookback * 1e6) as i64 })
    }
}

impl Reader for JaegerReader {
    fn read(&mut self, base_id: &Id, visit: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let Some(page) = self.api.trace(w3c::trace_id(base_id))? else { return Ok(()) };
        for trace in self.api.traces(&page)? {
            let records = records(&trace, Some(base_id));
            let own = records.iter().filter(|record| record.base_id == *base_id);
            own.for_each(|record| visit(&record.to_json()));
        }
        Ok(())
    }

    fn list(&mut self, query: &ListQuery) -> Result<Vec<TraceSummary>, Error> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.map_or(0, |now| i64::try_from(now.as_micros()).unwrap_or(i64::MAX));
        search::list(&self.api, query, Timestamp::from_micros(now), self.lookback_us)
    }
}
