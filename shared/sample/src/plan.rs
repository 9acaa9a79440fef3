//! A compiled `generate.toml`.

use std::sync::Arc;

use chrono::NaiveDate;

use crate::effect::Effect;
use crate::spec::{Overrides, Spec};

/// What a dataset's sample files are made of. Only this can make one.
#[derive(Debug)]
pub struct Plan {
    /// What holds where the caller says nothing else.
    pub defaults: Defaults,
    /// The files, one for each source that the plan names, in the order of their sources.
    pub files: Vec<PlannedFile>,
    pub(crate) scope: Scope,
    pub(crate) pools: Vec<Pool>,
    /// Defects, variants, anomalies.
    pub(crate) effects: Vec<Effect>,
    /// For each field of the record its draw, where it has one.
    pub(crate) fields: Vec<Option<usize>>,
}

/// What holds where the caller says nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// Rows of each file.
    pub rows: u64,
    /// The seed.
    pub seed: u64,
    /// The day that the files are as of: no clean date is later.
    pub as_of: NaiveDate,
}

/// The file of one source.
#[derive(Debug)]
pub struct PlannedFile {
    /// The source's id.
    pub source: String,
    /// The file's name; by it the source's contract knows the format.
    pub name: String,
    pub(crate) source_index: usize,
    pub(crate) format_index: usize,
    pub(crate) line_end: &'static str,
    pub(crate) mark: bool,
    pub(crate) text_cells: f64,
    /// Fields in the order of their columns.
    pub(crate) columns: Vec<usize>,
    pub(crate) overrides: Overrides,
}

/// Draws that may look at each other.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) names: Vec<String>,
    pub(crate) specs: Vec<Arc<Spec>>,
}

/// Things that come back in many rows (customers, products).
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) name: String,
    pub(crate) scope: Scope,
    pub(crate) order: Vec<usize>,
    /// Members of a source's own per row of its file.
    pub(crate) per_row: f64,
    /// Share of the rows whose member other sources know too.
    pub(crate) shared: f64,
}

/// Draws with what a source and an effect change, in an order in which each finds what it looks at.
pub(crate) struct Recipe {
    pub(crate) specs: Vec<Arc<Spec>>,
    pub(crate) order: Vec<usize>,
}

impl Scope {
    /// The recipe with overrides, later ones first.
    ///
    /// # Errors
    /// The name of a draw that hangs on itself.
    pub(crate) fn recipe(&self, overrides: &[&Overrides]) -> Result<Recipe, String> {
        let mut specs = self.specs.clone();
        for (draw, spec) in overrides.iter().copied().flatten() {
            specs[*draw] = spec.clone();
        }
        let mut order = Vec::with_capacity(specs.len());
        let mut state = vec![State::Unseen; specs.len()];
        for draw in 0..specs.len() {
            visit(draw, &specs, &mut state, &mut order).map_err(|draw| self.names[draw].clone())?;
        }
        Ok(Recipe { specs, order })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Unseen,
    Open,
    Done,
}

fn visit(draw: usize, specs: &[Arc<Spec>], state: &mut [State], order: &mut Vec<usize>) -> Result<(), usize> {
    match state[draw] {
        State::Done => return Ok(()),
        State::Open => return Err(draw),
        State::Unseen => state[draw] = State::Open,
    }
    let mut needed = Vec::new();
    specs[draw].needs(&mut needed);
    for other in needed {
        visit(other, specs, state, order)?;
    }
    state[draw] = State::Done;
    order.push(draw);
    Ok(())
}
