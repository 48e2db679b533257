//! The running switch: sockets, links, committer, HTTP.
