//! A simulated kernel with configfs-tsm, for tests.
//!
//! It follows `drivers/virt/coco/tsm.c`: no provider is ENXIO, reading before the input is EINVAL, every
//! write counts, blobs come in short reads. [`Faults`] breaks one thing at a time.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use super::fs::TsmFs;

/// Answers a request: report data and privilege level in, `outblob` and `auxblob` out.
pub type Respond = Box<dyn FnMut(&[u8; 64], u8) -> io::Result<(Vec<u8>, Vec<u8>)> + Send>;

/// Faults to simulate. The default is a working kernel.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Zeros behind `outblob`.
    pub padding: usize,
    /// This many reads of `outblob` fail with EBUSY.
    pub busy: u32,
    /// Another process writes to the directory before `auxblob` is read.
    pub intruder: bool,
    /// The input is lost when its file is closed.
    pub lose_input: bool,
    /// The kernel accepts this number of bytes less of each input.
    pub short_write: usize,
    /// There is no `auxblob`.
    pub no_auxblob: bool,
    /// `privlevel_floor`.
    pub floor: u8,
    /// This errno for every `mkdir`.
    pub make_dir: Option<i32>,
    /// This file reads as these bytes.
    pub replace: Option<(&'static str, Vec<u8>)>,
}

/// The kernel.
#[derive(Clone)]
pub struct FakeTsm {
    state: Arc<Mutex<State>>,
}

struct State {
    root: PathBuf,
    provider: Option<&'static str>,
    respond: Respond,
    faults: Faults,
    directories: BTreeMap<PathBuf, Entry>,
    made: usize,
}

#[derive(Default)]
struct Entry {
    generation: u64,
    privilege: u8,
    input: Option<[u8; 64]>,
}

impl FakeTsm {
    /// A kernel whose driver is `provider` (none: no driver loaded) and answers with `respond`.
    #[must_use]
    pub fn new(root: PathBuf, provider: Option<&'static str>, respond: Respond, faults: Faults) -> Self {
        let directories = BTreeMap::new();
        let state = State { root, provider, respond, faults, directories, made: 0 };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Directories that exist now, and the number ever made.
    #[must_use]
    pub fn directories(&self) -> (usize, usize) {
        let state = self.state();
        (state.directories.len(), state.made)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn entry(&mut self, file: &Path) -> io::Result<&mut Entry> {
        let directory = file.parent().unwrap_or(file);
        self.directories.get_mut(directory).ok_or_else(|| errno(Errno::NOENT))
    }

    fn read(&mut self, file: &Path, name: &str) -> io::Result<Vec<u8>> {
        let number = |value: u64| Ok(format!("{value}\n").into_bytes());
        match name {
            "provider" => Ok(format!("{}\n", self.provider.unwrap_or_default()).into_bytes()),
            "generation" => number(self.entry(file)?.generation),
            "privlevel_floor" => number(self.faults.floor.into()),
            "outblob" => self.out(file),
            "auxblob" if !self.faults.no_auxblob => {
                if self.faults.intruder {
                    self.entry(file)?.generation += 1;
                }
                Ok(self.answer(file)?.1)
            }
            _ => Err(errno(Errno::NOENT)),
        }
    }

    fn out(&mut self, file: &Path) -> io::Result<Vec<u8>> {
        if self.faults.busy > 0 {
            self.faults.busy -= 1;
            return Err(errno(Errno::BUSY));
        }
        let (mut out, _) = self.answer(file)?;
        out.resize(out.len() + self.faults.padding, 0);
        Ok(out)
    }

    fn answer(&mut self, file: &Path) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let entry = self.entry(file)?;
        let privilege = entry.privilege;
        let input = entry.input.ok_or_else(|| errno(Errno::INVAL))?;
        (self.respond)(&input, privilege)
    }

    fn write(&mut self, file: &Path, name: &str, bytes: &[u8]) -> io::Result<usize> {
        let short = self.faults.short_write;
        let lose = self.faults.lose_input;
        let entry = self.entry(file)?;
        match name {
            "privlevel" => {
                let text = std::str::from_utf8(bytes).ok().map(str::trim_end);
                let level = text.and_then(|text| text.parse().ok()).filter(|level| *level <= 3);
                entry.privilege = level.ok_or_else(|| errno(Errno::INVAL))?;
            }
            "inblob" if lose => return Ok(bytes.len()),
            "inblob" => {
                entry.input = Some(bytes.try_into().map_err(|_| errno(Errno::INVAL))?);
            }
            _ => return Err(errno(Errno::ACCESS)),
        }
        entry.generation += 1;
        Ok(bytes.len() - short)
    }
}

impl TsmFs for FakeTsm {
    fn make_dir(&self, directory: &Path) -> io::Result<()> {
        let mut state = self.state();
        if let Some(code) = state.faults.make_dir {
            return Err(io::Error::from_raw_os_error(code));
        }
        if directory.parent() != Some(state.root.as_path()) {
            return Err(errno(Errno::NOENT));
        }
        if state.provider.is_none() {
            return Err(errno(Errno::NXIO));
        }
        if state.directories.contains_key(directory) {
            return Err(errno(Errno::EXIST));
        }
        state.directories.insert(directory.to_owned(), Entry::default());
        state.made += 1;
        Ok(())
    }

    fn remove_dir(&self, directory: &Path) -> io::Result<()> {
        self.state().directories.remove(directory).map(drop).ok_or_else(|| errno(Errno::NOENT))
    }

    fn open(&self, file: &Path) -> io::Result<Box<dyn Read + '_>> {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let mut state = self.state();
        let bytes = match &state.faults.replace {
            Some((replaced, bytes)) if *replaced == name => bytes.clone(),
            _ => state.read(file, name)?,
        };
        Ok(Box::new(ShortReads(Cursor::new(bytes))))
    }

    fn write_once(&self, file: &Path, bytes: &[u8]) -> io::Result<usize> {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        self.state().write(file, name, bytes)
    }
}

/// Hands out at most 100 bytes a call.
struct ShortReads(Cursor<Vec<u8>>);

impl Read for ShortReads {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let limit = buffer.len().min(100);
        let Some(buffer) = buffer.get_mut(..limit) else { return Ok(0) };
        self.0.read(buffer)
    }
}

fn errno(code: Errno) -> io::Error {
    io::Error::from(code)
}
