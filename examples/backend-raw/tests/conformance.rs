//! The rules of every backend.

use backend_raw::Raw;
use chunk_core::DType;
use chunk_testkit::{Description, conformance};

chunk_testkit::measure_memory!();

conformance!(raw, || {
    let texts_and_times = ["S7", "U3", "V5", "datetime64[ns]", "timedelta64[25s]"].map(|name| name.parse().unwrap());
    Description::new(Raw, "x.raw").with_dtypes(DType::numeric().chain(texts_and_times))
});
