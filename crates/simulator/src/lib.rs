//! Plays terminals, issuers and faults against a switch over sockets.
