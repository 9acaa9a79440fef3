//! S3: pinned reads, streaming multipart writes, Parquet over ranges.
