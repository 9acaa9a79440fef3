//! The billing dataset, as it is and with one of its files changed.

use fonderie_contract::{Bundle, Dataset, Mistakes};
use fonderie_test_support::dataset_files;

pub(crate) fn billing() -> Dataset {
    Bundle::from_files(dataset_files("facturation")).compile().unwrap()
}

/// With one of its files changed.
pub(crate) fn changed(file: &str, change: impl FnOnce(&str) -> String) -> Result<Dataset, Mistakes> {
    let mut files = dataset_files("facturation");
    let text = &mut files.iter_mut().find(|(path, _)| path == file).unwrap().1;
    *text = change(text);
    Bundle::from_files(files).compile()
}

/// A text in which another stands in place of one that it must have.
pub(crate) fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is not in:\n{text}");
    text.replacen(from, to, 1)
}
