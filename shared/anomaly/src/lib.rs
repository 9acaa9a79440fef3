//! The kinds of models: an isolation forest (Liu, Ting, Zhou: Isolation Forest, ICDM 2008) with scikit-learn's scores, on smartcore's matrix and
//! estimator traits, so that smartcore's other estimators can stand beside it; and the z-score of a value.
//!
//! Pure computation, no I/O. A [`Forest`] is a function of its [`Parameters`] and of the training rows as a multiset: not of
//! their order, nor of the number of threads, nor of the machine. It is stored with serde, has a version and a
//! [hash](Forest::sha256), and refuses to be read where its content is not what was hashed.

mod draw;
mod drift;
mod error;
mod forest;
mod rows;
mod tree;
mod zscore;

pub use drift::Tenths;
pub use error::AnomalyError;
pub use forest::{Forest, ImportedNode, Parameters, Quantile, Training, VERSION};
pub use rows::Rows;
pub use zscore::{Deviation, Sum, ZScore};
