//! What .npy files are for their users, one module a subject.

mod appending;
mod archives;
mod common;
mod damage;
mod mapping;
mod recovery;
mod seeds;
mod shards;
