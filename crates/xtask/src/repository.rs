//! What the checks look at: the workspace's crates, the files of a fresh clone, every package built in.

use cargo_metadata::{
    DependencyKind, Metadata, MetadataCommand,
    camino::{Utf8Path, Utf8PathBuf},
};
use std::{collections::BTreeSet, process::Command};

/// Why a check could not look.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// The repository that this program was started in.
pub(crate) struct Repository {
    root: Utf8PathBuf,
    /// The workspace's crates.
    pub(crate) crates: Vec<Crate>,
}

/// A crate of the workspace.
#[derive(Debug, Default)]
pub(crate) struct Crate {
    pub(crate) name: String,
    /// Relative to the root.
    pub(crate) folder: Utf8PathBuf,
    /// What its library and programs depend on, by package name.
    pub(crate) imports: BTreeSet<String>,
    /// What only its tests and benches depend on.
    pub(crate) test_imports: BTreeSet<String>,
}

/// A package of the lock file, on any platform.
#[derive(Debug)]
pub(crate) struct Package {
    /// `name version`.
    pub(crate) id: String,
    pub(crate) name: String,
    /// An SPDX expression.
    pub(crate) licence: Option<String>,
    pub(crate) origin: Origin,
}

/// Where a package is from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Workspace,
    CratesIo,
    Elsewhere(String),
}

impl Repository {
    /// The workspace around the working directory.
    pub(crate) fn open() -> Result<Self, Failure> {
        let metadata = MetadataCommand::new().no_deps().exec()?;
        let crates = crates(&metadata)?;
        Ok(Self { root: metadata.workspace_root, crates })
    }

    /// The files that a commit of everything would hold, relative to the root.
    pub(crate) fn files(&self) -> Result<BTreeSet<Utf8PathBuf>, Failure> {
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&self.root)
            .output()?;
        if !listed.status.success() {
            return Err(format!("git ls-files: {}", String::from_utf8_lossy(&listed.stderr).trim()).into());
        }
        let listed = String::from_utf8(listed.stdout)?;
        let files = listed.split_terminator('\0').map(Utf8PathBuf::from);
        Ok(files.filter(|file| self.root.join(file).is_file()).collect())
    }

    /// The text of a file, named relative to the root.
    #[expect(clippy::disallowed_methods, reason = "checks of files read them")]
    pub(crate) fn read(&self, file: &Utf8Path) -> Result<String, Failure> {
        std::fs::read_to_string(self.root.join(file)).map_err(|error| format!("{file}: {error}").into())
    }

    /// Every package that the workspace is built of, itself included.
    pub(crate) fn packages(&self) -> Result<Vec<Package>, Failure> {
        let metadata = MetadataCommand::new().current_dir(&self.root).exec()?;
        let members: BTreeSet<_> = metadata.workspace_members.iter().collect();
        let origin = |package: &cargo_metadata::Package| match &package.source {
            _ if members.contains(&package.id) => Origin::Workspace,
            Some(source) if source.is_crates_io() => Origin::CratesIo,
            Some(source) => Origin::Elsewhere(source.repr.clone()),
            None => Origin::Elsewhere("a folder outside the workspace".to_owned()),
        };
        let package = |package: &cargo_metadata::Package| Package {
            id: format!("{} {}", package.name, package.version),
            name: package.name.to_string(),
            licence: package.license.clone(),
            origin: origin(package),
        };
        Ok(metadata.packages.iter().map(package).collect())
    }
}

fn crates(metadata: &Metadata) -> Result<Vec<Crate>, Failure> {
    let mut crates = Vec::new();
    for package in metadata.workspace_packages() {
        let folder = package.manifest_path.parent().unwrap_or(&package.manifest_path);
        let folder = folder.strip_prefix(&metadata.workspace_root)?.to_owned();
        let names = |in_tests: bool| {
            let wanted = package
                .dependencies
                .iter()
                .filter(|wanted| (wanted.kind == DependencyKind::Development) == in_tests);
            wanted.map(|wanted| wanted.name.clone()).collect()
        };
        let (imports, test_imports) = (names(false), names(true));
        crates.push(Crate { name: package.name.to_string(), folder, imports, test_imports });
    }
    Ok(crates)
}
