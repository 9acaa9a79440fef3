//! Serves a stage on lambda_runtime: settings, telemetry, error mapping.
