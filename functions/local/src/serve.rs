//! `fonderie serve`: buckets and database stay up, for other programs to look at.

use fonderie_core::Result;
use fonderie_embedded_s3::Port;

use crate::Ending;
use crate::cli::ServeArguments;
use crate::postgres::Access;
use crate::print::{escaped, path, say};
use crate::signals::Stop;
use crate::state::{BUCKETS, Buckets, Database};

/// The port of S3 if none is asked for; the next free one if it is taken.
const PORT: u16 = 9000;

pub(crate) async fn run(arguments: ServeArguments) -> Result<Ending> {
    let port = arguments.s3_port.map_or(Port::From(PORT), Port::Exactly);
    let buckets = Buckets::open_on(&arguments.state.state, port)?;
    let database = Database::open_for_others(&arguments.state).await?;
    let (endpoint, access_key, secret_key) = buckets.access();
    say!("S3        {endpoint}, buckets {}", BUCKETS.join(", "));
    say!("          export AWS_ACCESS_KEY_ID={access_key} AWS_SECRET_ACCESS_KEY={secret_key} AWS_REGION=eu-west-1");
    say!("          aws --endpoint-url {endpoint} s3 ls s3://bronze/");
    match database.access() {
        Some(Access { url, password_file, note }) => {
            say!("Database  {url}");
            if let Some(file) = password_file {
                // quoted for a shell
                say!("          export PGPASSFILE='{}'", path(&file).replace('\'', r"'\''"));
            }
            say!("          psql {url}");
            if let Some(note) = note {
                say!("          {note}");
            }
        }
        None => say!("Database  {} (--database-url)", escaped(&database.settings.place())),
    }
    let mut stop = Stop::listen()?;
    say!("Stop with Ctrl-C.");
    stop.times(1).await;
    database.close().await;
    Ok(Ending::Good)
}
