//! What a stage tells the log and the metrics: whose work it is, and its numbers. Never a personal datum.

use serde_json::Number;

use crate::object::ObjectVersion;

/// Whose work an invocation is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The execution's name.
    pub run_id: Option<String>,
    /// The object version, where one is concerned.
    pub object: Option<ObjectVersion>,
    /// The dataset, where known.
    pub dataset: Option<String>,
    /// The source, where known.
    pub source: Option<String>,
}

/// An input that says whose work it asks for.
pub trait Subject {
    /// Whose work it is; nothing, where the input does not say.
    fn about(&self) -> About {
        About::default()
    }
}

/// A number of a stage's output.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// The metric's name.
    pub name: String,
    /// Whether the number counts something; an amount of money does not.
    pub is_count: bool,
    /// The number.
    pub value: Number,
}

impl Measure {
    /// A count.
    pub fn count(name: &str, value: u64) -> Self {
        Self { name: name.to_owned(), is_count: true, value: value.into() }
    }
}

/// Numbers of a dataset, or of one of its sources.
#[derive(Clone, Debug, PartialEq)]
pub struct Measures {
    /// The dataset.
    pub dataset: String,
    /// The source; absent where the numbers are the dataset's alone.
    pub source: Option<String>,
    /// Whether the dataset's own metrics count a source's numbers too.
    pub in_dataset: bool,
    /// The numbers.
    pub values: Vec<Measure>,
}

/// An output that has numbers to tell.
pub trait Measured {
    /// The numbers; `about` is what the input said.
    fn measures(&self, _about: &About) -> Vec<Measures> {
        Vec::new()
    }

    /// How many parts of the invocation failed by themselves, if it has parts: the invocation as a whole succeeded.
    fn failed_items(&self) -> Option<u64> {
        None
    }
}

// What has no subject or no numbers of its own: events as they come, answers as they go.
impl Subject for serde_json::Value {}
impl Measured for serde_json::Value {}
