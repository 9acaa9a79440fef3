//! The Lambda function `ingest`.

fn main() -> std::process::ExitCode {
    fonderie_lambda_host::serve("ingest", fonderie_ingest::Context::from_environment, async |context: &_, input, _| {
        fonderie_ingest::run(context, input).await
    })
}
