//! Why a row is abnormal, in words.

/// A feature's words with its value, as PostgreSQL writes it, in the French way: `1234.50` is `1 234,50`.
pub(crate) fn reason(words: &str, value: &str) -> String {
    words.replace("{value}", &french(value))
}

fn french(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("-", digits));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() || !(whole.bytes().chain(decimals.bytes()).all(|byte| byte.is_ascii_digit())) {
        return number.to_owned();
    }
    let mut out = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    if !decimals.is_empty() {
        out.push(',');
        out.push_str(decimals);
    }
    out
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
