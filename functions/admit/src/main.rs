//! The Lambda function `admit`.

fn main() -> std::process::ExitCode {
    fonderie_lambda_host::serve("admit", fonderie_admit::Context::from_environment, async |context: &_, input, _| {
        fonderie_admit::run(context, input).await
    })
}
