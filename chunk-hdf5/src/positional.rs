//! Positional reads of our own descriptor, beside the library's lock.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use chunk_core::{Error, Result, Spans, Worker};

use crate::error::Place;

/// Reads of less than this are gathered: one read of a stretch, then copies out of it.
pub(crate) const WINDOW: usize = 1 << 20;
/// A gap longer than this is worth a read of its own.
const LONGEST_GAP: usize = 64 << 10;
/// Spans of this length are read straight to where they belong.
const LONG_SPAN: usize = 128 << 10;

/// Fills `out` from `offset` on.
pub(crate) fn read_at(file: &File, out: &mut [u8], offset: u64, place: &Place) -> Result<()> {
    file.read_exact_at(out, offset).map_err(|cause| match cause.kind() {
        io::ErrorKind::UnexpectedEof => {
            place.corrupt(format!("the file ends before offset {}: it is truncated", offset + out.len() as u64))
        }
        _ => Error::io(&place.path, "read", cause),
    })
}

/// Bytes of scratch that reading spans of `extent` bytes takes at most.
pub(crate) fn window(extent: u64) -> usize {
    extent.min(WINDOW as u64) as usize
}

/// Copies spans of unfiltered bytes, which lie in the `extent` bytes from `base` on in the file, to `out`.
pub(crate) fn read_spans(
    file: &File,
    (base, extent): (u64, u64),
    mut spans: Spans,
    out: &mut [u8],
    worker: &Worker,
    place: &Place,
) -> Result<()> {
    let mut window = None;
    while let Some(span) = spans.clone().next() {
        worker.check()?;
        if span.length >= LONG_SPAN {
            read_at(file, &mut out[span.to..span.to + span.length], base + span.from as u64, place)?;
            spans.next();
            continue;
        }
        let (count, end) = stretch(&spans);
        let window = match &mut window {
            Some(window) => window,
            None => window.insert(worker.scratch(self::window(extent))?),
        };
        let bytes = &mut window[..end - span.from];
        read_at(file, bytes, base + span.from as u64, place)?;
        for piece in spans.by_ref().take(count) {
            let from = piece.from - span.from;
            out[piece.to..piece.to + piece.length].copy_from_slice(&bytes[from..from + piece.length]);
        }
    }
    Ok(())
}

/// How many of the next spans one read serves, and where the last of them ends.
fn stretch(spans: &Spans) -> (usize, usize) {
    let mut ahead = spans.clone();
    let Some(first) = ahead.next() else { return (0, 0) };
    let (mut count, mut end) = (1, first.from + first.length);
    for next in ahead {
        let next_end = next.from + next.length;
        if next.length >= LONG_SPAN || next.from - end > LONGEST_GAP || next_end - first.from > WINDOW {
            break;
        }
        (count, end) = (count + 1, next_end);
    }
    (count, end)
}
