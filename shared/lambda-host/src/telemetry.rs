//! Logs as JSON lines, for CloudWatch. Nothing personal is ever logged: only ids, counts, places and codes.

use tracing_subscriber::EnvFilter;

/// The runtime's own word on an error that a stage's line has told already, without its run, is left out.
const DEFAULT: &str = "info,lambda_runtime=off";

/// Starts logging; `RUST_LOG` says how much.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let logs = tracing_subscriber::fmt().json().with_env_filter(filter).with_target(false).flatten_event(true);
    // A second call, as in tests, keeps the first one's.
    let _ = logs.with_current_span(true).with_span_list(false).try_init();
}
