//! Each text once.

use std::collections::HashMap;

use super::push_varint;

/// Numbers texts from 1 on; 0 is no text.
#[derive(Default)]
pub(super) struct Texts {
    indexes: HashMap<Box<str>, u64>,
    sizes: Vec<u8>,
    texts: Vec<u8>,
}

impl Texts {
    pub(super) fn index(&mut self, text: Option<&str>) -> u64 {
        let Some(text) = text else {
            return 0;
        };
        if let Some(&index) = self.indexes.get(text) {
            return index;
        }
        let index = self.indexes.len() as u64 + 1;
        self.indexes.insert(text.into(), index);
        push_varint(&mut self.sizes, text.len() as u64);
        self.texts.extend(text.as_bytes());
        index
    }

    /// The sizes in bytes, and the texts one after the other.
    pub(super) fn finish(self) -> (Vec<u8>, Vec<u8>) {
        (self.sizes, self.texts)
    }
}
