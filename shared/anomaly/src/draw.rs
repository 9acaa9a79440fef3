//! Random draws that are part of the model: the same seed gives the same forest on every machine and with every version of
//! the libraries. ChaCha with 8 rounds is a specified stream; how numbers are made of it is written here.

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// One tree's stream: trees do not share draws, so they can be grown in any order.
pub(crate) struct Draw(ChaCha8Rng);

impl Draw {
    pub(crate) fn new(seed: u64, tree: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(tree);
        Self(rng)
    }

    /// Uniform in `0..bound`; the bias, below `bound` / 2⁶⁴, cannot be observed.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let product = u128::from(self.0.next_u64()) * (bound as u128);
        usize::try_from(product >> 64).unwrap_or(0)
    }

    /// Uniform in [0, 1), 53 bits.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// `count` different numbers of `0..bound`, each set as likely as any other (Floyd's algorithm).
    pub(crate) fn sample(&mut self, bound: usize, count: usize) -> BTreeSet<usize> {
        let mut chosen = BTreeSet::new();
        for last in bound - count..bound {
            let number = self.below(last + 1);
            if !chosen.insert(number) {
                chosen.insert(last);
            }
        }
        chosen
    }
}
