//! The Lambda function `publish`.

fn main() -> std::process::ExitCode {
    fonderie_lambda_host::serve("publish", fonderie_publish::Context::from_environment, fonderie_publish::run)
}
