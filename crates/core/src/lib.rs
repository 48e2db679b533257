//! Routing and authorization: decides, applies, never performs.
