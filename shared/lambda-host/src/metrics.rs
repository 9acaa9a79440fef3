//! Metrics as CloudWatch's embedded metric format: a line of the log that CloudWatch reads numbers from, so that no call is
//! made and no permission needed.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use fonderie_core::measure::{About, Measure, Measures};
use serde_json::{Map, Value, json};

/// Whether this process has worked before.
static WARM: AtomicBool = AtomicBool::new(false);

/// How an invocation went.
pub(crate) struct Invocation<'a> {
    pub(crate) stage: &'a str,
    pub(crate) duration: Duration,
    /// The error's code, where it failed.
    pub(crate) failure: Option<&'a str>,
    /// How many of its parts failed, if it has parts and succeeded as a whole.
    pub(crate) failed_items: Option<u64>,
}

/// Writes an invocation's metrics to the log.
pub(crate) fn emit(invocation: &Invocation<'_>, about: &About, measures: &[Measures]) {
    // In tests and on machines without CloudWatch nobody reads them, and the log stays readable.
    let Some(namespace) = std::env::var("METRICS_NAMESPACE").ok().filter(|name| !name.is_empty()) else { return };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let cold = !WARM.swap(true, Ordering::Relaxed);
    let mut out = std::io::stdout().lock();
    for line in lines(&namespace, now, invocation, cold, about, measures) {
        // A log that cannot be written is no reason to fail.
        let _ = writeln!(out, "{line}");
    }
}

fn lines(
    namespace: &str,
    now: Duration,
    invocation: &Invocation<'_>,
    cold: bool,
    about: &About,
    measures: &[Measures],
) -> Vec<Value> {
    let Invocation { stage, duration, failure, failed_items } = invocation;
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let own = [
        ("Duration", "Milliseconds", Value::from(millis)),
        ("ColdStart", "Count", Value::from(u64::from(cold))),
        ("Failures", "Count", Value::from(u64::from(failure.is_some()))),
    ];
    let own = own.into_iter().chain(failed_items.map(|count| ("FailedItems", "Count", Value::from(count))));
    let mut lines = vec![line(namespace, now, &[("function", stage)], &[&["function"]], about, own)];
    if let Some(code) = failure {
        let dimensions = [("function", *stage), ("code", *code)];
        let failed = [("Failures", "Count", Value::from(1))];
        lines.push(line(namespace, now, &dimensions, &[&["function", "code"]], about, failed));
    }
    for Measures { dataset, source, in_dataset, values } in measures {
        let values = values.iter().map(|Measure { name, is_count, value }| {
            (name.as_str(), if *is_count { "Count" } else { "None" }, Value::Number(value.clone()))
        });
        let (mut dimensions, mut sets) = (vec![("dataset", dataset.as_str())], Vec::new());
        if *in_dataset || source.is_none() {
            sets.push(&["dataset"][..]);
        }
        if let Some(source) = source {
            dimensions.push(("source", source));
            sets.push(&["dataset", "source"][..]);
        }
        lines.push(line(namespace, now, &dimensions, &sets, about, values));
    }
    lines
}

fn line<'a>(
    namespace: &str,
    now: Duration,
    dimensions: &[(&str, &str)],
    sets: &[&[&str]],
    about: &About,
    values: impl IntoIterator<Item = (&'a str, &'a str, Value)>,
) -> Value {
    let (mut document, mut metrics) = (Map::new(), Vec::new());
    for (name, unit, value) in values {
        metrics.push(json!({ "Name": name, "Unit": unit }));
        document.insert(name.to_owned(), value);
    }
    let metrics = json!([{ "Namespace": namespace, "Dimensions": sets, "Metrics": metrics }]);
    let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    document.insert("_aws".to_owned(), json!({ "Timestamp": millis, "CloudWatchMetrics": metrics }));
    for (name, value) in dimensions {
        document.insert((*name).to_owned(), Value::from(*value));
    }
    if let Some(run_id) = &about.run_id {
        document.insert("run".to_owned(), Value::from(run_id.as_str()));
    }
    Value::Object(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_what_cloudwatch_reads() {
        let about = About { run_id: Some("run-1".to_owned()), ..About::default() };
        let values = vec![
            Measure::count("RowsRead", 3),
            Measure { name: "amount_read".to_owned(), is_count: false, value: "1234567890.10".parse().unwrap() },
        ];
        let measures = [Measures { dataset: "d".to_owned(), source: Some("s".to_owned()), in_dataset: true, values }];
        let invocation = Invocation {
            stage: "load",
            duration: Duration::from_millis(12),
            failure: Some("DatabaseBusy"),
            failed_items: None,
        };
        let lines = lines("fonderie-test", Duration::from_secs(5), &invocation, true, &about, &measures);
        let expected = [
            json!({"_aws": {"Timestamp": 5000, "CloudWatchMetrics": [{"Namespace": "fonderie-test", "Dimensions": [["function"]],
                "Metrics": [{"Name": "Duration", "Unit": "Milliseconds"}, {"Name": "ColdStart", "Unit": "Count"},
                    {"Name": "Failures", "Unit": "Count"}]}]},
                "function": "load", "Duration": 12, "ColdStart": 1, "Failures": 1, "run": "run-1"}),
            json!({"_aws": {"Timestamp": 5000, "CloudWatchMetrics": [{"Namespace": "fonderie-test",
                "Dimensions": [["function", "code"]], "Metrics": [{"Name": "Failures", "Unit": "Count"}]}]},
                "function": "load", "code": "DatabaseBusy", "Failures": 1, "run": "run-1"}),
            json!({"_aws": {"Timestamp": 5000, "CloudWatchMetrics": [{"Namespace": "fonderie-test",
                "Dimensions": [["dataset"], ["dataset", "source"]],
                "Metrics": [{"Name": "RowsRead", "Unit": "Count"}, {"Name": "amount_read", "Unit": "None"}]}]},
                "dataset": "d", "source": "s", "RowsRead": 3, "amount_read": 1_234_567_890.1, "run": "run-1"}),
        ];
        assert_eq!(lines, expected);
    }

    /// Lambda counts no error if a part of a batch fails.
    #[test]
    fn failed_parts_of_a_batch_are_a_metric() {
        let invocation = Invocation { stage: "ingest", duration: Duration::ZERO, failure: None, failed_items: Some(2) };
        let lines = lines("fonderie-test", Duration::ZERO, &invocation, false, &About::default(), &[]);
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!(
            (&line["FailedItems"], &line["Failures"], &line["function"]),
            (&json!(2), &json!(0), &json!("ingest"))
        );
        let metrics = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(metrics["Metrics"][3], json!({ "Name": "FailedItems", "Unit": "Count" }));
        assert_eq!(metrics["Dimensions"], json!([["function"]]));
    }
}
