//! Why a row is abnormal, in words.

use fonderie_core::money::group_digits;

/// A feature's words with its value, as PostgreSQL writes it, in the French way: `1234.50` is `1 234,50`.
pub(crate) fn reason(words: &str, value: &str) -> String {
    words.replace("{value}", &french(value))
}

fn french(number: &str) -> String {
    let digits = number.strip_prefix('-').unwrap_or(number);
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() || !(whole.bytes().chain(decimals.bytes()).all(|byte| byte.is_ascii_digit())) {
        return number.to_owned();
    }
    group_digits(number).replace('.', ",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_they_are_read() {
        for (value, told) in [
            ("0.00", "dû : 0,00 €"),
            ("99999999.99", "dû : 99 999 999,99 €"),
            ("1234.5", "dû : 1 234,5 €"),
            ("-120", "dû : -120 €"),
            ("NaN", "dû : NaN €"),
        ] {
            assert_eq!(reason("dû : {value} €", value), told);
        }
    }
}
