//! Rows and cents of a batch, counted from the Arrow arrays themselves: the other side of the conservation check.

use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{Array, RecordBatch};
use fonderie_contract::Record;
use fonderie_core::Tally;

/// Counts a batch's rows and sums its money columns.
pub fn tally_batch(record: &Record, batch: &RecordBatch) -> Tally {
    let mut tally = Tally::new(record.money());
    tally.rows = batch.num_rows() as u64;
    for (name, amount) in &mut tally.amounts {
        if let Some(array) = batch.column_by_name(name).and_then(|array| array.as_primitive_opt::<Decimal128Type>()) {
            amount.sum = match array.null_count() {
                0 => array.values().iter().sum(),
                _ => array.iter().flatten().sum(),
            };
        }
    }
    tally
}
