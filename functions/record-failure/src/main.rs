//! The Lambda function `record-failure`.

fn main() -> std::process::ExitCode {
    fonderie_lambda_host::serve(
        "record-failure",
        fonderie_record_failure::Context::from_environment,
        async |context: &_, input, _| fonderie_record_failure::run(context, input).await,
    )
}
