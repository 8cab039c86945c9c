//! The proof that the pure-Rust crates need no C: neither in their dependencies nor when they are built.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};
use crate::process;
use crate::setup::Environment;
use crate::workspace::{self, Workspace};

/// Crates that build with rustc alone. Those that are not there yet are passed over.
const PURE_CRATES: &[&str] = &["chunk-core", "chunk-ops", "chunk-testkit", "chunk-npy", "chunk-virtual"];

/// Named like bindings to C, yet Rust from end to end: system call numbers and declarations.
const RUST_ONLY: &[&str] = &["linux-raw-sys", "windows-sys"];

/// What build scripts and the `cc` and `cmake` crates would call.
const COMPILER_VARIABLES: &[&str] = &["CC", "CXX", "CMAKE", "HOST_CC", "HOST_CXX", "TARGET_CC", "TARGET_CXX"];

pub(crate) fn prove(workspace: &Workspace) -> Result<()> {
    let tools = Tools::make(&workspace.target.join("pure"))?;
    for name in PURE_CRATES.iter().filter(|name| workspace.root.join(name).join("Cargo.toml").is_file()) {
        check_dependencies(workspace, name)?;
        build_without_c(workspace, name, &tools)?;
        println!("{name}: no C in its dependencies, builds without a C compiler");
    }
    Ok(())
}

fn check_dependencies(workspace: &Workspace, name: &str) -> Result<()> {
    let mut cargo = workspace.cargo(&Environment::default());
    cargo.args(["tree", "--package", name, "--edges", "normal,build", "--prefix", "none", "--format", "{p}"]);
    let tree = process::capture(&mut cargo)?;
    match wants_c(&tree) {
        found if found.is_empty() => Ok(()),
        found => Err(Error::failed(format!("{name} must be pure Rust, but depends on {}", found.join(", ")))),
    }
}

/// The packages of a `cargo tree` that compile or link C.
fn wants_c(tree: &str) -> Vec<&str> {
    let mut names: Vec<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| is_c(name));
    names
}

fn is_c(name: &str) -> bool {
    let binds = name.ends_with("-sys") || name.ends_with("-src") || name == "cc" || name == "cmake";
    binds && !RUST_ONLY.contains(&name)
}

fn build_without_c(workspace: &Workspace, name: &str, tools: &Tools) -> Result<()> {
    let mut cargo = workspace.cargo(&Environment::default());
    cargo.args(["build", "--quiet", "--package", name]).env("CARGO_TARGET_DIR", &tools.target);
    cargo.env("PATH", &tools.folder).env("RUSTC", rustc()?);
    for (variable, _) in env::vars_os() {
        if variable.to_str().is_some_and(|name| name.starts_with("CC_") || name.starts_with("CXX_")) {
            cargo.env_remove(variable);
        }
    }
    for variable in COMPILER_VARIABLES {
        cargo.env(variable, &tools.refuses);
    }
    process::run(&mut cargo)
}

/// The compiler itself: rustup's proxy would need a PATH.
fn rustc() -> Result<PathBuf> {
    let sysroot = process::capture(Command::new("rustc").args(["--print", "sysroot"]))?;
    Ok(Path::new(sysroot.trim()).join("bin/rustc"))
}

/// A folder for PATH that lets rustc link and nothing compile.
struct Tools {
    folder: PathBuf,
    refuses: PathBuf,
    target: PathBuf,
}

impl Tools {
    fn make(folder: &Path) -> Result<Self> {
        let linker = process::find("cc").ok_or_else(|| Error::failed("cc is missing; rustc links with it"))?;
        let path = env::var("PATH").unwrap_or_default();
        let tools = Self { folder: folder.join("bin"), refuses: folder.join("refuses"), target: folder.join("target") };
        workspace::create_folder(&tools.folder)?;
        write_script(&tools.folder.join("cc"), &linker_script(&linker, &path))?;
        write_script(&tools.refuses, REFUSING_SCRIPT)?;
        Ok(tools)
    }
}

const REFUSING_SCRIPT: &str = "#!/bin/sh\necho \"pure-Rust build called a C compiler: $0 $*\" >&2\nexit 1\n";

/// rustc links through `cc`: this one links, and fails on whatever compiles.
fn linker_script(linker: &Path, path: &str) -> String {
    format!(
        "#!/bin/sh\n\
         for word; do\n\
         \x20 case \"$word\" in\n\
         \x20   -c|-E|-S|-x|*.c|*.cc|*.cpp|*.cxx|*.C|*.s|*.S)\n\
         \x20     echo \"pure-Rust build called the C compiler: cc $*\" >&2\n\
         \x20     exit 1 ;;\n\
         \x20 esac\n\
         done\n\
         PATH={path} exec {linker} \"$@\"\n",
        path = process::shell_quote(path),
        linker = process::shell_quote(&linker.to_string_lossy()),
    )
}

fn write_script(file: &Path, text: &str) -> Result<()> {
    let written = fs::write(file, text).and_then(|()| fs::set_permissions(file, fs::Permissions::from_mode(0o755)));
    written.map_err(|error| workspace::io_error("write", file, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_c_in_a_tree() {
        let tree = "chunk-x v0.1.0 (/src/chunk-x)\nblosc-src v0.3.8\ncc v1.2.0\nlibz-sys v1.1.31\ncc v1.2.0 (*)\n";
        assert_eq!(wants_c(tree), ["blosc-src", "cc", "libz-sys"]);
    }

    #[test]
    fn rust_that_is_named_like_bindings_passes() {
        let tree = "chunk-core v0.1.0 (/src/chunk-core)\nlinux-raw-sys v0.11.0\nccc v1.0.0\nthiserror v2.0.21\n\n";
        assert!(wants_c(tree).is_empty());
    }

    #[test]
    fn linker_refuses_to_compile() {
        let folder = env::temp_dir().join(format!("xtask-pure-{}", std::process::id()));
        let tools = Tools::make(&folder).unwrap();
        let cc = tools.folder.join("cc");
        process::capture(Command::new(&cc).arg("--version")).unwrap();
        let error = process::capture(Command::new(&cc).args(["-o", "x", "x.c"])).unwrap_err();
        assert!(error.to_string().contains("called the C compiler"), "{error}");
        process::capture(Command::new(&tools.refuses).arg("--version")).unwrap_err();
        workspace::remove_folder(&folder).unwrap();
    }
}
