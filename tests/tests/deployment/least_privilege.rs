//! Each function's policy, as an apply of prod makes it (with a mocked provider), against the calls that its code makes: no
//! wildcard but where AWS forces one, no action that the code does not need, and none missing, for LocalStack enforces nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use fonderie_tests::configuration::Configuration;
use fonderie_tests::{in_ci, terraform, workspace};
use serde_json::Value;
use xtask::FUNCTIONS;

const READ: &[&str] = &["s3:GetObject", "s3:GetObjectVersion"];
/// A large object is written in parts.
const WRITE: &[&str] = &["s3:PutObject", "s3:AbortMultipartUpload"];
/// Without it, S3 answers "denied" for an object that is not there.
const TELL_MISSING: &[&str] = &["s3:ListBucket"];
const READ_SECRET: &[&str] = &["secretsmanager:GetSecretValue"];
/// What is stored is encrypted with a key of our own.
const DECRYPT: &[&str] = &["kms:Decrypt"];
const ENCRYPT: &[&str] = &["kms:Decrypt", "kms:GenerateDataKey"];

/// What in a function's source calls AWS, and the actions that it takes.
const CALLS: &[(&str, &[&[&str]])] = &[
    (".head(", &[READ, TELL_MISSING, DECRYPT]),
    (".open(&", &[READ, TELL_MISSING, DECRYPT]),
    ("storage.read(", &[READ, TELL_MISSING, DECRYPT]),
    ("storage.put(", &[WRITE, ENCRYPT]),
    ("storage.copy(", &[READ, WRITE, ENCRYPT]),
    ("storage.writer(", &[WRITE, ENCRYPT]),
    (".parquet_writer(", &[WRITE, ENCRYPT]),
    (".parquet_reader(", &[READ, DECRYPT]),
    ("storage.list(", &[&["s3:ListBucket"]]),
    ("storage.position(", &[&["s3:ListBucket", "s3:ListBucketVersions"]]),
    (".record_failure(", &[WRITE, ENCRYPT]),
    (".failed_runs(", &[&["s3:ListBucket"]]),
    (".recorded_failure(", &[READ, TELL_MISSING, DECRYPT]),
    ("bundles.newest(", &[READ, TELL_MISSING, DECRYPT]),
    ("bundles.next(", &[READ, TELL_MISSING, DECRYPT]),
    ("bundles.pinned(", &[READ, DECRYPT]),
    ("topic.tell(", &[&["sns:Publish"], ENCRYPT]),
    ("topic.send(", &[&["sns:Publish"], ENCRYPT]),
    (".start_execution(", &[&["states:StartExecution"]]),
    ("Database::from_secret(", &[READ_SECRET, DECRYPT]),
    ("SecretsManager::new(", &[READ_SECRET, DECRYPT]),
    ("store.put(", &[&["secretsmanager:PutSecretValue"], ENCRYPT]),
    ("secret.put(", &[&["secretsmanager:PutSecretValue"], ENCRYPT]),
    (".versions(", &[&["secretsmanager:DescribeSecret"]]),
    (".make_current(", &[&["secretsmanager:UpdateSecretVersionStage"]]),
];

/// What Lambda does in the role's name, or what comes before the function's code: no call of its own.
const OF_LAMBDA: &[&str] = &[
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    // The function's environment is encrypted.
    "kms:Decrypt",
];
const OF_THE_QUEUE: &[&str] = &["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];
const OF_THE_NETWORK: &[&str] = &[
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
];

/// The actions that AWS takes on "*" alone.
const ON_EVERYTHING: &[&str] = &[
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
];

#[test]
fn no_role_may_do_more_than_its_work() {
    match terraform::is_there() {
        Err(missing) if !in_ci() => return println!("skipped: {missing}"),
        found => found.unwrap(),
    }
    let configuration = Configuration::copy().unwrap();
    let prod = configuration.folder("environments/prod");
    configuration.init(&prod).unwrap();
    let resources = configuration.applied(&prod, "apply").unwrap();
    let policies: Vec<_> = resources.iter().filter(|resource| resource["type"] == "aws_iam_role_policy").collect();
    assert!(policies.len() > FUNCTIONS.len(), "only {} policies", policies.len());
    assert!(
        !resources.iter().any(|resource| resource["type"] == "aws_iam_role_policy_attachment"
            && !resource["values"]["policy_arn"]
                .as_str()
                .unwrap_or_default()
                .ends_with("AmazonRDSEnhancedMonitoringRole")),
        "a role has a policy of somebody else's"
    );
    let mut granted = BTreeMap::new();
    for policy in policies {
        let address = policy["address"].as_str().unwrap();
        let statements = statements(policy["values"]["policy"].as_str().unwrap());
        for statement in statements.iter().filter(|statement| statement["Effect"] == "Allow") {
            check_wildcards(address, statement);
        }
        let of = |name: &&str| {
            [format!(".module.function[\"{name}\"]."), format!(".module.{name}.")]
                .iter()
                .any(|part| address.contains(part))
        };
        if let Some(function) = FUNCTIONS.into_iter().find(of) {
            let before = granted.insert(function, allowed(&statements));
            assert!(before.is_none(), "{function} has two policies");
        }
    }
    assert_eq!(granted.keys().copied().collect::<BTreeSet<_>>(), FUNCTIONS.into(), "functions with a policy");
    for (function, granted) in granted {
        let needed = needed(function);
        let given_by_lambda: BTreeSet<_> = OF_LAMBDA
            .iter()
            .chain(OF_THE_NETWORK)
            .chain(if function == "ingest" { OF_THE_QUEUE } else { &[] })
            .map(|action| (*action).to_owned())
            .collect();
        let unused: Vec<_> = granted.difference(&needed).filter(|action| !given_by_lambda.contains(*action)).collect();
        assert!(unused.is_empty(), "{function} may do {unused:?}, which its code does not do");
        let missing: Vec<_> = needed.difference(&granted).collect();
        assert!(missing.is_empty(), "{function} may not do {missing:?}, which its code does");
    }
}

fn check_wildcards(address: &str, statement: &Value) {
    let (actions, resources) = (texts(&statement["Action"]), texts(&statement["Resource"]));
    assert!(statement["NotAction"].is_null() && statement["NotResource"].is_null(), "{address}: {statement}");
    for action in &actions {
        assert!(!action.contains('*'), "{address} allows {action}");
    }
    // A path below a named resource may end in a wildcard; the resource itself may not be one.
    let everything = |resource: &String| {
        let name = resource.splitn(6, ':').last().unwrap_or_default();
        name.is_empty() || name.starts_with('*')
    };
    if resources.iter().any(everything) {
        let forced: BTreeSet<_> = ON_EVERYTHING.iter().chain(OF_THE_NETWORK).copied().collect();
        let loose: Vec<_> = actions.iter().filter(|action| !forced.contains(action.as_str())).collect();
        assert!(loose.is_empty(), "{address} allows {loose:?} on {resources:?}");
    }
}

fn statements(policy: &str) -> Vec<Value> {
    let policy: Value = serde_json::from_str(policy).unwrap();
    policy["Statement"].as_array().unwrap().clone()
}

fn allowed(statements: &[Value]) -> BTreeSet<String> {
    statements.iter().filter(|s| s["Effect"] == "Allow").flat_map(|s| texts(&s["Action"])).collect()
}

/// A text, or a list of texts.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list.iter().map(|text| text.as_str().unwrap().to_owned()).collect(),
        other => panic!("{other} is neither a text nor a list"),
    }
}

/// The actions of the calls in a function's source.
fn needed(function: &str) -> BTreeSet<String> {
    let mut source = String::new();
    read_all(&workspace().join("functions").join(function).join("src"), &mut source);
    // A call may be broken over lines.
    let source: String = source.split_whitespace().collect();
    let called = CALLS.iter().filter(|(call, _)| source.contains(call));
    called.flat_map(|(_, actions)| actions.iter().copied().flatten()).map(|action| (*action).to_owned()).collect()
}

fn read_all(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, text);
        } else {
            // Tests stand at the end of a file.
            let content = fs::read_to_string(&path).unwrap();
            text.push_str(content.split("#[cfg(test)]").next().unwrap_or_default());
        }
    }
}
