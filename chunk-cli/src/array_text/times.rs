//! Moments, as NumPy writes them in its ISO 8601.

use chunk_core::{TimeStep, TimeUnit};

/// "Not a time".
pub(super) const NAT: i64 = i64::MIN;

/// The moment `count` units after the beginning of 1970, as text.
pub(super) fn moment(count: i64, unit: TimeUnit) -> String {
    let Some(step) = unit.step else { return count.to_string() };
    let count = i128::from(count) * i128::from(unit.multiple);
    match step {
        TimeStep::Year => year(1970 + count),
        TimeStep::Month => format!("{}-{:02}", year(1970 + count.div_euclid(12)), count.rem_euclid(12) + 1),
        TimeStep::Week => date(count * 7),
        TimeStep::Day => date(count),
        TimeStep::Hour => format!("{}T{:02}", date(count.div_euclid(24)), count.rem_euclid(24)),
        TimeStep::Minute => {
            let minute = count.rem_euclid(24 * 60);
            format!("{}T{:02}:{:02}", date(count.div_euclid(24 * 60)), minute / 60, minute % 60)
        }
        finer => {
            let digits = fraction_digits(finer);
            let scale = 10_i128.pow(digits);
            let seconds = count.div_euclid(scale);
            let second = seconds.rem_euclid(86_400);
            let clock = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
            let fraction = match digits {
                0 => String::new(),
                digits => format!(".{:0>1$}", count.rem_euclid(scale), digits as usize),
            };
            format!("{}T{clock}{fraction}", date(seconds.div_euclid(86_400)))
        }
    }
}

/// Digits after the point of a second.
fn fraction_digits(step: TimeStep) -> u32 {
    match step {
        TimeStep::Millisecond => 3,
        TimeStep::Microsecond => 6,
        TimeStep::Nanosecond => 9,
        TimeStep::Picosecond => 12,
        TimeStep::Femtosecond => 15,
        TimeStep::Attosecond => 18,
        _ => 0,
    }
}

fn year(year: i128) -> String {
    if year < 0 { format!("-{:04}", -year) } else { format!("{year:04}") }
}

/// The day so many days after the beginning of 1970, in the Gregorian calendar at all times.
fn date(days: i128) -> String {
    // Years that begin in March put the leap day at the end; 400 of them have 146097 days.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let of_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * of_era + of_era / 4 - of_era / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{}-{month:02}-{day:02}", year(era * 400 + of_era + next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(count: i64, unit: &str) -> String {
        match format!("datetime64[{unit}]").parse().unwrap() {
            chunk_core::DType::DateTime64(unit) => moment(count, unit),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn writes_each_unit() {
        assert_eq!(text(-1, "Y"), "1969");
        assert_eq!(text(-1, "M"), "1969-12");
        assert_eq!(text(1, "W"), "1970-01-08");
        assert_eq!(text(11_016, "D"), "2000-02-29");
        assert_eq!(text(-1, "h"), "1969-12-31T23");
        assert_eq!(text(61, "m"), "1970-01-01T01:01");
        assert_eq!(text(-1, "ms"), "1969-12-31T23:59:59.999");
        assert_eq!(text(3, "10us"), "1970-01-01T00:00:00.000030");
    }
}
