//! An acknowledged event is on disk: the log is synced before each answer, once for a whole group.
//!
//! SQLite's own file layer is asked: a layer over the default one counts the syncs of one journal's log.

#![expect(unsafe_code, reason = "SQLite's file layer is a C interface; counting syncs needs a shim in it")]

use crate::rig::{Journal, Rig, batch, blob, says};
use errand_journal::{Batch, Store};
use errand_task::id::{Seq, TaskId};
use futures_util::future::join_all;
use rusqlite::ffi;
use std::ffi::{CStr, c_char, c_int};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// Only the log of a journal with this name is counted; other tests run beside this one.
const COUNTED: &str = "counted.db-wal";

static DEFAULT: AtomicPtr<ffi::sqlite3_vfs> = AtomicPtr::new(std::ptr::null_mut());
static N_SYNCS: AtomicUsize = AtomicUsize::new(0);

type Sync = unsafe extern "C" fn(*mut ffi::sqlite3_file, c_int) -> c_int;
static DEFAULT_SYNC: OnceLock<Sync> = OnceLock::new();

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    N_SYNCS.fetch_add(1, Ordering::SeqCst);
    // SAFETY: the file's methods are a copy of the default layer's, whose sync this is.
    DEFAULT_SYNC.get().map_or(ffi::SQLITE_IOERR, |sync| unsafe { sync(file, flags) })
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let default = DEFAULT.load(Ordering::SeqCst);
    // SAFETY: SQLite calls this with what the default layer's own open takes.
    unsafe {
        let Some(open) = (*default).xOpen else { return ffi::SQLITE_CANTOPEN };
        let code = open(default, name, file, flags, out);
        let is_counted =
            code == ffi::SQLITE_OK && !name.is_null() && CStr::from_ptr(name).to_bytes().ends_with(COUNTED.as_bytes());
        if is_counted {
            let mut methods = *(*file).pMethods;
            if let Some(default) = methods.xSync {
                DEFAULT_SYNC.get_or_init(|| default);
            }
            methods.xSync = Some(sync);
            (*file).pMethods = Box::leak(Box::new(methods));
        }
        code
    }
}

fn count_syncs() {
    // SAFETY: the layer registered is a copy of the default one and lives for ever, as SQLite asks.
    unsafe {
        let default = ffi::sqlite3_vfs_find(std::ptr::null());
        DEFAULT.store(default, Ordering::SeqCst);
        let mut counting = *default;
        counting.zName = c"counting".as_ptr();
        counting.pNext = std::ptr::null_mut();
        counting.xOpen = Some(open);
        assert_eq!(ffi::sqlite3_vfs_register(Box::leak(Box::new(counting)), 1), ffi::SQLITE_OK);
    }
}

fn n_syncs() -> usize {
    N_SYNCS.load(Ordering::SeqCst)
}

#[test]
fn every_answer_comes_after_a_sync_and_a_group_shares_one() {
    count_syncs();
    let rig = Rig::new();
    let journal = Journal::open(&rig.dir.path().join("counted.db")).unwrap();
    for n in 0..5 {
        let before = n_syncs();
        journal.append("a", n, &["x"]).unwrap();
        assert!(n_syncs() > before, "event {} was acknowledged before it was synced", n + 1);
    }
    let before = n_syncs();
    journal.remove("a").unwrap();
    assert!(n_syncs() > before, "the removal was acknowledged before it was synced");
    // While this one is written the others gather.
    let large = Batch { blobs: vec![blob(&vec![7; 20 << 20])], ..batch("slow", vec![says("x")]) };
    let slow = journal.store.append(&TaskId::new("slow"), Seq(0), large);
    let before = n_syncs();
    let many = (0..100).map(|n| format!("t{n}"));
    let many =
        many.map(|task| journal.store.append(&TaskId::new(task.as_str()), Seq(0), batch(&task, vec![says("x")])));
    let many: Vec<_> = many.collect();
    assert!(journal.wait(slow).is_ok());
    assert!(journal.wait(join_all(many)).iter().all(Result::is_ok));
    let n_group = n_syncs() - before;
    assert!((1..20).contains(&n_group), "{n_group} syncs for 100 appends at once");
}
