use std::collections::HashSet;

use osprofiler_wire::{Id, RecordView, Timestamp};

use super::api::{Api, Search};
use super::records::Event;
use super::settings::Settings;
use crate::{Error, ErrorKind, ListQuery, Reader, Summarizer, TraceSummary};

pub(super) struct CeilometerReader {
    api: Api,
    skipped: u64,
}

impl CeilometerReader {
    pub(super) fn open(settings: &Settings) -> Result<Self, Error> {
        Ok(Self { api: Api::open(settings)?, skipped: 0 })
    }

    /// Calls `visit` with each record of the events.
    fn visit(&mut self, events: &[Event], visit: &mut dyn FnMut(&RecordView<'_>)) {
        for event in events {
            let record = event.record.as_deref().and_then(|json| RecordView::parse(json).ok());
            match record {
                Some(view) => visit(&view),
                None => self.skipped += 1,
            }
        }
    }

    /// Calls `visit` with each record of the events of a search.
    fn search(
        &mut self,
        mut search: Search,
        visit: &mut dyn FnMut(&RecordView<'_>),
    ) -> Result<(), Error> {
        while !search.is_over() {
            let events = self.api.next(&mut search)?;
            self.visit(&events, visit);
        }
        Ok(())
    }
}

impl Reader for CeilometerReader {
    fn read(&mut self, base_id: &Id, visit: &mut dyn FnMut(&str)) -> Result<(), Error> {
        self.skipped = 0;
        let mut is_found = false;
        let read = self.search(Search::of_trace(base_id, None), &mut |view| {
            // Some back ends of the API take ids for one another that differ in case.
            if view.base_id == *base_id {
                is_found = true;
                visit(view.json);
            }
        });
        if is_found || read.as_ref().is_err_and(|error| error.kind() != ErrorKind::NotFound) {
            return read;
        }
        match self.api.samples(base_id) {
            // A server may well have events but no samples.
            Err(error) if error.kind() == ErrorKind::NotFound => read,
            Err(error) => Err(error),
            Ok(samples) => {
                self.visit(&samples, &mut |view| visit(view.json));
                Ok(())
            }
        }
    }

    /// Goes through the events, newest first. The traces that started after the oldest event seen
    /// are newer than all that were not; of these, enough are completed by their older events.
    fn list(&mut self, query: &ListQuery) -> Result<Vec<TraceSummary>, Error> {
        self.skipped = 0;
        // The notification of a record is never older than the record.
        let since = query.since.map(|since| since.to_string());
        let mut events = Search::of_all(since.as_deref());
        let mut listing =
            Listing { query, summarizer: Summarizer::default(), whole: HashSet::new() };
        while !events.is_over() {
            let page = self.api.next(&mut events)?;
            self.visit(&page, &mut |view| listing.summarizer.add_view(view));
            if let Some(oldest) = page.last().filter(|_| !events.is_over())
                && listing.is_enough(self, &oldest.generated)?
            {
                return Ok(listing.traces());
            }
        }
        if let Some(since) = since {
            listing.complete(self, &since)?;
        }
        Ok(listing.traces())
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }
}

/// What is known of the traces while the list is made.
struct Listing<'a> {
    query: &'a ListQuery,
    summarizer: Summarizer,
    /// The traces whose older events have been asked for.
    whole: HashSet<Id>,
}

impl Listing<'_> {
    /// The traces that are to be listed, as far as is known.
    fn traces(&self) -> Vec<TraceSummary> {
        self.summarizer.clone().into_list(self.query)
    }

    /// Whether the list cannot change any more, with all events seen that are newer than `horizon`.
    fn is_enough(&mut self, reader: &mut CeilometerReader, horizon: &str) -> Result<bool, Error> {
        let (Some(limit), Some(at)) = (self.query.limit, Timestamp::parse(horizon)) else {
            return Ok(false);
        };
        while self.count_newer(at) >= limit {
            if !self.complete(reader, horizon)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn count_newer(&self, horizon: Timestamp) -> usize {
        self.traces().iter().filter(|trace| trace.started > horizon).count()
    }

    /// Asks for the older events of the traces that are to be listed; says whether there were traces
    /// to ask for.
    fn complete(&mut self, reader: &mut CeilometerReader, horizon: &str) -> Result<bool, Error> {
        let mut traces = self.traces();
        traces.retain(|trace| !self.whole.contains(&trace.base_id));
        for trace in &traces {
            let older = Search::of_trace(&trace.base_id, Some(horizon));
            reader.search(older, &mut |view| self.summarizer.add_view(view))?;
            self.whole.insert(trace.base_id.clone());
        }
        Ok(!traces.is_empty())
    }
}
