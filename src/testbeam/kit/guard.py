"""Guard process: spawns, signals and reaps all services of a run; kills them all when the runner dies.

Run as a file (`python -I -S guard.py FD RUN_ID RUNNER_PID`), without its package. It becomes two processes:

    runner ── watcher ── guard ── every service, each in a session of its own

The guard spawns, reaps and signals, as it is told in messages (see `pack`). It ends, killing all, when the runner closes the
channel or dies (a pidfd says so, even where a fork of the runner still holds the channel). Services carry PR_SET_PDEATHSIG,
which follows the death of the guard but is not inherited by their children; these fall to the watcher, the next subreaper
above, which kills them. Last, whoever carries the run's TESTBEAM_RUN_ID in its environment is killed.
One thread, the standard library alone. Every service waits for the guard's start: importing json, socket or signal costs more than
starting the interpreter, so the C modules are used directly.
Source: docs/reference/contracts/kit.md, "Processes".
"""

from __future__ import annotations

import ctypes
import errno
import marshal
import os
import select
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    import socket
    from collections.abc import Callable
    from typing import Any, NoReturn

    Message = dict[str, Any]
else:
    import _signal as signal
    import _socket as socket

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
CLEAN_UP_TIMEOUT_S = 10.0
KILL_TIMEOUT_S = 10.0  # only a process that hangs in the kernel outlives SIGKILL for so long
POLL_S = 0.002
LIBC = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, value: int) -> None:
    """Set a property of the calling process."""
    if LIBC.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


# --- what is said -----------------------------------------------------------------------------------------------------


def pack(message: Message) -> bytes:
    """Return a message as it goes over the channel: four bytes of length, then Python's own marshal format."""
    data = marshal.dumps(message)
    return len(data).to_bytes(4, "little") + data


def unpack(unread: bytes) -> tuple[list[Message], bytes]:
    """Return all whole messages and what is left of the next."""
    messages = []
    while len(unread) >= 4 and len(unread) >= (end := 4 + int.from_bytes(unread[:4], "little")):
        messages.append(marshal.loads(unread[4:end]))  # noqa: S302 - from our own other end
        unread = unread[end:]
    return messages, unread


# --- who is there -----------------------------------------------------------------------------------------------------


def children(pid: int) -> list[int]:
    """Return the direct children of a process, dead ones not yet reaped included; none where the process is gone."""
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - no pathlib: the guard must start in milliseconds
            with open(f"/proc/{pid}/task/{task}/children", "rb") as file:  # noqa: PTH123
                found.extend(map(int, file.read().split()))
    except OSError:
        pass  # gone meanwhile
    return found


def descendants(pid: int) -> list[int]:
    """Return all processes below one."""
    found: list[int] = []
    level = children(pid)
    while level:
        found.extend(level)
        level = [below for one in level for below in children(one)]
    return found


def carries(pid: int, mark: bytes) -> bool:
    """Return whether a process was started with `NAME=value` in its environment."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
            return mark in file.read().split(b"\0")
    except OSError:
        return False  # gone, or somebody else's


def marked(run_id: str) -> list[int]:
    """Return every process that carries the run's mark, wherever it went."""
    mark = b"TESTBEAM_RUN_ID=" + os.fsencode(run_id)
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208
    return [pid for pid in pids if pid != os.getpid() and carries(pid, mark)]


# --- killing ----------------------------------------------------------------------------------------------------------


def send(pid: int, number: int) -> None:
    """Send a signal; a process that is gone already is fine."""
    try:  # noqa: SIM105 - contextlib costs a millisecond of everybody's start
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def kill_until_none(find: Callable[[], list[int]], reap: Callable[[], object]) -> list[int]:
    """Kill what is found until nothing is; return what outlived SIGKILL."""
    deadline = time.monotonic() + KILL_TIMEOUT_S
    while pids := find():
        for pid in pids:
            send(pid, signal.SIGKILL)
        reap()
        if time.monotonic() > deadline:
            return pids
        time.sleep(POLL_S)  # SIGKILL is done when the kernel gets to it; there is no event for other people's children
    return []


def kill_all(run_id: str) -> list[int]:
    """Kill every process below this one and everyone who carries the run's mark; return what outlived it."""
    return kill_until_none(lambda: descendants(os.getpid()), reap_all) + kill_until_none(lambda: marked(run_id), reap_all)


def reap_all() -> list[tuple[int, int]]:
    """Take every child that is dead; return its pid and exit code, negative for a signal."""
    taken: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return taken
        if pid == 0:
            return taken
        taken.append((pid, os.waitstatus_to_exitcode(status)))


# --- what is no process of ours ---------------------------------------------------------------------------------------


def begin_clean_up(order: Message) -> list[int]:
    """Start what a spawned command line wants run at its end, silently; return the pids."""
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    pids = []
    for argv in order["at_end"]:
        try:  # noqa: SIM105 - contextlib costs a millisecond of everybody's start
            pids.append(os.posix_spawnp(argv[0], argv, order["env"], file_actions=[(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1, 2)]))
        except OSError:
            pass  # its program has gone since the start; what it would have removed is found by `testbeam doctor`
    os.close(null)
    return pids


def clean_up(orders: list[Message]) -> None:
    """Run what all these want run at their end, side by side; what takes too long is killed."""
    left = {pid for order in orders for pid in begin_clean_up(order)}
    deadline = time.monotonic() + CLEAN_UP_TIMEOUT_S
    while left := left.difference(pid for pid, _ in reap_all()):
        if time.monotonic() > deadline:
            kill_until_none(lambda: children(os.getpid()), reap_all)
            return
        time.sleep(POLL_S)


def remove_folder(path: str) -> None:
    """Remove a folder with all that is in it, as far as that is allowed."""
    import shutil  # late: only a runner that was killed leaves this to the guard

    shutil.rmtree(path, ignore_errors=True)


# --- the guard --------------------------------------------------------------------------------------------------------


class Job:
    """One spawned command line, and whoever descends from it."""

    def __init__(self, pid: int, order: Message) -> None:
        self.number: int = order["job"]
        self.mark: str = order["env"]["TESTBEAM_JOB"]  # among the jobs of all runs
        self.files = {order["stdout"], order["stderr"]} - {None}
        self.folder: str = order["cwd"]
        self.pid = pid
        self.alive = True
        self.stopping = False
        self.kill_at_s = 0.0
        self.killed = False

    def owns(self, pid: int) -> bool:
        """Return whether a process that fell to the guard comes from this job: its session or its mark says so."""
        try:
            if os.getsid(pid) == self.pid:
                return True
        except ProcessLookupError:
            return False
        return carries(pid, b"TESTBEAM_JOB=" + self.mark.encode())

    def is_used_by(self, pid: int) -> bool:
        """Return whether a process has the job's log open, or works in its folder."""
        try:
            links = [f"/proc/{pid}/fd/{name}" for name in os.listdir(f"/proc/{pid}/fd")]  # noqa: PTH208
            return os.readlink(f"/proc/{pid}/cwd") == self.folder or any(os.readlink(one) in self.files for one in links)  # noqa: PTH115
        except OSError:
            return False  # gone meanwhile, or another user's


class Guard:
    """Does what the runner says, and nothing survives it."""

    def __init__(self, channel: socket.socket, run_id: str) -> None:
        self.channel = channel
        self.run_id = run_id
        self.jobs: dict[int, Job] = {}
        self.at_end: dict[int, Message] = {}  # orders by job, of those that want something run at the end
        self.strays: dict[int, int] = {}  # job by pid, of processes that fell to the guard
        self.over = False
        self.is_told = False  # to end
        self.folder = ""  # is removed at the end of a runner that could not do it
        self.unread = b""
        self.actions: dict[str, Callable[[Message], None]] = {
            "spawn": self.spawn,
            "signal": self.send_signal,
            "stop": self.stop,
            "folder": self.own_folder,
            "exit": self.exit,
        }

    def serve(self, runner_fd: int, watcher_fd: int) -> None:
        """Work until the runner says "exit" or is gone."""
        wake_fd, wake_write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write_fd, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # a handler is needed for the wake-up
        poll = select.poll()
        for fd in (self.channel.fileno(), runner_fd, watcher_fd, wake_fd):
            poll.register(fd, select.POLLIN)
        self.send({"saw": "hello", "pid": os.getpid()})
        while not self.over:
            ready = {fd for fd, _ in poll.poll(self.poll_timeout_ms())}
            if runner_fd in ready or watcher_fd in ready:
                return
            if wake_fd in ready:
                os.read(wake_fd, 4096)
            if self.channel.fileno() in ready:
                self.read_orders()
            self.reap()

    def read_orders(self) -> None:
        """Read what the runner says; end of file means that it is gone."""
        try:
            data = self.channel.recv(1 << 16)
        except ConnectionError:
            data = b""
        self.over = self.over or not data
        orders, self.unread = unpack(self.unread + data)
        for order in orders:
            self.actions[order["do"]](order)

    def send(self, message: Message) -> None:
        """Say what was seen; a runner that is gone hears nothing."""
        try:
            self.channel.sendall(pack(message | {"at_ns": time.monotonic_ns()}))
        except OSError:
            self.over = True

    def spawn(self, order: Message) -> None:
        """Start one command line in a session of its own."""
        number = order["job"]
        mark = f"{self.run_id}.{number}"
        order["env"]["TESTBEAM_JOB"] = mark
        try:
            pid = spawn(order, self.channel.fileno())
        except OSError as error:
            self.send({"saw": "refused", "job": number, "errno": error.errno, "what": error.strerror, "path": error.filename})
            return
        self.jobs[number] = Job(pid, order)
        if order["at_end"]:
            self.at_end[number] = order
        self.send({"saw": "spawned", "job": number, "pid": pid})

    def send_signal(self, order: Message) -> None:
        """Send a signal to a job, or to all that descend from it."""
        job = self.jobs.get(order["job"])
        if job is not None:
            for pid in self.tree(job) if order["tree"] else [job.pid] * job.alive:
                send(pid, order["signal"])

    def stop(self, order: Message) -> None:
        """Ask a job and its descendants to end; whoever has not ended in time is killed."""
        job = self.jobs.get(order["job"])
        if job is None:
            self.send({"saw": "gone", "job": order["job"], "killed": False, "left": []})
            return
        self.adopt()
        job.stopping = True
        job.kill_at_s = time.monotonic() + order["timeout_s"]
        for pid in self.tree(job) if order["tree"] else [job.pid] * job.alive:
            send(pid, order["signal"])
            send(pid, signal.SIGCONT)  # a paused process can't act on its signal

    def exit(self, order: Message) -> None:  # noqa: ARG002 - called by name, as its like
        """End; whatever is left is killed."""
        self.over = self.is_told = True

    def own_folder(self, order: Message) -> None:
        """Note the folder that nobody needs when the runner is killed; empty for none."""
        self.folder = order["path"]

    def reap(self) -> None:
        """Reap, tell who ended, and see whether the stopping ones are gone."""
        by_pid = {job.pid: job for job in self.jobs.values() if job.alive}
        for pid, code in reap_all():
            if pid in by_pid:
                by_pid[pid].alive = False
                self.adopt(by_pid[pid])
                self.send({"saw": "exited", "job": by_pid[pid].number, "code": code, "behind": self.tree(by_pid[pid])})
        for job in [job for job in self.jobs.values() if job.stopping]:
            self.kill_overdue(job)

    def kill_overdue(self, job: Job) -> None:
        """Kill a stopping job that has used up its time; tell when nothing of it is left."""
        left = self.tree(job)
        late_s = time.monotonic() - job.kill_at_s
        if left and late_s < KILL_TIMEOUT_S:
            if late_s >= 0:
                job.killed = True
                for pid in left:
                    send(pid, signal.SIGKILL)
            return
        del self.jobs[job.number]
        if job.killed and job.number in self.at_end:
            begin_clean_up(self.at_end[job.number])
        self.send({"saw": "gone", "job": job.number, "killed": job.killed, "left": left})

    def poll_timeout_ms(self) -> float | None:
        """Return how long to wait for an event: until the next job has used up its time."""
        due_s = [job.kill_at_s for job in self.jobs.values() if job.stopping]
        return max((min(due_s) - time.monotonic()) * 1e3, POLL_S * 1e3) if due_s else None

    def adopt(self, ended: Job | None = None) -> None:
        """Note the job of each process that has fallen to the guard, before it changes its session and environment, if it has not yet.

        It is that which session or mark tells, else that whose log it writes to or in whose folder it works, else the one that has
        just ended, which made it fall to the guard, else the only one there is.
        """
        here = set(children(os.getpid())) - {job.pid for job in self.jobs.values() if job.alive}
        self.strays = {pid: number for pid, number in self.strays.items() if pid in here and number in self.jobs}
        jobs = list(self.jobs.values())
        for pid in here - self.strays.keys():
            fits = [job for job in jobs if job.owns(pid)] or [job for job in jobs if job.is_used_by(pid)]
            fits = [ended] if ended is not None and (ended in fits or not fits) else fits
            if fits or len(jobs) == 1:
                self.strays[pid] = (fits or jobs)[0].number

    def tree(self, job: Job) -> list[int]:
        """Return a job's processes: itself, all below it, and those whose parents died and which fell to the guard."""
        mains = {other.pid for other in self.jobs.values() if other.alive}
        fallen = [pid for pid in children(os.getpid()) if pid not in mains]
        roots = [job.pid] * job.alive + [pid for pid in fallen if self.strays.get(pid) == job.number or job.owns(pid)]
        return [one for root in roots for one in (root, *descendants(root))]


def spawn(order: Message, channel_fd: int) -> int:
    """Fork and become the command line; return its pid.

    Raises:
        OSError: the command, its folder or its log can't be opened.
    """
    said_fd, say_fd = os.pipe2(os.O_CLOEXEC)
    guard_pid = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(channel_fd)
        become(order, say_fd, guard_pid)
    os.close(say_fd)
    with os.fdopen(said_fd, "rb") as said:
        problem = said.read()  # closed without a word by a successful exec
    if problem:
        os.waitpid(pid, 0)
        raise OSError(*marshal.loads(problem))  # noqa: S302 - from our own fork
    return pid


def become(order: Message, say_fd: int, guard_pid: int) -> NoReturn:
    """Turn the forked child into the service."""
    try:
        os.setsid()  # Ctrl-C on the terminal is the runner's business, not the service's
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard_pid:
            os._exit(127)  # the guard died before it could be followed
        for number in (
            signal.SIGPIPE,
            signal.SIGXFSZ,
            signal.SIGINT,
            signal.SIGQUIT,
            signal.SIGTERM,
            signal.SIGHUP,
            signal.SIGTSTP,
            signal.SIGCHLD,
        ):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        if order["stdout"] is not None:
            os.dup2(open_log(order["stdout"]), 1)
            os.dup2(open_log(order["stderr"]), 2)
        os.chdir(order["cwd"])
        os.execvpe(order["argv"][0], order["argv"], order["env"])
    except OSError as error:
        os.write(say_fd, marshal.dumps((error.errno, error.strerror, os.fsdecode(error.filename or order["argv"][0]))))
    except ValueError as error:  # a null byte, or text that no file system takes
        os.write(say_fd, marshal.dumps((errno.EINVAL, str(error), order["argv"][0])))
    finally:
        os._exit(127)


def open_log(path: str) -> int:
    """Return a file that two streams, and a restarted service, append to in order."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


# --- the two processes ------------------------------------------------------------------------------------------------


def run_watcher(guard_pid: int, run_id: str) -> NoReturn:
    """Wait for the guard's end, however it comes; whoever fell to the watcher is killed."""
    _, status = os.waitpid(guard_pid, 0)
    kill_all(run_id)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def run_guard(channel: socket.socket, run_id: str, runner_pid: int, watcher_fd: int) -> NoReturn:
    """Be the guard until the runner or the watcher is gone; then leave nothing."""
    guard = Guard(channel, run_id)
    try:
        os.setsid()  # a signal to the watcher's group must not hit both
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        guard.serve(os.pidfd_open(runner_pid), watcher_fd)
    except ProcessLookupError:
        pass  # the runner died before it could be watched
    except BaseException:
        sys.excepthook(*sys.exc_info())
        raise
    finally:
        left = kill_all(run_id)
        clean_up(list(guard.at_end.values()))
        if guard.folder and not guard.is_told:
            remove_folder(guard.folder)
        os._exit(1 if left else 0)


def ignore_terminal_signals() -> None:
    """Ignore what a terminal sends: only the runner ends a run."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)


def main(channel_fd: int, run_id: str, runner_pid: int) -> NoReturn:
    """Become watcher and guard."""
    ignore_terminal_signals()
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    alive_fd, hold_fd = os.pipe2(os.O_CLOEXEC)
    guard_pid = os.fork()
    if guard_pid:
        os.close(channel_fd)
        run_watcher(guard_pid, run_id)  # holds hold_fd: its end of file tells the guard that the watcher is gone
    os.close(hold_fd)
    run_guard(socket.socket(fileno=channel_fd), run_id, runner_pid, alive_fd)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
