//! One isolation tree: as a list of nodes (what is stored and hashed), and as a complete binary tree (what is asked).

use serde::{Deserialize, Serialize};

use crate::draw::Draw;
use crate::rows::Rows;

/// The greatest depth, ⌈log₂ 256⌉: a position in a complete tree of this depth is one byte.
pub(crate) const DEPTH: u8 = 8;
/// Rows that walk through a tree side by side, so that one's memory access hides another's.
const LANES: usize = 16;
/// A feature whose values lie within this of each other counts as constant, as in scikit-learn's splitter.
const CONSTANT: f64 = 1e-7;

/// A node in a complete binary tree: the root is at 1, the children of `p` are at `2p` (x ≤ threshold) and `2p + 1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Node {
    pub(crate) position: u16,
    /// Training rows that reached it.
    pub(crate) samples: u16,
    /// Feature and threshold; a leaf has none.
    pub(crate) split: Option<(u16, Exact<f32>)>,
}

/// A float whose text form is read back to the same bits, whatever the format does to numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Exact<F>(pub(crate) F);

impl<F: std::fmt::Display> Serialize for Exact<F> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, F: std::str::FromStr<Err: std::fmt::Display>> Deserialize<'de> for Exact<F> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

/// c(n): the mean path length of an unsuccessful search in a binary search tree of n keys (Liu, Ting, Zhou 2008, eq. 1);
/// with scikit-learn's values for n ≤ 2.
pub(crate) fn mean_path_length(samples: u16) -> f64 {
    const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;
    let n = f64::from(samples);
    match samples {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => 2.0 * (libm::log(n - 1.0) + EULER_GAMMA) - 2.0 * (n - 1.0) / n,
    }
}

/// The greatest f32 that is not above `threshold`: for every f32 x, `x <= threshold` holds for both or for neither.
pub(crate) fn round_down(threshold: f64) -> f32 {
    #[allow(clippy::cast_possible_truncation)] // `as` rounds to the nearest f32; the next line corrects it.
    let nearest = threshold as f32;
    if f64::from(nearest) > threshold { nearest.next_down() } else { nearest }
}

/// Grows a tree over the sample (row numbers), as scikit-learn's `ExtraTreeRegressor(max_features=1, splitter="random")`:
/// at each node a feature drawn among those that are not constant there, and a threshold uniform in [min, max).
pub(crate) fn grow(rows: &Rows, sample: &mut [usize], depth: u32, draw: &mut Draw) -> Vec<Node> {
    let mut nodes = Vec::new();
    split(rows, sample, 1, depth, draw, &mut nodes);
    nodes.sort_unstable_by_key(|node| node.position);
    nodes
}

fn split(rows: &Rows, sample: &mut [usize], position: u16, levels: u32, draw: &mut Draw, nodes: &mut Vec<Node>) {
    let samples = u16::try_from(sample.len()).unwrap_or(u16::MAX);
    let mut candidates = Vec::new();
    if levels > 0 && samples > 1 {
        for feature in 0..rows.features {
            let values = || sample.iter().map(|&row| rows.row(row)[feature]);
            let (low, high) =
                (f64::from(values().fold(f32::MAX, f32::min)), f64::from(values().fold(f32::MIN, f32::max)));
            if high > low + CONSTANT {
                candidates.push((feature, low, high));
            }
        }
    }
    if candidates.is_empty() {
        nodes.push(Node { position, samples, split: None });
        return;
    }
    let (feature, low, high) = candidates[draw.below(candidates.len())];
    let drawn = low + draw.unit() * (high - low);
    let threshold = round_down(if drawn < high { drawn } else { low });
    nodes.push(Node { position, samples, split: Some((u16::try_from(feature).unwrap_or(0), Exact(threshold))) });
    sample.sort_unstable_by_key(|&row| rows.row(row)[feature] > threshold);
    let left = sample.partition_point(|&row| rows.row(row)[feature] <= threshold);
    let (left, right) = sample.split_at_mut(left);
    split(rows, left, 2 * position, levels - 1, draw, nodes);
    split(rows, right, 2 * position + 1, levels - 1, draw, nodes);
}

#[derive(Clone, Copy, Debug)]
struct Split {
    threshold: f32,
    feature: u32,
}

/// A tree as a complete binary tree of depth 8. Below a leaf every threshold is infinite, so a walk needs no test for the
/// leaf: it always takes eight steps, and what it ends at holds the leaf's path length.
#[derive(Clone, Debug)]
pub(crate) struct CompleteTree {
    splits: Box<[Split; 256]>,
    /// h(x) per end of a walk: the leaf's depth + c(samples in it).
    lengths: Box<[f64; 256]>,
    /// Samples per position, 0 below a leaf.
    samples: Box<[u16; 512]>,
}

impl CompleteTree {
    /// Lays out a tree, or says why it is none.
    pub(crate) fn new(nodes: &[Node], features: usize, samples: usize) -> Result<Self, &'static str> {
        let mut counts = Box::new([0_u16; 512]);
        for node in nodes {
            match counts.get_mut(usize::from(node.position)) {
                Some(count) if node.position > 0 && *count == 0 && node.samples > 0 => *count = node.samples,
                _ => return Err("two nodes at one position, one out of its depth, or one without samples"),
            }
        }
        if usize::from(counts[1]) != samples {
            return Err("its root does not hold the forest's number of samples");
        }
        let mut splits = Box::new([Split { threshold: f32::INFINITY, feature: 0 }; 256]);
        let mut lengths = Box::new([0.0; 256]);
        let mut reached = 1;
        for node in nodes {
            let position = usize::from(node.position);
            if let Some((feature, Exact(threshold))) = node.split {
                if usize::from(feature) >= features || !threshold.is_finite() {
                    return Err("a split on a feature or at a threshold that does not exist");
                }
                let Some(&[left, right]) = counts.get(2 * position..2 * position + 2).and_then(|c| c.as_array()) else {
                    return Err("deeper than 8");
                };
                if left == 0 || right == 0 || left.checked_add(right) != Some(node.samples) {
                    return Err("the samples of two children are not those of their parent");
                }
                splits[position] = Split { threshold, feature: u32::from(feature) };
                reached += 2;
            } else {
                let depth = position.ilog2();
                let below = u32::from(DEPTH) - depth;
                let length = f64::from(depth) + mean_path_length(node.samples);
                lengths[(position << below) - 256..][..1 << below].fill(length);
            }
        }
        if reached != nodes.len() {
            return Err("nodes that no split leads to");
        }
        Ok(Self { splits, lengths, samples: counts })
    }

    /// Adds h(x) of each row, `stride` values each, to its sum.
    pub(crate) fn add_lengths(&self, rows: &[f32], stride: usize, sums: &mut [f64]) {
        if stride == 4 {
            let (rows, _) = rows.as_chunks::<4>();
            let (groups, rest) = rows.as_chunks::<LANES>();
            let (sum_groups, sum_rest) = sums.as_chunks_mut::<LANES>();
            for (group, sums) in groups.iter().zip(sum_groups) {
                self.walk(|lane, feature| group[lane][feature & 3], sums);
            }
            for (row, sum) in rest.iter().zip(sum_rest) {
                self.walk(|_, feature| row[feature & 3], std::array::from_mut(sum));
            }
        } else {
            for (group, sums) in rows.chunks(stride * LANES).zip(sums.chunks_mut(LANES)) {
                match sums.as_mut_array::<LANES>() {
                    Some(sums) => self.walk(|lane, feature| group[lane * stride + feature], sums),
                    None => {
                        for (row, sum) in group.chunks(stride).zip(sums) {
                            self.walk(|_, feature| row[feature], std::array::from_mut(sum));
                        }
                    }
                }
            }
        }
    }

    /// N rows from the root to their ends, a level at a time. The eighth step carries out of the byte: what is left is the
    /// end's index.
    #[inline(always)]
    fn walk<const N: usize>(&self, value: impl Fn(usize, usize) -> f32, sums: &mut [f64; N]) {
        let mut positions = [1_u8; N];
        for _ in 0..DEPTH {
            for (lane, position) in positions.iter_mut().enumerate() {
                let split = self.splits[usize::from(*position)];
                let above = u8::from(value(lane, split.feature as usize) > split.threshold);
                *position = (*position << 1) | above;
            }
        }
        for (sum, position) in sums.iter_mut().zip(positions) {
            *sum += self.lengths[usize::from(position)];
        }
    }

    /// Adds each split's part of c(root) − h(x) to its feature.
    pub(crate) fn add_contributions(&self, row: &[f32], contributions: &mut [f64]) {
        let mut position = 1_usize;
        while let Some(&[left, right]) = self.samples.get(2 * position..2 * position + 2).and_then(|c| c.as_array())
            && left > 0
        {
            let split = self.splits[position];
            let feature = split.feature as usize;
            let above = row[feature] > split.threshold;
            let child = if above { right } else { left };
            let expected = mean_path_length(self.samples[position]);
            contributions[feature] += expected - (1.0 + mean_path_length(child));
            position = 2 * position + usize::from(above);
        }
    }
}
