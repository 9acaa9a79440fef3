//! The Lambda function `summarize`.

fn main() -> std::process::ExitCode {
    fonderie_lambda_host::serve("summarize", fonderie_summarize::Context::from_environment, fonderie_summarize::run)
}
