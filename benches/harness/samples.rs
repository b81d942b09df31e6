//! The figures of the rounds.

/// The figures of one subject, one for each round.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Adds the figure of a round.
    pub fn push(&mut self, figure: f64) {
        let at = self.0.partition_point(|other| *other < figure);
        self.0.insert(at, figure);
    }

    /// The median; of an even number the mean of the two in the middle.
    ///
    /// # Panics
    ///
    /// If there are none.
    #[must_use]
    pub fn median(&self) -> f64 {
        let middle = self.0.len() / 2;
        if self.0.len() % 2 == 1 {
            self.0[middle]
        } else {
            f64::midpoint(self.0[middle - 1], self.0[middle])
        }
    }

    /// The least and the greatest.
    ///
    /// # Panics
    ///
    /// If there are none.
    #[must_use]
    pub fn range(&self) -> (f64, f64) {
        (self.0[0], self.0[self.0.len() - 1])
    }

    /// Each figure, changed.
    #[must_use]
    pub fn map(&self, change: impl Fn(f64) -> f64) -> Self {
        self.0.iter().copied().map(change).collect()
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(figures: I) -> Self {
        let mut samples = Self::default();
        figures.into_iter().for_each(|figure| samples.push(figure));
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        let samples = Samples::from_iter([9.0, 1.0, 4.0]);
        assert_eq!((samples.median(), samples.range()), (4.0, (1.0, 9.0)));
        assert_eq!(Samples::from_iter([9.0, 1.0, 4.0, 2.0]).median(), 3.0);
    }
}
