//! Which points are written.

use super::ColumnsOptions;
use crate::tree::NONE;
use crate::{Point, Report};

/// A point that is written.
pub(super) struct Chosen<'a> {
    pub(super) point: Point<'a>,
    /// The row of its parent, `NONE` for a root.
    pub(super) parent: u32,
    /// How many points below it are left out.
    pub(super) left_out: u64,
}

/// The points to write, each before what is below it.
pub(super) fn choose<'a>(report: &'a Report, options: &ColumnsOptions<'a>) -> Vec<Chosen<'a>> {
    let deepest = deepest_level(report, options);
    let mut rows: Vec<Chosen<'a>> = Vec::new();
    let mut path: Vec<u32> = Vec::new();
    for (depth, point) in walk(report, options.below) {
        if depth > deepest {
            rows[path[deepest] as usize].left_out += 1;
            continue;
        }
        path.truncate(depth);
        let parent = path.last().copied().unwrap_or(NONE);
        path.push(u32::try_from(rows.len()).expect("points are counted in 32 bits"));
        rows.push(Chosen { point, parent, left_out: 0 });
    }
    rows
}

/// The last level that still fits.
fn deepest_level(report: &Report, options: &ColumnsOptions<'_>) -> usize {
    if options.below.is_none() && report.len() <= options.max_points {
        return usize::MAX;
    }
    let mut levels = Vec::new();
    for (depth, _) in walk(report, options.below) {
        if depth == levels.len() {
            levels.push(0);
        }
        levels[depth] += 1_usize;
    }
    let mut sum = 0;
    let fitting = levels.iter().take_while(|&&count| {
        sum += count;
        sum <= options.max_points
    });
    match fitting.count() {
        all if all == levels.len() => usize::MAX,
        // Below a point, that point alone would tell nothing new.
        some => some.max(if options.below.is_some() { 2 } else { 1 }) - 1,
    }
}

/// All points, or those from one on down, with their depths.
fn walk<'a>(
    report: &'a Report,
    below: Option<Point<'a>>,
) -> Box<dyn Iterator<Item = (usize, Point<'a>)> + 'a> {
    let Some(top) = below else {
        return Box::new(report.rows().map(|row| (row.depth, row.point)));
    };
    let mut open = vec![(0, top)];
    Box::new(std::iter::from_fn(move || {
        let (depth, point) = open.pop()?;
        let first = open.len();
        open.extend(point.children().map(|child| (depth + 1, child)));
        open[first..].reverse();
        Some((depth, point))
    }))
}
