"""The restrictions on the process of a model, which that process applies to itself before it receives the model.

A restriction that is not available on this system is omitted and not listed as applied, so none is guaranteed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable
from typing import Any

# Names of the restrictions in run.json.
OWN_PROCESS = "separate process"
DEADLINE = "deadline for each batch"
EMPTY_FOLDER = "empty working folder"
FEW_VARIABLES = "no environment variables but those that the loader needs"
PROCESSOR_TIME = "limit on processor time"
OPEN_FILES = "no file or socket can be opened"
ADDRESS_SPACE = "limit on address space"
RESIDENT_MEMORY = "limit on resident memory"
SYSTEM_CALLS = "system call filter (seccomp)"
ALL_RESTRICTIONS = (
    *(OWN_PROCESS, DEADLINE, EMPTY_FOLDER, FEW_VARIABLES, PROCESSOR_TIME),
    *(OPEN_FILES, ADDRESS_SPACE, RESIDENT_MEMORY, SYSTEM_CALLS),
)

CLONE_THREAD = 0x00010000
# Each of these fails with EPERM. Reading, writing and mapping of open files, memory, threads and clocks remain available.
FORBIDDEN_CALLS = (
    *("open", "openat", "openat2", "creat", "open_by_handle_at", "name_to_handle_at", "memfd_create", "memfd_secret"),
    *("socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "sendmsg", "sendmmsg", "recvmsg"),
    *("execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_open"),
    *("pidfd_getfd", "pidfd_send_signal", "kill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "prlimit64"),
    *("setrlimit", "unlink", "unlinkat", "rename", "renameat", "renameat2", "mkdir", "mkdirat", "rmdir", "link"),
    *("linkat", "symlink", "symlinkat", "mknod", "mknodat", "truncate", "ftruncate", "fallocate", "chmod", "fchmod"),
    *("fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat", "utime", "utimes", "utimensat", "futimesat"),
    *("setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr", "chdir", "fchdir", "chroot"),
    *("pivot_root", "mount", "umount2", "fsopen", "fsmount", "move_mount", "open_tree", "mount_setattr", "swapon"),
    *("swapoff", "setns", "unshare", "io_uring_setup", "io_uring_enter", "io_uring_register", "bpf", "keyctl"),
    *("perf_event_open", "userfaultfd", "add_key", "request_key", "shmget", "shmat", "semget", "msgget", "mq_open"),
    *("inotify_init1", "fanotify_init", "init_module", "finit_module", "delete_module", "kexec_load", "reboot"),
    *("kexec_file_load", "acct", "quotactl", "settimeofday", "clock_settime", "sethostname", "setdomainname"),
    *("personality", "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "capset"),
)
MUST_BE_KNOWN = ("openat", "socket", "connect", "execve", "unlinkat", "renameat2")


def stop_with(lifeline: int) -> None:
    """End this process when the other end of a socket is closed, whatever the process is doing.

    Nothing is ever written to the socket: its only event is the end of the audit. If the system cannot signal that, a
    thread waits for it.
    """
    if sys.platform == "win32":
        wait_in_a_thread(lifeline)
        return
    import fcntl

    try:
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    except OSError:
        wait_in_a_thread(lifeline)


def wait_in_a_thread(lifeline: int) -> None:
    """End this process from a thread when the other end is closed; onnxruntime lets other threads run while it computes."""
    import threading

    from facegap.runtime.isolation.pipes import inherited

    def wait() -> None:
        with contextlib.suppress(EOFError, OSError):
            inherited(lifeline).recv_bytes(1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def apply(memory_bytes: int) -> list[str]:
    """Permanently apply the restrictions available on this system for a model on the CPU; return their names.

    memory_bytes : address space allowed for the model beyond what is in use now
    """
    restrictions: tuple[tuple[str, Callable[[], bool]], ...] = (
        (ADDRESS_SPACE, lambda: limit_address_space(memory_bytes)),
        (OPEN_FILES, open_no_files),
        (SYSTEM_CALLS, filter_calls),
    )
    applied = []
    for name, restriction in restrictions:
        with contextlib.suppress(OSError, ValueError, ImportError, RuntimeError):
            if restriction():
                applied.append(name)
    return applied


def leave_no_core() -> None:
    """Prevent a crash from writing the pixels of faces to a core file. With a limit below one page no core is written or piped."""
    if sys.platform != "win32":
        import resource

        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CORE, (1, 1))


def limit_address_space(more_bytes: int) -> bool:
    """Allow `more_bytes` beyond the address space in use; on Linux, where the system reports the latter."""
    if sys.platform != "linux":
        return False
    import resource

    with open("/proc/self/statm", encoding="ascii") as stated:  # noqa: PTH123  (short-lived process, no pathlib yet)
        used = int(stated.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    limit = used + more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    return True


def open_no_files() -> bool:
    """Allow no further file descriptor, so that neither a file nor a socket can be opened, on any POSIX system."""
    if sys.platform == "win32":
        return False
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    return True


def filter_calls() -> bool:
    """Permanently forbid FORBIDDEN_CALLS and new processes for all threads of this process.

    Raises
    ------
    ImportError, RuntimeError : if pyseccomp or libseccomp is not installed
    OSError                   : if the kernel has no filters, or a required call is unknown
    """
    if sys.platform != "linux":
        return False
    seccomp = loaded_seccomp()
    rules = seccomp.SyscallFilter(seccomp.ALLOW)
    rules.set_attr(seccomp.Attr.CTL_TSYNC, 1)
    refused = seccomp.ERRNO(errno.EPERM)
    for call in FORBIDDEN_CALLS:
        try:
            rules.add_rule(refused, call)
        except OSError:  # of another architecture, or newer than libseccomp
            if call in MUST_BE_KNOWN:
                raise
    # glibc starts threads with clone3, whose flags a filter cannot see, and falls back to clone, whose flags it can.
    with contextlib.suppress(OSError):
        rules.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")
    rules.add_rule(refused, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, CLONE_THREAD, 0))
    rules.load()
    return True


def loaded_seccomp() -> Any:
    """The seccomp module, which searches for libseccomp on import: must be called before files can no longer be opened."""
    import pyseccomp

    return pyseccomp
