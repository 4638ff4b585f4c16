//! A hand-off folder on disk: written whole or not at all, recognised, measured.
//!
//! Guarantees: a folder appears under its name only when every file is in it; nothing is left behind on failure;
//! nothing that onnx2chip did not write is ever removed. A folder's `build/` survives when the folder is replaced.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{FORMAT, Files, Manifest, report};
use crate::diag::{Diagnostic, Diagnostics, Result, code};

/// Folder of tool outputs inside a hand-off folder.
pub const BUILD: &str = "build";

/// Writes the files to a temporary sibling and renames it to `dir`, replacing an earlier hand-off folder.
///
/// Edits in its files are lost: whether there are any is for [`check_replaceable`] to say, before.
///
/// # Errors
/// Those of [`check_replaceable`] with `force`; O2C0002 if it can't be written.
pub fn write(dir: &Path, files: &Files) -> Result<()> {
    check_replaceable(dir, true)?;
    let name = dir.file_name().ok_or_else(|| unnamed(dir))?;
    let parent = match dir.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent).map_err(|e| unwritable(parent, &e))?;
    // Short, whatever the length of the name, and the same for the same name.
    let stem = format!(".o2c-{}-", &super::manifest::digest(name.as_encoded_bytes())[..12]);
    clear(parent, dir, &stem);
    let sibling = |tag: &str| parent.join(format!("{stem}{tag}-{}", std::process::id()));
    let (fresh, old) = (sibling("new"), sibling("old"));
    let done = write_all(&fresh, files).and_then(|()| swap(dir, &fresh, &old));
    if done.is_err() {
        // Best effort: the error that matters is the first one.
        let _ = std::fs::remove_dir_all(&fresh);
    }
    done
}

/// Removes what processes that ended in the middle of [`write`] left of the same folder: unfinished ones, and earlier
/// ones whose successor is in its place. Best effort: they are in nobody's way.
fn clear(parent: &Path, dir: &Path, stem: &str) {
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|n| n.strip_prefix(stem)) else { continue };
        let Some((tag, Ok(pid))) = rest.split_once('-').map(|(tag, pid)| (tag, pid.parse::<u32>())) else {
            continue;
        };
        // Where processes can't be looked up, all of them count as running.
        let ended = Path::new("/proc/self").exists() && !Path::new(&format!("/proc/{pid}")).exists();
        if (ended || pid == std::process::id()) && (tag == "new" || (tag == "old" && dir.exists())) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn write_all(fresh: &Path, files: &Files) -> Result<()> {
    std::fs::create_dir(fresh).map_err(|e| unwritable(fresh, &e))?;
    for file in files.iter() {
        let path = fresh.join(&file.entry.path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|e| unwritable(parent, &e))?;
        }
        std::fs::write(&path, &file.bytes).map_err(|e| unwritable(&path, &e))?;
    }
    Ok(())
}

fn swap(dir: &Path, fresh: &Path, old: &Path) -> Result<()> {
    let rename = |from: &Path, to: &Path| std::fs::rename(from, to).map_err(|e| unwritable(to, &e));
    if !dir.exists() {
        return rename(fresh, dir);
    }
    rename(dir, old)?;
    if let Err(e) = rename(fresh, dir) {
        let _ = std::fs::rename(old, dir);
        return Err(e);
    }
    if old.join(BUILD).exists() {
        rename(&old.join(BUILD), &dir.join(BUILD))?;
    }
    std::fs::remove_dir_all(old).map_err(|e| unwritable(old, &e))
}

/// Whether `dir` may become a hand-off folder: absent, empty, or an earlier one with nothing of the user's in it; with
/// `force` the user's changes to onnx2chip's files do not count.
///
/// # Errors
/// O2C0003 naming what is in the way.
pub fn check_replaceable(dir: &Path, force: bool) -> Result<()> {
    if dir.is_symlink() {
        return Err(exists(dir, "it is a symbolic link"));
    }
    if dir.file_name().is_none() {
        return Err(unnamed(dir));
    }
    if !dir.exists() {
        return Ok(());
    }
    if !dir.is_dir() {
        return Err(exists(dir, "it is a file"));
    }
    let within = std::env::current_dir().and_then(|cwd| Ok(cwd.starts_with(dir.canonicalize()?)));
    if within.unwrap_or(false) {
        return Err(replaces_cwd(dir));
    }
    if std::fs::read_dir(dir).map_err(|e| unreadable(dir, &e))?.next().is_none() {
        return Ok(());
    }
    // Asked first: a folder that is not onnx2chip's may hold a whole disk.
    let Ok(manifest) = manifest(dir) else {
        return Err(exists(dir, "it has files, and no manifest.json of onnx2chip's"));
    };
    let present = list(dir)?;
    let own: BTreeSet<&str> =
        manifest.files.iter().map(|e| e.path.as_str()).chain(["manifest.json"]).collect();
    if let Some(alien) = present.iter().find(|p| !own.contains(p.as_str())) {
        return Err(exists(dir, &format!("{alien} in it was not written by onnx2chip")));
    }
    let edited = |e: &&super::Entry| {
        std::fs::read(dir.join(&e.path)).is_ok_and(|bytes| super::manifest::digest(&bytes) != e.sha256)
    };
    match manifest.files.iter().filter(|_| !force).find(edited) {
        Some(e) => {
            let cause = format!("{} in it was changed since onnx2chip wrote it", e.path);
            Err(Diagnostic::new(code::OUTPUT_EXISTS, "the output folder would overwrite something", cause)
                .at(format!("folder {}", dir.display()))
                .remedy("choose another folder, or give --force to lose the change")
                .into())
        }
        None => Ok(()),
    }
}

/// Every file below `dir` but those in `build/`, as manifest paths.
fn list(dir: &Path) -> Result<BTreeSet<String>> {
    let mut out = BTreeSet::new();
    let mut todo = vec![(dir.to_path_buf(), String::new())];
    while let Some((path, prefix)) = todo.pop() {
        for entry in std::fs::read_dir(&path).map_err(|e| unreadable(&path, &e))? {
            let entry = entry.map_err(|e| unreadable(&path, &e))?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type().map_err(|e| unreadable(&path, &e))?;
            if !kind.is_dir() {
                out.insert(name);
            } else if name != BUILD {
                todo.push((entry.path(), name + "/"));
            }
        }
    }
    Ok(out)
}

/// Reads the manifest of a hand-off folder.
///
/// # Errors
/// O2C0600 if there is none of this format.
pub fn manifest(dir: &Path) -> Result<Manifest> {
    let path = dir.join("manifest.json");
    let bytes = std::fs::read(&path).map_err(|e| invalid(dir, format!("manifest.json: {e}")))?;
    let manifest: Manifest =
        serde_json::from_slice(&bytes).map_err(|e| invalid(dir, format!("manifest.json: {e}")))?;
    if manifest.format != FORMAT {
        return Err(invalid(dir, format!("its format is {:?}, not {FORMAT:?}", manifest.format)));
    }
    Ok(manifest)
}

/// The files of a folder that are missing (an error) or whose digest is not the manifest's (returned).
///
/// # Errors
/// O2C0600 if a file is missing or unreadable.
pub fn altered(dir: &Path, manifest: &Manifest) -> Result<Vec<String>> {
    let mut out = Vec::new();
    for e in &manifest.files {
        let bytes =
            std::fs::read(dir.join(&e.path)).map_err(|err| invalid(dir, format!("{}: {err}", e.path)))?;
        if super::manifest::digest(&bytes) != e.sha256 {
            out.push(e.path.clone());
        }
    }
    Ok(out)
}

/// Digest over the named files' paths and contents, for deciding whether a build is still good.
///
/// # Errors
/// O2C0600 if one can't be read.
pub fn digest(dir: &Path, paths: &[String]) -> Result<String> {
    let mut all = Vec::new();
    for path in paths {
        let bytes = std::fs::read(dir.join(path)).map_err(|e| invalid(dir, format!("{path}: {e}")))?;
        all.extend_from_slice(format!("{path} {}\n", super::manifest::digest(&bytes)).as_bytes());
    }
    Ok(super::manifest::digest(&all))
}

/// Reads `report.json`.
///
/// # Errors
/// O2C0600 if it is not there or not a report.
pub fn report(dir: &Path) -> Result<report::Report> {
    let bytes =
        std::fs::read(dir.join("report.json")).map_err(|e| invalid(dir, format!("report.json: {e}")))?;
    serde_json::from_slice(&bytes).map_err(|e| invalid(dir, format!("report.json: {e}")))
}

/// Writes `report.json` and `report.html` again, and their lines in the manifest.
///
/// # Errors
/// O2C0002 if a file can't be written.
pub fn update_report(dir: &Path, report: &report::Report) -> Result<()> {
    let mut manifest = manifest(dir)?;
    let mut files = Vec::new();
    report::add(report, &mut files)?;
    for file in &files {
        replace(&dir.join(&file.entry.path), &file.bytes)?;
        manifest.update(&file.entry.path, &file.bytes);
    }
    replace(&dir.join("manifest.json"), manifest.to_json()?.as_bytes())
}

/// Writes a file beside its place and renames it there.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut tmp = path.as_os_str().to_owned();
    tmp.push(".new");
    let tmp = PathBuf::from(tmp);
    std::fs::write(&tmp, bytes).and_then(|()| std::fs::rename(&tmp, path)).map_err(|e| unwritable(path, &e))
}

fn exists(dir: &Path, cause: &str) -> Diagnostics {
    Diagnostic::new(code::OUTPUT_EXISTS, "the output folder would overwrite something", cause)
        .at(format!("folder {}", dir.display()))
        .into()
}

/// A path such as `/`, `.` or `..`.
fn unnamed(dir: &Path) -> Diagnostics {
    match dir.canonicalize() {
        Ok(p) if p.parent().is_none() => exists(dir, "it is a root folder, which can't be replaced"),
        Ok(p) if std::env::current_dir().is_ok_and(|cwd| cwd.starts_with(&p)) => replaces_cwd(dir),
        _ => exists(dir, "the path does not end in a name"),
    }
}

fn replaces_cwd(dir: &Path) -> Diagnostics {
    let cause = "the output folder is replaced as a whole, and this command runs in it or below it";
    Diagnostic::new(code::OUTPUT_EXISTS, "the output folder can't be replaced", cause)
        .at(format!("folder {}", dir.display()))
        .remedy("name another folder, e.g. -o out")
        .into()
}

fn unwritable(path: &Path, e: &std::io::Error) -> Diagnostics {
    Diagnostic::new(code::FILE_UNWRITABLE, "the hand-off folder can't be written", e.to_string())
        .at(format!("file {}", path.display()))
        .into()
}

fn unreadable(path: &Path, e: &std::io::Error) -> Diagnostics {
    Diagnostic::new(code::FILE_UNREADABLE, "a folder can't be read", e.to_string())
        .at(format!("folder {}", path.display()))
        .into()
}

fn invalid(dir: &Path, cause: impl Into<String>) -> Diagnostics {
    Diagnostic::new(code::HANDOFF_INVALID, "this is not a complete hand-off folder", cause)
        .at(format!("folder {}", dir.display()))
        .into()
}
