//! The name of a run on one machine.

use std::hash::{BuildHasher, RandomState};

use chrono::{DateTime, Utc};

/// An execution's name with its time, to be read, and 48 random bits: two programs may run one file in the same millisecond,
/// and the ledger takes a run that it knows for a repeated attempt.
pub(crate) fn run_id(execution: &str, started_at: DateTime<Utc>) -> String {
    // each state begins with other keys, those of a process with the machine's randomness
    let random = RandomState::new().hash_one(started_at) >> 16;
    format!("{execution}-{}-{random:012x}", started_at.format("%Y%m%dT%H%M%S%3fZ"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn runs_of_one_instant_have_different_ids() {
        let instant = DateTime::from_timestamp_millis(1_782_000_000_123).unwrap_or_default();
        let ids: HashSet<String> = (0..1000).map(|_| run_id("store_B-0f", instant)).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.starts_with("store_B-0f-20260621T000000123Z-")), "{ids:?}");
    }
}
