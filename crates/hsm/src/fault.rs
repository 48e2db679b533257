//! That a token failed while this thread worked with its keys. A cipher has no way to say so itself: its callers
//! take a block for a block.

use std::cell::Cell;

thread_local! {
    static RAISED: Cell<bool> = const { Cell::new(false) };
}

/// A cipher failed: what this thread is computing is worth nothing.
pub(crate) fn raise() {
    RAISED.set(true);
}

/// Whether one failed since the last time this was asked to forget.
pub(crate) fn is_raised() -> bool {
    RAISED.get()
}

/// The same, and forgets it.
pub(crate) fn take() -> bool {
    RAISED.take()
}
