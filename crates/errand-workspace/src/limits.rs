//! Every bound of this crate with its number. Reaching one is an error or a report with the bound's name, never silence.

use std::time::Duration;

/// Longest relative path, in bytes.
pub const PATH_BYTES: usize = 4_096;
/// Longest part of a path, in bytes.
pub const COMPONENT_BYTES: usize = 255;
/// Deepest folder a walk enters.
pub const DEPTH: usize = 128;
/// Most files of one snapshot.
pub const FILES_PER_SNAPSHOT: usize = 400_000;
/// Largest file a snapshot stores; a larger one is reported as skipped.
pub const FILE_BYTES: u64 = 128 << 20;
/// Most bytes of new content one snapshot stores.
pub const SNAPSHOT_BYTES: u64 = 1 << 30;
/// Longest link target.
pub const LINK_BYTES: usize = 4_095;
/// Largest ignore file that is read.
pub const IGNORE_FILE_BYTES: u64 = 1 << 20;
/// Most names of one folder that a listing returns.
pub const LIST_ENTRIES: usize = 10_000;
/// Most skipped paths a snapshot names; the rest is counted.
pub const SKIPPED_NAMED: usize = 100;

/// Most bytes that host git may print.
pub const GIT_OUTPUT_BYTES: u64 = 256 << 20;
/// Most bytes of git's complaint that are kept.
pub const GIT_ERROR_BYTES: u64 = 8 << 10;
/// How long one host git call may take; only a first fetch of a large history needs more than a second.
pub const GIT_TIME: Duration = Duration::from_secs(900);
/// How long a git call that only reads may take.
pub const GIT_READ_TIME: Duration = Duration::from_secs(60);
/// Tree listings kept in memory per ledger.
pub const LISTINGS_KEPT: usize = 8;
/// Largest tree object that is read.
pub const TREE_OBJECT_BYTES: u64 = 64 << 20;
/// Bytes of tree objects kept in memory per ledger.
pub const FOLDERS_KEPT_BYTES: usize = 32 << 20;
/// Most bytes of tree objects and differing paths that one comparison goes through.
pub const COMPARISON_BYTES: usize = 256 << 20;
/// Sizes asked for before the first is read: questions and answers must fit into their pipes.
pub const SIZES_AT_ONCE: usize = 256;

/// Most folders of a base that are looked into for dependency folders.
pub const LAYER_FOLDERS_LOOKED: usize = 20_000;
/// Largest lock file that keys a layer.
pub const LOCK_FILE_BYTES: u64 = 32 << 20;
/// Most bytes and files of one layer where every file must really be copied; clones cost next to nothing.
pub const LAYER_COPIED_BYTES: u64 = 2 << 30;
pub const LAYER_COPIED_FILES: u64 = 400_000;
/// What a copied layer leaves free on the disk.
pub const LAYER_RESERVE_BYTES: u64 = 4 << 30;
/// How much of a file is looked at for a private key.
pub const KEY_LOOKED_BYTES: usize = 64 << 10;
/// Entries of a checkout that are looked at for private files.
pub const INCLUDE_ENTRIES_LOOKED: usize = 200_000;
/// Most private files of one task, largest one, and most bytes of all.
pub const INCLUDE_FILES: usize = 500;
pub const INCLUDE_FILE_BYTES: u64 = 16 << 20;
pub const INCLUDE_BYTES: u64 = 64 << 20;

/// Up to this many new objects are synced one by one; more are synced with one call for the file system.
pub const OBJECTS_SYNCED_SINGLY: usize = 24;
/// A file changed this shortly before it was hashed may change again without its times telling.
pub const RACY: Duration = Duration::from_millis(50);

/// Output a command may print when the plan says nothing else.
pub const COMMAND_OUTPUT_BYTES: usize = 8 << 20;
/// Wall time of a command when the plan says nothing else.
pub const COMMAND_TIME: Duration = Duration::from_secs(600);
/// Between the polite and the final signal.
pub const TERM_GRACE: Duration = Duration::from_secs(2);
/// How long the output pipe is read after the command has ended.
pub const PIPE_GRACE: Duration = Duration::from_millis(300);
/// Largest file `apply` compares or writes.
pub const APPLY_FILE_BYTES: u64 = FILE_BYTES;

/// Processes and threads of one command at a moment.
pub const COMMAND_TASKS: u32 = 2_048;
/// Largest file a command may write.
pub const COMMAND_FILE_BYTES: u64 = 4 << 30;
/// How much of the disk's free space a command may use up.
pub const COMMAND_DISK_BYTES: u64 = 8 << 30;
/// How many files and folders a command may add to the disk.
pub const COMMAND_DISK_FILES: u64 = 2_000_000;
/// Shared memory of a command.
pub const COMMAND_SHM_BYTES: u64 = 512 << 20;
/// Open files of one process.
pub const COMMAND_DESCRIPTORS: u64 = 16_384;
/// How often init looks whether a limit is reached.
pub const LIMITS_LOOK: Duration = Duration::from_millis(50);
/// How often the daemon looks at the disk while a command runs.
pub const DISK_LOOK: Duration = Duration::from_millis(250);
/// A command is ended when less than this part of the disk is free, at most [`DISK_RESERVE_BYTES`].
pub const DISK_RESERVE_PART: u64 = 50;
pub const DISK_RESERVE_BYTES: u64 = 256 << 20;
/// Connections a task's commands may have open through the proxy.
pub const PROXY_CONNECTIONS: usize = 64;
/// Largest head of a CONNECT request.
pub const PROXY_HEAD_BYTES: usize = 8 << 10;
/// Bytes within which a TLS ClientHello must be complete.
pub const PROXY_HELLO_BYTES: usize = 16 << 10;
/// How long a command may take for the head of its request, and again for its ClientHello.
pub const PROXY_CLIENT_TIME: Duration = Duration::from_secs(10);
/// How long one lookup, or one attempt to connect, may take.
pub const PROXY_OUTSIDE_TIME: Duration = Duration::from_secs(10);
/// A connection without a byte in either direction for this long is closed.
pub const PROXY_IDLE_TIME: Duration = Duration::from_secs(300);
/// Addresses of one name that are tried, one after the other.
pub const PROXY_ADDRESSES_TRIED: usize = 4;
/// Bytes copied at once.
pub const PROXY_COPY_BYTES: usize = 16 << 10;
/// Different names that were asked for without being granted and are kept; further ones are counted together.
pub const PROXY_REFUSED_NAMES: usize = 20;
/// Connections one command's forwarder serves; more wait until one of them ends.
pub const FORWARD_CONNECTIONS: usize = 64;
/// Stack of a forwarder's thread.
pub const FORWARD_STACK_BYTES: usize = 64 << 10;
