"""Holds up single threads of a program, as a machine does that has no CPU for them."""

import contextlib
import ctypes
import os
import pathlib

import x2tap_test as x2

SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17  # of ptrace(2)
WALL = 0x40000000  # of waitpid(2): threads too

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, thread):
    if libc.ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Held:
    """Threads that stand still until release(), or until the with statement ends."""

    def __init__(self):
        self.threads = set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for thread in list(self.threads):
            self.release(thread)

    def hold(self, thread):
        try:
            ptrace(SEIZE, thread)
        except PermissionError:
            raise x2.Skip("other programs cannot be traced here") from None
        ptrace(INTERRUPT, thread)
        os.waitpid(thread, WALL)
        self.threads.add(thread)

    def release(self, thread):
        self.threads.remove(thread)
        with contextlib.suppress(OSError):  # it was killed
            ptrace(DETACH, thread)


def worker_thread(process, lcore):
    """The thread of a worker lcore, or None as long as there is none."""
    for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
        with contextlib.suppress(OSError):
            if (task / "comm").read_text().strip() in (f"lcore-worker-{lcore}", f"rte-worker-{lcore}"):
                return int(task.name)
    return None


def cpu_time(process, thread):
    """Of a thread, in the kernel's ticks."""
    fields = pathlib.Path(f"/proc/{process.pid}/task/{thread}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
