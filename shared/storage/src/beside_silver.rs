//! The documents that a run leaves beside its silver.

use fonderie_core::{BesideSilver, ErrorCode, ObjectRef, Result};

use crate::Storage;

impl Storage {
    /// Reads a document that lies beside a run's silver; `None` if it is not there.
    ///
    /// # Errors
    /// The store's; `ObjectChanged` if the document does not have its shape.
    pub async fn beside_silver<T: BesideSilver>(&self, place: &ObjectRef) -> Result<Option<T>> {
        match self.read(&place.bucket, &place.key, None, T::LIMIT).await {
            Ok(json) => T::from_json(place, &json).map(Some),
            Err(error) if error.code == ErrorCode::ObjectMissing => Ok(None),
            Err(error) => Err(error),
        }
    }
}
