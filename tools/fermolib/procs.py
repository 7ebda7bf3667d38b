"""Processes: start detached, recognise, signal only what is certainly ours."""

import os
import signal
import subprocess
import time

from .wait import wait_until


def start_detached(argv, log_path, env=None):
    """Starts argv in a session of its own, output appended to log_path.

    Returns the pid. The process survives this one. It isn't a Popen: whoever
    runs after us knows it by pid and argv only, so we do the same.
    """
    os.makedirs(os.path.dirname(log_path), exist_ok=True)
    log_flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        argv[0], argv, env if env is not None else dict(os.environ),
        setsid=True, setsigmask=[], setsigdef=[signal.SIGINT, signal.SIGPIPE],
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log_path, log_flags, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ])
    # For a moment after exec a process has no command line, and runs() would
    # take it for dead.
    deadline = time.monotonic() + 5
    while not command_line(pid) and time.monotonic() < deadline:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            break  # it died at once; the log says why
        time.sleep(0.001)
    return pid


def command_line(pid):
    """argv of a running process; None when it is dead or a zombie."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            raw = file.read()
    except OSError:
        return None
    if not raw:
        return None
    return [os.fsdecode(part) for part in raw.rstrip(b"\0").split(b"\0")]


def runs(pid, argv):
    """True when pid is alive and was started with exactly this argv (a script
    has its interpreter in front). Buries it when it is a dead child of ours.
    """
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass
    found = command_line(pid)
    return found is not None and list(argv) in (found, found[1:])


def all_command_lines():
    """{argv as a tuple: pid} of everything that runs; see runs() for scripts."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        argv = command_line(int(name))
        if argv:
            found[tuple(argv)] = found[tuple(argv[1:])] = int(name)
    return found


def is_over(pid):
    """True when nothing of the process is left that could hold a file or port.

    Its command line goes away earlier, and a dead main thread can have living
    siblings; so look at the state and the threads.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            state = file.read().rsplit(")", 1)[1].split()[0]
        return state in "ZX" and len(os.listdir(f"/proc/{pid}/task")) <= 1
    except OSError:
        return True


def kill(pid, argv, sig=signal.SIGKILL):
    """Signals pid if it still runs argv; False when it doesn't any more."""
    if not runs(pid, argv):
        return False
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        return False
    return True


def kill_and_wait(pid, argv, sig=signal.SIGKILL, seconds=10):
    """Signals and waits for the end. Returns False when it was dead already."""
    if not kill(pid, argv, sig):
        return False
    wait_until(lambda: not runs(pid, argv) and is_over(pid), seconds,
               f"end of process {pid} ({argv[0]})", 0.005)
    return True


def stop_all(processes, term_seconds=15):
    """SIGTERM to every (pid, argv), SIGKILL to those left after term_seconds.

    Returns how many had to be killed. Nothing is signalled that doesn't still
    run its argv.
    """
    running = [(pid, argv) for pid, argv in processes if kill(pid, argv, signal.SIGTERM)]
    end = time.monotonic() + term_seconds
    while running and time.monotonic() < end:
        running = [(pid, argv) for pid, argv in running
                   if runs(pid, argv) or not is_over(pid)]
        time.sleep(0.02)
    return sum(kill_and_wait(pid, argv) for pid, argv in running)


def tail(path, lines=15):
    """The last lines of a file, as one string; never fails."""
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 64 * 1024))
            text = file.read().decode("utf-8", "replace")
    except OSError as error:
        return f"(no log: {error})"
    return "\n".join(text.splitlines()[-lines:])


def memory_kib(pid, key="VmHWM"):
    """A line of /proc/PID/status: VmRSS now, VmHWM the highest so far."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith(key + ":"):
                return int(line.split()[1])
    raise RuntimeError(f"no {key} of process {pid}")


def reset_peak_memory(pid):
    """Makes VmHWM start anew from the present size (proc(5), clear_refs)."""
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def _stat(pid):
    """(parent, user+system seconds, the same of children that were waited for)."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    ticks = os.sysconf("SC_CLK_TCK")
    own = (int(fields[11]) + int(fields[12])) / ticks
    reaped = (int(fields[13]) + int(fields[14])) / ticks
    return int(fields[1]), own, reaped


def cpu_seconds(pids):
    """CPU seconds used so far by the processes themselves."""
    return sum(_stat(pid)[1] for pid in pids)


def cpu_seconds_of_tree(root):
    """CPU seconds of a process, its living descendants and its dead children."""
    table = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            table[int(name)] = _stat(int(name))
        except (OSError, IndexError):
            continue
    total, todo = 0.0, [root]
    while todo:
        pid = todo.pop()
        if pid in table:
            total += table[pid][1] + table[pid][2]
            todo += [child for child, (parent, _, _) in table.items() if parent == pid]
    return total


def run(argv, seconds=30, check=True, **kwargs):
    """subprocess.run with a deadline, captured text output, and an error that
    shows what the command printed."""
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace",
                          timeout=seconds, check=False, **kwargs)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))} exited with {done.returncode}:\n"
                           f"{(done.stdout + done.stderr).strip()}")
    return done
