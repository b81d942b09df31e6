//! Who is whose child: orders, and cycles cut. Nothing here recurses.

use std::ops::Range;

/// No point: the parent of a root.
pub(crate) const NONE: u32 = u32::MAX;

/// The children of every point, and the roots, in an order of choice.
#[derive(Debug)]
pub(crate) struct Children {
    /// Points grouped by parent, the roots last.
    list: Vec<u32>,
    /// Where the group of each point begins in `list`; behind them, that of the roots.
    from: Vec<u32>,
}

impl Children {
    /// Groups the points of `order` by parent; within a group they keep the order.
    pub(crate) fn group(parents: &[u32], order: &[u32]) -> Self {
        let group = |point: u32| match parents[point as usize] {
            NONE => parents.len(),
            parent => parent as usize,
        };
        let mut from = vec![0; parents.len() + 2];
        for &point in order {
            from[group(point) + 1] += 1;
        }
        for at in 1..from.len() {
            from[at] += from[at - 1];
        }
        let mut next = from.clone();
        let mut list = vec![0; order.len()];
        for &point in order {
            let place = &mut next[group(point)];
            list[*place as usize] = point;
            *place += 1;
        }
        Self { list, from }
    }

    pub(crate) fn of(&self, point: u32) -> &[u32] {
        self.in_group(self.places(point as usize))
    }

    pub(crate) fn roots(&self) -> &[u32] {
        self.in_group(self.places(self.roots_group()))
    }

    /// All points, each before its children.
    pub(crate) fn walk(&self) -> Walk<'_> {
        Walk { children: self, levels: vec![self.places(self.roots_group())] }
    }

    fn roots_group(&self) -> usize {
        self.from.len() - 2
    }

    fn places(&self, group: usize) -> Range<u32> {
        self.from[group]..self.from[group + 1]
    }

    fn in_group(&self, places: Range<u32>) -> &[u32] {
        &self.list[places.start as usize..places.end as usize]
    }
}

/// A point met on a walk.
pub(crate) struct Step {
    pub(crate) point: u32,
    /// 0 for a root.
    pub(crate) depth: usize,
    /// No sibling follows.
    pub(crate) is_last: bool,
}

pub(crate) struct Walk<'a> {
    children: &'a Children,
    /// What is left of each level, as places in the list.
    levels: Vec<Range<u32>>,
}

impl Iterator for Walk<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        while let Some(level) = self.levels.last_mut() {
            let Some(place) = level.next() else {
                self.levels.pop();
                continue;
            };
            let is_last = level.start == level.end;
            let depth = self.levels.len() - 1;
            let point = self.children.list[place as usize];
            self.levels.push(self.children.places(point as usize));
            return Some(Step { point, depth, is_last });
        }
        None
    }
}

/// Makes a forest of any parents: of the points of a cycle, the one with the least key becomes a
/// root. Gives these roots.
pub(crate) fn cut_cycles<K: Ord>(parents: &mut [u32], key: impl Fn(u32) -> K) -> Vec<u32> {
    const UNSEEN: u32 = 0;
    let mut cut = Vec::new();
    // The walk on which a point was seen first.
    let mut seen = vec![UNSEEN; parents.len()];
    for from in 0..u32::try_from(parents.len()).expect("points are counted in 32 bits") {
        let walk = from + 1;
        let mut at = from;
        while at != NONE && seen[at as usize] == UNSEEN {
            seen[at as usize] = walk;
            at = parents[at as usize];
        }
        if at != NONE && seen[at as usize] == walk {
            let cycle = std::iter::successors(Some(at), |&point| {
                Some(parents[point as usize]).filter(|&next| next != at)
            });
            let first = cycle.min_by_key(|&point| key(point)).expect("a cycle has a point");
            parents[first as usize] = NONE;
            cut.push(first);
        }
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_meets_parents_first_and_keeps_the_order() {
        let parents = [NONE, 0, 0, 1, NONE];
        let children = Children::group(&parents, &[4, 3, 2, 1, 0]);
        let met: Vec<_> =
            children.walk().map(|step| (step.point, step.depth, step.is_last)).collect();
        assert_eq!(met, [(4, 0, false), (0, 0, true), (2, 1, false), (1, 1, true), (3, 2, true)]);
        assert_eq!(children.roots(), [4, 0]);
        assert_eq!(children.of(0), [2, 1]);
    }

    #[test]
    fn a_cycle_is_cut_at_its_least_point() {
        // 3 hangs below the cycle of 0, 1 and 2; 4 is its own parent.
        let mut parents = [1, 2, 0, 0, 4, NONE];
        let cut = cut_cycles(&mut parents, |point| (point + 2) % 3);
        assert_eq!(cut, [1, 4]);
        assert_eq!(parents, [1, NONE, 0, 0, NONE, NONE]);
    }
}
