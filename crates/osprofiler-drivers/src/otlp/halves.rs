//! From records to points: a span needs both the start and the stop of its point, and a batch may
//! hold one of them only.
//!
//! What pairs within a batch never comes here. The other halves wait in memory, bounded in space
//! (by [`ROOM`] and a batch) and in time. A start that waited long enough goes out as an unfinished point, and is
//! remembered for its stop, so that the whole point goes out in the end too; a stop goes out alone.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use osprofiler_wire::{Id, Phase, Record};

/// How many bytes of records wait, or are remembered, at most.
const ROOM: usize = 64 << 20;
/// How long a start that went out as unfinished is remembered for its stop.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// A point, or as much of it as there is.
#[derive(Clone, Debug, Default)]
pub(super) struct Point<'a> {
    pub(super) start: Option<Cow<'a, Record>>,
    pub(super) stop: Option<Cow<'a, Record>>,
}

impl<'a> Point<'a> {
    /// A point of which there is one record.
    pub(super) fn half(record: Cow<'a, Record>) -> Self {
        match record.phase {
            Phase::Start => Self { start: Some(record), stop: None },
            Phase::Stop => Self { start: None, stop: Some(record) },
        }
    }

    fn whole(one: Cow<'a, Record>, other: Cow<'a, Record>) -> Self {
        let (start, stop) = if one.phase == Phase::Start { (one, other) } else { (other, one) };
        Self { start: Some(start), stop: Some(stop) }
    }
}

/// The halves that wait for their other half.
#[derive(Debug, Default)]
pub(super) struct Halves {
    waiting: HashMap<Key, Half>,
    /// Bytes that they take, about.
    size: usize,
}

/// A point: its trace and itself.
type Key = (Id, Id);

fn key(record: &Record) -> Key {
    (record.base_id.clone(), record.trace_id.clone())
}

/// A record that waits for the other one of its point.
#[derive(Clone, Debug)]
pub(super) struct Half {
    record: Record,
    since: Instant,
    /// Whether it went out as unfinished.
    is_sent: bool,
}

/// A batch taken apart.
#[derive(Debug, Default)]
pub(super) struct Batch<'a> {
    /// What can go out.
    pub(super) points: Vec<Point<'a>>,
    /// What has to wait.
    pub(super) rest: Vec<&'a Record>,
    /// What waited for a half of this batch, and of which point it is now; to be put back if that
    /// does not go out.
    pub(super) taken: Vec<(usize, Half)>,
}

impl Halves {
    /// Pairs the records of a batch with one another and with those that wait. What could not be paired
    /// goes out as it is if there is no room to wait.
    pub(super) fn pair<'a>(
        &mut self,
        records: impl ExactSizeIterator<Item = &'a Record>,
    ) -> Batch<'a> {
        let mut batch = Batch { points: Vec::with_capacity(records.len()), ..Batch::default() };
        let mut open: HashMap<(&Id, &Id), &Record> = HashMap::with_capacity(records.len());
        for record in records {
            let key = (&record.base_id, &record.trace_id);
            match open.remove(&key) {
                Some(other) if other.phase != record.phase => {
                    batch.points.push(Point::whole(Cow::Borrowed(other), Cow::Borrowed(record)));
                    continue;
                }
                // The same half again, and maybe another one: neither must be lost.
                Some(other) if other != record => {
                    batch.points.push(Point::half(Cow::Borrowed(other)));
                }
                _ => {}
            }
            open.insert(key, record);
        }
        for record in open.into_values() {
            self.pair_with_waiting(record, &mut batch);
        }
        if self.is_full() {
            let rest = batch.rest.drain(..).map(|record| Point::half(Cow::Borrowed(record)));
            batch.points.extend(rest);
        }
        batch
    }

    fn pair_with_waiting<'a>(&mut self, record: &'a Record, batch: &mut Batch<'a>) {
        let key = key(record);
        match self.waiting.get(&key).map(|half| &half.record) {
            None => batch.rest.push(record),
            Some(waiting) if waiting.phase != record.phase => {
                let half = self.remove(&key).expect("it was just found");
                let other = Cow::Owned(half.record.clone());
                batch.taken.push((batch.points.len(), half));
                batch.points.push(Point::whole(other, Cow::Borrowed(record)));
            }
            Some(waiting) if waiting != record => {
                batch.points.push(Point::half(Cow::Borrowed(record)));
            }
            Some(_) => {}
        }
    }

    /// Lets records wait that [`pair`](Self::pair) could not pair.
    pub(super) fn keep(&mut self, records: &[&Record]) {
        for record in records {
            let record = (*record).clone();
            self.insert(Half { record, since: Instant::now(), is_sent: false });
        }
    }

    /// Whether so much waits that no more may. What is only remembered is forgotten first.
    pub(super) fn is_full(&mut self) -> bool {
        if self.size > ROOM {
            self.forget(|half| half.is_sent);
        }
        self.size > ROOM
    }

    /// Puts back what [`pair`](Self::pair) took.
    pub(super) fn put_back(&mut self, taken: impl IntoIterator<Item = Half>) {
        for half in taken {
            self.insert(half);
        }
    }

    /// The halves that have waited so long already, to be sent.
    pub(super) fn overdue(&mut self, wait: Duration) -> Vec<Record> {
        self.forget(|half| half.is_sent && half.since.elapsed() > REMEMBERED);
        let unsent = self.waiting.values().filter(|half| !half.is_sent);
        let overdue = unsent.filter(|half| half.since.elapsed() >= wait);
        overdue.map(|half| half.record.clone()).collect()
    }

    /// Notes that halves went out and are not to go out again: starts are remembered, stops are not.
    pub(super) fn sent(&mut self, records: &[Record]) {
        for record in records {
            let key = key(record);
            match self.waiting.get_mut(&key) {
                Some(half) if half.record == *record => half.is_sent = true,
                _ => continue,
            }
            if record.phase == Phase::Stop {
                self.remove(&key);
            }
        }
    }

    /// Lets what was not sent wait once more.
    pub(super) fn postpone(&mut self, records: &[Record]) {
        for record in records {
            if let Some(half) = self.waiting.get_mut(&key(record)) {
                half.since = Instant::now();
            }
        }
    }

    /// Since when the oldest half waits; `None` if none does.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.waiting.values().filter(|half| !half.is_sent).map(|half| half.since).min()
    }

    fn forget(&mut self, is: impl Fn(&Half) -> bool) {
        let known = self.waiting.extract_if(|_, half| is(half));
        self.size -= known.map(|(_, half)| size(&half.record)).sum::<usize>();
    }

    fn insert(&mut self, half: Half) {
        self.size += size(&half.record);
        if let Some(old) = self.waiting.insert(key(&half.record), half) {
            self.size -= size(&old.record);
        }
    }

    fn remove(&mut self, key: &Key) -> Option<Half> {
        let half = self.waiting.remove(key)?;
        self.size -= size(&half.record);
        Some(half)
    }
}

/// Bytes that a record takes here, about.
fn size(record: &Record) -> usize {
    size_of::<(Key, Half)>()
        + record.info.json_len()
        + record.source.as_ref().map_or(0, |source| source.len())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use osprofiler_wire::{Info, Origin, Timestamp};

    use super::*;

    fn record(point: &str, phase: Phase) -> Record {
        Record {
            name: "db".into(),
            phase,
            base_id: "b".into(),
            parent_id: "b".into(),
            trace_id: point.into(),
            timestamp: Timestamp::from_micros(0),
            info: Info::new(),
            origin: Arc::new(Origin::default()),
            source: None,
        }
    }

    fn shown(points: &[Point<'_>]) -> Vec<String> {
        let id = |record: &Option<Cow<'_, Record>>| {
            record.as_ref().map_or("-".to_owned(), |record| record.trace_id.to_string())
        };
        let mut shown: Vec<_> =
            points.iter().map(|point| id(&point.start) + &id(&point.stop)).collect();
        shown.sort();
        shown
    }

    #[test]
    fn halves_of_one_batch_pair_in_any_order() {
        let records = [
            record("1", Phase::Stop),
            record("2", Phase::Start),
            record("1", Phase::Start),
            record("2", Phase::Stop),
            record("3", Phase::Stop),
        ];
        let batch = Halves::default().pair(records.iter());
        assert_eq!(shown(&batch.points), ["11", "22"]);
        assert_eq!(batch.rest, [&records[4]]);
    }

    #[test]
    fn halves_of_two_batches_pair_and_are_put_back_if_they_do_not_go_out() {
        let (start, stop) = (record("1", Phase::Start), record("1", Phase::Stop));
        let mut halves = Halves::default();
        halves.keep(&[&start]);
        for _ in 0..2 {
            let batch = halves.pair([&stop].into_iter());
            assert_eq!(shown(&batch.points), ["11"]);
            assert_eq!(halves.oldest(), None);
            halves.put_back(batch.taken.into_iter().map(|(_, half)| half));
        }
        assert!(halves.oldest().is_some());
    }

    #[test]
    fn a_start_that_waited_goes_out_once_and_is_remembered_for_its_stop() {
        let start = record("1", Phase::Start);
        let mut halves = Halves::default();
        halves.keep(&[&start]);
        assert!(halves.overdue(Duration::from_secs(60)).is_empty());
        let overdue = halves.overdue(Duration::ZERO);
        assert_eq!(overdue, [start]);
        halves.sent(&overdue);
        assert_eq!(halves.oldest(), None);
        assert!(halves.overdue(Duration::ZERO).is_empty());
        let stop = record("1", Phase::Stop);
        assert_eq!(shown(&halves.pair([&stop].into_iter()).points), ["11"]);
    }

    #[test]
    fn a_stop_that_waited_goes_out_and_is_forgotten() {
        let mut halves = Halves::default();
        halves.keep(&[&record("1", Phase::Stop)]);
        let overdue = halves.overdue(Duration::ZERO);
        halves.sent(&overdue);
        assert!(halves.waiting.is_empty());
        assert_eq!(halves.size, 0);
    }

    #[test]
    fn what_comes_again_waits_once_and_what_differs_goes_out() {
        let mut halves = Halves::default();
        let start = record("1", Phase::Start);
        let other = Record { name: "other".into(), ..start.clone() };
        halves.keep(&[&start]);
        let again = [start.clone(), other.clone(), other.clone()];
        assert_eq!(shown(&Halves::default().pair(again.iter()).points), ["1-"]);
        let batch = halves.pair([&start].into_iter());
        assert_eq!((batch.points.len(), batch.rest.len()), (0, 0));
        assert_eq!(shown(&halves.pair([&other].into_iter()).points), ["1-"]);
    }

    #[test]
    fn what_waits_has_bounds_and_what_went_out_is_forgotten_first() {
        let mut halves = Halves::default();
        let text = "x".repeat(1 << 20);
        let large = |at: usize| {
            let info = Info::new().with("text", &text);
            Record { info, ..record(&at.to_string(), Phase::Start) }
        };
        let full = (0..100).position(|at| {
            halves.keep(&[&large(at)]);
            halves.is_full()
        });
        assert_eq!(full, Some(63), "64 of one MiB each are more than 64 MiB");
        let new = record("new", Phase::Start);
        let batch = halves.pair([&new].into_iter());
        assert_eq!((shown(&batch.points), batch.rest.len()), (vec!["new-".to_owned()], 0));
        let overdue = halves.overdue(Duration::ZERO);
        assert_eq!(overdue.len(), 64);
        halves.sent(&overdue);
        assert!(!halves.is_full());
        assert_eq!((halves.waiting.len(), halves.size), (0, 0));
    }
}
