//! Rules, verdict and rejects.
