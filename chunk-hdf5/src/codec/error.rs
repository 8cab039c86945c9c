//! What can be wrong with a chunk's bytes, or with what a caller hands over to decode or encode them.

/// A chunk that cannot be decoded or encoded. Says what was stated and what was found; the caller adds the
/// file, the dataset, the chunk and its offset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CodecError {
    /// The bytes end before something that must be in them.
    #[error("{part} ends after {found} bytes, {needed} are needed")]
    Truncated { part: &'static str, needed: usize, found: usize },

    /// A whole chunk, or one of its blocks, has another length than its place in the dataset.
    #[error("decodes to {found} bytes instead of {expected}")]
    Length { expected: usize, found: usize },

    /// Decoding would write past the end of the chunk.
    #[error("decodes to more than {limit} bytes")]
    TooLong { limit: usize },

    /// The data is not what was checksummed when it was written.
    #[error("Fletcher32 checksum is stored as {stored:#010x}, the data gives {computed:#010x}")]
    Checksum { stored: u32, computed: u32 },

    /// Compressed data that its codec refuses, or that decodes to another length than stated.
    #[error("damaged {codec} data: {stored} stored bytes do not decode to the {expected} bytes stated")]
    Damaged { codec: &'static str, stored: usize, expected: usize },

    /// A Blosc frame of a version or with a codec that Blosc 1 does not define.
    #[error("Blosc frame states {field} {stated}, which Blosc 1 does not define")]
    UnknownFrame { field: &'static str, stated: usize },

    /// A length or position in a Blosc frame that contradicts the rest of the frame.
    #[error("Blosc frame states {field} {stated}, allowed is {least} to {most}")]
    FrameField { field: &'static str, stated: usize, least: usize, most: usize },

    /// The filter's parameters, as the file states them, are not ones that the filter knows.
    #[error("the parameters {values:?} are not ones that filter {filter} defines")]
    Parameters { filter: &'static str, values: Vec<u32> },

    /// A codec that is only read here.
    #[error("{codec} is read but not written")]
    ReadOnly { codec: &'static str },

    /// A codec's library gave up for a reason of its own, such as no memory for its state.
    #[error("{codec} failed with code {code}")]
    Library { codec: &'static str, code: i64 },

    /// The caller's scratch is too small: call again with at least `needed` bytes.
    #[error("needs {needed} bytes of scratch, {found} were given")]
    ScratchTooSmall { needed: usize, found: usize },

    /// The caller's output is too small: call again with at least `needed` bytes.
    #[error("needs {needed} bytes of output, {found} were given")]
    OutputTooSmall { needed: usize, found: usize },
}

/// Fails unless what a frame states is known.
pub(super) fn known(field: &'static str, stated: impl Into<usize>, is_known: bool) -> Result<(), CodecError> {
    if is_known { Ok(()) } else { Err(CodecError::UnknownFrame { field, stated: stated.into() }) }
}

/// What a frame states, if it lies within these bounds.
pub(super) fn in_range(field: &'static str, stated: usize, least: usize, most: usize) -> Result<usize, CodecError> {
    if (least..=most).contains(&stated) {
        return Ok(stated);
    }
    Err(CodecError::FrameField { field, stated, least, most })
}

/// Fails unless as many bytes came out as must.
pub(super) fn expect_len(expected: usize, found: usize) -> Result<(), CodecError> {
    if expected == found { Ok(()) } else { Err(CodecError::Length { expected, found }) }
}
