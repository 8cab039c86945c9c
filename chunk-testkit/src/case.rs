//! What the rules for sources are checked on.

use std::fmt;
use std::sync::Arc;

use chunk_core::{
    Buffer, ChunkSource, DType, DatasetInfo, MemorySource, Result as CoreResult, Slab, Worker, copy_region,
};

use crate::failure::{Failure, Outcome, same_bytes, works};
use crate::folder::Folder;

/// A source and the bytes that it must give: what [`source_conformance!`](crate::source_conformance) is called with.
///
/// A pair of both is one, too. A lazy operation says how it is made of its input, with [`SourceCase::node`]: then the
/// rules that concern inputs are checked as well.
pub struct SourceCase {
    pub(crate) source: Arc<dyn ChunkSource>,
    pub(crate) node: Option<Node>,
    pub(crate) measured: bool,
    oracle: Vec<u8>,
    tolerance: Option<f64>,
    /// The files of the source, which go when the case does.
    #[allow(dead_code, reason = "it is there to be dropped")]
    folder: Option<Folder>,
}

/// How a lazy operation is made of its input.
pub(crate) struct Node {
    pub(crate) input: Arc<dyn ChunkSource>,
    build: Box<Build>,
}

type Build = dyn Fn(Arc<dyn ChunkSource>) -> CoreResult<Arc<dyn ChunkSource>> + Send + Sync;

impl Node {
    /// Makes the operation on an input that is kept as it is.
    pub(crate) fn build_on(&self, input: Arc<dyn ChunkSource>) -> Result<Arc<dyn ChunkSource>, Failure> {
        let name = input.info().name.clone();
        works((self.build)(input), name, "making the node")
    }

    /// The operation on another input.
    pub(crate) fn try_build(&self, input: impl ChunkSource + 'static) -> CoreResult<Arc<dyn ChunkSource>> {
        (self.build)(Arc::new(input))
    }

    pub(crate) fn build(&self, input: impl ChunkSource + 'static) -> Result<Arc<dyn ChunkSource>, Failure> {
        self.build_on(Arc::new(input))
    }
}

impl fmt::Debug for SourceCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceCase").field("source", &self.source).finish_non_exhaustive()
    }
}

impl<S: ChunkSource + 'static, B: Into<Vec<u8>>> From<(S, B)> for SourceCase {
    fn from((source, oracle): (S, B)) -> Self {
        SourceCase::new(source, oracle)
    }
}

impl SourceCase {
    /// `source`, whose bytes are `oracle`: all of them, packed, row-major, in native order.
    ///
    /// # Panics
    /// If the oracle has more or fewer bytes than the source says it has.
    #[must_use]
    pub fn new(source: impl ChunkSource + 'static, oracle: impl Into<Vec<u8>>) -> Self {
        let (source, oracle): (Arc<dyn ChunkSource>, _) = (Arc::new(source), oracle.into());
        assert_eq!(oracle.len() as u64, source.info().bytes(), "bytes of the oracle of {}", source.info().name);
        SourceCase { source, node: None, measured: true, oracle, tolerance: None, folder: None }
    }

    /// The lazy operation that `build` makes of `input`.
    ///
    /// ```
    /// use chunk_core::{MemorySource, Slab, Window};
    /// use chunk_testkit::SourceCase;
    ///
    /// let input = MemorySource::new([3], &[1_u8, 2, 3])?;
    /// let case = SourceCase::node(input, |input| Window::new(input, Slab::new([0], [2])), [1, 2]);
    /// assert!(chunk_testkit::source_rules::passes_on_the_errors_of_its_input(&case).is_ok());
    /// # Ok::<(), chunk_core::Error>(())
    /// ```
    ///
    /// # Panics
    /// As [`SourceCase::new`], and if `build` fails.
    #[must_use]
    pub fn node<S: ChunkSource + 'static>(
        input: impl ChunkSource + 'static,
        build: impl Fn(Arc<dyn ChunkSource>) -> CoreResult<S> + Send + Sync + 'static,
        oracle: impl Into<Vec<u8>>,
    ) -> Self {
        let input: Arc<dyn ChunkSource> = Arc::new(input);
        let build: Box<Build> = Box::new(move |input| Ok(Arc::new(build(input)?)));
        let source = build(Arc::clone(&input)).expect("the node can be made of its input");
        SourceCase { node: Some(Node { input, build }), ..SourceCase::new(source, oracle) }
    }

    /// Whose numbers may differ from the oracle's by `tolerance` times the largest of them. What slabs hold must be
    /// equal to the last bit to what the whole array, read at once, holds: results never depend on the slab.
    #[must_use]
    pub fn within(mut self, tolerance: f64) -> Self {
        self.tolerance = Some(tolerance);
        self
    }

    /// Whose memory is not measured: the rules that say so pass unchecked.
    #[must_use]
    pub fn without_measuring(mut self) -> Self {
        self.measured = false;
        self
    }

    pub(crate) fn with_folder(mut self, folder: Option<Folder>) -> Self {
        self.folder = folder;
        self
    }

    pub(crate) fn info(&self) -> &DatasetInfo {
        self.source.info()
    }

    /// The bytes that every read is compared with: the oracle's, or the whole array's where the oracle is not exact.
    pub(crate) fn exact(&self) -> Result<MemorySource, Failure> {
        let info = self.info();
        let bytes = match self.tolerance {
            None => self.oracle.clone(),
            Some(tolerance) => {
                let whole = self.read(&Slab::whole(&info.shape), &Worker::new())?.to_vec();
                self.check_close(&whole, tolerance)?;
                whole
            }
        };
        works(MemorySource::from_bytes(info.clone(), bytes), &info.name, "describing itself")
    }

    /// Reads into zeros.
    pub(crate) fn read(&self, slab: &Slab, worker: &Worker) -> Result<Buffer, Failure> {
        let mut out = self.buffer(slab, 0)?;
        self.read_to(slab, &mut out, worker)?;
        Ok(out)
    }

    /// Reads over what `out` holds.
    pub(crate) fn read_to(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Outcome {
        let read = self.source.read_into(slab, out, worker);
        works(read, &self.info().name, "reading").map_err(|failure| failure.at(format!("slab {slab}")))
    }

    /// A buffer for `slab`, aligned, full of `byte`.
    pub(crate) fn buffer(&self, slab: &Slab, byte: u8) -> Result<Buffer, Failure> {
        let length = slab.bytes(self.info().dtype.size()) as usize;
        let mut out = works(Buffer::zeroed(length), &self.info().name, "allocating a buffer")?;
        out.fill(byte);
        Ok(out)
    }

    fn check_close(&self, whole: &[u8], tolerance: f64) -> Outcome {
        let info = self.info();
        let (found, expected) = (numbers(&info.dtype, whole), numbers(&info.dtype, &self.oracle));
        let most = expected.iter().filter(|x| x.is_finite()).fold(0.0_f64, |most, x| most.max(x.abs()));
        let alike = |x: f64, y: f64| {
            x.to_bits() == y.to_bits() || (x - y).abs() <= tolerance * most || (x.is_nan() && y.is_nan())
        };
        let Some(at) = (0..expected.len()).find(|&at| !alike(found[at], expected[at])) else { return Ok(()) };
        let parts = expected.len() as u64 / info.shape.elements().max(1);
        let position = Slab::whole(&info.shape).positions().nth(at / parts.max(1) as usize).unwrap_or_default();
        let expected = format!("{} ± {} at element {position:?}", expected[at], tolerance * most);
        Err(Failure::new(&info.name, expected, found[at]))
    }
}

/// Reads `slab` of any source, into zeros.
pub(crate) fn read(source: &dyn ChunkSource, slab: &Slab, worker: &Worker) -> Result<Buffer, Failure> {
    let name = &source.info().name;
    let mut out = works(Buffer::zeroed(slab.bytes(source.info().dtype.size()) as usize), name, "allocating a buffer")?;
    let read = source.read_into(slab, &mut out, worker);
    works(read, name, "reading").map_err(|failure| failure.at(format!("slab {slab}")))?;
    Ok(out)
}

/// What the packed bytes of `whole` hold at `slab`.
pub(crate) fn part_of(whole: &MemorySource, slab: &Slab) -> Vec<u8> {
    let info = whole.info();
    let mut part = vec![0; slab.bytes(info.dtype.size()) as usize];
    copy_region(slab, whole.bytes(), &Slab::whole(&info.shape), &mut part, slab, info.dtype.size());
    part
}

/// Fails unless `found` is what `whole` holds at `slab`.
pub(crate) fn equals_part(whole: &MemorySource, slab: &Slab, found: &[u8]) -> Outcome {
    same_bytes(whole.info(), slab, found, &part_of(whole, slab))
}

/// The floats of a packed buffer, complex numbers as two; none for other dtypes.
fn numbers(dtype: &DType, bytes: &[u8]) -> Vec<f64> {
    match dtype {
        DType::F32 | DType::ComplexF32 => {
            bytes.as_chunks::<4>().0.iter().map(|bits| f64::from(f32::from_ne_bytes(*bits))).collect()
        }
        DType::F64 | DType::ComplexF64 => {
            bytes.as_chunks::<8>().0.iter().map(|bits| f64::from_ne_bytes(*bits)).collect()
        }
        other => panic!("a tolerance is for floats and complex numbers, not for {other}"),
    }
}
