//! What people are told by e-mail: a file in quarantine, a run that failed, a file that did not come.

use crate::error::Disposition;
use crate::stage::Failure;

/// A message to whoever operates the pipeline. Never a personal datum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// One line of at most 100 ASCII characters, which is what SNS takes.
    pub subject: String,
    /// Plain text.
    pub body: String,
}

impl Notice {
    /// A message; what the subject cannot hold is replaced or cut off.
    pub fn new(subject: &str, body: String) -> Self {
        let ascii = |c: char| if (' '..='~').contains(&c) { c } else { '?' };
        Self { subject: subject.chars().map(ascii).take(100).collect(), body }
    }
}

impl From<&Failure> for Notice {
    fn from(failure: &Failure) -> Self {
        let Failure { run_id, stage, code, disposition, cause, bucket, key, record, .. } = failure;
        let who = match disposition {
            Disposition::Transient | Disposition::Busy => {
                "Nothing is lost, and the same input may be run again once what was away is back."
            }
            Disposition::Data => "The sender of the file must act; Fonderie does not try again by itself.",
            Disposition::Configuration => "The operator must act; then run the same input again.",
            Disposition::Bug => "This is a defect, or a stage was killed; the same input may be run again.",
        };
        let object = match (bucket, key) {
            (Some(bucket), Some(key)) => format!("File:   s3://{bucket}/{key}\n"),
            _ => String::new(),
        };
        let stage = stage.as_deref().unwrap_or("unknown");
        let body = format!(
            "{cause}\n\n{who}\n\n{object}Run:    {run_id}\nStage:  {stage}\nCode:   {code}\nRecord: {record}\n"
        );
        Self::new(&format!("Fonderie: {code} in {stage}"), body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_what_sns_takes() {
        let notice = Notice::new(&format!("Été\n{}", "x".repeat(200)), String::new());
        assert_eq!(notice.subject, format!("?t??{}", "x".repeat(96)));
    }
}
