//! What every request passes: the guard, then `s3s` or the form upload, then the end of its body.

use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{HttpError, HttpResponse, S3Error};

use crate::drain::Shared;
use crate::guard::{Signed, check};
use crate::objects::Objects;
use crate::policy::Account;
use crate::post::post;
use crate::service::FolderS3;

/// The longest XML is the list of 10,000 parts.
const XML_LIMIT: usize = 8 * 1024 * 1024;

/// Answers requests.
pub(crate) struct Front {
    service: S3Service,
    objects: Arc<Objects>,
    account: Account,
    silence: Duration,
}

impl Front {
    /// `silence` is how long a client may stop in the middle of a body.
    pub(crate) fn new(objects: Objects, account: Account, silence: Duration) -> Self {
        let objects = Arc::new(objects);
        let mut config = S3Config::default();
        config.xml_max_body_size = XML_LIMIT;
        // Forms do not get there.
        config.post_object_max_file_size = 0;
        config.form_max_fields_size = 0;
        let mut builder = S3ServiceBuilder::new(FolderS3::new(objects.clone()));
        builder.set_auth(s3s::auth::SimpleAuth::from_single(account.access_key.as_str(), account.secret_key.as_str()));
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        Self { service: builder.build(), objects, account, silence }
    }

    /// Answers a request; what is left of its body is taken meanwhile.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Result<HttpResponse, HttpError> {
        let (head, body) = request.into_parts();
        let body = Shared::new(body, self.silence);
        let answer = match check(&head) {
            Ok(Signed::Head) => self.service.call(Request::from_parts(head, s3s::Body::http_body(body.clone()))).await,
            Ok(Signed::Form) => match post(&self.objects, &self.account, &head, body.clone()).await {
                Ok(answer) => Ok(answer),
                Err(fault) => refusal(fault),
            },
            Err(fault) => refusal(fault),
        };
        tokio::spawn(body.drain());
        answer
    }
}

fn refusal(fault: S3Error) -> Result<HttpResponse, HttpError> {
    tracing::debug!(?fault, "refused");
    fault.to_http_response().map_err(|error| HttpError::new(Box::new(error)))
}
