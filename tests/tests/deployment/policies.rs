//! The policies of people, `terraform/policies`: what deploys may make all that the configuration has, and reads no invoice; what operates
//! changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use fonderie_tests::workspace;
use serde_json::Value;

/// What AWS takes as a managed policy, blanks not counted.
const LIMIT: usize = 6144;

/// The service of a type of resource or data source, by the longest beginning of its name after `aws_`; none makes no call.
const SERVICES: &[(&str, Option<&str>)] = &[
    ("ami", Some("ec2")),
    ("availability_zones", Some("ec2")),
    ("budgets", Some("budgets")),
    ("caller_identity", Some("sts")),
    ("cloudtrail", Some("cloudtrail")),
    ("cloudwatch", Some("cloudwatch")),
    ("cloudwatch_event", Some("events")),
    ("cloudwatch_log", Some("logs")),
    ("db", Some("rds")),
    ("default", Some("ec2")),
    ("flow_log", Some("ec2")),
    ("iam", Some("iam")),
    ("instance", Some("ec2")),
    ("kms", Some("kms")),
    ("lambda", Some("lambda")),
    ("partition", None),
    ("rds", Some("rds")),
    ("region", None),
    ("route", Some("ec2")),
    ("s3", Some("s3")),
    ("scheduler", Some("scheduler")),
    ("secretsmanager", Some("secretsmanager")),
    ("security_group", Some("ec2")),
    ("servicequotas", Some("servicequotas")),
    ("sfn", Some("states")),
    ("sns", Some("sns")),
    ("sqs", Some("sqs")),
    ("ssm", Some("ssm")),
    ("subnet", Some("ec2")),
    ("vpc", Some("ec2")),
];

fn statements(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(workspace().join("terraform/policies").join(name)).unwrap();
    let length = text.chars().filter(|character| !character.is_whitespace()).count();
    assert!(length <= LIMIT, "{name} has {length} characters, AWS takes {LIMIT}");
    let policy: Value = serde_json::from_str(&text).unwrap();
    let statements = policy["Statement"].as_array().unwrap().clone();
    let names: BTreeSet<_> = statements.iter().map(|statement| statement["Sid"].as_str().unwrap()).collect();
    assert_eq!(names.len(), statements.len(), "{name}: statements have names of their own");
    statements
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        list => list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect(),
    }
}

fn actions<'a>(statements: &'a [Value], effect: &str) -> Vec<&'a str> {
    statements.iter().filter(|statement| statement["Effect"] == effect).flat_map(|s| texts(&s["Action"])).collect()
}

/// The types of resources and data sources of AWS that the modules and environments name, `aws_` left off.
fn types(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with(".terraform") {
            types(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "tf") {
            for line in fs::read_to_string(&path).unwrap().lines() {
                let of = ["resource \"aws_", "data \"aws_"].iter().find_map(|begin| line.strip_prefix(begin));
                found.extend(of.and_then(|rest| rest.split('"').next()).map(str::to_owned));
            }
        }
    }
}

#[test]
fn the_deployment_may_make_all_that_the_configuration_has() {
    let statements = statements("deployment.json");
    let allowed: BTreeSet<_> =
        actions(&statements, "Allow").iter().filter_map(|action| Some(action.split_once(':')?.0)).collect();
    let services: BTreeMap<_, _> = SERVICES.iter().copied().collect();
    let mut found = BTreeSet::new();
    types(&workspace().join("terraform"), &mut found);
    assert!(found.len() > 40, "only {found:?}");
    for name in &found {
        let service = (1..=name.len()).rev().find_map(|end| services.get(name.get(..end)?));
        let service = service.unwrap_or_else(|| panic!("which service has aws_{name}?"));
        if let Some(service) = service {
            assert!(allowed.contains(service), "the deployment may not make aws_{name}: {service}");
        }
    }
}

#[test]
fn the_deployment_reads_no_invoice_and_makes_no_person() {
    let statements = statements("deployment.json");
    let denied = actions(&statements, "Deny");
    for action in ["s3:GetObject", "s3:GetObjectVersion", "secretsmanager:GetSecretValue", "iam:CreateUser"] {
        assert!(denied.contains(&action), "{action} is not denied");
    }
    let invoices = statements.iter().find(|statement| statement["Sid"] == "NoInvoices").unwrap();
    for bucket in ["bronze", "silver", "quarantine", "reports"] {
        assert!(
            texts(&invoices["Resource"]).contains(&format!("arn:aws:s3:::fonderie-*-{bucket}/*").as_str()),
            "{bucket}"
        );
    }
    for statement in statements.iter().filter(|statement| statement["Effect"] == "Allow") {
        if texts(&statement["Action"]).iter().any(|action| action.starts_with("iam:")) {
            let own = [":role/fonderie-", ":instance-profile/fonderie-", "/aws-service-role/"];
            assert!(texts(&statement["Resource"]).iter().all(|role| own.iter().any(|own| role.contains(own))));
        }
    }
}

#[test]
fn an_operator_runs_again_and_changes_nothing() {
    let statements = statements("operator.json");
    for action in actions(&statements, "Allow") {
        assert!(!action.contains('*'), "{action}");
        assert_ne!(action, "secretsmanager:GetSecretValue");
        let (service, verb) = action.split_once(':').unwrap();
        let changes = ["Create", "Delete", "Put", "Update"].iter().any(|begin| verb.starts_with(begin));
        let allowed = ["s3:PutObject", "sqs:DeleteMessage", "secretsmanager:UpdateSecretVersionStage"];
        assert!(!changes || allowed.contains(&action), "an operator may {action}");
        assert_ne!(service, "iam");
    }
    for statement in &statements {
        let everything = texts(&statement["Resource"]).contains(&"*");
        let looks = statement["Sid"] == "Look" || statement["Condition"]["ForAnyValue:StringLike"].is_object();
        assert!(!everything || looks, "{statement}");
    }
}
