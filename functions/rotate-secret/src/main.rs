//! The Lambda function `rotate-secret`.

fn main() -> std::process::ExitCode {
    fonderie_lambda_host::serve(
        "rotate-secret",
        fonderie_rotate_secret::Context::from_environment,
        fonderie_rotate_secret::run,
    )
}
