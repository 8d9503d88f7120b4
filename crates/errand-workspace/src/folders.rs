//! Trees of the ledger folder by folder: what is at a path, where two trees differ, and a tree with some paths changed.
//!
//! A folder is one tree object, and equal ids are equal folders. So all of this reads, and writes, only the folders on
//! the way to what is asked for or differs, however large the rest of the repository is.

use crate::ledger::{Ledger, LedgerError, lock};
use crate::limits::{COMPARISON_BYTES, DEPTH, FOLDERS_KEPT_BYTES, TREE_OBJECT_BYTES};
use crate::objects::{Kind, ObjectFormat, Oid};
use crate::paths;
use crate::trees::{Difference, Edit, EntryMode, Node, TreeEntry};
use errand_task::id::TreeId;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

impl Ledger {
    /// What is at a path; the empty path is the root. `None` when there is nothing.
    pub fn entry_at(&self, tree: &TreeId, path: &[u8]) -> Result<Option<Node>, LedgerError> {
        let mut node = Node::Folder { id: self.tree_oid(tree)? };
        if path.is_empty() {
            return Ok(Some(node));
        }
        for name in path.split(|&byte| byte == b'/') {
            let Node::Folder { id } = node else { return Ok(None) };
            match self.tree_folder(&id)?.get(name) {
                Some(inner) => node = inner,
                None => return Ok(None),
            }
        }
        Ok(Some(node))
    }

    /// The paths that two trees do not agree about, sorted by path bytes.
    pub fn differences(&self, old: &TreeId, new: &TreeId) -> Result<Vec<Difference>, LedgerError> {
        let mut differences = self.compare(old, new)?.differences;
        let sides = || differences.iter().flat_map(|difference| [&difference.old, &difference.new]).flatten();
        let has_size = |entry: &&TreeEntry| entry.mode != EntryMode::Submodule;
        let blobs: Vec<Oid> = sides().filter(has_size).map(|entry| entry.id).collect();
        let mut sizes = self.sizes(&blobs)?.into_iter();
        let sides = differences.iter_mut().flat_map(|difference| [&mut difference.old, &mut difference.new]).flatten();
        for entry in sides.filter(|entry| has_size(&&**entry)) {
            entry.size = sizes.next().unwrap_or(0);
        }
        Ok(differences)
    }

    /// The tree `base` with the edits made in order; durable when this returns. Blobs must be stored already, folders
    /// that become empty vanish, and what no edit names stays as it is.
    pub fn edit_tree(&self, base: &TreeId, edits: &[Edit]) -> Result<TreeId, LedgerError> {
        let id = self.tree_oid(base)?;
        let mut changes = Changes::new();
        for edit in edits {
            paths::check(edit.path())?;
            note(&mut changes, edit);
        }
        let edited = match self.edit_folder(Some(&id), &changes)? {
            Some(id) => id,
            None => self.store_folder(Vec::new())?,
        };
        self.objects().sync().map_err(|source| self.store_failed(source))?;
        Ok(edited.tree_id())
    }

    /// [`Ledger::differences`] with sizes of 0, and the new tree's folders that the old one does not have there.
    pub(crate) fn compare(&self, old: &TreeId, new: &TreeId) -> Result<Comparison, LedgerError> {
        let (old, new) = (self.tree_oid(old)?, self.tree_oid(new)?);
        let mut comparer = Comparer { ledger: self, path: Vec::new(), n_bytes: 0, found: Comparison::default() };
        comparer.folders(Some(old), Some(new), 0)?;
        Ok(comparer.found)
    }

    fn tree_folder(&self, id: &Oid) -> Result<Arc<Folder>, LedgerError> {
        if let Some(folder) = lock(&self.folders).get(id) {
            return Ok(folder);
        }
        let text = id.to_string();
        let bytes = self.read(&text, Kind::Tree, TREE_OBJECT_BYTES)?;
        let folder = Folder::parse(bytes, self.format()).ok_or(LedgerError::Malformed { id: text })?;
        Ok(lock(&self.folders).keep(*id, folder))
    }

    fn store_folder(&self, bytes: Vec<u8>) -> Result<Oid, LedgerError> {
        let id = self.objects().put(Kind::Tree, &bytes).map_err(|source| self.store_failed(source))?;
        if let Some(folder) = Folder::parse(bytes, self.format()) {
            lock(&self.folders).keep(id, folder);
        }
        Ok(id)
    }

    /// The folder with the changes made; `None` when nothing is left in it.
    fn edit_folder(&self, base: Option<&Oid>, changes: &Changes<'_>) -> Result<Option<Oid>, LedgerError> {
        let folder = base.map(|id| self.tree_folder(id)).transpose()?;
        let (mut children, mut changed) = (Vec::new(), HashMap::new());
        for child in folder.iter().flat_map(|folder| folder.children()) {
            if changes.contains_key(child.name) {
                changed.insert(child.name, child);
            } else {
                children.push(child);
            }
        }
        for (name, change) in changes {
            children.extend(self.change(name, changed.get(name).copied(), change)?);
        }
        if children.is_empty() {
            return Ok(None);
        }
        children.sort_by(Child::order);
        let mut bytes = Vec::with_capacity(children.len() * 48);
        children.iter().for_each(|child| child.write(&mut bytes));
        match (base, folder) {
            (Some(id), Some(folder)) if folder.bytes == bytes => Ok(Some(*id)),
            (_, _) => self.store_folder(bytes).map(Some),
        }
    }

    /// What a change makes of the child of that name.
    fn change<'a>(
        &self,
        name: &'a [u8],
        child: Option<Child<'a>>,
        change: &Change<'_>,
    ) -> Result<Option<Child<'a>>, LedgerError> {
        let (ground, changes) = match change {
            Change::Gone => return Ok(None),
            Change::Entry { mode, id } => {
                let node = Node::Entry { mode: *mode, id: *id };
                return Ok(Some(Child { name, mode: mode.as_str().as_bytes(), node }));
            }
            Change::Inside { ground, changes } => (*ground, changes),
        };
        let base = match (ground, child.map(|child| child.node)) {
            (Ground::AsItIs, Some(Node::Entry { .. })) => return Ok(child),
            (Ground::AsItIs | Ground::Folder, Some(Node::Folder { id })) => Some(id),
            (_, _) => None,
        };
        let id = self.edit_folder(base.as_ref(), changes)?;
        Ok(id.map(|id| match child.filter(|child| child.node == Node::Folder { id }) {
            Some(unchanged) => unchanged,
            None => Child { name, mode: b"40000", node: Node::Folder { id } },
        }))
    }

    fn tree_oid(&self, tree: &TreeId) -> Result<Oid, LedgerError> {
        Oid::parse(tree.as_str()).ok_or_else(|| LedgerError::Missing { id: tree.as_str().to_owned() })
    }

    fn store_failed(&self, source: io::Error) -> LedgerError {
        LedgerError::Io { path: self.work_git(), source }
    }
}

/// The content of a tree object: its lines are well-formed, in order, and every name is one part of a path.
#[derive(Debug)]
pub(crate) struct Folder {
    bytes: Vec<u8>,
    id_bytes: usize,
}

/// One line of a folder.
#[derive(Clone, Copy, Debug)]
struct Child<'a> {
    name: &'a [u8],
    /// As it stands there: old programs wrote modes that mean the same as today's and are not the same bytes.
    mode: &'a [u8],
    node: Node,
}

impl Folder {
    fn parse(bytes: Vec<u8>, format: ObjectFormat) -> Option<Self> {
        let folder = Self { bytes, id_bytes: format.id_bytes() };
        let (mut rest, mut last): (_, Option<Child<'_>>) = (folder.bytes.as_slice(), None);
        while !rest.is_empty() {
            let child = Child::take(&mut rest, folder.id_bytes)?;
            let is_in_order = last.is_none_or(|last| last.order(&child) == Ordering::Less);
            if !is_in_order || child.name.is_empty() || child.name.contains(&b'/') {
                return None;
            }
            last = Some(child);
        }
        Some(folder)
    }

    fn children(&self) -> impl Iterator<Item = Child<'_>> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || Child::take(&mut rest, self.id_bytes))
    }

    fn get(&self, name: &[u8]) -> Option<Node> {
        self.children().find(|child| child.name == name).map(|child| child.node)
    }

    /// The tree object's content.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl<'a> Child<'a> {
    /// `<mode> <name>\0<id>`; `None` at the end, and where the bytes are something else.
    fn take(rest: &mut &'a [u8], id_bytes: usize) -> Option<Self> {
        let (mode, after) = split_at_byte(rest, b' ')?;
        let (name, after) = split_at_byte(after, 0)?;
        let (id, after) = after.split_at_checked(id_bytes)?;
        *rest = after;
        let id = Oid::from_bytes(id)?;
        let number = std::str::from_utf8(mode).ok()?;
        let node = match u32::from_str_radix(number, 8).ok()? & 0o170000 {
            0o040000 => Node::Folder { id },
            _ => Node::Entry { mode: EntryMode::parse(number)?, id },
        };
        Some(Self { name, mode, node })
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        let id = match &self.node {
            Node::Folder { id } | Node::Entry { id, .. } => id,
        };
        for part in [self.mode, b" ", self.name, b"\0", id.as_bytes()] {
            bytes.extend_from_slice(part);
        }
    }

    /// Git's order, in which a folder's name ends in `/`: the order of the paths of all that is below.
    fn order(&self, other: &Self) -> Ordering {
        let n_both = self.name.len().min(other.name.len());
        let tail = |child: &Self| {
            let end = matches!(child.node, Node::Folder { .. }).then_some(b'/');
            child.name.iter().copied().skip(n_both).chain(end)
        };
        self.name.get(..n_both).cmp(&other.name.get(..n_both)).then_with(|| tail(self).cmp(tail(other)))
    }
}

fn split_at_byte(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == at)?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}

/// The folders that were read last, in two halves: when the young one is full it becomes the old one, and what was in
/// that and was not asked for since is forgotten.
#[derive(Debug, Default)]
pub(crate) struct FolderCache {
    young: HashMap<Oid, Arc<Folder>>,
    old: HashMap<Oid, Arc<Folder>>,
    n_young_bytes: usize,
}

impl FolderCache {
    fn get(&mut self, id: &Oid) -> Option<Arc<Folder>> {
        if let Some(folder) = self.young.get(id) {
            return Some(Arc::clone(folder));
        }
        let folder = self.old.remove(id)?;
        self.insert(*id, Arc::clone(&folder));
        Some(folder)
    }

    fn keep(&mut self, id: Oid, folder: Folder) -> Arc<Folder> {
        let folder = Arc::new(folder);
        self.insert(id, Arc::clone(&folder));
        folder
    }

    fn insert(&mut self, id: Oid, folder: Arc<Folder>) {
        // What an entry costs beside its bytes.
        let n_bytes = folder.bytes.len() + 128;
        if self.n_young_bytes + n_bytes > FOLDERS_KEPT_BYTES / 2 {
            self.old = std::mem::take(&mut self.young);
            self.n_young_bytes = 0;
        }
        if self.young.insert(id, folder).is_none() {
            self.n_young_bytes += n_bytes;
        }
    }
}

/// Where two trees differ.
#[derive(Default)]
pub(crate) struct Comparison {
    /// Sorted by path.
    pub differences: Vec<Difference>,
    /// Folders of the new tree that are not the old tree's at the same path.
    pub new_folders: Vec<Arc<Folder>>,
}

struct Comparer<'a> {
    ledger: &'a Ledger,
    /// Of the folder that is compared, with a `/` at its end; empty for the root.
    path: Vec<u8>,
    n_bytes: usize,
    found: Comparison,
}

impl Comparer<'_> {
    /// Compares what two folders hold; one that is not there holds nothing.
    fn folders(&mut self, old: Option<Oid>, new: Option<Oid>, depth: usize) -> Result<(), LedgerError> {
        if old == new {
            return Ok(());
        }
        if depth > DEPTH {
            let id = old.or(new).map(|id| id.to_string()).unwrap_or_default();
            return Err(LedgerError::TooDeep { id });
        }
        let read = |id: Option<Oid>| id.map(|id| self.ledger.tree_folder(&id)).transpose();
        let (old, new) = (read(old)?, read(new)?);
        // A few objects can name each other so often that nothing holds all the paths.
        self.count([&old, &new].into_iter().flatten().map(|folder| folder.bytes.len()).sum())?;
        self.found.new_folders.extend(new.clone());
        let mut left = old.iter().flat_map(|folder| folder.children()).peekable();
        let mut right = new.iter().flat_map(|folder| folder.children()).peekable();
        loop {
            let order = match (left.peek(), right.peek()) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(new)) => old.order(new),
            };
            match order {
                Ordering::Less => self.children(left.next(), None, depth)?,
                Ordering::Greater => self.children(None, right.next(), depth)?,
                Ordering::Equal => self.children(left.next(), right.next(), depth)?,
            }
        }
    }

    /// Compares two children of one name, both folders or both entries, or one with nothing.
    fn children(&mut self, old: Option<Child<'_>>, new: Option<Child<'_>>, depth: usize) -> Result<(), LedgerError> {
        let node = |child: Option<Child<'_>>| child.map(|child| child.node);
        if node(old) == node(new) {
            return Ok(());
        }
        let above = self.path.len();
        self.path.extend_from_slice(old.or(new).map_or(&[], |child| child.name));
        self.count(self.path.len() + size_of::<Difference>())?;
        let folder = |child: Option<Child<'_>>| match child.map(|child| child.node) {
            Some(Node::Folder { id }) => Some(id),
            Some(Node::Entry { .. }) | None => None,
        };
        match (folder(old), folder(new)) {
            (None, None) => {
                let entry = |child: Option<Child<'_>>| match child?.node {
                    Node::Entry { mode, id } => Some(TreeEntry { path: self.path.clone(), mode, id, size: 0 }),
                    Node::Folder { .. } => None,
                };
                self.found.differences.push(Difference { old: entry(old), new: entry(new) });
            }
            (old, new) => {
                self.path.push(b'/');
                self.folders(old, new, depth + 1)?;
            }
        }
        self.path.truncate(above);
        Ok(())
    }

    fn count(&mut self, n_bytes: usize) -> Result<(), LedgerError> {
        self.n_bytes += n_bytes;
        if self.n_bytes > COMPARISON_BYTES { Err(LedgerError::TooMuch) } else { Ok(()) }
    }
}

/// What edits come to, by the names in one folder.
type Changes<'a> = BTreeMap<&'a [u8], Change<'a>>;

/// What edits make of one name.
enum Change<'a> {
    Gone,
    Entry { mode: EntryMode, id: Oid },
    Inside { ground: Ground, changes: Changes<'a> },
}

/// What changes inside a folder start from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ground {
    /// Only removals so far: a file that is there stays.
    AsItIs,
    /// The base's folder, if it is one: a file has made way.
    Folder,
    /// An earlier edit took away what was there.
    Nothing,
}

/// Adds an edit to those before it.
fn note<'a>(changes: &mut Changes<'a>, edit: &'a Edit) {
    let (path, is_put) = match edit {
        Edit::Put { path, .. } => (path, true),
        Edit::Remove { path } => (path, false),
    };
    let end = path.iter().rposition(|&byte| byte == b'/');
    let (above, name) =
        end.map_or((None, path.as_slice()), |end| (path.get(..end), path.get(end + 1..).unwrap_or(&[])));
    let mut changes = changes;
    for part in above.iter().flat_map(|above| above.split(|&byte| byte == b'/')) {
        let change =
            changes.entry(part).or_insert_with(|| Change::Inside { ground: Ground::AsItIs, changes: Changes::new() });
        if is_put && matches!(change, Change::Gone | Change::Entry { .. }) {
            *change = Change::Inside { ground: Ground::Nothing, changes: Changes::new() };
        }
        match change {
            Change::Inside { ground, changes: inside } => {
                if is_put && *ground == Ground::AsItIs {
                    *ground = Ground::Folder;
                }
                changes = inside;
            }
            // Nothing is below a file.
            Change::Gone | Change::Entry { .. } => return,
        }
    }
    let change = match edit {
        Edit::Put { mode, id, .. } => Change::Entry { mode: *mode, id: *id },
        Edit::Remove { .. } => Change::Gone,
    };
    changes.insert(name, change);
}
