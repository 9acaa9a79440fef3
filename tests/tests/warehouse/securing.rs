//! TLS and passwords, on a server that takes nothing else.

use fonderie_core::ErrorCode;
use fonderie_test_support::{Authority, MemorySecret, OwnServer};
use fonderie_warehouse::{
    ConnectOptions, DatabaseSettings, Label, Login, Place, SecretLogin, SecretStore, Tls, Warehouse,
};

async fn connect(login: &Login, tls: Tls) -> fonderie_core::Result<Warehouse> {
    Warehouse::connect(&DatabaseSettings::from_login(login, tls), &ConnectOptions::default()).await
}

/// A role of the server that logs in with this password.
async fn set_password(server: &OwnServer, password: &str) {
    let sql = format!(
        "DO $$ BEGIN IF to_regrole('loader') IS NULL THEN CREATE ROLE loader LOGIN; END IF; END $$; \
         ALTER ROLE loader PASSWORD '{password}'"
    );
    server.execute(&sql).await;
}

#[tokio::test]
async fn only_the_right_name_and_a_known_authority_are_connected_to() {
    let authority = Authority::new("the test's own");
    let server = OwnServer::start_secure(&authority);
    set_password(&server, "hunter2").await;
    let login = server.login("postgres", "loader", "hunter2");
    let tls = Tls::verify_full_with(&authority.root_pem()).unwrap();

    let warehouse = connect(&login, tls.clone()).await.unwrap();
    let query = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let row = warehouse.query(query).await.unwrap().rows.remove(0);
    assert_eq!(row, [Some("t".to_owned()), Some("TLSv1.3".to_owned())]);
    warehouse.close().await;

    // the same server under a name that its certificate does not have
    let by_number = login.clone().moved_to(&Place { host: "127.0.0.1".into(), ..login.place() });
    let stranger = Tls::verify_full_with(&Authority::new("a stranger").root_pem()).unwrap();
    for (login, tls, sentence) in [
        (&by_number, tls.clone(), "is made for another host name"),
        (&login, stranger, "signed by an authority that is not trusted here"),
        (&login, Tls::verify_full().unwrap(), "signed by an authority that is not trusted here"),
    ] {
        let error = connect(login, tls).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::SettingsInvalid, "{error}");
        assert!(error.message.contains(sentence), "{error}");
    }
    let error = connect(&login, Tls::disable()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::AccessDenied, "the server takes no password in the open: {error}");
    let error = connect(&login.with_password("hunter3".into()), tls).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::AccessDenied);
    assert!(error.message.contains("28P01"), "{error}");
    assert!(!format!("{error:?}").contains("hunter"));
}

#[tokio::test]
async fn an_authority_that_has_expired_still_vouches_for_its_server() {
    let authority = Authority::expired("of 2019");
    let server = OwnServer::start_secure(&authority);
    set_password(&server, "hunter2").await;
    let tls = Tls::verify_full_with(&authority.root_pem()).unwrap();
    connect(&server.login("postgres", "loader", "hunter2"), tls).await.unwrap().close().await;
}

#[tokio::test]
async fn verified_tls_is_not_given_up_for_a_plain_server() {
    let database = fonderie_test_support::database("tls").await;
    let settings = DatabaseSettings::from_url_with(&database.url, Tls::verify_full().unwrap()).unwrap();
    let error = Warehouse::connect(&settings, &ConnectOptions::default()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::SettingsInvalid);
    assert!(error.message.contains("it offers no TLS"), "{error}");
}

#[tokio::test]
async fn a_password_that_changes_is_followed() {
    let authority = Authority::new("the test's own");
    let server = OwnServer::start_secure(&authority);
    let text = |password: &str| server.login("postgres", "loader", password).to_json().unwrap();
    let secret = MemorySecret::with(&text("first"));
    let login = SecretLogin::new(secret.clone(), Tls::verify_full_with(&authority.root_pem()).unwrap());
    let options = ConnectOptions::default();

    set_password(&server, "first").await;
    for reads in [1, 0, 0] {
        login.connect(&options).await.unwrap().close().await;
        assert_eq!(secret.take_reads(), reads, "a secret that works is not read again");
    }

    // in the middle of a rotation: the database has the pending password, the current one is the old one
    secret.begin_rotation("second");
    secret.put("second", Label::Pending, &text("second")).await.unwrap();
    set_password(&server, "second").await;
    login.connect(&options).await.unwrap().close().await;
    assert_eq!(secret.take_reads(), 2, "the current one, which was refused already, then the pending one");
    secret.make_current("second", Some("first")).await.unwrap();
    login.connect(&options).await.unwrap().close().await;
    assert_eq!(secret.take_reads(), 0);

    // a whole rotation between two connections
    secret.put("third", Label::Current, &text("third")).await.unwrap();
    set_password(&server, "third").await;
    login.connect(&options).await.unwrap().close().await;
    assert_eq!(secret.take_reads(), 1);

    // nobody knows the password
    set_password(&server, "of nobody").await;
    let error = login.connect(&options).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::AccessDenied);
    assert!(!format!("{error:?} {login:?}").contains("third"));
    set_password(&server, "third").await;
    login.connect(&options).await.unwrap().close().await;

    // the database has moved: what is known of it is forgotten
    let moved = Place { host: "localhost".into(), port: 1, dbname: "postgres".into() };
    let away = Login::from_json(&text("third")).unwrap().moved_to(&moved).to_json().unwrap();
    let secret = MemorySecret::with(&away);
    let login = SecretLogin::new(secret.clone(), Tls::verify_full_with(&authority.root_pem()).unwrap());
    assert_eq!(login.connect(&options).await.unwrap_err().code, ErrorCode::DatabaseUnavailable);
    secret.put("back", Label::Current, &text("third")).await.unwrap();
    login.connect(&options).await.unwrap().close().await;
}

#[tokio::test]
async fn a_secret_without_a_value_says_who_gives_it_one() {
    let login = SecretLogin::new(MemorySecret::default(), Tls::disable());
    let error = login.connect(&ConnectOptions::default()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::SettingsInvalid);
    assert!(error.message.contains("prepare-database"), "{error}");
}
