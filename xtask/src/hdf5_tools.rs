//! `h5dump` and `h5ls`: readers by other people, on a libhdf5 that is older than ours.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::error::{Error, Result};
use crate::process;
use crate::workspace::{self, Workspace};

const PROGRAMS: [&str; 2] = ["h5dump", "h5ls"];
const PACKAGE: &str = "hdf5-tools";

/// The folder that holds both: `$CHUNK_HDF5_TOOLS`, else where they are installed, else one below `target/tools`.
/// Empty if this machine has them by no way; why is told.
pub(crate) fn for_tests(workspace: &Workspace) -> OsString {
    if let Some(chosen) = env::var_os("CHUNK_HDF5_TOOLS") {
        return chosen;
    }
    let folder = workspace.target.join("tools").join(PACKAGE);
    if !run_in(&folder.join("bin")) {
        let installed = process::find(PROGRAMS[0]).and_then(|program| program.parent().map(Path::to_owned));
        if let Some(installed) = installed.filter(|folder| run_in(folder)) {
            return installed.into();
        }
        if let Err(reason) = install(workspace, &folder) {
            eprintln!("xtask: no {} ({reason}): what they read is not tested", PROGRAMS.join(", "));
            return OsString::new();
        }
    }
    folder.join("bin").into()
}

fn run_in(folder: &Path) -> bool {
    PROGRAMS.iter().all(|name| process::capture(Command::new(folder.join(name)).arg("--version")).is_ok())
}

/// Unpacks Debian's packages, which apt checks, below `folder`: as nobody in particular, and nothing is installed.
fn install(workspace: &Workspace, folder: &Path) -> Result<()> {
    let apt = ["apt-get", "dpkg-deb"].map(process::find);
    let [Some(apt), Some(dpkg)] = apt else {
        return Err(Error::failed("they are not installed, and there is no apt-get to fetch them with"));
    };
    eprintln!("xtask: unpacking {PACKAGE} into {}", folder.display());
    let (lists, archives) = (workspace.target.join("tools/apt"), folder.join("archives"));
    workspace::remove_folder(folder)?;
    workspace::create_folder(&archives)?;
    let packages = packages(&apt, &lists)?;
    process::capture(own_lists(&apt, &lists).current_dir(&archives).arg("download").args(packages))?;
    let listed = fs::read_dir(&archives).map_err(|error| workspace::io_error("list", &archives, &error))?;
    for archive in listed.flatten() {
        process::capture(Command::new(&dpkg).arg("--extract").arg(archive.path()).arg(folder))?;
    }
    workspace::remove_folder(&archives)?;
    PROGRAMS.iter().try_for_each(|program| wrap(folder, program))?;
    if run_in(&folder.join("bin")) { Ok(()) } else { Err(Error::failed(format!("Debian's {PACKAGE} do not run"))) }
}

/// The packages that this machine lacks for [`PACKAGE`], by name.
fn packages(apt: &Path, lists: &Path) -> Result<Vec<String>> {
    let words = ["install", "--print-uris", "-qq", "--no-install-recommends", PACKAGE];
    let ask = || process::capture(own_lists(apt, lists).args(words));
    let mut printed = ask();
    if printed.is_err() {
        process::capture(own_lists(apt, lists).arg("update"))?;
        printed = ask();
    }
    let names: Vec<String> = printed?.lines().filter_map(name_in).collect();
    if names.is_empty() { Err(Error::failed(format!("apt-get fetches nothing for {PACKAGE}"))) } else { Ok(names) }
}

/// The package's name in `'URI' NAME_VERSION_ARCHITECTURE.deb SIZE SUM`.
fn name_in(line: &str) -> Option<String> {
    let (name, _) = line.split_whitespace().nth(1)?.split_once('_')?;
    Some(name.to_owned())
}

/// apt with lists and archives of its own, which anybody may write.
fn own_lists(apt: &Path, lists: &Path) -> Command {
    let mut command = Command::new(apt);
    for part in ["State::lists", "Cache"] {
        let folder = lists.join(part.replace("::", "-"));
        // What cannot be made is missed by apt, which says so.
        let _ = fs::create_dir_all(folder.join("partial"));
        let _ = fs::create_dir_all(folder.join("archives/partial"));
        command.arg("--option").arg(format!("Dir::{part}={}/", folder.display()));
    }
    command.args(["--option", "APT::Sandbox::User="]);
    command
}

/// A program that finds the libraries that were unpacked beside it, wherever the folder is moved.
fn wrap(folder: &Path, program: &str) -> Result<()> {
    let script = format!(
        "#!/bin/sh\n\
         folder=$(cd \"$(dirname \"$0\")/..\" && pwd)\n\
         libraries=$(find \"$folder/usr/lib\" -name 'lib*.so*' -exec dirname {{}} + | sort -u | paste -sd:)\n\
         LD_LIBRARY_PATH=$libraries exec \"$folder/usr/bin/{program}\" \"$@\"\n"
    );
    let path = folder.join("bin").join(program);
    workspace::create_folder(&folder.join("bin"))?;
    fs::write(&path, script).map_err(|error| workspace::io_error("write", &path, &error))?;
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&path, executable).map_err(|error| workspace::io_error("write", &path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_apt_prints() {
        let line = "'http://deb.debian.org/debian/pool/main/liba/libaec/libaec0_1.0.6-1%2bb1_amd64.deb' \
                    libaec0_1.0.6-1+b1_amd64.deb 21144 MD5Sum:42611bf8032dad2d74c26d8dc084d322";
        assert_eq!(name_in(line).as_deref(), Some("libaec0"));
        assert_eq!(name_in("Reading package lists..."), None);
    }
}
