//! The Lambda function `score`.

fn main() -> std::process::ExitCode {
    fonderie_lambda_host::serve("score", fonderie_score::Context::from_environment, fonderie_score::run)
}
