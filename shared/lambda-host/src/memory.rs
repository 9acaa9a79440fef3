//! The memory that the process uses, against what Lambda gives it.

use std::time::Duration;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// Stops a stage that has used up nine tenths of its memory; Lambda would kill it soon, without a word.
///
/// X-Ray's daemon runs beside the stage, in the same memory: 16 MiB, or 3 % of the function's if that is more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// Of the function, in MiB.
    pub(crate) size: u64,
}

impl Limit {
    /// The function's memory, where Lambda says how much it is.
    pub(crate) fn from_environment() -> Option<Self> {
        let size = std::env::var("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").ok()?.parse().ok()?;
        Some(Self { size })
    }

    /// What X-Ray's daemon leaves to the stage, in KiB.
    fn left_by_the_daemon(self) -> u64 {
        let size = self.size * 1024;
        size.saturating_sub((size * 3 / 100).max(16 * 1024))
    }

    /// Whether so many KiB are too many.
    fn is_near(self, used: u64) -> bool {
        used > self.left_by_the_daemon() / 10 * 9
    }
}

/// Returns when the memory is nearly used up, with the MiB in use; never where there is no limit, or no way to look.
pub(crate) async fn nearly_used_up(limit: Option<Limit>) -> (u64, Limit) {
    let Some(limit) = limit else { return std::future::pending().await };
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        match used() {
            Some(used) if limit.is_near(used) => return (used / 1024, limit),
            Some(_) => {}
            None => return std::future::pending().await,
        }
    }
}

/// The process's resident memory in KiB; `None` where the system does not tell.
fn used() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_tenths_of_what_the_daemon_leaves_are_near() {
        // 16 MiB of a small function are the daemon's, 3 % of a large one
        for (size, stage) in [(116, 100), (2000, 1940)] {
            let limit = Limit { size };
            assert!(!limit.is_near(stage * 1024 / 10 * 9) && limit.is_near((stage + 1) * 1024 / 10 * 9), "{size}");
        }
        assert!(used().is_none_or(|used| used > 1000));
    }

    #[tokio::test]
    async fn a_stage_is_stopped_while_it_works() {
        let work = async {
            let mut held = Vec::new();
            for _ in 0..4096 {
                held.push(vec![1_u8; 1 << 20]);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            held.len()
        };
        let before = used().unwrap_or(0) / 1024;
        let limit = Limit { size: before + 100 };
        tokio::select! {
            held = work => panic!("{held} MiB were taken, and nobody said stop"),
            (used, _) = nearly_used_up(Some(limit)) => {
                assert!(used >= limit.left_by_the_daemon() / 1024 * 9 / 10 && used < limit.size * 2, "{used}");
            }
        }
    }
}
