//! Instants: a day with a time of day, in the dataset's time zone or in the one that a text names.

use chrono::{DateTime, Days, MappedLocalTime, NaiveDateTime, Offset, TimeZone, Utc};
use fonderie_contract::{Dates, Fold};

use crate::problem::Problem;

/// The instant of a local time in the dataset's zone.
///
/// # Errors
/// When a clock change makes the time ambiguous or leaves it out, and the contract does not choose by `fold`.
pub(crate) fn of_local(local: NaiveDateTime, dates: &Dates) -> Result<DateTime<Utc>, Problem> {
    let (earlier, later, problem) = match dates.zone.from_local_datetime(&local) {
        MappedLocalTime::Single(instant) => return Ok(instant.to_utc()),
        MappedLocalTime::Ambiguous(one, other) => {
            (one.min(other).to_utc(), one.max(other).to_utc(), Problem::AmbiguousTime)
        }
        MappedLocalTime::None => {
            // No zone is a day away from UTC, and none changes its clocks twice within two days.
            let day = Days::new(1);
            let offset =
                |near: Option<NaiveDateTime>| near.map(|near| dates.zone.offset_from_utc_datetime(&near).fix());
            let (before, after) = (offset(local.checked_sub_days(day)), offset(local.checked_add_days(day)));
            let by = |offset: Option<_>| Some(local.checked_sub_offset(offset?)?.and_utc());
            let by = |offset| by(offset).ok_or(Problem::ImpossibleTime);
            // A clock that was put forward already reached this time too early, one that was not reaches it too late.
            (by(after)?, by(before)?, Problem::ImpossibleTime)
        }
    };
    match dates.fold {
        Some(Fold::Earlier) => Ok(earlier),
        Some(Fold::Later) => Ok(later),
        None => Err(problem),
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use fonderie_contract::{DateFormat, DateRange};
    use proptest::prelude::*;

    use super::*;
    use crate::date::{Take, Wanted, date_and_order, date_time, number_as_date};
    use crate::time::time_of_day;

    fn declared(formats: &[&str], fold: Option<Fold>, zone: &str) -> Dates {
        let formats = formats.iter().map(|text| DateFormat::parse(text, Some(50)).unwrap()).collect();
        Dates { formats, fold, zone: zone.parse().unwrap() }
    }

    fn wanted(dates: &Dates) -> Wanted<'_> {
        Wanted { dates, range: DateRange::default(), take: Take::Instant }
    }

    fn iso(microseconds: i64) -> String {
        DateTime::from_timestamp_micros(microseconds).unwrap().to_rfc3339()
    }

    /// The instant in UTC, or the problem.
    fn read(text: &str, dates: &Dates) -> Result<String, Problem> {
        date_and_order(text, &wanted(dates)).0.map(iso)
    }

    #[test]
    fn a_local_time_is_one_of_the_datasets_zone_unless_it_names_another() {
        let dates = declared(&["dd/mm/yyyy", "dd/mm/yyyy hh:mm", "yyyy-mm-ddThh:mm:ss"], None, "Europe/Paris");
        for (text, instant) in [
            ("04/05/2026 10:30", "2026-05-04T08:30:00+00:00"),
            ("04/01/2026 10:30", "2026-01-04T09:30:00+00:00"),
            ("04/05/2026 00:00", "2026-05-03T22:00:00+00:00"),
            ("04/05/2026 9:05:07 PM", "2026-05-04T19:05:07+00:00"),
            ("2026-05-04T10:30:00Z", "2026-05-04T10:30:00+00:00"),
            ("2026-05-04 10:30:00.1234567+05:30", "2026-05-04T05:00:00.123456+00:00"),
            ("01/07/1969 00:00:00.5", "1969-06-30T23:00:00.500+00:00"),
        ] {
            assert_eq!(read(text, &dates).as_deref(), Ok(instant), "{text}");
        }
        // A day is no instant, whatever the formats of the source's dates are.
        let expected = vec!["dd/mm/yyyy hh:mm".to_owned(), "yyyy-mm-ddThh:mm:ss".to_owned()];
        let day = Problem::OtherDateFormat { expected, found: vec!["dd/mm/yyyy".to_owned()] };
        assert_eq!(read("13/05/2026", &dates), Err(day));
        assert_eq!(read("31/02/2026 10:30", &dates), Err(Problem::NoSuchDay));
        assert_eq!(read("31/12/9999 23:59", &dates), Err(Problem::PlaceholderDate("31/12/9999 23:59".to_owned())));
        let both = declared(&["dd/mm/yyyy hh:mm", "mm/dd/yyyy hh:mm"], None, "Europe/Paris");
        let ambiguous = Problem::AmbiguousDate("2026-05-04".to_owned(), "2026-04-05".to_owned());
        assert_eq!(read("04/05/2026 00:30", &both), Err(ambiguous));
    }

    #[test]
    fn clock_changes_are_refused_unless_folded() {
        let zone = "Europe/Paris";
        let of = |text: &str, fold| read(text, &declared(&["dd/mm/yyyy hh:mm"], fold, zone));
        // In spring 02:30 is left out, in autumn it comes twice.
        for (text, problem, earlier, later) in [
            ("29/03/2026 02:30", Problem::ImpossibleTime, "2026-03-29T00:30:00+00:00", "2026-03-29T01:30:00+00:00"),
            ("25/10/2026 02:30", Problem::AmbiguousTime, "2026-10-25T00:30:00+00:00", "2026-10-25T01:30:00+00:00"),
        ] {
            assert_eq!(of(text, None), Err(problem));
            assert_eq!(of(text, Some(Fold::Earlier)).as_deref(), Ok(earlier));
            assert_eq!(of(text, Some(Fold::Later)).as_deref(), Ok(later));
        }
        // An offset leaves no doubt.
        assert_eq!(of("25/10/2026 02:30+01:00", None).as_deref(), Ok("2026-10-25T01:30:00+00:00"));
        // Samoa had no 30 December 2011.
        let apia = declared(&["dd/mm/yyyy hh:mm"], Some(Fold::Later), "Pacific/Apia");
        assert_eq!(read("30/12/2011 12:00", &apia).as_deref(), Ok("2011-12-30T22:00:00+00:00"));
    }

    #[test]
    fn serial_numbers_and_date_cells_are_local_times() {
        let dates = declared(&["dd/mm/yyyy hh:mm", "excel"], None, "Europe/Paris");
        assert_eq!(read("46146.4375", &dates).as_deref(), Ok("2026-05-04T08:30:00+00:00"));
        assert_eq!(read("46146", &dates).as_deref(), Ok("2026-05-03T22:00:00+00:00"));
        let number = |value| number_as_date(value, "", &wanted(&dates)).0.map(iso);
        assert_eq!(number(46_146.437_506_944_44).as_deref(), Ok("2026-05-04T08:30:00.600+00:00"));
        // 2026-03-29 02:30, which the clocks leave out in Paris.
        assert_eq!(number(46_110.104_166_666_664), Err(Problem::ImpossibleTime));
        let cell = |milliseconds| date_time(20_577, time_of_day(milliseconds), &wanted(&dates)).map(iso);
        assert_eq!(cell(0).as_deref(), Ok("2026-05-03T22:00:00+00:00"));
        assert_eq!(cell(37_800_250).as_deref(), Ok("2026-05-04T08:30:00.250+00:00"));
    }

    proptest! {
        /// From 1950 to 2199, as a clock in Paris shows it: an hour that comes twice is one of two instants, and the contract chooses.
        #[test]
        fn an_instant_in_paris_reads_back(microseconds in -631_152_000_000_000..7_258_118_400_000_000_i64, later: bool) {
            let fold = if later { Fold::Later } else { Fold::Earlier };
            let dates = declared(&["yyyy-mm-ddThh:mm:ss"], Some(fold), "Europe/Paris");
            let instant = DateTime::from_timestamp_micros(microseconds).unwrap();
            let local = instant.with_timezone(&dates.zone).naive_local();
            let text = local.format("%Y-%m-%dT%H:%M:%S%.6f").to_string();
            let read = date_and_order(&text, &wanted(&dates)).0.unwrap();
            let hour = 3_600_000_000;
            match dates.zone.from_local_datetime(&local) {
                MappedLocalTime::Single(_) => prop_assert_eq!(read, microseconds),
                _ if later => prop_assert!(read == microseconds || read == microseconds + hour),
                _ => prop_assert!(read == microseconds || read == microseconds - hour),
            }
            let own = date_and_order(&format!("{text}Z"), &wanted(&dates)).0;
            prop_assert_eq!(own, Ok(local.and_utc().timestamp_micros()));
        }

        /// Each local time of the days on which clocks change.
        #[test]
        fn a_time_near_a_clock_change_is_read_as_declared(spring: bool, milliseconds in 0..86_400_000_u32, later: bool) {
            let day = if spring { NaiveDate::from_ymd_opt(2026, 3, 29) } else { NaiveDate::from_ymd_opt(2026, 10, 25) };
            let local = day.unwrap().and_time(time_of_day(milliseconds));
            let fold = if later { Fold::Later } else { Fold::Earlier };
            let dates = declared(&["excel"], Some(fold), "Europe/Paris");
            // Hours from UTC, as the law has them.
            let changes = (2 * 3_600_000..3 * 3_600_000).contains(&milliseconds);
            let before = milliseconds < 2 * 3_600_000;
            let hours = match (spring, changes) {
                (true, false) => if before { 1 } else { 2 },
                (true, true) => if later { 1 } else { 2 },
                (false, false) => if before { 2 } else { 1 },
                (false, true) => if later { 1 } else { 2 },
            };
            let expected = local.and_utc().timestamp_micros() - hours * 3_600_000_000;
            prop_assert_eq!(of_local(local, &dates).unwrap().timestamp_micros(), expected);
        }
    }
}
