//! Rotations on a real PostgreSQL, with a secret in memory: each step again, and each cut off.
#![allow(clippy::unwrap_used, missing_docs)]

use fonderie_core::{Deadline, ErrorCode, StageError};
use fonderie_rotate_secret::{Context, Input, Step, run};
use fonderie_test_support::{Authority, MemorySecret, OwnServer};
use fonderie_warehouse::{
    ConnectOptions, DatabaseSettings, Label, Login, PIPELINE, SecretLogin, SecretStore, Tls, Warehouse,
};

const STEPS: [Step; 4] = [Step::CreateSecret, Step::SetSecret, Step::TestSecret, Step::FinishSecret];

/// A server whose role `pipeline` has the password `first`, and its secret.
struct Stage {
    server: OwnServer,
    secret: MemorySecret,
    tls: Tls,
}

impl Stage {
    async fn new() -> Self {
        let authority = Authority::new("the test's own");
        let server = OwnServer::start_secure(&authority);
        server.execute("CREATE ROLE pipeline LOGIN PASSWORD 'first'").await;
        let secret = MemorySecret::with(&server.login("postgres", PIPELINE, "first").to_json().unwrap());
        Self { server, secret, tls: Tls::verify_full_with(&authority.root_pem()).unwrap() }
    }

    async fn step(&self, step: Step, version: &str) -> Result<bool, StageError> {
        let context = Context::new(self.secret.clone(), self.tls.clone());
        let (secret_id, client_request_token) = (self.secret.arn().to_owned(), version.to_owned());
        let rotated = run(&context, Input { step, secret_id, client_request_token }, Deadline::default()).await?;
        assert_eq!(rotated.step, step);
        Ok(rotated.changed)
    }

    async fn lets_in(&self, password: &str) -> bool {
        let login = self.server.login("postgres", PIPELINE, password);
        let settings = DatabaseSettings::from_login(&login, self.tls.clone());
        match Warehouse::connect(&settings, &ConnectOptions::default()).await {
            Ok(warehouse) => {
                warehouse.close().await;
                true
            }
            Err(error) => {
                assert_eq!(error.code, ErrorCode::AccessDenied, "{error}");
                false
            }
        }
    }

    fn password(&self, label: Label) -> Option<String> {
        self.secret.text(label).map(|text| Login::from_json(&text).unwrap().password)
    }
}

#[tokio::test]
async fn a_rotation_changes_the_password_and_shuts_nobody_out() {
    let stage = Stage::new().await;
    let functions = SecretLogin::new(stage.secret.clone(), stage.tls.clone());
    let options = ConnectOptions::default();
    let long = functions.connect(&options).await.unwrap();
    stage.secret.begin_rotation("v2");
    let mut new = String::new();
    for (step, repeated) in STEPS.into_iter().flat_map(|step| [(step, false), (step, true)]) {
        let changed = stage.step(step, "v2").await.unwrap();
        assert_eq!(changed, !repeated && step != Step::TestSecret, "{step:?}");
        if step == Step::CreateSecret {
            let made = stage.password(Label::Pending).unwrap();
            assert!(!repeated || made == new, "a repeated step made another password");
            new = made;
            assert_eq!(stage.password(Label::Current).as_deref(), Some("first"));
            assert!(stage.lets_in("first").await && !stage.lets_in(&new).await);
        } else {
            assert!(!stage.lets_in("first").await && stage.lets_in(&new).await, "{step:?}");
        }
        // who has known the secret from before, and who reads it now
        functions.connect(&options).await.unwrap().close().await;
        SecretLogin::new(stage.secret.clone(), stage.tls.clone()).connect(&options).await.unwrap().close().await;
    }
    assert_eq!(stage.password(Label::Current), Some(new.clone()));
    assert_eq!(stage.password(Label::Previous).as_deref(), Some("first"));
    assert_eq!(long.query("SELECT current_user::text").await.unwrap().rows[0][0].as_deref(), Some("pipeline"));
    long.close().await;

    // and the next one
    stage.secret.begin_rotation("v3");
    for step in STEPS {
        stage.step(step, "v3").await.unwrap();
    }
    assert!(!stage.lets_in(&new).await);
    assert_eq!(stage.password(Label::Previous), Some(new.clone()));
    let log = stage.server.log();
    let current = stage.password(Label::Current).unwrap();
    assert!(!log.contains(&new) && !log.contains(&current), "a password is in the server's log");
}

#[tokio::test]
async fn a_step_that_is_cut_off_is_done_again() {
    let stage = Stage::new().await;
    // the server tells every statement, so that a password in one would be seen
    stage.server.execute("ALTER ROLE pipeline SET log_statement = 'all'").await;
    stage.secret.begin_rotation("v2");

    // the version was written, and nobody heard of it
    stage.secret.lose_the_next_answer();
    let error = stage.step(Step::CreateSecret, "v2").await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ServiceUnavailable);
    let new = stage.password(Label::Pending).unwrap();
    assert!(!stage.step(Step::CreateSecret, "v2").await.unwrap());
    assert_eq!(stage.password(Label::Pending), Some(new.clone()));

    assert!(stage.step(Step::SetSecret, "v2").await.unwrap());
    stage.secret.lose_the_next_answer();
    stage.step(Step::FinishSecret, "v2").await.unwrap_err();
    for step in STEPS {
        assert!(!stage.step(step, "v2").await.unwrap(), "{step:?} comes late and changes nothing");
    }
    assert_eq!(stage.password(Label::Current), Some(new.clone()));
    assert!(stage.lets_in(&new).await);
    let log = stage.server.log();
    assert!(log.contains("ALTER ROLE CURRENT_USER PASSWORD 'SCRAM-SHA-256$4096:"), "statements are logged");
    assert!(!log.contains(&new));
}

#[tokio::test]
async fn a_database_that_stayed_behind_is_brought_up() {
    let stage = Stage::new().await;
    stage.secret.begin_rotation("v2");
    for step in STEPS {
        stage.step(step, "v2").await.unwrap();
    }
    // a restored database has the previous password
    stage.server.execute("ALTER ROLE pipeline PASSWORD 'first'").await;
    stage.secret.begin_rotation("v3");
    stage.step(Step::CreateSecret, "v3").await.unwrap();
    assert!(stage.step(Step::SetSecret, "v3").await.unwrap());
    assert!(stage.lets_in(&stage.password(Label::Pending).unwrap()).await);
    // and one with a password that no version has
    stage.server.execute("ALTER ROLE pipeline PASSWORD 'lost'").await;
    let error = stage.step(Step::TestSecret, "v3").await.unwrap_err();
    assert!(error.code == ErrorCode::AccessDenied && error.message.contains("second step"), "{error}");
    let error = stage.step(Step::SetSecret, "v3").await.unwrap_err();
    assert!(error.code == ErrorCode::AccessDenied && error.message.contains("prepare-database"), "{error}");
}

#[tokio::test]
async fn what_is_no_rotation_of_this_secret_is_refused() {
    let stage = Stage::new().await;
    stage.secret.begin_rotation("v2");
    let context = Context::new(stage.secret.clone(), stage.tls.clone());
    let input = Input {
        step: Step::CreateSecret,
        secret_id: "arn:aws:secretsmanager:eu-west-1:000000000000:secret:other-Ab12Cd".to_owned(),
        client_request_token: "v2".to_owned(),
    };
    for (error, sentence) in [
        (run(&context, input, Deadline::default()).await.unwrap_err(), "not the one of this function"),
        (stage.step(Step::CreateSecret, "v9").await.unwrap_err(), "no such version"),
        (stage.step(Step::SetSecret, "v2").await.unwrap_err(), "first step"),
    ] {
        assert_eq!(error.code, ErrorCode::RequestInvalid);
        assert!(error.message.contains(sentence), "{error}");
    }
    // a version that was rotated out
    for version in ["v2", "v3"] {
        stage.secret.begin_rotation(version);
        for step in STEPS {
            stage.step(step, version).await.unwrap();
        }
    }
    let error = stage.step(Step::SetSecret, "v2").await.unwrap_err();
    assert!(error.message.contains("not the one that is being rotated in"), "{error}");
    // a pending version that would carry the password elsewhere
    stage.secret.begin_rotation("v4");
    let elsewhere = stage.server.login("template1", PIPELINE, "x").to_json().unwrap();
    stage.secret.put("v4", Label::Pending, &elsewhere).await.unwrap();
    let error = stage.step(Step::SetSecret, "v4").await.unwrap_err();
    assert!(error.message.contains("another database"), "{error}");
}
