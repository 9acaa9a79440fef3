//! The Lambda function `rebuild`.

fn main() -> std::process::ExitCode {
    fonderie_lambda_host::serve("rebuild", fonderie_rebuild::Context::from_environment, fonderie_rebuild::run)
}
