//! The system calls for which no safe wrapper exists, each behind the narrowest signature that is sound here.
#![allow(unsafe_code)]

use std::io;

/// Kills everything in the PID namespace but this process; nothing where it is not the first one of its own.
pub(crate) fn kill_others() {
    if std::process::id() == 1 {
        // SAFETY: no memory is involved, and as the first process of a namespace it reaches nothing outside.
        unsafe { libc::kill(-1, libc::SIGKILL) };
    }
}

/// Processor time in milliseconds, and the largest resident size in bytes, of every child that was waited for.
pub(crate) fn used() -> io::Result<(u64, u64)> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the structure has the size that the call writes.
    if unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has filled it.
    let usage = unsafe { usage.assume_init() };
    let ms = |time: libc::timeval| {
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        seconds.saturating_mul(1000).saturating_add(u64::try_from(time.tv_usec).unwrap_or(0) / 1000)
    };
    let kib = u64::try_from(usage.ru_maxrss).unwrap_or(0);
    Ok((ms(usage.ru_utime).saturating_add(ms(usage.ru_stime)), kib.saturating_mul(1024)))
}
