//! Numbers and names of HDF5 filters: those that HDF5 predefines, and those registered with The HDF Group.

/// Filter numbers that this crate carries.
pub(crate) const DEFLATE: u32 = 1;
pub(crate) const SHUFFLE: u32 = 2;
pub(crate) const FLETCHER32: u32 = 3;
pub(crate) const SZIP: u32 = 4;
pub(crate) const NBIT: u32 = 5;
pub(crate) const SCALE_OFFSET: u32 = 6;
pub(crate) const LZF: u32 = 32000;
pub(crate) const BLOSC: u32 = 32001;
pub(crate) const LZ4: u32 = 32004;
pub(crate) const BITSHUFFLE: u32 = 32008;
pub(crate) const ZSTD: u32 = 32015;
pub(crate) const BLOSC2: u32 = 32026;

/// The name under which filter `id` is registered.
pub(crate) fn registered_name(id: u32) -> Option<&'static str> {
    REGISTERED.binary_search_by_key(&id, |&(known, _)| known).ok().map(|index| REGISTERED[index].1)
}

/// The HDF Group's `RegisteredFilterPlugins.md`, with the predefined filters of `H5Zpublic.h` before them.
const REGISTERED: [(u32, &str); 41] = [
    (DEFLATE, "deflate"),
    (SHUFFLE, "shuffle"),
    (FLETCHER32, "fletcher32"),
    (SZIP, "szip"),
    (NBIT, "nbit"),
    (SCALE_OFFSET, "scaleoffset"),
    (257, "hzip"),
    (258, "fpzip"),
    (305, "LZO"),
    (307, "bzip2"),
    (LZF, "LZF"),
    (BLOSC, "Blosc"),
    (32002, "MAFISC"),
    (32003, "Snappy"),
    (LZ4, "LZ4"),
    (32005, "APAX"),
    (32006, "CBF"),
    (32007, "JPEG-XR"),
    (BITSHUFFLE, "bitshuffle"),
    (32009, "SPDP"),
    (32010, "LPC-Rice"),
    (32011, "CCSDS-123"),
    (32012, "JPEG-LS"),
    (32013, "ZFP"),
    (32014, "fpzip"),
    (ZSTD, "Zstandard"),
    (32016, "B3D"),
    (32017, "SZ"),
    (32018, "FCIDECOMP"),
    (32019, "JPEG"),
    (32020, "VBZ"),
    (32021, "FAPEC"),
    (32022, "BitGroom"),
    (32023, "Granular BitRound"),
    (32024, "SZ3"),
    (32025, "Delta-Rice"),
    (BLOSC2, "Blosc2"),
    (32027, "FLAC"),
    (32028, "SPERR"),
    (32029, "TERSE/PROLIX"),
    (32030, "FFMPEG"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ascend_so_that_the_search_finds_them() {
        assert!(REGISTERED.is_sorted_by(|left, right| left.0 < right.0));
        assert_eq!(registered_name(32008), Some("bitshuffle"));
        assert_eq!(registered_name(99), None);
    }
}
