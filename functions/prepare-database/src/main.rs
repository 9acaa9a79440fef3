//! The Lambda function `prepare-database`.

fn main() -> std::process::ExitCode {
    fonderie_lambda_host::serve(
        "prepare-database",
        fonderie_prepare_database::Context::from_environment,
        fonderie_prepare_database::run,
    )
}
