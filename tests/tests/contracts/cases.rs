//! The files of `../shared/cases`: the right outcome of each, as its README has it, with and without the keys that settle it.

use fonderie_core::ErrorCode;

use crate::case::{Case, case, shared};

// The five invoices of which most cases are made.
const LEA: &str = "F-101|P11|Morvan|Léa|2026-05-04|2026-05-28|48.00|48.00";
const YANN: &str = "F-102|P12|Quéré|Yann|2026-06-11||1260.50|0.00";
const ANNE: &str = "F-103|P13|Le Goff|Anne|2026-06-12|2026-06-20|75.00|30.00";
const PAUL: &str = "F-104|P14|Tanguy|Paul|2026-06-15||310.20|0.00";
const ZOE: &str = "F-105|P15|Briand|Zoé|2026-06-18||22.00|0.00";
const ALL: [&str; 5] = [LEA, YANN, ANNE, PAUL, ZOE];

/// The same invoices under another letter.
fn renamed(letter: &str, rows: &[&str]) -> Vec<String> {
    rows.iter().map(|row| row.replacen('F', letter, 1)).collect()
}

/// The invoice date of row `n` of the files of sixty rows: 50 days from the first of May, then again.
fn day(n: i64) -> String {
    match n % 50 {
        day @ 0..31 => format!("2026-05-{:02}", day + 1),
        day => format!("2026-06-{:02}", day - 30),
    }
}

#[test]
fn the_cases_are_here_in_ci() {
    assert!(shared("cases").is_dir() || std::env::var_os("CI").is_none(), "CI must have the cases");
}

// Quotes

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_quote_opened_on_one_line_and_closed_on_the_next_melts_nothing() {
    case("guillemet-ouvert-ferme", "contract.toml", "guillb.csv")
        .accepts([LEA, PAUL, ZOE])
        .refuses(3, "guillemets", "guillemets")
        .refuses(4, "guillemets", "guillemets")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn text_after_a_quote_closed_lines_later_refuses_each_line_of_the_record() {
    case("guillemet-ouvert-ferme", "contract.toml", "guillb2.csv")
        .accepts(renamed("H", &[LEA, ZOE]))
        .refuses_all([3, 4, 5], "guillemets")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_quote_that_is_never_closed_refuses_its_line_only() {
    case("guillemet-ouvert-ferme", "contract.toml", "guillb3.csv")
        .accepts(renamed("J", &[LEA, ANNE, PAUL, ZOE]))
        .refuses(3, "guillemets", "jamais refermé")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_contract_may_exclude_records_over_several_lines() {
    case("retour-dans-entete", "contract_retourb.toml", "retour_b.csv")
        .with("[format]", "multiline = false")
        .accepts([YANN, ANNE, PAUL, ZOE])
        // The header covers three lines.
        .refuses(4, "guillemets", "multiline = false")
        .refuses(5, "guillemets", "multiline = false")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn quotes_inside_fields_are_text_and_stray_ones_touch_no_other_line() {
    case("guillemets-internes", "contract_guill.toml", "guill.csv")
        .accepts([
            "F-102|P12|Quéré \"Tonton\"|Yann|2026-06-11||1260.50|0.00",
            "F-103|P13|Le Goff 12\" cadre|Anne|2026-06-12|2026-06-20|75.00|30.00",
            "F-105|P15|Briand \"Zaza\"|Zoé|2026-06-18||22.00|0.00",
        ])
        .refuses(2, "guillemets", "suit un guillemet")
        .refuses(5, "guillemets", "")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn quotes_are_text_if_the_contract_has_none() {
    case("guillemets-internes", "contract_guilltsv.toml", "guill.tsv")
        .accepts([
            "F-111|P11|Novo\"yal|Léa|2026-05-04|2026-05-28|48.00|48.00",
            "F-112|P12|\"Quéré|Yann|2026-06-11||1260.50|0.00",
            "F-113|P13|Le Goff|Anne|2026-06-12||75.00|0.00",
        ])
        .check();
}

// Amounts

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_trailing_sign_that_is_not_declared_is_refused() {
    case("moins-final", "contract.toml", "moins.csv")
        .accepts([LEA, ANNE])
        .refuses(3, "montant_illisible", "trailing_sign")
        .refuses(5, "montant_illisible", "trailing_sign")
        .refuses(6, "montant_illisible", "trailing_sign")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_declared_trailing_sign_is_read() {
    case("moins-final", "contract.toml", "moins.csv")
        .with("[numbers]", "trailing_sign = true")
        .accepts([LEA, ANNE, PAUL, ZOE])
        .refuses(3, "montants_negatifs", "")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_currency_before_the_amount_is_read_whatever_its_order_with_the_sign() {
    case("devise-devant", "contract.toml", "devise.csv")
        .accepts([
            "F-201|P21|Ward|Ann|2026-05-04|2026-05-28|48.00|48.00",
            "F-202|P22|Hill|Tom|2026-06-11||1260.50|0.00",
            "F-203|P23|Reed|Sue|2026-06-12||75.00|0.00",
        ])
        .refuses_all([5, 6, 7], "montants_negatifs")
        .refuses(8, "montant_illisible", "dash_is_zero")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_declared_dash_is_zero() {
    case("devise-devant", "contract.toml", "devise.csv")
        .with("[numbers]", "dash_is_zero = true")
        .accepts([
            "F-201|P21|Ward|Ann|2026-05-04|2026-05-28|48.00|48.00",
            "F-202|P22|Hill|Tom|2026-06-11||1260.50|0.00",
            "F-203|P23|Reed|Sue|2026-06-12||75.00|0.00",
            "F-207|P27|Bell|Kim|2026-06-19||99.00|0.00",
        ])
        .refuses_all([5, 6, 7], "montants_negatifs")
        .check();
}

/// The spellings of the matrix that are read, by their number, and what they are.
const READ: [(u32, &str); 19] = [
    (0, "48.00"),
    (1, "48.00"),
    (2, "48.50"),
    (4, "0.10"),
    (5, "1260.50"),
    (6, "1260.50"),
    (7, "1260.50"),
    (8, "1260.50"),
    (11, "48.00"),
    (12, "48.00"),
    (13, "48.00"),
    (14, "48.00"),
    (15, "48.00"),
    (16, "48.00"),
    (35, "48.00"),
    (44, "48.00"),
    (45, "48.00"),
    (46, "99999999.99"),
    (48, "0.00"),
];

/// The matrix: 50 amounts, of which 14 are below zero whatever else is declared, and 12 are none.
fn matrix() -> Case {
    let rows = READ.map(|(number, amount)| format!("M-{number:02}|P{number}|Nom|Léa|2026-06-01||{amount}|0.00"));
    case("montants-matrice", "contract.toml", "mat.csv")
        .accepts(rows)
        .refuses_all((18..=23).chain(26..=33).map(|number| number + 2), "montants_negatifs")
        .refuses_all([3, 9, 10, 17, 37, 38, 39, 40, 41, 42, 43, 47].map(|number| number + 2), "montant_illisible")
        .refuses(51, "valeurs_manquantes", "")
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn fifty_spellings_of_an_amount_have_one_reading_or_none() {
    matrix()
        .refuses(26, "montant_illisible", "trailing_sign")
        .refuses(27, "montant_illisible", "trailing_sign")
        .refuses(36, "montant_illisible", "trailing_sign")
        .refuses(38, "montant_illisible", "credit_suffix")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn fifty_spellings_of_an_amount_with_the_accountants_ways_declared() {
    matrix()
        .with("[numbers]", "trailing_sign = true\ncredit_suffix = true")
        .refuses_all([26, 27, 36, 38], "montants_negatifs")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn swiss_amounts() {
    case("suisse", "contract.toml", "suisse.csv")
        .accepts([
            "F-101|P11|Morvan|Léa|2026-05-04|2026-05-28|48.00|48.00",
            "F-102|P12|Quéré|Yann|2026-06-11||1260.50|0.00",
            "F-103|P13|Le Goff|Anne|2026-06-12|2026-06-20|1075.00|30.00",
            "F-104|P14|Tanguy|Paul|2026-06-15||310.20|0.00",
            "F-105|P15|Briand|Zoé|2026-06-18||22.00|0.00",
        ])
        .refuses_all([7, 8, 10], "montant_illisible")
        .refuses(9, "montant_illisible", "dash_cents")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn swiss_amounts_with_a_dash_for_no_cents() {
    case("suisse", "contract.toml", "suisse.csv")
        .with("[numbers]", "dash_cents = true")
        .accepts([
            "F-101|P11|Morvan|Léa|2026-05-04|2026-05-28|48.00|48.00",
            "F-102|P12|Quéré|Yann|2026-06-11||1260.50|0.00",
            "F-103|P13|Le Goff|Anne|2026-06-12|2026-06-20|1075.00|30.00",
            "F-104|P14|Tanguy|Paul|2026-06-15||310.20|0.00",
            "F-105|P15|Briand|Zoé|2026-06-18||22.00|0.00",
            "F-108|P18|Riou|Max|2026-06-19||100.00|0.00",
        ])
        .refuses_all([7, 8, 10], "montant_illisible")
        .check();
}

// Dates

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn midnight_is_a_date_and_another_time_is_refused_unless_declared() {
    case("date-heure", "contract_heure.toml", "heure.csv")
        .accepts([LEA, YANN, PAUL])
        .refuses(4, "date_illisible", "hh:mm")
        .refuses(6, "date_illisible", "hh:mm")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_declared_time_is_dropped() {
    case("date-heure", "contract_heure.toml", "heure.csv").set("format", "\"dd/mm/yyyy hh:mm\"").accepts(ALL).check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn sixty_rows_at_midnight_are_loaded() {
    let rows = (0..60).map(|n| format!("Z-{n:03}|P{n:03}|Nom{n}|Léa|{}||75.00|0.00", day(n)));
    case("date-heure", "contract_heure.toml", "heure_60.csv").accepts(rows).check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_zone_is_converted_to_the_datasets() {
    case("date-heure", "contract_heureiso.toml", "iso.csv")
        .set("format", "\"yyyy-mm-dd hh:mm\"")
        .accepts([
            "I-101|P11|Morvan|Léa|2026-05-04|2026-05-28|48.00|48.00",
            "I-102|P12|Quéré|Yann|2026-06-11||1260.50|0.00",
            "I-103|P13|Le Goff|Anne|2026-06-13|2026-06-20|75.00|30.00",
            "I-104|P14|Tanguy|Paul|2026-06-15||310.20|0.00",
            "I-105|P15|Briand|Zoé|2026-06-18||22.00|0.00",
        ])
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn midnight_in_another_zone_is_a_day_if_it_is_the_same_one_here() {
    case("date-heure", "contract_heureiso.toml", "iso.csv")
        // 00:00Z is two o'clock of the same day in Paris; 22:30Z is no midnight anywhere.
        .accepts(renamed("I", &[LEA, YANN, PAUL, ZOE]))
        .refuses(4, "date_illisible", "hh:mm")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_workbooks_time_of_day_is_refused_unless_declared() {
    case("date-heure", "contract_heurex.toml", "heure.xlsx")
        .accepts(["X-1|P1|Morvan|Léa|2026-05-04|2026-05-28|48.00|48.00", "X-4|P4|Tanguy|Paul|2026-06-15||310.20|0.00"])
        .refuses(3, "date_illisible", "hh:mm")
        .refuses(4, "date_illisible", "mis en forme de date")
        .notice("days up to 12")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_workbooks_declared_time_of_day_is_dropped() {
    case("date-heure", "contract_heurex.toml", "heure.xlsx")
        .set("format", "\"dd/mm/yyyy hh:mm\"")
        .accepts([
            "X-1|P1|Morvan|Léa|2026-05-04|2026-05-28|48.00|48.00",
            "X-2|P2|Quéré|Yann|2026-06-11||1260.50|0.00",
            "X-4|P4|Tanguy|Paul|2026-06-15||310.20|0.00",
        ])
        .refuses(4, "date_illisible", "mis en forme de date")
        .notice("days up to 12")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_workbooks_serial_number_is_a_date_if_declared() {
    case("date-heure", "contract_heurex.toml", "heure.xlsx")
        .set("format", "[\"dd/mm/yyyy hh:mm\", \"excel\"]")
        .accepts([
            "X-1|P1|Morvan|Léa|2026-05-04|2026-05-28|48.00|48.00",
            "X-2|P2|Quéré|Yann|2026-06-11||1260.50|0.00",
            "X-3|P3|Le Goff|Anne|2026-06-12||75.00|0.00",
            "X-4|P4|Tanguy|Paul|2026-06-15||310.20|0.00",
        ])
        .notice("days up to 12")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_workbook_that_asks_to_be_recalculated_is_refused_if_the_contract_is_strict() {
    case("xlsx-formules", "contract.toml", "xform.xlsx").with("[format]", "formulas = \"strict\"").stops(&["recalcul"]);
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn one_digit_days_and_months() {
    case("dates-autres", "contract_jour1.toml", "jour1.csv").accepts(renamed("S", &ALL)).check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn dates_without_a_separator() {
    case("dates-autres", "contract_aaaammjj.toml", "aaaammjj.csv").accepts(renamed("E", &ALL)).check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn month_names_that_are_not_declared_are_refused() {
    case("dates-autres", "contract_mois.toml", "mois.csv").refuses_all(2..=6, "date_illisible").check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn french_month_names_full_and_abbreviated() {
    case("dates-autres", "contract_mois.toml", "mois.csv")
        .set("format", "\"dd mmmm yyyy\"")
        .accepts([
            "M-101|P11|Morvan|Léa|2026-05-04|2026-05-28|48.00|48.00",
            "M-102|P12|Quéré|Yann|2026-06-11||1260.50|0.00",
            "M-103|P13|Le Goff|Anne|2026-01-12|2026-02-20|75.00|30.00",
            "M-104|P14|Tanguy|Paul|2026-06-15||310.20|0.00",
            "M-105|P15|Briand|Zoé|2025-12-18||22.00|0.00",
        ])
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn english_month_names() {
    let english = |text: &str| {
        let names = [("4 mai", "4 May"), ("juin", "June"), ("janv.", "Jan"), ("févr.", "feb."), ("déc.", "DECEMBER")];
        names.iter().fold(text.replace("28 mai", "28 May"), |text, (from, to)| text.replace(from, to))
    };
    case("dates-autres", "contract_mois.toml", "mois.csv")
        .bytes(english)
        .set("format", "\"dd mmmm yyyy\"")
        .accepts([
            "M-101|P11|Morvan|Léa|2026-05-04|2026-05-28|48.00|48.00",
            "M-102|P12|Quéré|Yann|2026-06-11||1260.50|0.00",
            "M-103|P13|Le Goff|Anne|2026-01-12|2026-02-20|75.00|30.00",
            "M-104|P14|Tanguy|Paul|2026-06-15||310.20|0.00",
            "M-105|P15|Briand|Zoé|2025-12-18||22.00|0.00",
        ])
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_two_digit_year_is_refused_unless_declared() {
    case("dates-autres", "contract_jour1.toml", "jour1.csv")
        .bytes(|text| text.replace("/2026", "/26"))
        .refuses_all(2..=6, "date_illisible")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_two_digit_year_is_read_by_a_declared_pivot() {
    case("dates-autres", "contract_jour1.toml", "jour1.csv")
        .bytes(|text| text.replace("/2026", "/26"))
        .set("format", "\"dd/mm/yy\"")
        .with("[dates]", "pivot = 70")
        .accepts(renamed("S", &ALL))
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_two_digit_year_needs_a_pivot() {
    case("dates-autres", "contract_jour1.toml", "jour1.csv")
        .bytes(|text| text.replace("/2026", "/26"))
        .set("format", "\"dd/mm/yy\"")
        .contract_fails(&["pivot"]);
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn the_year_26_is_no_year() {
    case("dates-autres", "contract_jour1.toml", "jour1.csv")
        .bytes(|text| text.replace("/2026", "/0026"))
        .refuses_all(2..=6, "date_invraisemblable")
        .check();
}

// Words for "nothing"

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn words_for_no_date_that_are_not_declared_are_refused_with_the_key() {
    case("date-vide-factice", "contract.toml", "vide.csv")
        .accepts([LEA, ANNE])
        .refuses(3, "date_illisible", "empty")
        .refuses(5, "date_illisible", "empty")
        .refuses(6, "date_illisible montant_illisible", "empty")
        .refuses(7, "date_illisible", "empty")
        .refuses(8, "date_illisible", "empty")
        .refuses(9, "date_illisible", "empty")
        .refuses(10, "date_illisible montant_illisible", "empty")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn words_for_no_date_declared_for_their_columns() {
    case("date-vide-factice", "contract.toml", "vide.csv")
        .set("date_paiement", "{ column = \"Date paiement\", empty = [\"00/00/0000\", \"/ /\", \"-\", \"NULL\", \"31/12/9999\", \"01/01/1900\", \"N/A\"] }")
        .set("nom", "{ column = \"Nom\", empty = [\"NULL\"] }")
        .set("prenom", "{ column = \"Prénom\", empty = [\"NULL\"] }")
        .with("[numbers]", "dash_is_zero = true")
        .accepts(ALL)
        .accepts([
            "F-106|P16|||2026-06-19||60.00|0.00",
            "F-107|P17|Riou|Max|2026-06-19||61.00|0.00",
            "F-108|P18|Riou|Max|2026-06-19||62.00|0.00",
        ])
        .refuses(10, "montant_illisible", "empty")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn words_for_nothing_declared_for_the_source() {
    case("date-vide-factice", "contract.toml", "vide.csv")
        .with("", "empty = [\"00/00/0000\", \"/ /\", \"-\", \"NULL\", \"31/12/9999\", \"01/01/1900\", \"N/A\"]")
        .accepts([LEA, YANN, ANNE, PAUL])
        .accepts([
            "F-106|P16|||2026-06-19||60.00|0.00",
            "F-107|P17|Riou|Max|2026-06-19||61.00|0.00",
            "F-108|P18|Riou|Max|2026-06-19||62.00|0.00",
        ])
        // The paid amount is required, and empty.
        .refuses_all([6, 10], "valeurs_manquantes")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn forty_of_sixty_rows_with_an_undeclared_word_halt_the_file() {
    let paid = (0..60).filter(|n| n % 3 == 0);
    case("date-vide-factice", "contract.toml", "vide_60.csv")
        .accepts(paid.map(|n| format!("Z-{n:03}|P{n:03}|Nom{n}|Léa|{0}|{0}|75.00|75.00", day(n))))
        .refuses_all((0..60).filter(|n| n % 3 != 0).map(|n| n + 2), "date_illisible")
        .halted(&["date_illisible"])
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn sixty_rows_with_a_declared_word_are_loaded() {
    let row = |n: i64| match n % 3 {
        0 => format!("Z-{n:03}|P{n:03}|Nom{n}|Léa|{0}|{0}|75.00|75.00", day(n)),
        _ => format!("Z-{n:03}|P{n:03}|Nom{n}|Léa|{}||75.00|0.00", day(n)),
    };
    case("date-vide-factice", "contract.toml", "vide_60.csv")
        .with("", "empty = [\"00/00/0000\"]")
        .accepts((0..60).map(row))
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_value_mapped_to_nothing_is_no_value() {
    case("null-values-texte", "contract.toml", "nulld.csv")
        .accepts(["F-101|P11|||2026-05-04|2026-05-28|48.00|48.00", "F-102|P12|||2026-06-11||1260.50|0.00", ZOE])
        .refuses_all([4, 5], "valeurs_manquantes")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_word_for_nothing_is_no_value() {
    without_mapped_words()
        .with("", "empty = [\"NULL\", \"N/A\", \"-\"]")
        .accepts(["F-101|P11|||2026-05-04|2026-05-28|48.00|48.00", "F-102|P12|||2026-06-11||1260.50|0.00", ZOE])
        .refuses_all([4, 5], "valeurs_manquantes")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn an_undeclared_word_for_nothing_identifies_nobody() {
    without_mapped_words()
        .accepts([
            "F-101|P11|NULL|NULL|2026-05-04|2026-05-28|48.00|48.00",
            "F-102|P12|N/A|-|2026-06-11||1260.50|0.00",
            ZOE,
        ])
        .refuses(4, "mot_vide_non_declare", "empty")
        .refuses(5, "mot_vide_non_declare", "empty")
        .check();
}

/// The case's contract without what it maps to nothing.
fn without_mapped_words() -> Case {
    let given = case("null-values-texte", "contract.toml", "nulld.csv");
    let (contract, _) = given.contract.split_once("[values.nom]").unwrap();
    Case::new(contract.to_owned(), "nulld.csv", given.bytes.clone())
}

// Texts and ids

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_spreadsheets_wrapper_is_refused_with_the_key() {
    case("egal-guillemets", "contract.toml", "egal.csv")
        .refuses(2, "texte_de_tableur", "spreadsheet_text")
        .refuses(3, "texte_de_tableur", "spreadsheet_text")
        .refuses(4, "texte_de_tableur", "spreadsheet_text")
        .refuses(5, "texte_de_tableur", "spreadsheet_text")
        .refuses(6, "texte_de_tableur", "spreadsheet_text")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_spreadsheets_wrapper_is_taken_off_if_declared() {
    case("egal-guillemets", "contract.toml", "egal.csv")
        .with("[format]", "spreadsheet_text = true")
        .accepts([
            "0010|000123|Morvan|Léa|2026-05-04|2026-05-28|48.00|48.00",
            "0011|000124|Quéré|Yann|2026-06-11||1260.50|0.00",
            "0012|000125|Le Goff|Anne|2026-06-12|2026-06-20|75.00|30.00",
            "0013|000126|Tanguy|Paul|2026-06-15||310.20|0.00",
            ZOE,
        ])
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn an_id_with_an_exponent_is_never_loaded() {
    case("notation-scientifique", "contract_sci_csv.toml", "sci.csv")
        .accepts([PAUL, ZOE])
        .refuses(2, "notation_scientifique", "nombre")
        .refuses(3, "notation_scientifique", "nombre")
        .refuses(4, "notation_scientifique", "nombre")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_workbooks_id_of_twenty_digits_is_never_loaded() {
    case("notation-scientifique", "contract_sci_xlsx.toml", "sci.xlsx")
        .accepts(["F-3|P3|Le Goff|Anne|2026-06-12||75.00|0.00"])
        .refuses(2, "notation_scientifique", "chiffres")
        .refuses(3, "notation_scientifique", "chiffres")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn one_line_in_utf_8_is_not_read_as_windows_1252() {
    case("encodages-meles", "contract_mele_1252.toml", "mele_1252.csv")
        .accepts([
            "F-201|P11|Morvan|Léa|2026-05-04|2026-05-28|48.00|48.00",
            "F-202|P12|Quéré|Yann|2026-06-11||1260.50|0.00",
        ])
        .refuses(4, "double_encodage", "UTF-8")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn one_line_in_windows_1252_is_not_read_as_utf_8() {
    case("encodages-meles", "contract_mele_utf8.toml", "mele_utf8.csv")
        .accepts([LEA, YANN, PAUL, ZOE])
        .refuses(4, "encodage", "encodage")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn nul_bytes_are_refused() {
    case("octet-nul", "contract.toml", "nul.csv")
        .accepts([LEA, YANN, ZOE])
        .refuses(4, "caractere_interdit", "U+0000")
        .refuses(5, "caractere_interdit", "U+0000")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_file_in_utf_8_under_another_encoding_is_halted_if_no_cell_shows_the_contrary() {
    // The header has no accent, so the columns are found.
    let plain =
        |text: &str| text.replacen("Prénom", "Prenom", 1).replacen("facturé", "facture", 1).replacen("payé", "paye", 1);
    case("contrat-faux", "contract_f1.toml", "utf8_dit_1252.csv")
        .bytes(plain)
        .set("prenom", "\"Prenom\"")
        .set("montant_facture", "\"Montant facture\"")
        .set("montant_paye", "\"Montant paye\"")
        .stops(&["UTF-8", "encoding"]);
}

// Dates that the file itself contradicts

/// Rows of invoices of 2026 that differ only in their date.
fn dated(days: &[&str]) -> Case {
    let base = case("dates-autres", "contract_jour1.toml", "jour1.csv");
    let header = String::from_utf8(base.bytes).unwrap().lines().next().unwrap().to_owned();
    let rows = days.iter().enumerate().map(|(n, day)| format!("F-{n};P{n};Nom;Léa;{day};;75,00;0,00;Impayée\r\n"));
    Case::new(base.contract, "jour1.csv", format!("{header}\r\n{}", rows.collect::<String>()).into_bytes())
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn dates_of_the_other_order_only_halt_the_file() {
    dated(&["04/05/2026", "05/13/2026", "06/01/2026"]).stops(&["Date facture"]);
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn dates_of_both_orders_are_reported_and_those_of_the_other_refused() {
    dated(&["04/05/2026", "05/13/2026", "13/05/2026"])
        .accepts(["F-0|P0|Nom|Léa|2026-05-04||75.00|0.00", "F-2|P2|Nom|Léa|2026-05-13||75.00|0.00"])
        .refuses(3, "ordre_de_date", "jj/mm/aaaa")
        .notice("Date facture")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn two_formats_that_read_a_date_as_two_days_refuse_it() {
    dated(&["04/05/2026", "13/05/2026", "05/05/2026"])
        .set("format", "[\"dd/mm/yyyy\", \"mm/dd/yyyy\"]")
        .accepts(["F-1|P1|Nom|Léa|2026-05-13||75.00|0.00", "F-2|P2|Nom|Léa|2026-05-05||75.00|0.00"])
        .refuses(2, "date_ambigue", "2026-05-04")
        .check();
}

// Headers

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn white_space_in_headers_is_folded() {
    case("entete-insecable", "contract.toml", "insec.csv").accepts(ALL).check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn line_breaks_in_headers_declared_as_they_are() {
    case("retour-dans-entete", "contract_retour.toml", "retour.csv")
        .accepts(["F-101|P11|Morvan\nLe Bris|Léa|2026-05-04|2026-05-28|48.00|48.00", YANN, ANNE, PAUL, ZOE])
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn line_breaks_in_headers_declared_as_spaces() {
    case("retour-dans-entete", "contract_retourb.toml", "retour_b.csv")
        .accepts(["F-101|P11|Morvan\nLe Bris|Léa|2026-05-04|2026-05-28|48.00|48.00", YANN, ANNE, PAUL, ZOE])
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn line_breaks_in_a_workbooks_headers() {
    case("retour-dans-entete", "contract_retourx.toml", "retour.xlsx").accepts(ALL).check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_line_that_names_the_delimiter_stands_before_the_header() {
    case("ligne-sep", "contract.toml", "sep.csv").accepts(ALL).check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_record_in_the_headers_place_is_not_repeated() {
    case("ligne-sep", "contract.toml", "sep_sans.csv").fails(
        &[ErrorCode::ColumnMissing],
        &["line 2", "header_line", "\"Facture\""],
        &["G-101", "Morvan", "P11", "04/05/2026"],
    );
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_header_found_by_a_pattern_needs_no_line() {
    let both = |file: &str| {
        let pattern = "header_pattern = [\"Facture\", \"Montant*\"]";
        case("ligne-sep", "contract.toml", file).without("header_line").with("[format]", pattern)
    };
    both("sep.csv").accepts(ALL).check();
    both("sep_sans.csv").accepts(renamed("G", &[LEA, YANN])).accepts([ANNE, PAUL, ZOE]).check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_file_in_another_encoding_than_declared() {
    case("contrat-faux", "contract_f1.toml", "utf8_dit_1252.csv").fails(
        &[ErrorCode::ColumnMissing],
        &["line 1", "encoding", "\"Prénom\""],
        &["Morvan", "F-101", "P11", "Quéré", "Payée"],
    );
    case("contrat-faux", "contract_f1.toml", "utf8_dit_1252.csv").set("encoding", "\"utf-8\"").accepts(ALL).check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_header_that_is_not_utf_8() {
    case("contrat-faux", "contract_f2.toml", "l1_dit_utf8.csv").fails(
        &[ErrorCode::HeaderUnreadable, ErrorCode::ColumnMissing],
        &["line 1", "encoding"],
        &["Morvan", "F-101", "P11", "Quéré", "Payée"],
    );
    case("contrat-faux", "contract_f2.toml", "l1_dit_utf8.csv")
        .set("encoding", "\"windows-1252\"")
        .accepts(ALL)
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_file_with_another_delimiter_than_declared() {
    case("contrat-faux", "contract_f3.toml", "virgule.csv").fails(
        &[ErrorCode::ColumnMissing],
        &["line 1", "delimiter"],
        &["Morvan", "F-101", "P11", "Quéré", "Payée"],
    );
    case("contrat-faux", "contract_f3.toml", "virgule.csv").set("delimiter", "\",\"").accepts(ALL).check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_header_on_another_line_than_declared() {
    case("contrat-faux", "contract_f4.toml", "ligne.csv").fails(
        &[ErrorCode::ColumnMissing],
        &["line 3", "header_line"],
        &["Morvan", "F-101", "P11", "Quéré", "Payée"],
    );
    case("contrat-faux", "contract_f4.toml", "ligne.csv").set("header_line", "2").accepts(ALL).check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_column_that_the_contract_does_not_know() {
    case("contrat-faux", "contract_f5.toml", "colonne.csv").fails(
        &[ErrorCode::ColumnUnknown],
        &["\"Commentaire\"", "ignored_columns"],
        &["Morvan", "F-101", "P11", "Quéré", "Payée"],
    );
    case("contrat-faux", "contract_f5.toml", "colonne.csv")
        .with("", "ignored_columns = [\"Commentaire\"]")
        .accepts(ALL)
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_line_that_names_the_delimiter_is_no_header() {
    case("contrat-faux", "contract_f6.toml", "sep.csv").accepts(ALL).check();
    case("contrat-faux", "contract_f6.toml", "sep.csv").with("[format]", "header_line = 2").accepts(ALL).check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn two_columns_of_one_name_are_settled_by_position() {
    case("entetes-doubles", "contract_double.toml", "double.csv").fails(
        &[ErrorCode::ColumnMissing, ErrorCode::ColumnRepeated],
        &["\"Montant payé\"|\"Montant facturé\"", "line 1"],
        &["Morvan"],
    );
    case("entetes-doubles", "contract_double.toml", "double.csv")
        .set("montant_facture", "\"#7\"")
        .set("montant_paye", "\"#8\"")
        .accepts([LEA, YANN, ANNE, PAUL, ZOE])
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_repeated_name_is_left_out_by_position() {
    case("entetes-doubles", "contract_double2.toml", "double2.csv").fails(
        &[ErrorCode::ColumnRepeated],
        &["\"Nom\"", "\"#"],
        &["Morvan", "remarque"],
    );
    case("entetes-doubles", "contract_double2.toml", "double2.csv")
        .set("nom", "\"#3\"")
        .with("", "ignored_columns = [\"#10\"]")
        .accepts(ALL)
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_file_without_a_header_is_read_by_position() {
    case("sans-entete", "contract.toml", "sansent.csv").fails(
        &[ErrorCode::ColumnMissing],
        &["line 1", "header = false"],
        &["F-101", "P11", "Morvan", "Léa", "04/05/2026"],
    );
    let fields = [
        "facture_id",
        "patient_id",
        "nom",
        "prenom",
        "date_facture",
        "date_paiement",
        "montant_facture",
        "montant_paye",
        "statut",
    ];
    let by_position = fields.iter().zip(1..).fold(
        case("sans-entete", "contract.toml", "sansent.csv").with("[format]", "header = false"),
        |case, (field, position)| case.set(field, &format!("\"#{position}\"")),
    );
    assert_eq!(by_position.read().unwrap().lines(), [1, 2, 3, 4, 5]);
    by_position.accepts(ALL).reads(5, "1715.70", "78.00").check();
}

// Lines that are no records

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_total_that_no_pattern_fits_is_a_refused_row() {
    case("preambule-pied", "contract.toml", "preambule.csv")
        .accepts([
            "F-401|P41|Morvan|Léa|2026-05-04|2026-05-28|1048.00|1048.00",
            "F-402|P42|Quéré|Yann|2026-06-11||12260.50|0.00",
            "F-403|P43|Le Goff|Anne|2026-06-12|2026-06-20|75.00|30.00",
        ])
        .refuses(10, "valeurs_manquantes", "")
        .refuses(11, "valeurs_manquantes", "")
        .refuses(12, "enregistrement_court", "")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn totals_and_footers_are_found_by_patterns() {
    case("preambule-pied", "contract.toml", "preambule.csv")
        .set("totals", "[\"Total*\"]")
        .with("[format]", "footer = [\"Nombre de factures*\", \"Édité le*\"]")
        .accepts([
            "F-401|P41|Morvan|Léa|2026-05-04|2026-05-28|1048.00|1048.00",
            "F-402|P42|Quéré|Yann|2026-06-11||12260.50|0.00",
            "F-403|P43|Le Goff|Anne|2026-06-12|2026-06-20|75.00|30.00",
        ])
        .skips("totals_lines", 1)
        .skips("footer_lines", 2)
        .reads(3, "13383.50", "1078.00")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn totals_in_the_midst_of_the_file_that_no_pattern_fits_are_refused_rows() {
    case("totaux", "contract.toml", "totaux.csv")
        .accepts(ALL)
        .refuses(5, "date_illisible", "")
        .refuses_all([8, 9, 10], "valeurs_manquantes")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn totals_on_any_cell_and_lines_of_amounts_only() {
    case("totaux", "contract.toml", "totaux.csv")
        .set("totals", "{ cells = [\"Total*\", \"Sous-total*\"], any_cell = true, amounts_only = true }")
        .accepts(ALL)
        .skips("totals_lines", 4)
        .reads(5, "1715.70", "78.00")
        .check();
}

// Shapes that are asked for later

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_role_by_a_column_cannot_be_declared_yet() {
    case("fec-sens", "contract.toml", "123456789FEC20260630.txt").contract_fails(&["montant_paye"]);
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn one_line_per_act_halts_the_file() {
    case("une-ligne-par-acte", "contract.toml", "actes.csv")
        .accepts([
            "F-101|P11|Morvan|Léa|2026-05-04|2026-05-28|30.00|30.00",
            "F-102|P12|Quéré|Yann|2026-06-11||1000.00|0.00",
        ])
        .refuses_all([3, 5, 6], "doublons_conflictuels")
        .halted(&["doublons_conflictuels", "several|line"])
        .check();
}

// Workbooks

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn noise_beyond_fifteen_digits_is_no_decimal() {
    case("xlsx-flottants", "contract_xflot.toml", "xflot.xlsx")
        .accepts([
            "F-1|P1|Nom1|Léa|2026-06-01||0.30|0.00",
            "F-2|P2|Nom2|Léa|2026-06-01||57.70|0.00",
            "F-3|P3|Nom3|Léa|2026-06-01||1234.56|0.00",
        ])
        .refuses_all([5, 6, 7], "montant_illisible")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn decimals_are_rounded_if_declared() {
    case("xlsx-flottants", "contract_xflotr.toml", "xflot_arrondi.xlsx")
        .accepts([
            "F-1|P1|Nom1|Léa|2026-06-01||0.30|0.00",
            "F-2|P2|Nom2|Léa|2026-06-01||57.70|0.00",
            "F-3|P3|Nom3|Léa|2026-06-01||1234.56|0.00",
            "F-4|P4|Nom4|Léa|2026-06-01||1234.57|0.00",
            "F-5|P5|Nom5|Léa|2026-06-01||99.99|0.00",
            "F-6|P6|Nom6|Léa|2026-06-01||3333333.33|0.00",
        ])
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_formula_without_a_value_is_refused() {
    case("xlsx-formules", "contract.toml", "xform.xlsx")
        .refuses_all(2..=4, "formule_sans_valeur")
        .notice("recalcul")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn date_cells_that_were_read_in_american_order_are_reported() {
    case("xlsx-dates-melees", "contract.toml", "xmix.xlsx")
        .accepts([
            "F-1|P1|Nom1|Léa|2026-04-05||10.00|0.00",
            "F-2|P2|Nom2|Léa|2026-05-13||20.00|0.00",
            "F-3|P3|Nom3|Léa|2026-06-05||30.00|0.00",
            "F-4|P4|Nom4|Léa|2026-05-28||40.00|0.00",
            "F-5|P5|Nom5|Léa|2026-02-06||50.00|0.00",
            "F-6|P6|Nom6|Léa|2026-06-30||60.00|0.00",
        ])
        .notice("Date facture|date_facture")
        .check();
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn date_cells_that_were_read_in_american_order_halt_the_file_if_declared() {
    case("xlsx-dates-melees", "contract.toml", "xmix.xlsx")
        .with("[format]", "mixed_dates = \"halt\"")
        .stops(&["Date facture|date_facture"]);
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn workbooks_without_references_or_with_a_wrong_dimension() {
    for (file, letter) in
        [("pbi_sans_r.xlsx", "F"), ("pbi_dim_a1.xlsx", "H"), ("pbi_dim_a0.xlsx", "I"), ("pbi_sans_dim.xlsx", "J")]
    {
        case("xlsx-powerbi", "contract.toml", file).accepts(renamed(letter, &[LEA, YANN, ANNE])).check();
    }
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn files_that_are_not_what_their_name_says() {
    for (contract, file, words) in [
        ("contract_fauxxls.toml", "faux.xls", "HTML"),
        ("contract_faux.toml", "faux_html.xlsx", "HTML"),
        ("contract_faux.toml", "faux_csv.xlsx", "CSV|delimited text|plain text"),
        ("contract_faux.toml", "faux_xls.xlsx", ".xls|Excel 97"),
        ("contract_fauxcsv.toml", "faux_zip.csv", "workbook"),
    ] {
        let never = ["F-101", "Morvan", "P11", "Quéré"];
        case("faux-xlsx", contract, file).fails(&[], &[words, "save|send|sent|declare|type = "], &never);
    }
    case("faux-xlsx", "contract_faux.toml", "faux_vide.xlsx").fails(&[ErrorCode::FileEmpty], &[], &[]);
    case("faux-xlsx", "contract_fauxcsv.toml", "faux_vide.csv").fails(&[ErrorCode::FileEmpty], &[], &[]);
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn two_visible_sheets_are_refused_unless_declared() {
    case("feuilles-et-lignes-masquees", "contract_mois.toml", "mois.xlsx").fails(
        &[ErrorCode::WorkbookUnreadable],
        &["\"Mai\"|`Mai`", "\"Juin\"|`Juin`", "sheet"],
        &["Morvan"],
    );
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn several_sheets_are_one_file_with_their_names_as_values() {
    for sheets in ["[\"Mai\", \"Juin\"]", "[1, 2]", "[\"*\"]"] {
        let months = case("feuilles-et-lignes-masquees", "contract_mois.toml", "mois.xlsx")
            .with("[format]", &format!("sheets = {sheets}"))
            .without("ville")
            .with("[derived]", "ville = { sheet = \"{}\" }");
        let outcome = months.read().unwrap();
        assert_eq!(outcome.rows(&["ville"]), ["Mai", "Mai", "Mai", "Juin", "Juin", "Juin"]);
        assert_eq!(outcome.lines(), [10_000_002, 10_000_003, 10_000_004, 20_000_002, 20_000_003, 20_000_004]);
        months.accepts([LEA, YANN, ANNE]).accepts(renamed("H", &[LEA, YANN, ANNE])).check();
    }
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn hidden_rows_are_rows_and_hidden_sheets_are_none() {
    case("feuilles-et-lignes-masquees", "contract_masque.toml", "masque.xlsx")
        .accepts(renamed("M", &[LEA, YANN, ANNE]))
        .check();
}

// Verdicts

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_file_of_which_nothing_is_accepted_is_halted() {
    case("petit-fichier-tout-refuse", "contract.toml", "petit.csv")
        .refuses(2, "date_illisible", "jj/mm/aaaa")
        .refuses_all(3..=6, "date_illisible")
        .halted(&["accepted|nothing|none"])
        .check();
}
