//! Timestamps: microseconds of UTC, written the way the Python library reads them.

use std::fmt;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// An instant in whole microseconds since 1970-01-01T00:00:00 UTC.
///
/// Written as `2016-04-18T17:42:10.774321`: no zone, always six decimals, because the Python
/// library's reader refuses anything else (`docs/record.md`). Read more liberally, see [`parse`].
///
/// [`parse`]: Timestamp::parse
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant `micros` microseconds after (or, if negative, before) the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Reads a timestamp as any known producer writes it.
    ///
    /// Date and time are separated by `T` or a space; zero to any number of decimals may follow (those
    /// beyond the sixth are cut); a `Z` or an offset of zero may end it. `None` for anything else.
    ///
    /// ```
    /// use osprofiler_wire::Timestamp;
    ///
    /// let whole = Timestamp::parse("2026-01-02T03:04:05").unwrap();
    /// assert_eq!(Timestamp::parse("2026-01-02 03:04:05.000000"), Some(whole));
    /// assert_eq!(Timestamp::parse("2026-01-02T03:04:05.0Z"), Some(whole));
    /// assert_eq!(whole.to_string(), "2026-01-02T03:04:05.000000");
    /// assert_eq!(Timestamp::parse("yesterday"), None);
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.trim_ascii().as_bytes();
        let (date_time, rest) = bytes.split_at_checked(19)?;
        if date_time[4] != b'-'
            || date_time[7] != b'-'
            || !matches!(date_time[10], b'T' | b't' | b' ')
            || date_time[13] != b':'
            || date_time[16] != b':'
        {
            return None;
        }
        let (year, month, day) =
            (number(&bytes[0..4])?, number(&bytes[5..7])?, number(&bytes[8..10])?);
        let (hour, minute, second) =
            (number(&bytes[11..13])?, number(&bytes[14..16])?, number(&bytes[17..19])?);
        // A leap second (60) is read as the first instant of the next minute.
        if !(1..=12).contains(&month)
            || !(1..=days_in_month(year, month)).contains(&day)
            || hour > 23
            || minute > 59
            || second > 60
        {
            return None;
        }
        let seconds = days_from_civil(year, month, day) * SECONDS_PER_DAY
            + hour * 3600
            + minute * 60
            + second;
        let (micros, rest) = decimals(rest)?;
        matches!(rest, b"" | b"Z" | b"z" | b"+00:00" | b"+0000" | b"+00" | b"-00:00")
            .then_some(Self(seconds * MICROS_PER_SECOND + micros))
    }
}

impl Timestamp {
    /// Appends the text that [`Display`](fmt::Display) writes.
    pub(crate) fn push_text(self, out: &mut String) {
        self.with_text(|text| out.push_str(text));
    }

    fn with_text<R>(self, f: impl FnOnce(&str) -> R) -> R {
        let seconds = self.0.div_euclid(MICROS_PER_SECOND);
        let micros = self.0.rem_euclid(MICROS_PER_SECOND);
        let (year, month, day) = civil_from_days(seconds.div_euclid(SECONDS_PER_DAY));
        let of_day = seconds.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        if !(0..=9999).contains(&year) {
            return f(&format!(
                "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}"
            ));
        }
        let mut text = *b"0000-00-00T00:00:00.000000";
        for (at, two_digits) in [
            (0, year / 100),
            (2, year % 100),
            (5, month),
            (8, day),
            (11, hour),
            (14, minute),
            (17, second),
            (20, micros / 10_000),
            (22, micros / 100 % 100),
            (24, micros % 100),
        ] {
            let two_digits = two_digits as u8;
            text[at] += two_digits / 10;
            text[at + 1] += two_digits % 10;
        }
        f(std::str::from_utf8(&text).expect("digits are ASCII"))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| f.write_str(text))
    }
}

/// Reads digits only; the caller has bounded their number.
fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, digit| {
        digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0'))
    })
}

/// Reads `.` and decimals as microseconds; gives what follows them.
fn decimals(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some(fraction) = rest.strip_prefix(b".") else {
        return Some((0, rest));
    };
    let len = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if len == 0 {
        return None;
    }
    let kept = len.min(6);
    let scale = 10_i64.pow(6 - u32::try_from(kept).expect("at most six"));
    Some((number(&fraction[..kept])? * scale, &fraction[len..]))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

// Days since the epoch to a date of the proleptic Gregorian calendar and back, by Howard Hinnant's
// "chrono-Compatible Low-Level Date Algorithms". The year starts in March, so that the leap day is
// its last; an era is 400 years, 146,097 days.

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_instants() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000"),
            (-1, "1969-12-31T23:59:59.999999"),
            (1_461_001_330_774_321, "2016-04-18T17:42:10.774321"),
            (1_709_164_800_000_000, "2024-02-29T00:00:00.000000"),
            (253_402_300_799_999_999, "9999-12-31T23:59:59.999999"),
        ] {
            assert_eq!(Timestamp::from_micros(micros).to_string(), text);
            assert_eq!(Timestamp::parse(text), Some(Timestamp::from_micros(micros)));
        }
    }

    #[test]
    fn years_beyond_four_digits_are_written() {
        for (micros, text) in [
            (253_402_300_800_000_000, "10000-01-01T00:00:00.000000"),
            (-62_167_219_200_000_000, "0000-01-01T00:00:00.000000"),
            (-62_167_219_200_000_001, "-001-12-31T23:59:59.999999"),
        ] {
            assert_eq!(Timestamp::from_micros(micros).to_string(), text);
        }
    }

    #[test]
    fn fractions_of_any_length_are_read() {
        let at = |text| Timestamp::parse(text).map(|t: Timestamp| t.as_micros() % 1_000_000);
        assert_eq!(at("2026-01-02T03:04:05.7"), Some(700_000));
        assert_eq!(at("2026-01-02T03:04:05.000001"), Some(1));
        assert_eq!(at("2026-01-02T03:04:05.123456789"), Some(123_456));
        assert_eq!(at("2026-01-02T03:04:05"), Some(0));
    }

    #[test]
    fn what_is_no_timestamp_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-13-01T00:00:00",
            "2026-02-29T00:00:00",
            "2026-01-01T24:00:00",
            "2026-01-01T00:00:00.",
            "2026-01-01T00:00:00.5x",
            "2026-01-01T00:00:00+02:00",
            "2026-01-01",
            "+026-01-01T00:00:00",
            "2026-01-01T00:00:0密",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(micros in -62_135_596_800_000_000..=253_402_300_799_999_999_i64) {
            let at = Timestamp::from_micros(micros);
            prop_assert_eq!(Timestamp::parse(&at.to_string()), Some(at));
        }

        #[test]
        fn any_instant_is_written_without_a_panic(micros: i64) {
            let _ = Timestamp::from_micros(micros).to_string();
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in ".*") {
            let _ = Timestamp::parse(&text);
        }
    }
}
