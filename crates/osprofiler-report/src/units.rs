//! Durations for human eyes.

use std::fmt;

/// Microseconds, written with three significant digits in the unit that suits them.
///
/// ```
/// use osprofiler_report::units::Micros;
/// assert_eq!(Micros(1_660).to_string(), "1.66 ms");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Micros(pub i64);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let text = match self.0.unsigned_abs() {
            0 => "0".to_owned(),
            us @ 1..1_000 => format!("{sign}{us} us"),
            us @ 1_000..999_500 => format!("{sign}{} ms", three_digits(us)),
            us => format!("{sign}{} s", three_digits(us / 1_000)),
        };
        f.pad(&text)
    }
}

/// A part in percent of the whole.
pub(crate) fn share(part_us: i64, whole_us: i64) -> String {
    match i128::from(part_us) * 1000 / i128::from(whole_us.max(1)) {
        0 if part_us > 0 => "<0.1%".into(),
        thousandths => format!("{}.{}%", thousandths / 10, thousandths % 10),
    }
}

/// Thousandths as units, rounded to three significant digits, or to whole units from 100 on.
fn three_digits(thousandths: u64) -> String {
    match thousandths {
        ..9_995 => {
            let hundredths = (thousandths + 5) / 10;
            format!("{}.{:02}", hundredths / 100, hundredths % 100)
        }
        9_995..99_950 => {
            let tenths = (thousandths + 50) / 100;
            format!("{}.{}", tenths / 10, tenths % 10)
        }
        _ => format!("{}", (thousandths + 500) / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_suits_the_length() {
        for (us, text) in [
            (0, "0"),
            (7, "7 us"),
            (999, "999 us"),
            (1_000, "1.00 ms"),
            (1_660, "1.66 ms"),
            (9_994, "9.99 ms"),
            (9_995, "10.0 ms"),
            (99_949, "99.9 ms"),
            (99_950, "100 ms"),
            (999_499, "999 ms"),
            (999_500, "1.00 s"),
            (12_345_678, "12.3 s"),
            (3_600_000_000, "3600 s"),
            (-1_660, "-1.66 ms"),
        ] {
            assert_eq!(Micros(us).to_string(), text);
        }
        assert_eq!(format!("{:>8}", Micros(7)), "    7 us");
        assert!(Micros(i64::MIN).to_string().starts_with('-'));
    }
}
