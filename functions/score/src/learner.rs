//! What the kinds of models learn, know and say.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use fonderie_anomaly::{AnomalyError, Deviation, Forest, Parameters, Quantile, Rows, Sum, Tenths, ZScore};
use fonderie_contract::{Messages, Model, ModelKind};
use fonderie_core::stage::FeatureDrift;
use fonderie_core::{ErrorCode, Result, StageError, digest, hex};
use fonderie_warehouse::{Batch, InForce, RawScores, Scale, ScorePlan, Scoring};
use serde_json::{Value, json};

/// Rows of a z-score from which its tenths are drawn.
const TENTHS_ROWS: usize = 10_000;

/// A model's kind and parameters, for the ledger.
pub(crate) fn parameters(kind: ModelKind) -> Value {
    match kind {
        ModelKind::IsolationForest { trees, sample, contamination_percent, seed } => json!({
            "type": "isolation_forest", "version": fonderie_anomaly::VERSION, "trees": trees, "sample": sample,
            "contamination_percent": contamination_percent, "seed": seed,
        }),
        ModelKind::ZScore { of_population } => json!({ "type": "zscore", "deviation": deviation(of_population) }),
    }
}

fn deviation(of_population: bool) -> Deviation {
    if of_population { Deviation::Population } else { Deviation::Sample }
}

/// A model that is to be trained.
pub(crate) struct Learner<'m> {
    model: &'m Model,
}

impl<'m> Learner<'m> {
    pub(crate) fn new(model: &'m Model) -> Self {
        Self { model }
    }

    /// Rows of the sample that it learns from: those of all trees, if each had its own.
    pub(crate) fn sample_rows(&self) -> usize {
        let least = usize::try_from(self.model.min_rows).unwrap_or(usize::MAX);
        match self.model.kind {
            ModelKind::IsolationForest { trees, sample, .. } => usize::from(trees) * usize::from(sample),
            ModelKind::ZScore { .. } => TENTHS_ROWS,
        }
        .max(least)
    }

    /// Where the sample's random order begins.
    pub(crate) fn seed(&self) -> u64 {
        match self.model.kind {
            ModelKind::IsolationForest { seed, .. } => seed,
            ModelKind::ZScore { .. } => 0,
        }
    }

    /// Learns from the sample's features, row after row. `None` if there are too few.
    ///
    /// # Errors
    /// A feature is not finite.
    pub(crate) fn learn(self, sample: Vec<f64>) -> Result<Option<Known>, AnomalyError> {
        let width = self.model.features.len();
        let rows = rows(&sample, width)?;
        let of = match self.model.kind {
            ModelKind::IsolationForest { trees, sample, contamination_percent, seed } => {
                let parameters = Parameters {
                    trees: usize::from(trees),
                    samples: usize::from(sample),
                    contamination: f64::from(contamination_percent) / 100.0,
                    seed,
                };
                let Some(forest) = Forest::grow(&rows, &parameters)? else { return Ok(None) };
                Kind::Forest(Box::new(forest))
            }
            ModelKind::ZScore { of_population } => {
                if rows.len() < 2 {
                    return Ok(None);
                }
                Kind::ZScore(ZScore { deviation: deviation(of_population), mean: 0.0, standard_deviation: 0.0 })
            }
        };
        let column = |feature: usize| sample.iter().skip(feature).step_by(width).copied().collect();
        let tenths = (0..width).map(|feature| Tenths::of(column(feature))).collect::<Option<Vec<_>>>();
        Ok(tenths.map(|tenths| Known::new(of, tenths)))
    }
}

fn rows(features: &[f64], width: usize) -> Result<Rows, AnomalyError> {
    let mut rows = Rows::of_features(width)?;
    features.chunks_exact(width.max(1)).try_for_each(|row| rows.push(row))?;
    Ok(rows)
}

enum Kind {
    Forest(Box<Forest>),
    ZScore(ZScore),
}

/// A model with which rows can be scored.
pub(crate) struct Known {
    of: Arc<Kind>,
    tenths: Arc<Vec<Tenths>>,
    /// Of each feature, how many of the rows that were scored lie in each tenth.
    counts: Arc<Mutex<Vec<Vec<u64>>>>,
}

impl Known {
    fn new(of: Kind, tenths: Vec<Tenths>) -> Self {
        let counts = tenths.iter().map(Tenths::no_counts).collect();
        Self { of: Arc::new(of), tenths: Arc::new(tenths), counts: Arc::new(Mutex::new(counts)) }
    }

    /// A model from its stored form and what its training found.
    ///
    /// # Errors
    /// It is not the one that was stored.
    pub(crate) fn read(model: &Model, bytes: &[u8], metrics: &Value) -> Result<Self> {
        let wrong = |error| {
            let message = format!("the stored model {} cannot be read: train it again (`retrain`)", model.id);
            StageError::new(ErrorCode::ContractInvalid, message).caused_by(error)
        };
        let of = match model.kind {
            ModelKind::IsolationForest { .. } => Kind::Forest(Box::new(serde_json::from_slice(bytes).map_err(wrong)?)),
            ModelKind::ZScore { .. } => Kind::ZScore(serde_json::from_slice(bytes).map_err(wrong)?),
        };
        let tenths = serde_json::from_value(metrics["tenths"].clone()).map_err(wrong)?;
        Ok(Self::new(of, tenths))
    }

    /// Scores batches, and counts the features by tenth. The raw score of a forest is scikit-learn's `score_samples`, that of a z-score the value.
    pub(crate) fn raw_scores(&self) -> RawScores {
        let (of, tenths, counts) = (self.of.clone(), self.tenths.clone(), self.counts.clone());
        Arc::new(move |batch: &Batch| {
            let width = tenths.len();
            let wrong = |error: AnomalyError| {
                StageError::new(ErrorCode::ContractInvalid, format!("a model's rows cannot be scored: {error}"))
            };
            let scores = match &*of {
                Kind::Forest(forest) => {
                    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
                    forest.score_rows(&rows(&batch.features, width).map_err(wrong)?, threads).map_err(wrong)?
                }
                Kind::ZScore(_) => {
                    rows(&batch.features, width).map_err(wrong)?;
                    batch.features.clone()
                }
            };
            let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
            for row in batch.features.chunks_exact(width.max(1)) {
                for ((value, tenths), counts) in row.iter().zip(tenths.iter()).zip(counts.iter_mut()) {
                    tenths.count(*value, counts);
                }
            }
            Ok(scores)
        })
    }

    /// Fits what depends on the raw scores of all rows: the offset of a forest, mean and standard deviation of a z-score.
    ///
    /// # Errors
    /// `ContractInvalid` if they cannot be computed, the database's.
    pub(crate) async fn fit(self, scoring: &Scoring<'_>, plan: &ScorePlan<'_>, rows: u64) -> Result<Self> {
        let wrong = |error| unusable(plan.model, &error);
        let of = match Arc::into_inner(self.of) {
            Some(Kind::Forest(forest)) => {
                let quantile =
                    Quantile::new(usize::try_from(rows).unwrap_or(usize::MAX), forest.parameters().contamination);
                let (low, next) = scoring.two_raw_scores(plan, quantile.below).await?;
                Kind::Forest(Box::new(forest.with_offset(quantile.between(low, next)).map_err(wrong)?))
            }
            Some(Kind::ZScore(ZScore { deviation, .. })) => {
                let mut values = Sum::default();
                scoring.raw_scores(plan, |value| values = values.plus(value)).await?;
                let mean = ZScore::mean(&values).unwrap_or_default();
                let mut squares = Sum::default();
                scoring.raw_scores(plan, |value| squares = squares.plus((value - mean) * (value - mean))).await?;
                let fitted = ZScore::around(mean, &squares, deviation);
                Kind::ZScore(fitted.ok_or_else(|| wrong(AnomalyError::Parameter("a z-score needs two rows")))?)
            }
            None => return Err(StageError::new(ErrorCode::Internal, "a model is still in use")),
        };
        Ok(Self { of: Arc::new(of), ..self })
    }

    /// What makes a score of a raw one: scikit-learn's `decision_function` of a forest's.
    pub(crate) fn scale(&self) -> Scale {
        match &*self.of {
            Kind::Forest(forest) => Scale { centre: forest.offset(), unit: Some(1.0) },
            Kind::ZScore(zscore) => Scale { centre: zscore.mean, unit: zscore.unit() },
        }
    }

    /// Why a row is abnormal, in words.
    ///
    /// # Errors
    /// `ContractInvalid` if its features are not those of the model.
    pub(crate) fn reason(
        &self,
        model: &Model,
        messages: &Messages,
        numbers: &[f64],
        texts: &[Option<&str>],
    ) -> Result<Option<String>> {
        let wrong = |error| unusable(model, &error);
        let feature = match &*self.of {
            Kind::Forest(forest) => {
                let rows = rows(numbers, numbers.len()).map_err(wrong)?;
                forest.isolating_feature(&rows, 0).map_err(wrong)?
            }
            Kind::ZScore(_) => 0,
        };
        let words = model.features.get(feature).map(|feature| feature.words.as_str());
        let value = texts.get(feature).copied().flatten().map(|value| messages.number(value));
        Ok(words.zip(value).map(|(words, value)| words.replace("{value}", &value)))
    }

    /// The stored form, its hash, and what the training found.
    ///
    /// # Errors
    /// `ContractInvalid` if it cannot be written.
    pub(crate) fn stored(&self, model: &Model) -> Result<(String, String, Value)> {
        let unwritable = |error: serde_json::Error| unusable(model, &AnomalyError::Record(error.to_string()));
        let tenths = &*self.tenths;
        match &*self.of {
            Kind::Forest(forest) => {
                let json = serde_json::to_string(forest).map_err(unwritable)?;
                Ok((json, forest.sha256(), json!({ "offset": forest.offset(), "tenths": tenths })))
            }
            Kind::ZScore(zscore) => {
                let json = serde_json::to_string(zscore).map_err(unwritable)?;
                let sha256 = hex(digest([json.as_str()]));
                let found =
                    json!({ "mean": zscore.mean, "standard_deviation": zscore.standard_deviation, "tenths": tenths });
                Ok((json, sha256, found))
            }
        }
    }

    /// Of each feature, how many of the rows that were scored since the training lie in each tenth (those of `before`, and those of this turn), and how
    /// far it has moved by these. Right after a training no row has been scored since.
    pub(crate) fn drift(
        &self,
        model: &Model,
        before: Option<&InForce>,
        is_trained: bool,
    ) -> (Vec<Vec<u64>>, Vec<FeatureDrift>) {
        if is_trained {
            return (self.tenths.iter().map(Tenths::no_counts).collect(), Vec::new());
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let before = before.map(InForce::since).unwrap_or_default();
        for (counts, before) in counts.iter_mut().zip(before) {
            counts.iter_mut().zip(before).for_each(|(count, before)| *count += before);
        }
        let moved = model.features.iter().zip(self.tenths.iter()).zip(&counts);
        let drift = moved.filter_map(|((feature, tenths), counts)| {
            Some(FeatureDrift { feature: feature.name.clone(), psi: tenths.stability(counts)? })
        });
        let drift = drift.collect();
        (counts, drift)
    }
}

pub(crate) fn unusable(model: &Model, error: &AnomalyError) -> StageError {
    let message = format!("model {} cannot be trained: {error}; check models/{}.sql", model.id, model.id);
    StageError::new(ErrorCode::ContractInvalid, message)
}
