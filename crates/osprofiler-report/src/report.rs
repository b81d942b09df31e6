//! From records to a report.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use osprofiler_wire::{Id, Phase, RecordError, RecordView, Timestamp, json::repair};

use crate::Detail;
use crate::clean::one_line;
use crate::detail::info;
use crate::scan::{member, plain_text};
use crate::tree::{self, Children, NONE};

/// Collects the records of a trace.
///
/// ```
/// use osprofiler_report::ReportBuilder;
///
/// let mut builder = ReportBuilder::new();
/// builder.add(r#"{"name": "db-start", "base_id": "b", "trace_id": "t", "parent_id": "b",
///     "timestamp": "2016-04-18T17:42:10.774321", "info": {"host": "ctl1"}}"#)?;
/// assert!(builder.add("what is this?").is_err());
///
/// let report = builder.finish();
/// assert_eq!((report.len(), report.unreadable()), (1, 1));
/// assert!(report.roots().next().unwrap().is_unfinished());
/// # Ok::<(), osprofiler_wire::RecordError>(())
/// ```
#[derive(Debug, Default)]
pub struct ReportBuilder {
    nodes: Vec<Node>,
    by_id: HashMap<Id, u32>,
    texts: String,
    names: Interner,
    base_ids: Vec<Id>,
    known_base_ids: HashSet<Id>,
    span: Option<(Timestamp, Timestamp)>,
    last_started: Option<Timestamp>,
    records: u64,
    unreadable: u64,
}

impl ReportBuilder {
    /// Begins without a record.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the JSON text of one record. They come in the order of storage, whatever that is.
    ///
    /// Text that Python writes although it is not JSON (`NaN`) is repaired first.
    ///
    /// The first record of a point says its name, parent, project, service and host. Of repeated
    /// starts, and of repeated stops, the last counts.
    ///
    /// # Errors
    ///
    /// If the text is no record. It is counted as unreadable; all others stand.
    pub fn add(&mut self, json: &str) -> Result<(), RecordError> {
        let read = RecordView::parse(json.trim()).map(|view| self.add_view(&view));
        read.or_else(|_| RecordView::parse(&repair(json)).map(|view| self.add_view(&view)))
            .inspect_err(|_| self.unreadable += 1)
    }

    fn add_view(&mut self, view: &RecordView<'_>) {
        let at = view.timestamp;
        self.records += 1;
        self.span = Some(match self.span {
            Some((first, last)) => (first.min(at), last.max(at)),
            None => (at, at),
        });
        if view.phase == Phase::Start {
            self.last_started = self.last_started.max(Some(at));
        }
        self.know_base_id(&view.base_id);
        let point = self.point(view) as usize;
        let seen = match view.phase {
            Phase::Start => &mut self.nodes[point].start,
            Phase::Stop => &mut self.nodes[point].stop,
        };
        let text = match seen {
            // A record that was delivered twice.
            Some(seen) if self.texts[seen.text()] == *view.json => seen.text(),
            _ => {
                let from = self.texts.len();
                self.texts.push_str(view.json);
                from..self.texts.len()
            }
        };
        *seen = Some(Seen { at, from: text.start, to: text.end, has_etype: view.etype.is_some() });
    }

    fn know_base_id(&mut self, base_id: &Id) {
        if self.base_ids.last() != Some(base_id) && self.known_base_ids.insert(base_id.clone()) {
            self.base_ids.push(base_id.clone());
        }
    }

    fn point(&mut self, view: &RecordView<'_>) -> u32 {
        if let Some(&point) = self.by_id.get(&view.trace_id) {
            return point;
        }
        let point = u32::try_from(self.nodes.len())
            .ok()
            .filter(|&point| point < NONE - 1)
            .expect("memory ends before four billion points");
        let names = &mut self.names;
        let mut optional = |text: &Option<Cow<'_, str>>| {
            text.as_deref().map_or(NO_NAME, |text| names.intern(text))
        };
        self.nodes.push(Node {
            trace_id: view.trace_id.clone(),
            parent_id: view.parent_id.clone(),
            project: optional(&view.project),
            service: optional(&view.service),
            host: optional(&view.host),
            name: names.intern(&view.name),
            start: None,
            stop: None,
            in_cycle: false,
        });
        self.by_id.insert(view.trace_id.clone(), point);
        point
    }

    /// Builds the tree.
    #[must_use]
    pub fn finish(mut self) -> Report {
        let mut parents: Vec<u32> = self
            .nodes
            .iter()
            .map(|node| self.by_id.get(&node.parent_id).copied().unwrap_or(NONE))
            .collect();
        drop(std::mem::take(&mut self.by_id));
        let nodes = &self.nodes;
        for root in tree::cut_cycles(&mut parents, |point| (nodes[point as usize].begin(), point)) {
            self.nodes[root as usize].in_cycle = true;
        }
        let children = group(&self.nodes, &parents, |node| node.begin());
        let (first, last) = self.span.unwrap_or_default();
        Report {
            nodes: self.nodes,
            parents,
            children,
            texts: self.texts,
            names: self.names.names,
            known_base_ids: self.known_base_ids,
            base_ids: self.base_ids,
            first,
            last,
            last_started: self.last_started,
            records: self.records,
            unreadable: self.unreadable,
        }
    }
}

/// Children in the order of `key`; where it is the same, in the order of storage.
fn group<K: Ord>(nodes: &[Node], parents: &[u32], key: impl Fn(&Node) -> K) -> Children {
    let mut order: Vec<u32> = (0..).take(nodes.len()).collect();
    order.sort_by_cached_key(|&point| (key(&nodes[point as usize]), point));
    Children::group(parents, &order)
}

/// The tree of points of one trace.
///
/// A forest, rather: several roots are normal, since what calls the first service is often no
/// point. Siblings are ordered by the microsecond they started in, then by storage.
#[derive(Debug)]
pub struct Report {
    nodes: Vec<Node>,
    parents: Vec<u32>,
    children: Children,
    texts: String,
    names: Vec<Box<str>>,
    base_ids: Vec<Id>,
    known_base_ids: HashSet<Id>,
    first: Timestamp,
    last: Timestamp,
    last_started: Option<Timestamp>,
    records: u64,
    unreadable: u64,
}

impl Report {
    /// Number of points.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no point.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The trace: the `base_id` of the first record; `None` without records.
    #[must_use]
    pub fn base_id(&self) -> Option<&Id> {
        self.base_ids.first()
    }

    /// All traces that the records belong to, in the order of storage. More than one is a mistake
    /// of whoever collected them.
    #[must_use]
    pub fn base_ids(&self) -> &[Id] {
        &self.base_ids
    }

    /// When the trace began: the earliest timestamp of any record. The times of all points count
    /// from here.
    #[must_use]
    pub fn started(&self) -> Timestamp {
        self.first
    }

    /// Microseconds from the earliest record to the latest.
    #[must_use]
    pub fn duration_us(&self) -> i64 {
        self.since_start(self.last)
    }

    /// When the last point started, in microseconds from the beginning; `None` without a start.
    #[must_use]
    pub fn last_started_us(&self) -> Option<i64> {
        self.last_started.map(|at| self.since_start(at))
    }

    /// Number of records that were read, repeated ones included.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Number of records that were left out since they could not be read.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// Number of points that failed.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.points().filter(Point::is_error).count()
    }

    /// Number of points without a stop record.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.points().filter(Point::is_unfinished).count()
    }

    /// Number of records that the services say they dropped (`docs/record.md`). If it is not 0, the
    /// trace is not whole.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.points().map(Point::dropped).fold(0, u64::saturating_add)
    }

    /// Number of roots whose parent is unknown.
    #[must_use]
    pub fn orphans(&self) -> usize {
        self.roots().filter(Point::is_orphan).count()
    }

    /// All points, in the order of storage.
    pub fn points(&self) -> impl ExactSizeIterator<Item = Point<'_>> {
        let len = u32::try_from(self.len()).expect("checked when the points were added");
        (0..len).map(|index| self.at(index))
    }

    /// The texts of the records that the points are made of, in the order of storage.
    pub(crate) fn record_texts(&self) -> impl Iterator<Item = &str> {
        let seen = self.nodes.iter().flat_map(|node| [node.start, node.stop]);
        let mut places: Vec<Range<usize>> = seen.flatten().map(Seen::text).collect();
        places.sort_unstable_by_key(|place| place.start);
        places.into_iter().map(|place| &self.texts[place])
    }

    /// The points at the top of the tree.
    pub fn roots(&self) -> impl ExactSizeIterator<Item = Point<'_>> {
        self.children.roots().iter().map(|&index| self.at(index))
    }

    /// All points as rows of an indented list: each before its children.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        rows(self, &self.children)
    }

    /// Microseconds of the trace in which no point ran.
    #[must_use]
    pub fn outside_us(&self) -> i64 {
        // Not only the roots: a child may outlive its parent.
        let mut extents: Vec<Range<i64>> = self.points().map(Point::extent_us).collect();
        extents.sort_unstable_by_key(|extent| extent.start);
        self.duration_us() - covered_us(extents.into_iter(), &(0..self.duration_us()))
    }

    /// Sums by the name of the points, in the order of storage.
    #[must_use]
    pub fn stats(&self) -> Vec<NameStats<'_>> {
        let mut place_of = vec![usize::MAX; self.names.len()];
        let mut stats: Vec<NameStats<'_>> = Vec::new();
        for point in self.points() {
            let place = &mut place_of[point.node().name as usize];
            if *place == usize::MAX {
                *place = stats.len();
                stats.push(NameStats::new(point.name()));
            }
            stats[*place].add(point);
        }
        stats
    }

    /// Sums by name, what took most by itself first.
    pub(crate) fn stats_by_self(&self) -> Vec<NameStats<'_>> {
        let mut stats = self.stats();
        stats.sort_by_key(|stats| Reverse((stats.self_us, stats.duration_us)));
        stats
    }

    /// The services that took part, as `project/service`, in the order of their first starts.
    #[must_use]
    pub fn services(&self) -> Vec<String> {
        let mut points: Vec<Point<'_>> = self.points().collect();
        points.sort_by_key(|point| point.started_us());
        let mut known = HashSet::new();
        points
            .into_iter()
            .filter(|point| known.insert((point.node().project, point.node().service)))
            .filter_map(Point::project_and_service)
            .collect()
    }

    /// Children ordered as the Python library does: by whole milliseconds, then by storage.
    pub(crate) fn children_by_ms(&self) -> Children {
        group(&self.nodes, &self.parents, |node| self.since_start(node.begin()) / 1000)
    }

    pub(crate) fn at(&self, index: u32) -> Point<'_> {
        Point { report: self, index }
    }

    fn since_start(&self, at: Timestamp) -> i64 {
        at.as_micros() - self.first.as_micros()
    }

    fn name(&self, name: u32) -> Option<&str> {
        self.names.get(name as usize).map(|name| &**name)
    }
}

impl<'a> FromIterator<&'a str> for Report {
    /// Collects JSON texts of records; see [`ReportBuilder::add`]. Unreadable ones are counted.
    fn from_iter<I: IntoIterator<Item = &'a str>>(records: I) -> Self {
        let mut builder = ReportBuilder::new();
        for json in records {
            // The report carries the count; who wants the reasons uses the builder.
            let _ = builder.add(json);
        }
        builder.finish()
    }
}

/// A point, and its place in an indented list.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The point.
    pub point: Point<'a>,
    /// How many points enclose it: 0 for a root.
    pub depth: usize,
    /// Whether no sibling follows.
    pub is_last: bool,
}

pub(crate) fn rows<'a>(
    report: &'a Report,
    children: &'a Children,
) -> impl Iterator<Item = Row<'a>> {
    children.walk().map(|step| Row {
        point: report.at(step.point),
        depth: step.depth,
        is_last: step.is_last,
    })
}

/// A point of a [`Report`].
#[derive(Clone, Copy, Debug)]
pub struct Point<'a> {
    report: &'a Report,
    index: u32,
}

impl<'a> Point<'a> {
    /// Its place in [`Report::points`].
    #[must_use]
    pub fn index(self) -> usize {
        self.index as usize
    }

    /// Its id.
    #[must_use]
    pub fn trace_id(self) -> &'a Id {
        &self.node().trace_id
    }

    /// The id of the enclosing point, known or not.
    #[must_use]
    pub fn parent_id(self) -> &'a Id {
        &self.node().parent_id
    }

    /// The enclosing point; `None` for a root.
    #[must_use]
    pub fn parent(self) -> Option<Self> {
        match self.report.parents[self.index()] {
            NONE => None,
            parent => Some(self.report.at(parent)),
        }
    }

    /// The points within, earliest first.
    pub fn children(self) -> impl ExactSizeIterator<Item = Self> + use<'a> {
        let report = self.report;
        let children = report.children.of(self.index);
        children.iter().map(|&index| report.at(index))
    }

    /// The name: that of its records, less `-start` or `-stop`.
    #[must_use]
    pub fn name(self) -> &'a str {
        self.report.name(self.node().name).unwrap_or_default()
    }

    /// The project, if it has one.
    #[must_use]
    pub fn project(self) -> Option<&'a str> {
        self.report.name(self.node().project)
    }

    /// The service, if it has one.
    #[must_use]
    pub fn service(self) -> Option<&'a str> {
        self.report.name(self.node().service)
    }

    /// The host, if it has one.
    #[must_use]
    pub fn host(self) -> Option<&'a str> {
        self.report.name(self.node().host)
    }

    /// When it started, in microseconds from the beginning of the trace. Of a point without a
    /// start record, when it stopped.
    #[must_use]
    pub fn started_us(self) -> i64 {
        self.report.since_start(self.node().begin())
    }

    /// When it stopped; `None` while it is unfinished.
    #[must_use]
    pub fn finished_us(self) -> Option<i64> {
        let stop = self.node().stop?;
        Some(self.report.since_start(stop.at))
    }

    /// From the start record to the stop record, in microseconds; `None` unless both are there.
    /// Negative if the host's clock was set back in between.
    #[must_use]
    pub fn duration_us(self) -> Option<i64> {
        let (start, stop) = (self.node().start?, self.node().stop?);
        Some(stop.at.as_micros() - start.at.as_micros())
    }

    /// What of its duration no child covers, in microseconds; 0 unless both records are there.
    #[must_use]
    pub fn self_us(self) -> i64 {
        let own = self.extent_us();
        let children = self.children().map(|child| child.extent_us());
        own.end - own.start - covered_us(children, &own)
    }

    /// Whether its start record has not arrived.
    #[must_use]
    pub fn is_start_missing(&self) -> bool {
        self.node().start.is_none()
    }

    /// Whether its stop record has not arrived.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.node().stop.is_none()
    }

    /// Whether its parent is neither a known point nor the trace itself.
    #[must_use]
    pub fn is_orphan(&self) -> bool {
        self.parent().is_none()
            && !self.is_in_cycle()
            && !self.report.known_base_ids.contains(self.parent_id())
    }

    /// Whether it was made a root since it is said to enclose itself, through others or directly.
    #[must_use]
    pub fn is_in_cycle(&self) -> bool {
        self.node().in_cycle
    }

    /// Whether it failed: its stop record's info holds an `etype`.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.node().stop.is_some_and(|stop| stop.has_etype)
    }

    /// How it failed, if it did.
    #[must_use]
    pub fn error(self) -> Option<PointError<'a>> {
        let info = info(self.stop_json().filter(|_| self.is_error())?);
        let etype = member(info, "etype")?;
        Some(PointError {
            etype: plain_text(etype).unwrap_or(etype.into()),
            message: member(info, "message").and_then(plain_text),
        })
    }

    /// How many records of the trace its process says that it dropped; 0 unless this point is there to
    /// say so.
    #[must_use]
    pub fn dropped(self) -> u64 {
        let counts = self.start_json().filter(|_| self.name() == "dropped");
        counts.and_then(|start| member(info(start), "dropped")).map_or(0, |counts| {
            ["no_room", "failed"]
                .into_iter()
                .filter_map(|reason| plain_text(member(counts, reason)?)?.parse::<u64>().ok())
                .fold(0, u64::saturating_add)
        })
    }

    /// What it was about, in a few words.
    #[must_use]
    pub fn detail(self) -> Option<Detail> {
        Detail::of(self.start_json().unwrap_or_default(), self.stop_json().unwrap_or_default())
    }

    /// The text of its start record, as it came.
    #[must_use]
    pub fn start_json(self) -> Option<&'a str> {
        self.node().start.map(|seen| &self.report.texts[seen.text()])
    }

    /// The text of its stop record, as it came.
    #[must_use]
    pub fn stop_json(self) -> Option<&'a str> {
        self.node().stop.map(|seen| &self.report.texts[seen.text()])
    }

    /// Project and service on one line of harmless text.
    pub(crate) fn project_and_service(self) -> Option<String> {
        let parts: Vec<&str> = [self.project(), self.service()].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| one_line(&parts.join("/")))
    }

    /// Where it ran, as far as that differs from its parent, harmless: `nova/api on ctl1`; in
    /// brief without the host.
    pub(crate) fn place(self, brief: bool) -> String {
        let own = self.node();
        let parent = self.parent().map(Self::node);
        let service_differs =
            parent.is_none_or(|it| (it.project, it.service) != (own.project, own.service));
        let host_differs = parent.is_none_or(|it| it.host != own.host) && !brief;
        let service = self.project_and_service().filter(|_| service_differs);
        let mut place = service.unwrap_or_default();
        if let Some(host) = self.host().filter(|_| host_differs) {
            place.push_str(if place.is_empty() { "on " } else { " on " });
            place.push_str(&one_line(host));
        }
        place
    }

    /// What is odd about it, in words.
    pub(crate) fn marks(self) -> impl Iterator<Item = &'static str> {
        [
            (self.is_unfinished(), "unfinished"),
            (self.is_start_missing(), "start missing"),
            (self.is_orphan(), "orphan"),
            (self.is_in_cycle(), "its own ancestor"),
        ]
        .into_iter()
        .filter_map(|(is_so, mark)| is_so.then_some(mark))
    }

    /// Whether its stop record was stored before its start record.
    pub(crate) fn came_stop_first(self) -> bool {
        match (self.node().start, self.node().stop) {
            (Some(start), Some(stop)) => stop.from < start.from,
            _ => false,
        }
    }

    /// Start and end, in order, whatever is missing.
    pub(crate) fn extent_us(self) -> Range<i64> {
        let (from, to) = (self.started_us(), self.finished_us());
        from..to.unwrap_or(from).max(from)
    }

    fn node(self) -> &'a Node {
        &self.report.nodes[self.index as usize]
    }
}

/// How a point failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointError<'a> {
    /// Text of `etype`; if it is no text, its JSON.
    pub etype: Cow<'a, str>,
    /// The message, if there was one.
    pub message: Option<Cow<'a, str>>,
}

impl PointError<'_> {
    /// Type and message on one line of harmless text; in brief the type without its module.
    pub(crate) fn one_line(&self, brief: bool) -> String {
        let etype = one_line(&self.etype);
        let class = etype.rsplit('.').next().filter(|_| brief);
        let mut line = class.unwrap_or(&etype).to_owned();
        if let Some(message) = self.message.as_ref().filter(|text| !text.is_empty()) {
            line.push_str(": ");
            line.push_str(&one_line(message));
        }
        line
    }
}

/// Sums over the points of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NameStats<'a> {
    /// The name.
    pub name: &'a str,
    /// Number of points.
    pub count: u64,
    /// Sum of their durations, in microseconds.
    pub duration_us: i64,
    /// Sum of their durations as the Python library counts them: differences of whole milliseconds.
    pub duration_ms: i64,
    /// Sum of what no child covers, in microseconds.
    pub self_us: i64,
    /// Number of points that failed.
    pub errors: u64,
    /// Number of points without a stop record.
    pub unfinished: u64,
}

impl<'a> NameStats<'a> {
    fn new(name: &'a str) -> Self {
        Self {
            name,
            count: 0,
            duration_us: 0,
            duration_ms: 0,
            self_us: 0,
            errors: 0,
            unfinished: 0,
        }
    }

    fn add(&mut self, point: Point<'_>) {
        let started_us = point.started_us();
        let finished_us = point.finished_us().unwrap_or(started_us);
        self.count += 1;
        self.duration_us += point.duration_us().unwrap_or(0);
        self.duration_ms += finished_us / 1000 - started_us / 1000;
        self.self_us += point.self_us();
        self.errors += u64::from(point.is_error());
        self.unfinished += u64::from(point.is_unfinished());
    }
}

/// How much of `whole` the parts cover together. They are ordered by their start.
fn covered_us(parts: impl Iterator<Item = Range<i64>>, whole: &Range<i64>) -> i64 {
    let mut covered = 0;
    let mut to = whole.start;
    for part in parts {
        let end = part.end.min(whole.end);
        covered += (end - part.start.max(to)).max(0);
        to = to.max(end);
    }
    covered
}

#[derive(Debug)]
struct Node {
    trace_id: Id,
    parent_id: Id,
    name: u32,
    project: u32,
    service: u32,
    host: u32,
    start: Option<Seen>,
    stop: Option<Seen>,
    in_cycle: bool,
}

impl Node {
    fn begin(&self) -> Timestamp {
        let seen = self.start.or(self.stop);
        seen.expect("a point is made of a record").at
    }
}

/// What is kept of a record.
#[derive(Clone, Copy, Debug)]
struct Seen {
    at: Timestamp,
    from: usize,
    to: usize,
    has_etype: bool,
}

impl Seen {
    fn text(self) -> Range<usize> {
        self.from..self.to
    }
}

/// The name of a thing that has none.
const NO_NAME: u32 = u32::MAX;

/// Keeps each text once.
#[derive(Debug, Default)]
struct Interner {
    places: HashMap<Box<str>, u32>,
    names: Vec<Box<str>>,
}

impl Interner {
    fn intern(&mut self, text: &str) -> u32 {
        if let Some(&place) = self.places.get(text) {
            return place;
        }
        let place = u32::try_from(self.names.len()).expect("no more names than points, times four");
        self.names.push(text.into());
        self.places.insert(text.into(), place);
        place
    }
}
