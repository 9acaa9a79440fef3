//! An S3 server over a folder, inside the process: the one-machine binary's buckets, and the tests'.
//!
//! The S3 protocol is the crate `s3s`; what lies behind it is ours and small. `s3s-fs`, the file store that comes with it,
//! was measured and left out: its attribute files carry the key in their names, so that a multipart upload of a key beyond
//! some 120 bytes fails (a run's own keys are longer); a copy writes in place and an upload is visible before its checksum
//! is verified; a process killed between its two renames leaves new content under the old ETag, which breaks pinned reads;
//! `If-Match` is ignored on reads.
//!
//! What holds here:
//! - **A folder that a person can read.** An object is a plain file at `<root>/<bucket>/<key>`; a file that somebody puts
//!   there is an object. Everything else is under `<root>/.fonderie-s3`.
//! - **Whole or absent.** Contents are received, verified and synced elsewhere, then renamed into place (`objects`).
//! - **The ETag is the content's, and so is the time of writing.** Attributes belong to a key and a content, whatever file
//!   holds it: they outlive a copy of the folder. A content that somebody put there is another version (`attributes`).
//! - **Nothing leaves the root.** A key that a folder cannot hold is refused with a sentence, and no symbolic link below the
//!   root is followed (`layout`, `listing`).
//! - **Who does not sign is not listened to.** What a head shows to be refused is refused before its body is read (`guard`);
//!   of an HTML form, 20 KB are read before its policy is verified, and its file goes to the disk as it comes (`form`,
//!   `policy`, `post`). Heads, connections and waiting have limits (`server`, `patience`).
//!
//! There is no versioning: [`fonderie_core::ObjectVersion`] ids are derived from ETag and time by `fonderie-storage`.

mod answers;
mod attributes;
mod drain;
mod fault;
mod form;
mod front;
mod guard;
#[cfg(test)]
mod hostile;
mod layout;
mod listing;
mod objects;
mod patience;
mod policy;
mod port;
mod post;
mod receive;
mod server;
mod service;
mod upgrade;
mod uploads;

pub use port::Port;
pub use server::EmbeddedS3;
pub use upgrade::complete_digests;
