use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use smartcore::api::{Predictor, UnsupervisedEstimator};
use smartcore::error::Failed;
use smartcore::linalg::basic::arrays::Array2;
use smartcore::numbers::realnum::RealNumber;

use crate::AnomalyError;
use crate::draw::Draw;
use crate::rows::Rows;
use crate::tree::{CompleteTree, DEPTH, Exact, Node, grow, mean_path_length, round_down};

/// The version of the stored form, and of the way from a seed to a forest. It grows when either changes.
pub const VERSION: u32 = 1;

/// Rows that pass through one tree before the next: they and the tree stay in the processor's first cache.
const PIECE: usize = 1024;

/// What determines a forest, besides the rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// Number of trees.
    pub trees: usize,
    /// Rows drawn for each tree, without replacement: 2 to 256. Fewer training rows than this are too few.
    pub samples: usize,
    /// The part of the training rows that is taken to be abnormal: above 0, at most 0.5.
    pub contamination: f64,
    /// Where the random draws begin.
    pub seed: u64,
}

impl Default for Parameters {
    /// 100 trees of 256 rows, 5 %, seed 42.
    fn default() -> Self {
        Self { trees: 100, samples: 256, contamination: 0.05, seed: 42 }
    }
}

impl Parameters {
    fn check(&self) -> Result<(), AnomalyError> {
        if !(1..=10_000).contains(&self.trees) {
            return Err(AnomalyError::Parameter("a forest has between 1 and 10000 trees"));
        }
        if !(2..=256).contains(&self.samples) {
            return Err(AnomalyError::Parameter("a tree is grown on 2 to 256 samples"));
        }
        if !(self.contamination > 0.0 && self.contamination <= 0.5) {
            return Err(AnomalyError::Parameter("contamination is above 0 and at most 0.5"));
        }
        Ok(())
    }
}

/// What training came to.
#[derive(Clone, Debug)]
pub enum Training {
    /// A forest.
    Fitted {
        /// The forest.
        forest: Forest,
        /// [`Forest::score_samples`] of the training rows, which its offset needs anyway.
        scores: Vec<f64>,
    },
    /// There are fewer rows than a tree samples. That is no error: nothing is scored.
    TooFewRows {
        /// Rows there are.
        rows: usize,
        /// Rows it takes.
        needed: usize,
    },
}

/// A node of a tree that another program trained; a tree is a list of them, its root first.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportedNode {
    /// The indexes of its children, for x ≤ threshold and for x > threshold; `None` for a leaf.
    pub children: Option<(usize, usize)>,
    /// The feature that it splits on, from 0; of no account for a leaf.
    pub feature: usize,
    /// The threshold that an f32 value is compared with; of no account for a leaf.
    pub threshold: f64,
    /// Training rows that reached it.
    pub samples: usize,
}

/// A trained isolation forest over M features.
///
/// The score of a row x is scikit-learn's, `s(x) = -2^(-E[h(x)] / c(ψ))`: h is the depth of the leaf that x falls into plus
/// c(training rows in that leaf), E the mean over the trees, ψ the samples per tree, c the mean path length of an unsuccessful
/// search in a binary search tree (Liu, Ting, Zhou 2008, eq. 1 and 2; `sklearn.ensemble.IsolationForest`).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "Record", try_from = "Record")]
pub struct Forest {
    parameters: Parameters,
    features: usize,
    offset: f64,
    nodes: Vec<Vec<Node>>,
    trees: Vec<CompleteTree>,
}

impl Forest {
    /// Trains a forest on an N×M matrix, N rows of M features, and scores its rows.
    ///
    /// Each tree has rows of its own, `samples` of the N, and a depth of at most ⌈log₂ samples⌉. The offset is the percentile
    /// of the training scores at `contamination`, interpolated as numpy's default does.
    ///
    /// # Errors
    /// A parameter is out of its range, there are no features, or a value is not a finite f32.
    pub fn train<T: RealNumber, X: Array2<T>>(
        x: &X,
        parameters: &Parameters,
        threads: NonZeroUsize,
    ) -> Result<Training, AnomalyError> {
        parameters.check()?;
        Self::train_rows(&Rows::new(x)?, parameters, threads)
    }

    /// [`train`](Self::train) on rows that are no matrix.
    ///
    /// # Errors
    /// A parameter is out of its range.
    pub fn train_rows(rows: &Rows, parameters: &Parameters, threads: NonZeroUsize) -> Result<Training, AnomalyError> {
        let Some(forest) = Self::grow(rows, parameters)? else {
            return Ok(Training::TooFewRows { rows: rows.len(), needed: parameters.samples });
        };
        let scores = forest.score(rows, threads);
        let offset = percentile(scores.clone(), parameters.contamination);
        Ok(Training::Fitted { forest: forest.with_offset(offset)?, scores })
    }

    /// The trees of a forest, with the offset 0: the rows may be a sample of those that are scored, whose scores give the offset
    /// ([`Quantile`]). `None` if there are fewer rows than a tree samples.
    ///
    /// # Errors
    /// A parameter is out of its range.
    pub fn grow(rows: &Rows, parameters: &Parameters) -> Result<Option<Self>, AnomalyError> {
        parameters.check()?;
        if rows.len() < parameters.samples {
            return Ok(None);
        }
        let order = rows.canonical_order();
        let depth = parameters.samples.next_power_of_two().ilog2();
        let nodes = (0_u64..).take(parameters.trees).map(|tree| {
            let mut draw = Draw::new(parameters.seed, tree);
            let sample = draw.sample(order.len(), parameters.samples);
            let mut sample: Vec<usize> = sample.into_iter().map(|rank| order[rank]).collect();
            grow(rows, &mut sample, depth, &mut draw)
        });
        Self::new(parameters.clone(), rows.features, 0.0, nodes.collect()).map(Some)
    }

    /// The same trees with another offset.
    ///
    /// # Errors
    /// It is not finite.
    pub fn with_offset(self, offset: f64) -> Result<Self, AnomalyError> {
        check_offset(offset)?;
        Ok(Self { offset, ..self })
    }

    /// [`score_samples`](Self::score_samples) of rows that are no matrix.
    ///
    /// # Errors
    /// The rows have another number of features.
    pub fn score_rows(&self, rows: &Rows, threads: NonZeroUsize) -> Result<Vec<f64>, AnomalyError> {
        if rows.features != self.features {
            return Err(AnomalyError::Features { expected: self.features, found: rows.features });
        }
        Ok(self.score(rows, threads))
    }

    /// A forest from trees that another program trained, for instance scikit-learn's `estimators_[i].tree_`.
    ///
    /// `offset` is scikit-learn's `offset_`; `parameters` are those of that training.
    ///
    /// # Errors
    /// A parameter is out of its range, or a tree is not one: deeper than 8, samples that do not add up, a node that is its own
    /// ancestor, a feature that does not exist.
    pub fn from_trees(
        parameters: Parameters,
        features: usize,
        offset: f64,
        trees: &[Vec<ImportedNode>],
    ) -> Result<Self, AnomalyError> {
        parameters.check()?;
        let nodes = trees
            .iter()
            .enumerate()
            .map(|(tree, nodes)| import(nodes).map_err(|reason| AnomalyError::Tree { tree, reason }));
        Self::new(parameters, features, offset, nodes.collect::<Result<_, _>>()?)
    }

    fn new(parameters: Parameters, features: usize, offset: f64, nodes: Vec<Vec<Node>>) -> Result<Self, AnomalyError> {
        if nodes.len() != parameters.trees {
            return Err(AnomalyError::Parameter("the number of trees is not the one in the parameters"));
        }
        check_offset(offset)?;
        let trees = nodes.iter().enumerate().map(|(tree, nodes)| {
            CompleteTree::new(nodes, features, parameters.samples).map_err(|reason| AnomalyError::Tree { tree, reason })
        });
        let trees = trees.collect::<Result<_, _>>()?;
        Ok(Self { parameters, features, offset, nodes, trees })
    }

    /// What it was trained with.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// M, the number of features.
    pub fn features(&self) -> usize {
        self.features
    }

    /// The score that divides abnormal from normal.
    pub fn offset(&self) -> f64 {
        self.offset
    }

    /// The SHA-256 of the forest's canonical bytes, in hexadecimal: version, parameters, features, offset and nodes, numbers
    /// little-endian and floats by their bits.
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"fonderie isolation forest\0");
        hash.update(VERSION.to_le_bytes());
        for size in [self.parameters.trees, self.parameters.samples, self.features] {
            hash.update((size as u64).to_le_bytes());
        }
        hash.update(self.parameters.seed.to_le_bytes());
        hash.update(self.parameters.contamination.to_bits().to_le_bytes());
        hash.update(self.offset.to_bits().to_le_bytes());
        for nodes in &self.nodes {
            hash.update((nodes.len() as u64).to_le_bytes());
            for node in nodes {
                hash.update(node.position.to_le_bytes());
                hash.update(node.samples.to_le_bytes());
                let (feature, threshold) = node.split.map_or((u16::MAX, 0), |(f, Exact(t))| (f, t.to_bits()));
                hash.update(feature.to_le_bytes());
                hash.update(threshold.to_le_bytes());
            }
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// scikit-learn's `score_samples` of an N×M matrix: N scores in [-1, 0), the lower the more abnormal.
    ///
    /// # Errors
    /// The matrix has another number of features, or a value that is not a finite f32.
    pub fn score_samples<T: RealNumber, X: Array2<T>>(
        &self,
        x: &X,
        threads: NonZeroUsize,
    ) -> Result<Vec<f64>, AnomalyError> {
        Ok(self.score(&self.rows(x)?, threads))
    }

    /// scikit-learn's `decision_function` of an N×M matrix: `score_samples - offset`, N numbers in (-1, 1), negative where
    /// the row is abnormal.
    ///
    /// # Errors
    /// As [`score_samples`](Self::score_samples).
    pub fn decision_function<T: RealNumber, X: Array2<T>>(
        &self,
        x: &X,
        threads: NonZeroUsize,
    ) -> Result<Vec<f64>, AnomalyError> {
        let mut scores = self.score_samples(x, threads)?;
        scores.iter_mut().for_each(|score| *score -= self.offset);
        Ok(scores)
    }

    /// How much each feature isolated each row: N lists of M path lengths, in splits saved, averaged over the trees.
    ///
    /// A walk that stands at a node of n training rows has c(n) more steps to expect; once it took the split to a child of m
    /// rows, 1 + c(m). The difference, c(n) - 1 - c(m), is credited to the split's feature. Along a walk the differences
    /// telescope, so a row's contributions add up to c(ψ) - E[h(x)] exactly, which is what its score is made of: nothing is
    /// left unexplained, and no row is asked about that never was (as replacing a feature by its median would, which
    /// misleads where features go together, as an order's amount and its unpaid part do).
    ///
    /// # Errors
    /// As [`score_samples`](Self::score_samples).
    pub fn contributions<T: RealNumber, X: Array2<T>>(&self, x: &X) -> Result<Vec<Vec<f64>>, AnomalyError> {
        let rows = self.rows(x)?;
        Ok((0..rows.len()).map(|row| self.explain(rows.row(row))).collect())
    }

    fn explain(&self, row: &[f32]) -> Vec<f64> {
        let mut contributions = vec![0.0; self.features];
        self.trees.iter().for_each(|tree| tree.add_contributions(row, &mut contributions));
        contributions.iter_mut().for_each(|sum| *sum /= self.trees.len() as f64);
        contributions
    }

    /// The feature, from 0, that isolated each row of an N×M matrix most: the greatest of its
    /// [contributions](Self::contributions), the first of equals.
    ///
    /// # Errors
    /// As [`score_samples`](Self::score_samples).
    pub fn isolating_features<T: RealNumber, X: Array2<T>>(&self, x: &X) -> Result<Vec<usize>, AnomalyError> {
        Ok(self.contributions(x)?.iter().map(|contributions| first_greatest(contributions)).collect())
    }

    /// [`isolating_features`](Self::isolating_features) of one of the rows, from 0.
    ///
    /// # Errors
    /// The rows have another number of features.
    ///
    /// # Panics
    /// There is no such row.
    pub fn isolating_feature(&self, rows: &Rows, row: usize) -> Result<usize, AnomalyError> {
        if rows.features != self.features {
            return Err(AnomalyError::Features { expected: self.features, found: rows.features });
        }
        Ok(first_greatest(&self.explain(rows.row(row))))
    }

    fn rows<T: RealNumber, X: Array2<T>>(&self, x: &X) -> Result<Rows, AnomalyError> {
        let found = x.shape().1;
        if found != self.features {
            return Err(AnomalyError::Features { expected: self.features, found });
        }
        Rows::new(x)
    }

    /// Thread *i* of n scores the pieces *i*, *i* + n, …; each row sums its trees in the same order, so that the scores do not depend on the
    /// number of threads.
    fn score(&self, rows: &Rows, threads: NonZeroUsize) -> Vec<f64> {
        let mut scores = vec![0.0; rows.len()];
        let mut shares: Vec<Vec<_>> = (0..threads.get()).map(|_| Vec::new()).collect();
        for (index, piece) in rows.pieces(PIECE).zip(scores.chunks_mut(PIECE)).enumerate() {
            shares[index % threads].push(piece);
        }
        std::thread::scope(|scope| {
            let mut shares = shares.into_iter().filter(|share| !share.is_empty());
            let own = shares.next();
            for share in shares {
                scope.spawn(move || self.score_pieces(share, rows.stride));
            }
            self.score_pieces(own.unwrap_or_default(), rows.stride);
        });
        scores
    }

    fn score_pieces(&self, pieces: Vec<(&[f32], &mut [f64])>, stride: usize) {
        let scale = self.trees.len() as f64 * mean_path_length(u16::try_from(self.parameters.samples).unwrap_or(256));
        for (rows, scores) in pieces {
            for tree in &self.trees {
                tree.add_lengths(rows, stride, scores);
            }
            // libm's exp2, not the platform's: the last bit is the same everywhere.
            scores.iter_mut().for_each(|score| *score = -libm::exp2(-*score / scale));
        }
    }
}

/// The first of the greatest.
fn first_greatest(values: &[f64]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

fn all_processors() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

impl<X: Array2<f64>> UnsupervisedEstimator<X, Parameters> for Forest {
    /// [`Forest::train`] on all processors; too few rows fail here.
    fn fit(x: &X, parameters: Parameters) -> Result<Self, Failed> {
        match Self::train(x, &parameters, all_processors())? {
            Training::Fitted { forest, .. } => Ok(forest),
            Training::TooFewRows { rows, needed } => {
                Err(Failed::fit(&format!("too few rows: {rows}, where a tree samples {needed}")))
            }
        }
    }
}

impl<X: Array2<f64>> Predictor<X, Vec<f64>> for Forest {
    /// [`Forest::decision_function`] on all processors.
    fn predict(&self, x: &X) -> Result<Vec<f64>, Failed> {
        Ok(self.decision_function(x, all_processors())?)
    }
}

fn check_offset(offset: f64) -> Result<(), AnomalyError> {
    if offset.is_finite() { Ok(()) } else { Err(AnomalyError::Parameter("the offset is not a finite number")) }
}

/// Where numpy's `percentile(values, 100 * part)` lies in sorted values, with its default, linear interpolation: between the value at
/// `below` and the next one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantile {
    /// The index, from 0, of the value below it.
    pub below: usize,
    fraction: f64,
}

impl Quantile {
    /// That of so many values, at least one; `part` is from 0 to 1.
    pub fn new(values: usize, part: f64) -> Self {
        let rank = part * values.saturating_sub(1) as f64;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // within 0..values
        let below = rank.floor() as usize;
        Self { below, fraction: rank - rank.floor() }
    }

    /// Its value between the one at `below` and the next one; of the last value there is no next one.
    pub fn between(self, low: f64, next: Option<f64>) -> f64 {
        let high = next.unwrap_or(low);
        let (part, step) = (self.fraction, high - low);
        if part < 0.5 { low + step * part } else { high - step * (1.0 - part) }
    }
}

fn percentile(mut values: Vec<f64>, part: f64) -> f64 {
    let quantile = Quantile::new(values.len(), part);
    let (_, &mut low, above) = values.select_nth_unstable_by(quantile.below, f64::total_cmp);
    quantile.between(low, above.iter().copied().min_by(f64::total_cmp))
}

/// Gives each node its position in a complete tree.
fn import(nodes: &[ImportedNode]) -> Result<Vec<Node>, &'static str> {
    let mut imported = Vec::with_capacity(nodes.len());
    let mut open = vec![(0, 1_u16)];
    while let Some((index, position)) = open.pop() {
        let node = nodes.get(index).ok_or("a child that does not exist")?;
        let samples = u16::try_from(node.samples).map_err(|_| "a node with more than 65535 samples")?;
        let mut split = None;
        if let Some((left, right)) = node.children {
            if position >= 1 << DEPTH {
                return Err("deeper than 8");
            }
            let feature = u16::try_from(node.feature).map_err(|_| "a split on a feature that does not exist")?;
            split = Some((feature, Exact(round_down(node.threshold))));
            open.extend([(left, 2 * position), (right, 2 * position + 1)]);
        }
        imported.push(Node { position, samples, split });
    }
    imported.sort_unstable_by_key(|node| node.position);
    Ok(imported)
}

/// The stored form.
#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    sha256: String,
    trees: usize,
    samples: usize,
    contamination: Exact<f64>,
    seed: u64,
    features: usize,
    offset: Exact<f64>,
    nodes: Vec<Vec<Node>>,
}

impl From<Forest> for Record {
    fn from(forest: Forest) -> Self {
        Self {
            version: VERSION,
            sha256: forest.sha256(),
            trees: forest.parameters.trees,
            samples: forest.parameters.samples,
            contamination: Exact(forest.parameters.contamination),
            seed: forest.parameters.seed,
            features: forest.features,
            offset: Exact(forest.offset),
            nodes: forest.nodes,
        }
    }
}

impl TryFrom<Record> for Forest {
    type Error = AnomalyError;

    fn try_from(record: Record) -> Result<Self, AnomalyError> {
        if record.version != VERSION {
            let text = format!("the forest is of version {}, this program reads version {VERSION}", record.version);
            return Err(AnomalyError::Record(text));
        }
        let Exact(contamination) = record.contamination;
        let parameters = Parameters { trees: record.trees, samples: record.samples, contamination, seed: record.seed };
        parameters.check()?;
        let forest = Self::new(parameters, record.features, record.offset.0, record.nodes)?;
        if forest.sha256() != record.sha256 {
            return Err(AnomalyError::Record("the forest's content is not what its hash was taken of".to_owned()));
        }
        Ok(forest)
    }
}
