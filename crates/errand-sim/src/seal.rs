//! Ids and signatures. Both are derived from content, never random, so the same request is answered with the same
//! bytes, and both carry a seal, so the server recognises on return what it once sent without remembering it:
//! a signature says which model, which conversation before it and which text it belongs to; a `tool_use` id says which
//! thinking blocks stood before it in its message. It is a fake: the seal is SHA-256 with a constant key, good against mistakes.

use sha2::{Digest, Sha256};

const KEY: &[u8] = b"errand-sim seal, not a secret";
const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const N_DIGITS: usize = 22;

/// A running hash over the prompt; see `prompt.rs` for what goes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Hash([u8; 32]);

impl Hash {
    pub const START: Hash = Hash([0; 32]);

    pub fn of(parts: &[&[u8]]) -> Hash {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        Hash(hasher.finalize().into())
    }

    pub fn then(self, parts: &[&[u8]]) -> Hash {
        Hash::of(&[&[&self.0[..]], parts].concat())
    }

    fn first<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        out.copy_from_slice(&self.0[..N]);
        out
    }
}

/// `PREFIX01` and 22 characters derived from the hash.
pub(crate) fn plain_id(prefix: &str, hash: Hash) -> String {
    format!("{prefix}01{}", base58(u128::from_be_bytes(hash.first())))
}

/// The id of a `tool_use` block: 6 bytes of its own, 2 of the model, 5 of the message's thinking, 3 of seal.
pub(crate) fn tool_id(own: Hash, model: &str, thinking: Hash) -> String {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&own.first::<6>());
    bytes[6..8].copy_from_slice(&Hash::of(&[model.as_bytes()]).first::<2>());
    bytes[8..13].copy_from_slice(&thinking.first::<5>());
    let seal = Hash::of(&[KEY, &bytes[..13]]).first::<3>();
    bytes[13..].copy_from_slice(&seal);
    format!("toolu_01{}", base58(u128::from_be_bytes(bytes)))
}

/// Whether a `tool_use` id was made here, for this model, after other thinking blocks than `thinking`.
pub(crate) fn tool_id_contradicts(id: &str, model: &str, thinking: Hash) -> bool {
    let Some(number) = id.strip_prefix("toolu_01").and_then(from_base58) else { return false };
    let bytes = number.to_be_bytes();
    bytes[13..] == Hash::of(&[KEY, &bytes[..13]]).first::<3>()
        && bytes[6..8] == Hash::of(&[model.as_bytes()]).first::<2>()
        && bytes[8..13] != thinking.first::<5>()
}

/// What a returned signature turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seal {
    Broken,
    OtherModel,
    OtherText,
    OtherConversation,
    Intact,
}

pub(crate) fn sign(model: &str, before: Hash, text: &str) -> String {
    let mut payload = signed_part(model, before, text).to_vec();
    payload.extend(Hash::of(&[KEY, &payload]).first::<16>());
    payload.iter().fold(String::from("Es"), |mut out, byte| {
        out.push_str(&format!("{byte:02X}"));
        out
    })
}

pub(crate) fn examine(signature: &str, model: &str, before: Hash, text: &str) -> Seal {
    let Some(bytes) = signature.strip_prefix("Es").and_then(from_hex) else { return Seal::Broken };
    if bytes.len() != 56 || bytes[40..] != Hash::of(&[KEY, &bytes[..40]]).first::<16>() {
        return Seal::Broken;
    }
    let wanted = signed_part(model, before, text);
    if bytes[..8] != wanted[..8] {
        Seal::OtherModel
    } else if bytes[24..40] != wanted[24..] {
        Seal::OtherText
    } else if bytes[8..24] != wanted[8..24] {
        Seal::OtherConversation
    } else {
        Seal::Intact
    }
}

fn signed_part(model: &str, before: Hash, text: &str) -> [u8; 40] {
    let mut out = [0; 40];
    out[..8].copy_from_slice(&Hash::of(&[model.as_bytes()]).first::<8>());
    out[8..24].copy_from_slice(&before.first::<16>());
    out[24..].copy_from_slice(&Hash::of(&[text.as_bytes()]).first::<16>());
    out
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn base58(mut number: u128) -> String {
    let mut digits = [b'1'; N_DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = BASE58[(number % 58) as usize];
        number /= 58;
    }
    String::from_utf8_lossy(&digits).into_owned()
}

fn from_base58(text: &str) -> Option<u128> {
    if text.len() != N_DIGITS {
        return None;
    }
    text.bytes().try_fold(0u128, |number, digit| {
        let value = BASE58.iter().position(|known| *known == digit)?;
        number.checked_mul(58)?.checked_add(value as u128)
    })
}
