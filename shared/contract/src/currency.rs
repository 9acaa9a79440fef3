//! Which currency a word stands for.

/// Words and symbols, in capitals, with the ISO codes that each may stand for.
const WORDS: &[(&str, &[&str])] = &[
    ("€", &["EUR"]),
    ("EURO", &["EUR"]),
    ("EUROS", &["EUR"]),
    (
        "$",
        &[
            "USD", "CAD", "AUD", "NZD", "HKD", "SGD", "TWD", "MXN", "ARS", "CLP", "COP", "NAD", "FJD", "BBD", "JMD",
            "TTD",
        ],
    ),
    ("US$", &["USD"]),
    ("$US", &["USD"]),
    ("C$", &["CAD"]),
    ("CA$", &["CAD"]),
    ("$CA", &["CAD"]),
    ("A$", &["AUD"]),
    ("AU$", &["AUD"]),
    ("NZ$", &["NZD"]),
    ("HK$", &["HKD"]),
    ("S$", &["SGD"]),
    ("R$", &["BRL"]),
    ("£", &["GBP", "EGP", "LBP", "SYP", "GIP"]),
    ("¥", &["JPY", "CNY"]),
    ("SFR", &["CHF"]),
    ("FR", &["CHF"]),
    ("KR", &["SEK", "NOK", "DKK", "ISK"]),
    ("ZŁ", &["PLN"]),
    ("KČ", &["CZK"]),
    ("₹", &["INR"]),
    ("₽", &["RUB"]),
    ("₺", &["TRY"]),
    ("₩", &["KRW"]),
    ("₪", &["ILS"]),
    ("FCFA", &["XOF", "XAF"]),
    ("CFA", &["XOF", "XAF"]),
    ("DH", &["MAD", "AED"]),
    ("DT", &["TND"]),
    ("DA", &["DZD"]),
];

/// Codes of ISO 4217.
#[rustfmt::skip]
const CODES: &[&str] = &[
    "AED", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BGN", "BHD", "BIF", "BMD",
    "BND", "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF", "CLP", "CNY", "COP", "CRC", "CUP", "CVE",
    "CZK", "DJF", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "FRF", "GBP", "GEL", "GHS", "GIP", "GMD",
    "GNF", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IQD", "IRR", "ISK", "JMD", "JOD", "JPY", "KES",
    "KGS", "KHR", "KMF", "KPW", "KRW", "KWD", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "LYD", "MAD", "MDL", "MGA",
    "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR", "NZD",
    "OMR", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "PYG", "QAR", "RON", "RSD", "RUB", "RWF", "SAR", "SBD", "SCR", "SDG",
    "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN", "SYP", "SZL", "THB", "TJS", "TMT", "TND", "TOP", "TRY", "TTD",
    "TWD", "TZS", "UAH", "UGX", "USD", "UYU", "UZS", "VES", "VND", "VUV", "WST", "XAF", "XCD", "XOF", "XPF", "YER", "ZAR",
    "ZMW", "ZWG",
];

/// The ISO codes that a word may stand for, whatever its case, perhaps with a full stop behind it; none for a word that is no known
/// currency.
pub fn currency_codes(word: &str) -> &'static [&'static str] {
    let word = word.strip_suffix('.').unwrap_or(word).to_uppercase();
    let code = || CODES.iter().find(|code| **code == word).map(std::slice::from_ref);
    WORDS.iter().find(|(known, _)| *known == word).map(|(_, codes)| *codes).or_else(code).unwrap_or_default()
}

/// The codes that all known ones of the words may stand for; `None` if none is known.
pub(crate) fn common_codes<'a>(words: impl IntoIterator<Item = &'a str>) -> Option<Vec<&'static str>> {
    let mut known = words.into_iter().map(currency_codes).filter(|codes| !codes.is_empty());
    let first = known.next()?.to_vec();
    Some(known.fold(first, |common, codes| common.into_iter().filter(|code| codes.contains(code)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_one_currency_have_a_code_in_common() {
        for (words, codes) in [
            (["€", "euros"].as_slice(), Some(vec!["EUR"])),
            (&["$", "CAD"], Some(vec!["CAD"])),
            (&["¥", "JPY", "JPY"], Some(vec!["JPY"])),
            (&["CHF", "Fr.", "sFr"], Some(vec!["CHF"])),
            (&["kr.", "DKK"], Some(vec!["DKK"])),
            (&["points"], None),
            (&["points", "£", "GBP"], Some(vec!["GBP"])),
            (&["€", "USD"], Some(vec![])),
            (&["US$", "AUD"], Some(vec![])),
        ] {
            assert_eq!(common_codes(words.iter().copied()), codes, "{words:?}");
        }
    }
}
