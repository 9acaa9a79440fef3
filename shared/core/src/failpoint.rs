//! Places at which a test may kill the process: before and after everything that a stage writes.
//!
//! Without the feature `failpoints`, which only the tests ask for, nothing is compiled in.

/// Passes the place named, or ends the process there, as a crash would.
///
/// `FAILPOINTS="step=7*off->return"` lets seven places pass and ends the process at the eighth; a place's own name takes an
/// action too (`before the load was committed=sleep(2000)`).
#[inline]
#[allow(unused_variables)]
pub fn step(place: &str) {
    #[cfg(feature = "failpoints")]
    fail::fail_point!("step", |_| {
        eprintln!("killed {place}");
        std::process::abort()
    });
    #[cfg(feature = "failpoints")]
    fail::fail_point!(place);
}

/// Reads `FAILPOINTS`, for the process's whole life.
pub fn from_environment() {
    #[cfg(feature = "failpoints")]
    std::mem::forget(fail::FailScenario::setup());
}
