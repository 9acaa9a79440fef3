//! Random numbers that are part of the format: the same seed gives the same file with every version of the libraries.
//! ChaCha with 8 rounds is a specified stream; how numbers are made of it is written here.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of draws.
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    /// The stream numbered `stream` of a purpose (a source's rows, a pool's members): rows do not share draws, so a row's
    /// content does not hang on how much chance the rows before it took.
    pub(crate) fn new(seed: u64, purpose: u64, stream: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&purpose.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(stream);
        Self(rng)
    }

    /// Uniform in `0..bound`; 0 where `bound` is 0. The bias, below `bound` / 2⁶⁴, cannot be observed.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.0.next_u64()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// Uniform index of a list of a length that is not 0.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// Uniform in [0, 1), 53 bits.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Standard normal, by Box and Muller.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        radius * libm::cos(core::f64::consts::TAU * self.unit())
    }
}

/// A purpose's number, from its name (FNV-1a).
pub(crate) fn purpose(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A permutation of `0..length`, computed place by place: which rows carry a defect is scattered over the file in exact
/// number, without a table of all rows.
pub(crate) struct Permutation {
    length: u64,
    half: u32,
    keys: [u64; 4],
}

impl Permutation {
    pub(crate) fn new(length: u64, random: &mut Random) -> Self {
        let bits = u64::BITS - length.saturating_sub(1).leading_zeros();
        let keys = std::array::from_fn(|_| random.below(u64::MAX));
        Self { length, half: bits.div_ceil(2).max(1), keys }
    }

    /// Where a number below the length goes.
    pub(crate) fn at(&self, number: u64) -> u64 {
        let mask = (1 << self.half) - 1;
        let mut at = number;
        // A Feistel network permutes the next power of four; what falls beyond the length goes through again.
        loop {
            let (mut left, mut right) = (at >> self.half, at & mask);
            for key in self.keys {
                (left, right) = (right, left ^ (mix(right ^ key) & mask));
            }
            at = (left << self.half) | right;
            if at < self.length {
                return at;
            }
        }
    }
}

/// The finaliser of splitmix64.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permutations_hit_every_place_once_and_move_most() {
        for length in [1, 2, 3, 5, 64, 65, 1000] {
            let permutation = Permutation::new(length, &mut Random::new(7, 0, 0));
            let places: Vec<u64> = (0..length).map(|number| permutation.at(number)).collect();
            let mut sorted = places.clone();
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..length), "{length}");
            let moved = (0..length).zip(&places).filter(|(from, to)| from != *to).count();
            assert!(length < 64 || moved > 50, "{length}: only {moved} moved");
        }
    }

    #[test]
    fn the_stream_is_the_specified_one() {
        let mut random = Random::new(42, purpose("rows"), 3);
        let drawn = [random.below(1000), random.below(1000), random.below(1000)];
        let mut again = Random::new(42, purpose("rows"), 3);
        assert_eq!(drawn, [again.below(1000), again.below(1000), again.below(1000)]);
        let normals: Vec<f64> = (0..10_000).map(|_| random.normal()).collect();
        let mean = normals.iter().sum::<f64>() / 1e4;
        let variance = normals.iter().map(|z| (z - mean) * (z - mean)).sum::<f64>() / 1e4;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }
}
