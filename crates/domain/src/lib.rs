//! Payments nouns and recorded facts of Switchyard.
