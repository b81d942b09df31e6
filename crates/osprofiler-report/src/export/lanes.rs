//! Points on lanes: whatever shares a lane is nested or one after the other.
//!
//! Tools that draw time expect that of a thread. Children that run at the same time, and children that
//! outlive their parent, are not like that: they get lanes of their own.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::ops::Range;

use crate::clean::one_line;
use crate::{Point, Report};

/// The lanes of a trace, those of one process together.
pub(crate) struct Lanes<'a> {
    /// Where points ran: project, service and host.
    pub(crate) processes: Vec<String>,
    pub(crate) lanes: Vec<Lane<'a>>,
    /// The lane of each point.
    pub(crate) lane_of: Vec<usize>,
}

/// One lane.
pub(crate) struct Lane<'a> {
    /// Its place in [`Lanes::processes`].
    pub(crate) process: usize,
    /// Its number within its process.
    pub(crate) number: usize,
    /// By their start, each before what it encloses.
    pub(crate) spans: Vec<Span<'a>>,
}

/// A point on a lane.
pub(crate) struct Span<'a> {
    pub(crate) point: Point<'a>,
    /// From start to end; an unfinished point lasts as long as what is below it.
    pub(crate) extent_us: Range<i64>,
    /// How many points of the lane enclose it.
    pub(crate) depth: usize,
}

impl<'a> Lanes<'a> {
    pub(crate) fn of(report: &'a Report) -> Self {
        let rows: Vec<Point<'a>> = report.rows().map(|row| row.point).collect();
        let mut placing = Placing::new(report, &rows);
        let mut order = rows;
        // Parents stay before children that start and end with them.
        order.sort_by_key(|point| {
            let extent = &placing.extents[point.index()];
            (extent.start, Reverse(extent.end))
        });
        order.into_iter().for_each(|point| placing.place(point));
        placing.lanes
    }
}

struct Placing<'a> {
    lanes: Lanes<'a>,
    extents: Vec<Range<i64>>,
    process_of: HashMap<[Option<&'a str>; 3], usize>,
    /// Of each process, the lanes that are taken, by when they are free, and those that are free.
    taken: Vec<BinaryHeap<Reverse<(i64, usize)>>>,
    free: Vec<BTreeSet<usize>>,
    /// Of each lane, the points that are open.
    open: Vec<Vec<usize>>,
}

const NOWHERE: usize = usize::MAX;

impl<'a> Placing<'a> {
    fn new(report: &'a Report, rows: &[Point<'a>]) -> Self {
        let lane_of = vec![NOWHERE; report.len()];
        Self {
            lanes: Lanes { processes: Vec::new(), lanes: Vec::new(), lane_of },
            extents: extents(report, rows),
            process_of: HashMap::new(),
            taken: Vec::new(),
            free: Vec::new(),
            open: Vec::new(),
        }
    }

    fn place(&mut self, point: Point<'a>) {
        let extent_us = self.extents[point.index()].clone();
        let process = self.process(point);
        let lane = match self.lane_of_parent(point, process) {
            Some(lane) => lane,
            None => self.free_lane(process, &extent_us),
        };
        let depth = self.open[lane].len();
        self.open[lane].push(point.index());
        self.lanes.lane_of[point.index()] = lane;
        self.lanes.lanes[lane].spans.push(Span { point, extent_us, depth });
    }

    fn process(&mut self, point: Point<'a>) -> usize {
        let key = [point.project(), point.service(), point.host()];
        *self.process_of.entry(key).or_insert_with(|| {
            self.taken.push(BinaryHeap::new());
            self.free.push(BTreeSet::new());
            self.lanes.processes.push(process_name(key));
            self.lanes.processes.len() - 1
        })
    }

    /// The lane of the enclosing point, if it encloses this one there and nothing is in between.
    fn lane_of_parent(&mut self, point: Point<'a>, process: usize) -> Option<usize> {
        let parent = point.parent()?.index();
        let lane = self.lanes.lane_of[parent];
        if lane == NOWHERE || self.lanes.lanes[lane].process != process {
            return None;
        }
        let extent = &self.extents[point.index()];
        let open = &mut self.open[lane];
        open.pop_if_all(|&top| top != parent && self.extents[top].end <= extent.start);
        let is_on_top = open.last() == Some(&parent);
        (is_on_top && extent.end <= self.extents[parent].end).then_some(lane)
    }

    /// The first lane of a process on which nothing is open, or a new one; it is taken.
    fn free_lane(&mut self, process: usize, extent: &Range<i64>) -> usize {
        let (taken, free) = (&mut self.taken[process], &mut self.free[process]);
        while let Some(Reverse((free_from, lane))) = taken.peek().copied()
            && free_from <= extent.start
        {
            taken.pop();
            free.insert(lane);
        }
        let lane = free.pop_first().unwrap_or_else(|| {
            let number = taken.len();
            self.lanes.lanes.push(Lane { process, number, spans: Vec::new() });
            self.open.push(Vec::new());
            self.open.len() - 1
        });
        self.open[lane].clear();
        taken.push(Reverse((extent.end, lane)));
        lane
    }
}

/// Takes away from the end of a list.
trait PopIfAll<T> {
    /// Takes elements away as long as they are like that.
    fn pop_if_all(&mut self, is_like_that: impl Fn(&T) -> bool);
}

impl<T> PopIfAll<T> for Vec<T> {
    fn pop_if_all(&mut self, is_like_that: impl Fn(&T) -> bool) {
        while self.last().is_some_and(&is_like_that) {
            self.pop();
        }
    }
}

/// From start to end of each point; an unfinished one ends with the last of what is below it.
fn extents(report: &Report, rows: &[Point<'_>]) -> Vec<Range<i64>> {
    let mut extents: Vec<Range<i64>> = report.points().map(Point::extent_us).collect();
    for point in rows.iter().rev() {
        if let Some(parent) = point.parent().filter(Point::is_unfinished) {
            let end = extents[point.index()].end;
            let parent = &mut extents[parent.index()];
            parent.end = parent.end.max(end);
        }
    }
    extents
}

fn process_name([project, service, host]: [Option<&str>; 3]) -> String {
    let parts: Vec<&str> = [project, service].into_iter().flatten().collect();
    let mut name = if parts.is_empty() { "no service".to_owned() } else { parts.join("/") };
    if let Some(host) = host {
        name += &format!(" on {host}");
    }
    one_line(&name)
}

/// What a point is called in another tool: its name, and what it was about.
pub(crate) fn label(point: Point<'_>) -> String {
    const MAX_CHARS: usize = 160;
    let mut label = one_line(point.name());
    if let Some(detail) = point.detail() {
        label.push(' ');
        label.push_str(&detail.brief());
    }
    match label.char_indices().nth(MAX_CHARS) {
        Some((at, _)) => format!("{}\u{2026}", &label[..at]),
        None => label,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A report of points: id, parent, service, start, and end if it has one.
    pub(crate) fn report(points: &[(&str, &str, &str, i64, Option<i64>)]) -> Report {
        let mut lines = Vec::new();
        for (id, parent, service, from, to) in points {
            for (phase, at) in [("start", Some(*from)), ("stop", *to)] {
                let Some(at) = at else { continue };
                let at = osprofiler_wire::Timestamp::from_micros(at);
                lines.push(
                    serde_json::json!({
                        "name": format!("{id}-{phase}"), "base_id": "b", "trace_id": id,
                        "parent_id": parent, "timestamp": at.to_string(), "service": service,
                        "info": {"host": "h"},
                    })
                    .to_string(),
                );
            }
        }
        lines.iter().map(String::as_str).collect()
    }

    fn shown(report: &Report) -> String {
        let lanes = Lanes::of(report);
        let mut shown = String::new();
        for lane in &lanes.lanes {
            shown += &format!("{} {}:", lanes.processes[lane.process], lane.number);
            for span in &lane.spans {
                let Range { start, end } = span.extent_us;
                let indent = ">".repeat(span.depth);
                shown += &format!(" {indent}{} {start}-{end}", span.point.name());
            }
            shown.push('\n');
        }
        shown
    }

    #[test]
    fn children_in_parallel_and_those_that_outlive_their_parent_get_lanes_of_their_own() {
        let report = report(&[
            ("root", "b", "api", 0, Some(100)),
            ("first", "root", "api", 10, Some(50)),
            ("inner", "first", "api", 20, Some(30)),
            ("beside", "root", "api", 15, Some(40)),
            ("after", "root", "api", 50, Some(60)),
            ("late", "root", "api", 90, Some(120)),
            ("other", "root", "db", 20, Some(30)),
            ("back", "other", "api", 22, Some(25)),
        ]);
        assert_eq!(
            shown(&report),
            "api on h 0: root 0-100 >first 10-50 >>inner 20-30 >after 50-60\n\
             api on h 1: beside 15-40 late 90-120\n\
             db on h 0: other 20-30\n\
             api on h 2: back 22-25\n"
        );
    }

    #[test]
    fn an_unfinished_point_lasts_as_long_as_what_is_below_it() {
        let report = report(&[
            ("root", "b", "api", 0, None),
            ("child", "root", "api", 5, None),
            ("grandchild", "child", "api", 7, Some(20)),
            ("instant", "root", "api", 30, Some(30)),
            ("within", "instant", "api", 30, Some(30)),
        ]);
        assert_eq!(
            shown(&report),
            "api on h 0: root 0-30 >child 5-20 >>grandchild 7-20 >instant 30-30 >>within 30-30\n"
        );
    }

    proptest! {
        #[test]
        fn on_a_lane_what_overlaps_is_nested(
            points in proptest::collection::vec((0..20_usize, 0..3_usize, 0..50_i64, 0..30_i64), 1..40)
        ) {
            let ids: Vec<String> = (0..points.len()).map(|id| format!("p{id}")).collect();
            let services = ["api", "db", "rpc"];
            let points: Vec<_> = points.iter().enumerate().map(|(at, &(parent, service, from, us))| {
                let parent = if parent < at { &*ids[parent] } else { "b" };
                (&*ids[at], parent, services[service], from, (us > 0).then_some(from + us - 1))
            }).collect();
            let report = report(&points);
            let lanes = Lanes::of(&report);
            let mut placed = 0;
            for lane in &lanes.lanes {
                let mut open: Vec<&Span<'_>> = Vec::new();
                for span in &lane.spans {
                    placed += 1;
                    while open.len() > span.depth {
                        prop_assert!(open.pop().unwrap().extent_us.end <= span.extent_us.start);
                    }
                    prop_assert_eq!(open.len(), span.depth);
                    if let Some(around) = open.last() {
                        prop_assert_eq!(span.point.parent().unwrap().index(), around.point.index());
                        prop_assert!(around.extent_us.start <= span.extent_us.start);
                        prop_assert!(around.extent_us.end >= span.extent_us.end);
                    }
                    open.push(span);
                }
            }
            prop_assert_eq!(placed, report.len());
        }
    }
}
