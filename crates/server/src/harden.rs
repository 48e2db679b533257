//! What the operating system is asked for, so that keys stay in this process.

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// No core file is written when the process dies, and no other process of the same user may read its memory.
///
/// # Errors
/// What the operating system says.
pub fn refuse_core_dumps() -> std::io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// What is in memory now, keys among it, is not written to swap. Called when everything is loaded; memory taken later may
/// be swapped, so that a limit on locked memory cannot end a switch in the middle of its day.
///
/// # Errors
/// What the operating system says: mostly that its limit on locked memory (`RLIMIT_MEMLOCK`) is lower than what is mapped.
pub fn keep_from_swap() -> std::io::Result<()> {
    // Pages that nobody has touched are locked when they are: what is only reserved stays out of memory.
    Ok(mlockall(MlockAllFlags::CURRENT | MlockAllFlags::ONFAULT)?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn keys_are_kept_from_swap_as_far_as_the_limit_goes() {
        let key = Box::new([0x5A_u8; 32]);
        let kept = super::keep_from_swap();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
        let locked: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        assert_eq!(kept.is_ok(), locked > 0, "{kept:?}, {locked} kB");
        rustix::mm::munlockall().unwrap();
        assert_eq!(key[31], 0x5A);
    }
    #[test]
    fn a_hardened_process_leaves_no_core_file() {
        super::refuse_core_dumps().unwrap();
        let limit = rustix::process::getrlimit(rustix::process::Resource::Core);
        assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
        let behavior = rustix::process::dumpable_behavior().unwrap();
        assert_eq!(behavior, rustix::process::DumpableBehavior::NotDumpable);
    }
}
