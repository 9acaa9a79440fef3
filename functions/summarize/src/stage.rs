//! Writes the run report and tells what needs a person; then brings into the ledger what it does not know yet.

use fonderie_core::stage::{SummarizeInput, Summary};
use fonderie_core::{Deadline, Result};
use fonderie_warehouse::ConnectOptions;

use crate::failures::bring_in;
use crate::{Context, dataset, object};

/// Summarizes a run: of an object version, which enters the ledger here if it was halted, or of a dataset.
///
/// # Errors
/// `NotConserved` where the ledger does not say what the stages said, the database's, the store's.
pub async fn run(context: &Context, input: SummarizeInput, deadline: Deadline) -> Result<Summary> {
    let mut warehouse = context.database.connect(&ConnectOptions::of_stage("summarize", deadline)).await?;
    let summarized = match input {
        SummarizeInput::Object(input) => object::summarize(context, &mut warehouse, *input).await,
        SummarizeInput::Dataset(input) => dataset::summarize(context, &mut warehouse, *input).await,
    };
    if let Ok((_, notices)) = &summarized {
        bring_in(context, &warehouse).await;
        for (topic, notice) in context.topic.iter().flat_map(|topic| notices.iter().map(move |notice| (topic, notice)))
        {
            topic.tell(notice).await;
        }
    }
    warehouse.close().await;
    summarized.map(|(summary, _)| summary)
}
