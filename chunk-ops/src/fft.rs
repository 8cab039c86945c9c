//! Lazy Fourier transforms along one axis.

use std::sync::Arc;

use chunk_core::{
    ChunkSource, Cost, DType, DatasetInfo, Error, Identity, Need, Operation, Reduction, Result, Shape, Slab, Stepper,
    Work, Worker, inputs_of, read_node,
};
use num_complex::Complex;
use rustfft::FftDirection;

use crate::kernel::Kernel;
use crate::lines::Layout;
use crate::real::{Number, Real, elements, elements_mut};
use crate::widen::widen;

/// Changes when results of the same input may differ in their last bits.
const NUMERICS: &str = "1";
/// Bytes of the innermost axis that are read at once where the input has no chunks to go by.
const LEAST_ROW_BYTES: u64 = 4096;

/// A Fourier transform of another source, computed slab by slab as it is read.
///
/// Made by [`fft`], [`ifft`], [`rfft`] and [`irfft`].
///
/// # Memory
/// A slab that spans the axis is transformed inside the caller's buffer: each thread holds a few lines besides (at
/// most 16, or 32 in single precision). Slabs that cut the axis, [`rfft`] and [`irfft`] also hold
/// the lines that they read. The tables of sines are made at once and kept: once
/// the size of a complex line for most lengths, up to six times, and twice that while they are made, for large primes.
///
/// # Results
/// The same to the last bit whatever the slab, the threads and the budget.
pub struct Fft {
    input: [Arc<dyn ChunkSource>; 1],
    info: DatasetInfo,
    transform: Transform,
    kernel: Arc<AnyKernel>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Transform {
    kind: Kind,
    axis: usize,
    /// Extent of the axis that has the longer lines: the input's, or that of [`irfft`]'s result.
    length: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Forward,
    Inverse,
    HalfForward,
    HalfInverse,
}

enum AnyKernel {
    Single(Kernel<f32>),
    Double(Kernel<f64>),
}

/// How a slab is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Complex lines are read into the buffer and transformed there.
    Lines,
    /// Real lines are read to the end of the buffer and transformed towards its front.
    LinesFromTail,
    /// Columns are read into the buffer, real ones widened, and transformed there.
    Columns,
    /// The input lies in a buffer of its own.
    Apart,
}

/// Discrete Fourier transform along `axis`.
///
/// `x` is of any shape, the result of the same, and complex: complex128, or complex64 for float16, float32 and
/// complex64. Unscaled; bin `k` of `n` is `k / n` cycles per sample. Lazy: nothing is read until the result is.
///
/// # Errors
/// [`Error::AxisOutOfRange`]; [`Error::UnsupportedDType`] unless the elements are numbers or bools;
/// [`Error::InvalidArgument`] if the axis has no elements.
///
/// # Source
/// `numpy.fft.fft` with `norm="backward"`, its dtypes included. Tested against the O(n²) sum.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use chunk_core::{ChunkSourceExt, Complex, MemorySource};
///
/// let x = MemorySource::new([2, 4], &[1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0])?;
/// let spectrum = chunk_ops::fft(Arc::new(x), 1)?.read_all::<Complex<f64>>()?;
/// assert_eq!(spectrum, [1.0, 1.0, 1.0, 1.0, 4.0, 0.0, 0.0, 0.0].map(Complex::from));
/// # Ok::<(), chunk_core::Error>(())
/// ```
pub fn fft(x: Arc<dyn ChunkSource>, axis: usize) -> Result<Fft> {
    Fft::new(x, axis, Kind::Forward, None)
}

/// Inverse discrete Fourier transform along `axis`: what [`fft`] was made of.
///
/// Shapes and dtypes as [`fft`]. Scaled by the reciprocal of the axis' extent.
///
/// # Errors
/// As [`fft`].
///
/// # Source
/// `numpy.fft.ifft` with `norm="backward"`.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use chunk_core::{ChunkSourceExt, Complex, MemorySource};
/// use chunk_ops::{fft, ifft};
///
/// let x = MemorySource::new([4], &[1.0, 2.0, 3.0, 4.0])?;
/// let same = ifft(Arc::new(fft(Arc::new(x), 0)?), 0)?.read_all::<Complex<f64>>()?;
/// assert!(same.iter().zip(1..).all(|(z, x)| (z - f64::from(x)).norm() < 1e-15));
/// # Ok::<(), chunk_core::Error>(())
/// ```
pub fn ifft(x: Arc<dyn ChunkSource>, axis: usize) -> Result<Fft> {
    Fft::new(x, axis, Kind::Inverse, None)
}

/// Discrete Fourier transform of real numbers along `axis`: the first half of the spectrum.
///
/// The result's axis has `n / 2 + 1` bins for `n` elements; the others would be their mirror image. Complex64 for
/// float16 and float32, else complex128.
///
/// # Errors
/// As [`fft`]; [`Error::UnsupportedDType`] also for complex numbers.
///
/// # Source
/// `numpy.fft.rfft` with `norm="backward"`.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use chunk_core::{ChunkSource, ChunkSourceExt, Complex, MemorySource};
///
/// let spectrum = chunk_ops::rfft(Arc::new(MemorySource::new([4], &[1_u8, 0, 1, 0])?), 0)?;
/// assert_eq!(spectrum.info().shape.to_string(), "(3,)");
/// assert_eq!(spectrum.read_all::<Complex<f64>>()?, [2.0, 0.0, 2.0].map(Complex::from));
/// # Ok::<(), chunk_core::Error>(())
/// ```
pub fn rfft(x: Arc<dyn ChunkSource>, axis: usize) -> Result<Fft> {
    Fft::new(x, axis, Kind::HalfForward, None)
}

/// The `n` real numbers along `axis` whose [`rfft`] is `x`.
///
/// `x` holds the first half of a spectrum along `axis`, complex or real; what is missing of its `n / 2 + 1` bins is
/// taken as zero, what is too much is left out, and imaginary parts that no real line has are ignored. The result is
/// float64, or float32 for complex64, float32 and float16 (NumPy makes float16 of the last). Scaled by `1 / n`.
///
/// # Errors
/// As [`fft`]; [`Error::InvalidArgument`] also if `n` is zero.
///
/// # Source
/// `numpy.fft.irfft` with `norm="backward"`.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use chunk_core::{ChunkSourceExt, MemorySource};
/// use chunk_ops::{irfft, rfft};
///
/// let x = MemorySource::new([5], &[3.0, 1.0, 4.0, 1.0, 5.0])?;
/// let same = irfft(Arc::new(rfft(Arc::new(x), 0)?), 0, 5)?.read_all::<f64>()?;
/// assert!(same.iter().zip([3.0, 1.0, 4.0, 1.0, 5.0]).all(|(a, b)| (a - b).abs() < 1e-14));
/// # Ok::<(), chunk_core::Error>(())
/// ```
pub fn irfft(x: Arc<dyn ChunkSource>, axis: usize, n: u64) -> Result<Fft> {
    Fft::new(x, axis, Kind::HalfInverse, Some(n))
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Forward => "fft",
            Kind::Inverse => "ifft",
            Kind::HalfForward => "rfft",
            Kind::HalfInverse => "irfft",
        }
    }

    fn direction(self) -> FftDirection {
        match self {
            Kind::Forward | Kind::HalfForward => FftDirection::Forward,
            Kind::Inverse | Kind::HalfInverse => FftDirection::Inverse,
        }
    }

    /// Whether the arithmetic is in single precision.
    fn is_single(self, input: &DatasetInfo) -> Result<bool> {
        match &input.dtype {
            DType::F16 | DType::F32 => Ok(true),
            DType::ComplexF32 if self != Kind::HalfForward => Ok(true),
            DType::ComplexF64 if self != Kind::HalfForward => Ok(false),
            real if real.is_numeric() && !real.is_complex() => Ok(false),
            other => Err(Error::UnsupportedDType {
                dataset: input.name.clone(),
                dtype: other.to_string(),
                operation: self.name().to_owned(),
            }),
        }
    }
}

impl Transform {
    fn kernel<T: Real>(self, complex_input: bool) -> Kernel<T> {
        match (self.kind, complex_input) {
            (Kind::HalfInverse, _) => Kernel::backward(self.length),
            (kind, true) => Kernel::complex(self.length, kind.direction()),
            (kind, false) => Kernel::forward(self.length, kind.direction()),
        }
    }

    fn dtype(self, single: bool) -> DType {
        match (self.kind, single) {
            (Kind::HalfInverse, true) => DType::F32,
            (Kind::HalfInverse, false) => DType::F64,
            (_, true) => DType::ComplexF32,
            (_, false) => DType::ComplexF64,
        }
    }

    /// Extent of the axis in the result.
    fn extent(self) -> u64 {
        match self.kind {
            Kind::HalfForward => self.length as u64 / 2 + 1,
            Kind::Forward | Kind::Inverse | Kind::HalfInverse => self.length as u64,
        }
    }

    /// What the result of `input` is.
    fn info(self, input: &DatasetInfo, single: bool) -> DatasetInfo {
        let Transform { kind, axis, .. } = self;
        let extent = self.extent();
        let half_inverse = kind == Kind::HalfInverse;
        let length = if half_inverse { format!(", n {extent}") } else { String::new() };
        let mut info = input.derived(format!("{}({}, axis {axis}{length})", kind.name(), input.name));
        info.shape = input.shape.clone().with_axis(axis, extent);
        info.dtype = self.dtype(single);
        info.chunk_shape = Some(granule(input, axis).with_axis(axis, extent));
        info.identity = input.identity.as_ref().map(|identity| {
            let parameters = Identity::builder(kind.name()).input(identity).field("numerics", NUMERICS);
            let parameters = parameters.field("kernel", kernel_level());
            parameters.field("axis", axis.to_string()).field("n", extent.to_string()).finish()
        });
        info
    }
}

/// The chunk shape of `input`; if it has none, rows that are worth reading.
fn granule(input: &DatasetInfo, axis: usize) -> Shape {
    if let Some(chunk_shape) = &input.chunk_shape {
        return chunk_shape.clone();
    }
    let ndim = input.shape.len();
    let row = (LEAST_ROW_BYTES / input.dtype.size() as u64).min(input.shape[ndim - 1]).max(1);
    let granule = Shape::from(vec![1; ndim]);
    if axis + 1 == ndim { granule } else { granule.with_axis(ndim - 1, row) }
}

impl Fft {
    fn new(input: Arc<dyn ChunkSource>, axis: usize, kind: Kind, n: Option<u64>) -> Result<Self> {
        let x = input.info();
        x.check_axis(axis)?;
        let single = kind.is_single(x)?;
        let length = n.unwrap_or(x.shape[axis]);
        if length == 0 || x.shape[axis] == 0 {
            let what = format!("{} of {} along axis {axis}: a line has no elements", kind.name(), x.name);
            return Err(Error::InvalidArgument(what));
        }
        let length = usable_length(length, x)?;
        let transform = Transform { kind, axis, length };
        let info = transform.info(x, single);
        let complex = x.dtype.is_complex();
        let kernel = if single {
            AnyKernel::Single(transform.kernel(complex))
        } else {
            AnyKernel::Double(transform.kernel(complex))
        };
        Ok(Fft { input: [input], info, transform, kernel: Arc::new(kernel) })
    }

    /// The lines that `slab` needs of the input.
    fn input_slab(&self, slab: &Slab) -> Slab {
        let axis = self.transform.axis;
        let extent = self.input[0].info().shape[axis];
        let used = match self.transform.kind {
            Kind::HalfInverse => extent.min(self.transform.length as u64 / 2 + 1),
            Kind::Forward | Kind::Inverse | Kind::HalfForward => extent,
        };
        slab.with_axis(axis, 0..used)
    }

    fn way(&self, slab: &Slab) -> Way {
        let axis = self.transform.axis;
        let full = matches!(self.transform.kind, Kind::Forward | Kind::Inverse);
        if !full || slab.count()[axis] < self.info.shape[axis] {
            return Way::Apart;
        }
        let contiguous = Layout::new(slab, axis).columns == 1;
        match (contiguous, self.input[0].info().dtype.is_complex()) {
            (false, _) => Way::Columns,
            (true, true) => Way::Lines,
            (true, false) => Way::LinesFromTail,
        }
    }

    /// What transforming `slab` takes, once its input is there.
    fn own_cost<T: Real>(&self, kernel: &Kernel<T>, slab: &Slab, threads: usize) -> Cost {
        let layout = Layout::new(slab, self.transform.axis);
        let way = self.way(slab);
        let bytes = match way {
            Way::Lines => kernel.lines_bytes(layout, threads, false),
            Way::LinesFromTail => kernel.lines_bytes(layout, threads, true),
            Way::Apart if layout.columns == 1 => kernel.lines_bytes(layout, threads, true),
            Way::Columns | Way::Apart => kernel.columns_bytes(layout, threads),
        };
        let widened = if way == Way::Apart && self.widens::<T>() { self.widened_bytes::<T>(slab) } else { 0 };
        let lines = (layout.blocks * layout.columns) as u64;
        let input = self.input_slab(slab).bytes(self.input[0].info().dtype.size());
        // Columns are gathered to tiles and scattered from them.
        let copied = match way {
            Way::Lines => 0,
            Way::LinesFromTail => input,
            Way::Columns | Way::Apart => input + slab.bytes(self.info.dtype.size()),
        };
        let work = Work::computing(lines.saturating_mul(kernel.operations())) + Work::copying(copied);
        Cost::new(widened + bytes as u64, work)
    }

    /// Whether the input's elements are of another type than the arithmetic's, real or complex.
    fn widens<T: Real>(&self) -> bool {
        let dtype = &self.input[0].info().dtype;
        !dtype.is_complex() && *dtype != T::DTYPE
    }

    /// Bytes of the input's lines in the precision of the arithmetic.
    fn widened_bytes<T: Real>(&self, slab: &Slab) -> u64 {
        self.input_slab(slab).bytes(size_of::<T>())
    }

    fn steps<T: Real>(&self, kernel: &Kernel<T>, slab: &Slab, stepper: &mut dyn Stepper) -> Result<()> {
        let layout = Layout::new(slab, self.transform.axis);
        let dtype = &self.input[0].info().dtype;
        let way = self.way(slab);
        if way == Way::Apart {
            let needs = [Need::apart(0, self.input_slab(slab))];
            return stepper.step(&needs, &mut |inputs, out, worker| match self.transform.kind {
                Kind::HalfInverse => self.apart::<T, T>(kernel, slab, inputs[0].data, elements_mut(out)?, worker),
                _ => self.apart::<T, Complex<T>>(kernel, slab, inputs[0].data, elements_mut(out)?, worker),
            });
        }
        // What is read lies at the end of the buffer that its transform fills.
        let tail = (slab.bytes(self.info.dtype.size()) - slab.bytes(dtype.size())) as usize;
        stepper.step(&[Need::inside(0, slab.clone(), tail)], &mut |_, out, worker| match way {
            Way::Lines => kernel.in_place(elements_mut(out)?, worker),
            Way::LinesFromTail => kernel.lines_from_tail(dtype, out, worker),
            Way::Columns | Way::Apart => {
                if !dtype.is_complex() {
                    widen(dtype, out, worker, |value: T| Complex::new(value, T::zero()))?;
                }
                kernel.columns::<Complex<T>, Complex<T>>(None, elements_mut(out)?, layout, 0, worker)
            }
        })
    }

    /// Transforms from the input's packed lines, which lie in a buffer of their own.
    fn apart<T: Real, O: Number<T>>(
        &self,
        kernel: &Kernel<T>,
        slab: &Slab,
        input: &[u8],
        out: &mut [O],
        worker: &Worker,
    ) -> Result<()> {
        let dtype = &self.input[0].info().dtype;
        if dtype.is_complex() {
            return self.transform_apart::<T, Complex<T>, O>(kernel, slab, elements(input)?, out, worker);
        }
        if !self.widens::<T>() {
            return self.transform_apart::<T, T, O>(kernel, slab, elements(input)?, out, worker);
        }
        let mut wide = worker.scratch(self.widened_bytes::<T>(slab) as usize)?;
        let tail = wide.len() - input.len();
        wide[tail..].copy_from_slice(input);
        widen(dtype, &mut wide, worker, |value: T| value)?;
        self.transform_apart::<T, T, O>(kernel, slab, elements(&wide)?, out, worker)
    }

    fn transform_apart<T: Real, I: Number<T>, O: Number<T>>(
        &self,
        kernel: &Kernel<T>,
        slab: &Slab,
        input: &[I],
        out: &mut [O],
        worker: &Worker,
    ) -> Result<()> {
        let axis = self.transform.axis;
        let layout = Layout::new(slab, axis);
        let first = slab.start()[axis] as usize;
        if layout.columns == 1 {
            return kernel.lines(input, out, layout.blocks, first, worker);
        }
        kernel.columns(Some(input), out, layout, first, worker)
    }
}

/// The length of a line as a number of elements, if its tables have a chance to fit in memory: they are made before
/// anybody asks for a budget.
fn usable_length(length: u64, input: &DatasetInfo) -> Result<usize> {
    let tables = usize::try_from(length).ok().and_then(|length| length.checked_mul(4 * size_of::<Complex<f64>>()));
    let fits = tables.is_some_and(|bytes| Vec::<u8>::new().try_reserve_exact(bytes).is_ok());
    let too_long =
        || Error::InvalidArgument(format!("{}: a line of {length} elements does not fit memory", input.name));
    if fits { Ok(length as usize) } else { Err(too_long()) }
}

/// The processor's instructions that the transforms use: their last bits differ by it.
fn kernel_level() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx") && std::is_x86_feature_detected!("fma") {
        return "avx";
    } else if std::is_x86_feature_detected!("sse4.1") {
        return "sse4.1";
    }
    if cfg!(target_arch = "aarch64") { "neon" } else { "scalar" }
}

impl std::fmt::Debug for Fft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fft").field("transform", &self.transform).field("input", &self.input[0]).finish_non_exhaustive()
    }
}

impl ChunkSource for Fft {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn operation(&self) -> Option<&dyn Operation> {
        Some(self)
    }

    fn held_bytes(&self) -> u64 {
        let tables = match &*self.kernel {
            AnyKernel::Single(kernel) => kernel.tables(),
            AnyKernel::Double(kernel) => kernel.tables(),
        };
        tables as u64
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Result<Cost> {
        Ok(match &*self.kernel {
            AnyKernel::Single(kernel) => self.own_cost(kernel, slab, threads),
            AnyKernel::Double(kernel) => self.own_cost(kernel, slab, threads),
        })
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        read_node(self, slab, out, worker)
    }
}

impl Operation for Fft {
    fn name(&self) -> &str {
        self.transform.kind.name()
    }

    fn inputs(&self) -> &[Arc<dyn ChunkSource>] {
        &self.input
    }

    fn over(&self, inputs: Vec<Arc<dyn ChunkSource>>) -> Result<Arc<dyn ChunkSource>> {
        let [input] = inputs_of(self, inputs)?;
        let single = matches!(*self.kernel, AnyKernel::Single(_));
        let info = self.transform.info(input.info(), single);
        Ok(Arc::new(Fft { input: [input], info, transform: self.transform, kernel: self.kernel.clone() }))
    }

    fn reduction(&self) -> Option<&dyn Reduction> {
        None
    }

    fn compute(&self, slab: &Slab, _threads: usize, stepper: &mut dyn Stepper) -> Result<()> {
        match &*self.kernel {
            AnyKernel::Single(kernel) => self.steps(kernel, slab, stepper),
            AnyKernel::Double(kernel) => self.steps(kernel, slab, stepper),
        }
    }
}
