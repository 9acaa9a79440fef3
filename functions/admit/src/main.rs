//! The Lambda function `admit`.

fn main() -> std::process::ExitCode {
    fonderie_lambda_host::serve("admit", fonderie_admit::Context::from_environment, fonderie_admit::run)
}
