//! Between messages and the internal model. Pure functions that run on the server's I/O threads.
pub mod iso87;
