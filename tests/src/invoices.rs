//! Facility B's files, written row by row: what a test about versions of the same invoices needs.

use std::path::{Path, PathBuf};

use crate::Result;

/// The header of facility B's files.
pub const HEADER: &str = "invoice_id,patient_id,last_name,first_name,age,facility_id,facility_name,facility_type,city,\
    service_code,service_name,service_category,invoice_date,payment_date,billed_amount,paid_amount,status\n";

/// An invoice's state.
#[derive(Clone, Debug)]
pub struct Invoice {
    /// Its number.
    pub id: u32,
    /// When it was written (yyyy-mm-dd).
    pub date: String,
    /// When it was paid.
    pub paid_on: Option<String>,
    /// In cents.
    pub billed: u32,
    /// In cents.
    pub paid: u32,
}

/// The names of the patient of all of them: what must be told nowhere but in buckets and database.
pub const PATIENT: [&str; 2] = ["Martin", "Zoé"];

/// An invoice of 120.50 €, of which nothing is paid.
pub fn unpaid(id: u32) -> Invoice {
    Invoice { id, date: "2026-03-02".to_owned(), paid_on: None, billed: 12_050, paid: 0 }
}

/// Invoices that look like a facility's: some paid, some partly, some not; the same for the same number.
pub fn plausible(count: u32) -> Vec<Invoice> {
    let invoice = |id: u32| {
        let mixed = id.wrapping_mul(2_654_435_761) >> 8;
        let billed = 2_000 + mixed % 48_000;
        let (paid, paid_on) = match mixed % 5 {
            0 => (0, None),
            1 => (billed / 3, Some(format!("2026-04-{:02}", 1 + mixed % 28))),
            _ => (billed, Some(format!("2026-03-{:02}", 1 + mixed % 28))),
        };
        Invoice { id, date: format!("2026-02-{:02}", 1 + id % 28), paid_on, billed, paid }
    };
    (1..=count).map(invoice).collect()
}

/// Invoices as the text of one of facility B's files.
pub fn text(invoices: &[Invoice]) -> String {
    let mut text = HEADER.to_owned();
    let euros = |cents: u32| format!("{}.{:02}", cents / 100, cents % 100);
    for Invoice { id, date, paid_on, billed, paid } in invoices {
        let status = match (*paid, paid_on) {
            (0, _) => "UNPAID",
            (paid, _) if paid == *billed => "PAID",
            _ => "PARTIAL",
        };
        text.push_str(&format!(
            "FB-{id:05},P{:03},Martin,Zoé,40,ETAB_B,Clinique,Privée,Béziers,CONS,Consultation,Ambulatoire,{date},{},{},{},{status}\n",
            id % 50,
            paid_on.as_deref().unwrap_or_default(),
            euros(*billed),
            euros(*paid),
        ));
    }
    text
}

/// Writes invoices as one of facility B's files.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, invoices: &[Invoice]) -> Result<PathBuf> {
    std::fs::write(path, text(invoices))?;
    Ok(path.to_owned())
}
