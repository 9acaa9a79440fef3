//! Decode, split, coerce: a billing file's bytes to Arrow record batches and Parquet.
