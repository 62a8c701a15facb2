"""System calls that sandboxed code may not make, as a filter of the kernel's, built by libseccomp.

Bubblewrap already takes the files, the network and the other processes away; this closes the kernel's side doors.
"""

import ctypes
import errno
import os
from functools import cache

LIBRARY = "libseccomp.so.2"
ALLOW = 0x7FFF0000
ERRNO = 0x00050000
MASKED_EQUAL = 7
NEW_NAMESPACES = 0x7E020000
"""All CLONE_NEW* flags of clone(2)."""

FORBIDDEN = (
    # mounts and roots
    "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick",
    "mount_setattr", "quotactl", "swapon", "swapoff",
    # namespaces and other processes
    "unshare", "setns", "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd",
    # the kernel itself
    "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "bpf",
    "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "syslog", "acct",
    "lookup_dcookie", "iopl", "ioperm", "open_by_handle_at", "name_to_handle_at", "vhangup", "personality",
    # keys and clocks
    "add_key", "request_key", "keyctl", "settimeofday", "clock_settime", "adjtimex", "clock_adjtime",
)  # fmt: skip


class _Comparison(ctypes.Structure):
    """libseccomp's scmp_arg_cmp."""

    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


@cache
def program() -> bytes:
    """The filter as the kernel takes it; empty where libseccomp is not installed."""
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        return b""
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    context = ctypes.c_void_p(library.seccomp_init(ALLOW))
    try:
        _forbid_all(library, context)
        return _compiled(library, context)
    finally:
        library.seccomp_release(context)


def _forbid_all(library: ctypes.CDLL, context: ctypes.c_void_p) -> None:
    for name in FORBIDDEN:
        _forbid(library, context, name, errno.EPERM)
    _forbid(library, context, "clone3", errno.ENOSYS)  # its flags are out of a filter's reach; libc falls back to clone
    flags = [_Comparison(0, MASKED_EQUAL, flag, flag) for flag in _bits(NEW_NAMESPACES)]
    for flag in flags:
        _forbid(library, context, "clone", errno.EPERM, flag)
    _forbid(library, context, "ioctl", errno.EPERM, _Comparison(1, MASKED_EQUAL, 0xFFFFFFFF, 0x5412))  # TIOCSTI


def _forbid(library: ctypes.CDLL, context: ctypes.c_void_p, name: str, error: int, *when: _Comparison) -> None:
    number = library.seccomp_syscall_resolve_name(name.encode())
    if number < 0:
        return  # this machine's kernel interface does not have it
    rules = (_Comparison * len(when))(*when)
    if failed := library.seccomp_rule_add_array(context, ctypes.c_uint32(ERRNO | error), number, len(when), rules):
        raise OSError(-failed, f"libseccomp takes no rule for {name}")


def _compiled(library: ctypes.CDLL, context: ctypes.c_void_p) -> bytes:
    fd = os.memfd_create("seccomp")
    try:
        if failed := library.seccomp_export_bpf(context, fd):
            raise OSError(-failed, "libseccomp could not build its filter")
        return os.pread(fd, os.fstat(fd).st_size, 0)
    finally:
        os.close(fd)


def _bits(mask: int) -> list[int]:
    return [1 << n for n in range(32) if mask >> n & 1]
