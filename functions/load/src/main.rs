//! The Lambda function `load`.

fn main() -> std::process::ExitCode {
    fonderie_lambda_host::serve("load", fonderie_load::Context::from_environment, fonderie_load::handle)
}
