//! Whose work each stage's input asks for, and what its output tells the metrics.

use serde_json::Number;

use crate::measure::{About, Measure, Measured, Measures, Subject};
use crate::money::format_cents;
use crate::object::ObjectVersion;
use crate::rebuild::RebuildPlan;
use crate::replay::{LoadAnswer, LoadRequest, RebuildInput, WithdrawInput};
use crate::run::Run;
use crate::scoring::{DatasetRun, Published, ScoreInput, Scored};
use crate::stage::{
    AdmitInput, Admitted, Failure, LoadInput, Loaded, RecordFailureInput, SummarizeInput, Summary, TransformInput,
    Transformed, ValidateInput, Validated, Verdict, requested,
};
use crate::tally::Tally;

impl From<&Run> for About {
    fn from(run: &Run) -> Self {
        Self {
            run_id: Some(run.run_id.clone()),
            object: Some(run.object.clone()),
            dataset: Some(run.bundle.dataset.clone()),
            source: Some(run.source.clone()),
        }
    }
}

impl From<&DatasetRun> for About {
    fn from(run: &DatasetRun) -> Self {
        let (run_id, dataset) = (Some(run.run_id.clone()), Some(run.bundle.dataset.clone()));
        Self { run_id, object: run.object.clone(), dataset, source: None }
    }
}

impl Subject for AdmitInput {
    fn about(&self) -> About {
        let text = |field| requested(&self.request, field);
        let object = text("bucket").zip(text("key")).map(|(bucket, key)| ObjectVersion {
            bucket,
            key,
            version_id: text("version_id").unwrap_or_else(|| ObjectVersion::NEWEST.to_owned()),
        });
        About { run_id: Some(self.execution_name.clone()), object, dataset: text("dataset"), source: None }
    }
}

impl Subject for TransformInput {
    fn about(&self) -> About {
        (&self.run).into()
    }
}

impl Subject for ValidateInput {
    fn about(&self) -> About {
        (&self.run).into()
    }
}

impl Subject for LoadInput {
    fn about(&self) -> About {
        (&self.run).into()
    }
}

impl Subject for LoadRequest {
    fn about(&self) -> About {
        match self {
            Self::Run(input) => input.about(),
            Self::Again(again) => again.record.about(),
            Self::Withdraw(input) => input.about(),
        }
    }
}

impl Subject for WithdrawInput {
    fn about(&self) -> About {
        let object = self.run.withdraw.as_ref().map(|order| ObjectVersion {
            bucket: order.object.bucket.clone(),
            key: order.object.key.clone(),
            version_id: order.object.version_id.clone().unwrap_or_else(|| ObjectVersion::NEWEST.to_owned()),
        });
        About { object, ..(&self.run).into() }
    }
}

impl Subject for RebuildInput {
    fn about(&self) -> About {
        (&self.run).into()
    }
}

impl Subject for ScoreInput {
    fn about(&self) -> About {
        (&self.run).into()
    }
}

impl Subject for SummarizeInput {
    fn about(&self) -> About {
        match self {
            Self::Object(object) => (&object.run).into(),
            Self::Dataset(dataset) => (&dataset.run).into(),
        }
    }
}

impl Subject for RecordFailureInput {
    fn about(&self) -> About {
        let run = self.state.run.as_ref();
        About {
            run_id: Some(self.execution_name.clone()),
            object: run.and_then(|run| run.object.clone()),
            dataset: run.map(|run| run.bundle.dataset.clone()),
            source: run.and_then(|run| run.source.clone()),
        }
    }
}

impl Measured for Admitted {}
impl Measured for Scored {}
impl Measured for Published {}
impl Measured for Failure {}
impl Measured for RebuildPlan {}

impl Measured for Transformed {
    fn measures(&self, about: &About) -> Vec<Measures> {
        let mut values =
            vec![Measure::count("RowsRead", self.read.rows), Measure::count("RowsUnreadable", self.rejected.rows)];
        amounts(&mut values, &self.read, "read");
        // What both stages refuse adds up to what the sender gets back.
        amounts(&mut values, &self.rejected, "rejected");
        of_source(about, values)
    }
}

impl Measured for Validated {
    fn measures(&self, about: &About) -> Vec<Measures> {
        let halted = u64::from(self.verdict == Verdict::Halted);
        let mut values = vec![
            Measure::count("RowsAccepted", self.accepted.rows),
            Measure::count("RowsRejected", self.rejected.rows),
            Measure::count("FilesHalted", halted),
        ];
        amounts(&mut values, &self.accepted, "accepted");
        amounts(&mut values, &self.rejected, "rejected");
        of_source(about, values)
    }
}

impl Measured for Loaded {
    fn measures(&self, about: &About) -> Vec<Measures> {
        let outcomes = &self.outcomes;
        let values = vec![
            Measure::count("RowsInserted", outcomes.inserted),
            Measure::count("RowsUpdated", outcomes.updated),
            Measure::count("RowsUnchanged", outcomes.unchanged),
            Measure::count("RowsSuperseded", outcomes.superseded),
            Measure::count("RowsRemoved", self.removed.rows),
        ];
        of_source(about, values)
    }
}

impl Measured for LoadAnswer {
    fn measures(&self, about: &About) -> Vec<Measures> {
        match self {
            Self::Run(loaded) => loaded.measures(about),
            // its rows were counted when they came
            Self::Again { .. } => Vec::new(),
            // of the dataset: the version may hold records of several sources
            Self::Withdrawn(withdrawn) => {
                let removed = withdrawn.records.iter().map(|record| record.left).sum();
                of_source(about, vec![Measure::count("RowsRemoved", removed)])
            }
        }
    }
}

impl Measured for Summary {
    fn measures(&self, about: &About) -> Vec<Measures> {
        let Some(dataset) = &about.dataset else { return Vec::new() };
        if about.source.is_some() {
            return Vec::new();
        }
        let missing = |count| vec![Measure::count("MissingFiles", count)];
        let of =
            |source, count| Measures { dataset: dataset.clone(), source, in_dataset: false, values: missing(count) };
        let all = self.freshness.iter().filter(|source| source.missing).count();
        let each = self.freshness.iter().map(|source| of(Some(source.source.clone()), u64::from(source.missing)));
        std::iter::once(of(None, all as u64)).chain(each).collect()
    }
}

fn amounts(values: &mut Vec<Measure>, tally: &Tally, what: &str) {
    values.extend(tally.amounts.iter().filter_map(|(column, amount)| {
        // The decimal text itself, which JSON can hold.
        let value = format_cents(amount.sum).parse::<Number>().ok()?;
        Some(Measure { name: format!("{column}_{what}"), is_count: false, value })
    }));
}

fn of_source(about: &About, values: Vec<Measure>) -> Vec<Measures> {
    let Some(dataset) = about.dataset.clone() else { return Vec::new() };
    vec![Measures { dataset, source: about.source.clone(), in_dataset: true, values }]
}
