//! A stack of files as a small file.

use std::fmt::Write;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use chunk_core::{DType, DataFile, DatasetInfo, Error, Identity, NewFile, Result, Shape};

use crate::ends::Ends;
use crate::files::Files;
use crate::stack::Part;
use crate::stamp::Stamp;
use crate::{SourcePool, VirtualStack};

pub(crate) const FIRST_LINE: &str = "chunk manifest 1";

/// How a manifest is opened.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ManifestOptions {
    /// Where the files are; `None` is where the manifest says, which is relative to its own folder.
    pub root: Option<PathBuf>,
    /// Whether files may be outside the manifest's folder, where the manifest says so.
    pub outside: bool,
}

impl ManifestOptions {
    /// With the files below this folder, wherever they were when the manifest was saved.
    #[must_use]
    pub fn with_root(mut self, root: impl Into<PathBuf>) -> Self {
        self.root = Some(root.into());
        self
    }

    /// With files outside the manifest's folder, or not.
    #[must_use]
    pub fn with_outside(mut self, outside: bool) -> Self {
        self.outside = outside;
        self
    }
}

/// Saving and opening manifests.
impl VirtualStack {
    /// Saves which files the stack has, and what they are, as a text file: [`VirtualStack::open_manifest`] opens the
    /// stack again without touching them. Called `*.chunks`, a registry with [`ManifestBackend`](crate::ManifestBackend)
    /// knows it by its name as well.
    ///
    /// Paths are kept relative to the manifest's folder where all files are below it: both can then be moved together.
    /// Size and time of change of each file are kept, too.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for sources that are not files, paths that are not text of one line, and dtypes that
    /// have no name; [`Error::AlreadyExists`], unless it may be overwritten; [`Error::FileNotFound`] for a missing
    /// source; [`Error::Io`].
    pub fn save_manifest(&self, path: impl AsRef<Path>, overwrite: bool) -> Result<()> {
        let path = path.as_ref();
        NewFile::check(path, overwrite)?;
        let text = self.manifest(&folder_of(path)?)?;
        let file = NewFile::beside(path)?;
        file.file().write_at(text.as_bytes(), 0)?;
        file.publish(overwrite)
    }

    /// The stack that was saved at `path`, its files to be opened by `pool`. Takes milliseconds for 100,000 files.
    ///
    /// A file that is not what it was then is [`Error::SourceChanged`] when it is read; [`VirtualStack::changed_files`]
    /// looks at all.
    ///
    /// # Errors
    /// [`Error::FileNotFound`], [`Error::Io`]; [`Error::WrongFormat`]; [`Error::Corrupt`] for a manifest that was cut or
    /// changed, and for paths that leave their folder; [`Error::Unsupported`] for files outside the manifest's folder,
    /// unless they are allowed: here, or, where a symbolic link leads there, when they are read.
    pub fn open_manifest(path: impl AsRef<Path>, pool: &Arc<SourcePool>, options: &ManifestOptions) -> Result<Self> {
        let path = path.as_ref();
        let file = DataFile::open(path)?;
        let mut bytes = vec![0; file.length()? as usize];
        file.read_at(&mut bytes, 0)?;
        let wrong = || Error::WrongFormat { path: path.to_path_buf(), format: "a chunk manifest" };
        let text = std::str::from_utf8(&bytes).map_err(|_| wrong())?;
        if !text.starts_with(FIRST_LINE) {
            return Err(wrong());
        }
        let corrupt = |what: String| Error::Corrupt { path: path.to_path_buf(), dataset: String::new(), what };
        let (body, sum) = checked(text).ok_or_else(|| corrupt("its check sum is not that of its text".to_owned()))?;
        let mut reader = Reader { lines: body.lines().skip(1) };
        let root = reader.value("root").map_err(&corrupt)?;
        let root = root_of(path, root, options)?;
        let folder = if options.root.is_some() { root.clone() } else { folder_of(path)? };
        let folder = (!options.outside).then(|| Arc::from(folder));
        reader.stack((&root, folder), pool, sum).map_err(corrupt)?
    }

    /// The files that are missing, or were written to since the stack was made of them or its manifest was saved, as
    /// the error that reading each would give. Files that were never looked at are opened.
    #[must_use]
    pub fn changed_files(&self) -> Vec<Error> {
        (0..self.len()).filter_map(|part| self.check_file(part).err()).collect()
    }

    fn check_file(&self, part: usize) -> Result<()> {
        let Part::File { kind, index } = self.parts[part] else { return Ok(()) };
        let files = &self.files[kind as usize];
        let location = files.location(index as usize);
        files.check_place(&location)?;
        if let Some(stamp) = files.stamp(index as usize) {
            return stamp.check(location.path(), &location.to_string());
        }
        let shape = files.first.shape.clone().with_axis(self.axis, self.ends.extent(part));
        files.source(index as usize, shape).check()
    }

    /// The text of a manifest in `folder`.
    fn manifest(&self, folder: &Path) -> Result<String> {
        let refused = |what: String| Error::InvalidArgument(format!("{what} cannot be in a manifest"));
        let mut paths = Vec::with_capacity(self.len());
        for part in 0..self.len() {
            let Part::File { kind, index } = self.parts[part] else {
                return Err(refused(
                    self.with_own(part, |source| format!("{}, which is no file,", source.info().name)),
                ));
            };
            let files = &self.files[kind as usize];
            let location = files.location(index as usize);
            let path = location.path().to_path_buf();
            if path.to_str().is_none_or(|text| text.contains(['\n', '\r'])) {
                return Err(refused(format!("the path {}", path.display())));
            }
            let stamp = files.stamp(index as usize).map_or_else(|| Stamp::of(&path), Ok)?;
            paths.push((kind, self.ends.extent(part), stamp, path));
        }
        let inside = paths.iter().all(|(.., path)| path.starts_with(folder));
        let root = if inside { folder } else { Path::new("/") };
        let mut text = format!("{FIRST_LINE}\nroot {}\n", if inside { "." } else { "/" });
        let _ = writeln!(text, "axis {}\npromote {}\nkinds {}", self.axis, self.promote, self.files.len());
        for files in &self.files {
            text += &kind_lines(files)?;
        }
        let _ = writeln!(text, "files {}", paths.len());
        for (kind, extent, stamp, path) in paths {
            let below = path.strip_prefix(root).unwrap_or(&path).display();
            let _ = writeln!(text, "{kind} {extent} {} {} {below}", stamp.size, stamp.modified);
        }
        let sum = check_sum(&text);
        Ok(text + &format!("sum {sum}\n"))
    }
}

/// What all files of a kind have.
fn kind_lines(files: &Files) -> Result<String> {
    let (scheme, dataset) = files.place();
    let dtype = files.first.dtype.to_string();
    if dtype.parse::<DType>().ok().as_ref() != Some(&files.first.dtype) {
        let what = format!("{}: elements of {dtype} cannot be in a manifest", files.first.name);
        return Err(Error::InvalidArgument(what));
    }
    if [scheme, dataset].into_iter().flatten().any(|name| name.contains(['\n', '\r'])) {
        let what = format!("{}: its name cannot be in a manifest", files.first.name);
        return Err(Error::InvalidArgument(what));
    }
    let chunks = files.first.chunk_shape.as_ref().map(numbers);
    Ok(format!(
        "scheme {}\ndataset {}\ndtype {dtype}\nshape {}\nchunks {}\n",
        scheme.unwrap_or_default(),
        dataset.unwrap_or_default(),
        numbers(&files.first.shape),
        chunks.unwrap_or_default()
    ))
}

fn numbers(shape: &Shape) -> String {
    shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
}

fn check_sum(text: &str) -> String {
    Identity::builder("manifest").field("text", text).finish().to_string()
}

/// The text before the check sum, and that, if it is right.
fn checked(text: &str) -> Option<(&str, &str)> {
    let (body, sum) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let body = &text[..=body.len()];
    let sum = sum.strip_prefix("sum ")?;
    (check_sum(body) == sum).then_some((body, sum))
}

/// The absolute folder of the file at `path`.
fn folder_of(path: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(path).map_err(|cause| Error::io(path, "find", cause))?;
    Ok(absolute.parent().map(Path::to_path_buf).unwrap_or(absolute))
}

fn root_of(manifest: &Path, root: &str, options: &ManifestOptions) -> Result<PathBuf> {
    if let Some(root) = &options.root {
        return std::path::absolute(root).map_err(|cause| Error::io(root, "find", cause));
    }
    if !options.outside && !stays_inside(root) {
        return Err(Error::Unsupported {
            path: manifest.to_path_buf(),
            dataset: String::new(),
            what: "its files are outside its folder, which must be allowed (--unsafe-links)".to_owned(),
        });
    }
    let folder = folder_of(manifest)?;
    Ok(if root == "." { folder } else { folder.join(root) })
}

/// Whether a path that is joined to a folder leads below it.
fn stays_inside(path: &str) -> bool {
    Path::new(path).components().all(|component| matches!(component, Component::Normal(_) | Component::CurDir))
}

/// The lines of a manifest. Errors say what does not hold.
struct Reader<'a> {
    lines: std::iter::Skip<std::str::Lines<'a>>,
}

impl<'a> Reader<'a> {
    /// What follows `name` in the next line.
    fn value(&mut self, name: &str) -> std::result::Result<&'a str, String> {
        let line = self.lines.next().ok_or_else(|| format!("it ends before its {name}"))?;
        let value = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(' '));
        value.ok_or_else(|| format!("{line:?} is not its {name}"))
    }

    fn number<T: std::str::FromStr>(&mut self, name: &str) -> std::result::Result<T, String> {
        parse(self.value(name)?)
    }

    fn shape(&mut self, name: &str) -> std::result::Result<Shape, String> {
        self.value(name)?.split_whitespace().map(parse).collect()
    }

    fn kind(
        &mut self,
        (root, folder): (&str, Option<Arc<Path>>),
        pool: &Arc<SourcePool>,
    ) -> std::result::Result<Files, String> {
        let given = |value: &str| (!value.is_empty()).then(|| value.to_owned());
        let scheme = given(self.value("scheme")?);
        let dataset = given(self.value("dataset")?);
        let dtype: DType = self.value("dtype")?.parse().map_err(|error: Error| error.to_string())?;
        let mut info = DatasetInfo::new(self.shape("shape")?, dtype);
        info.chunk_shape = Some(self.shape("chunks")?).filter(|chunks| !chunks.is_empty());
        info.check().map_err(|error| error.to_string())?;
        Ok(Files::empty(pool, info, (scheme, dataset), root.to_owned(), folder))
    }

    /// The rest. What does not hold of the text is the outer error.
    fn stack(
        &mut self,
        (root, folder): (&Path, Option<Arc<Path>>),
        pool: &Arc<SourcePool>,
        sum: &str,
    ) -> std::result::Result<Result<VirtualStack>, String> {
        let root = root.to_str().ok_or("its folder has a name that is not text")?;
        let (axis, promote) = (self.number::<usize>("axis")?, self.number::<bool>("promote")?);
        let kinds: usize = self.number("kinds")?;
        let mut files =
            (0..kinds).map(|_| self.kind((root, folder.clone()), pool)).collect::<std::result::Result<Vec<_>, _>>()?;
        if files.iter().any(|files| axis >= files.first.shape.len()) {
            return Err(format!("its files have no axis {axis}"));
        }
        let count: usize = self.number("files")?;
        let (mut ends, mut parts) = (Ends::new(), Vec::new());
        for line in self.lines.by_ref() {
            let mut words = line.splitn(5, ' ');
            let mut word = || words.next().ok_or_else(|| format!("{line:?} is no file"));
            let (kind, extent): (u32, u64) = (parse(word()?)?, parse(word()?)?);
            let stamp = Stamp { size: parse(word()?)?, modified: parse(word()?)? };
            let path = word()?;
            let own = files.get_mut(kind as usize).ok_or_else(|| format!("there is no kind {kind}"))?;
            if path.is_empty() || !stays_inside(path) {
                return Err(format!("the path {path:?} leaves its folder"));
            }
            parts.push(Part::File { kind, index: own.len() as u32 });
            if !own.push_path(path, stamp) || !ends.push(extent) {
                return Err("it has more than can be counted".to_owned());
            }
        }
        if parts.len() != count {
            return Err(format!("it has {} files, not the {count} that it says", parts.len()));
        }
        let identity = Identity::builder("manifest").field("sum", sum).field("root", root);
        Ok(VirtualStack::of_files((axis, promote), (ends, parts, files), identity))
    }
}

fn parse<T: std::str::FromStr>(word: &str) -> std::result::Result<T, String> {
    word.parse().map_err(|_| format!("{word:?} is no number"))
}
