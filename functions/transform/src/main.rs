//! The Lambda function `transform`.

fn main() -> std::process::ExitCode {
    fonderie_lambda_host::serve(
        "transform",
        fonderie_transform::Context::from_environment,
        async |context: &_, input, _| fonderie_transform::run(context, input).await,
    )
}
