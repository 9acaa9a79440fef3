//! The Lambda function `validate`.

fn main() -> std::process::ExitCode {
    fonderie_lambda_host::serve(
        "validate",
        fonderie_validate::Context::from_environment,
        async |context: &_, input, _| fonderie_validate::run(context, input).await,
    )
}
