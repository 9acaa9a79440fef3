//! Functions that a person invokes.

use serde_json::Value;

use super::Stack;
use crate::Result;

impl Stack {
    /// Invokes a function, as an operator does at the console; returns what it answers.
    ///
    /// # Errors
    /// Lambda refuses it, or the function fails: with its error.
    pub fn invoke(&self, function: &str, payload: &Value) -> Result<Value> {
        let name = self.function(function)?;
        let path = format!("/2015-03-31/functions/{name}/invocations");
        let answer: Value =
            serde_json::from_slice(&self.localstack.post_to_lambda(&path, payload.to_string().as_bytes())?)?;
        match answer.get("errorType") {
            Some(code) => Err(format!("{name} failed with {code}: {answer}").into()),
            None => Ok(answer),
        }
    }
}
