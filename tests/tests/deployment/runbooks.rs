//! What the documents tell an operator to type.

use std::fs;

use fonderie_tests::workspace;

/// Without `--cli-read-timeout 0` the `aws` CLI gives up after a minute, and calls the function again while it still works.
#[test]
fn an_invocation_waits_for_its_answer() {
    let mut invocations = 0;
    for folder in ["docs", "docs/runbooks"] {
        for entry in fs::read_dir(workspace().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|ending| ending != "md") {
                continue;
            }
            // A command may be broken over lines.
            let text = fs::read_to_string(&path).unwrap().replace("\\\n", " ");
            for line in text.lines().filter(|line| line.contains("aws lambda invoke ")) {
                assert!(line.contains("--cli-read-timeout 0 "), "{}: {line}", path.display());
                invocations += 1;
            }
        }
    }
    assert!(invocations > 0, "the documents have no `aws lambda invoke`");
}
