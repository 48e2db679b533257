//! Payment cryptography and the software key store.
