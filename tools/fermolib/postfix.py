"""Private Postfix instances: a primary with a Maildir, and a backup MX to
measure against. Debian's Postfix 3.7, run as root with every file of its own.

An instance asks no name server, listens on 127.0.0.1 only, logs to a file of
its own and knows nothing of the machine's Postfix.
"""

import os
import pwd
import re
import shutil
import time

from . import ports, procs
from .delivery import parse
from .wait import wait_until

_MASTER_CF = """\
127.0.0.1:{port} inet n - n - {processes} smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
virtual   unix  - n n - - virtual
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""

_COMMON = {
    "compatibility_level": "3.6", "inet_interfaces": "127.0.0.1", "inet_protocols": "ipv4",
    "mydestination": "", "mynetworks": "", "alias_maps": "", "alias_database": "",
    "local_recipient_maps": "", "smtp_dns_support_level": "disabled",
    "smtp_host_lookup": "native", "smtpd_peername_lookup": "no", "biff": "no",
    "disable_dns_lookups": "yes", "smtpd_tls_security_level": "none",
    "smtp_tls_security_level": "none", "message_size_limit": "104857600",
    "virtual_mailbox_limit": "0", "mailbox_size_limit": "0", "fast_flush_domains": "",
    "smtpd_client_connection_count_limit": "0", "default_transport": "error:no way out",
    "smtpd_recipient_restrictions": "", "bounce_queue_lifetime": "5d",
    "smtpd_relay_restrictions": "permit_auth_destination, reject",
    # Not one octet is to be changed: no repaired headers, no dropped ones.
    "local_header_rewrite_clients": "", "always_add_missing_headers": "no",
    "message_drop_headers": "", "disable_mime_input_processing": "yes",
}


class PostfixError(RuntimeError):
    """Postfix can't be run here; says why."""


class Instance:
    """One private Postfix in a directory. Settings come last and win.

    The directory must be one that user `postfix` can pass through: pass a fresh
    one below the system's temporary folder.
    """

    def __init__(self, directory, port, hostname, settings, processes=20):
        if os.geteuid() != 0:
            raise PostfixError("a private Postfix can be run by root only: its daemons change "
                               "to user postfix (run as root, or with sudo)")
        if shutil.which("postfix") is None:
            raise PostfixError("no postfix on PATH: apt-get install --no-install-recommends "
                               "postfix")
        self.directory = os.path.abspath(directory)
        self.port = port
        self.hostname = hostname
        self.config = os.path.join(self.directory, "config")
        self.queue = os.path.join(self.directory, "queue")
        self.log = os.path.join(self.directory, "log", "maillog")
        self.mail = os.path.join(self.directory, "mail")
        self._write({**_COMMON, **self._paths(), "myhostname": hostname, "myorigin": hostname,
                     "default_process_limit": str(processes), **settings}, processes)

    def _paths(self):
        data = os.path.join(self.directory, "data")
        return {"queue_directory": self.queue, "data_directory": data, "maillog_file": self.log,
                "maillog_file_prefixes": os.path.dirname(self.log),
                "virtual_mailbox_base": self.mail, "mail_owner": "postfix",
                "setgid_group": "postdrop", "command_directory": "/usr/sbin",
                "daemon_directory": "/usr/lib/postfix/sbin",
                "shlib_directory": "/usr/lib/postfix", "meta_directory": "/etc/postfix"}

    def _write(self, settings, processes):
        user = pwd.getpwnam("postfix")
        for path in (self.directory, self.config, self.queue, os.path.dirname(self.log)):
            os.makedirs(path, exist_ok=True)
            os.chmod(path, 0o755)
        for path in (settings["data_directory"], self.mail):
            os.makedirs(path, exist_ok=True)
            os.chmod(path, 0o700)
            os.chown(path, user.pw_uid, user.pw_gid)
        with open(os.path.join(self.config, "main.cf"), "w", encoding="ascii") as file:
            file.writelines(f"{key} = {value}\n" for key, value in settings.items())
        with open(os.path.join(self.config, "master.cf"), "w", encoding="ascii") as file:
            file.write(_MASTER_CF.format(port=self.port, processes=processes))
        self._refuse_closed_path()

    def _refuse_closed_path(self):
        path = self.directory
        while path != "/":
            if not os.stat(path).st_mode & 0o001:
                raise PostfixError(f"user postfix can't pass through {path} (mode "
                                   f"{os.stat(path).st_mode & 0o777:o}): choose a directory "
                                   "below /tmp")
            path = os.path.dirname(path)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def command(self, word):
        """The argv of an administrator's command, such as stop."""
        return ["postfix", "-c", self.config, word]

    def prepare(self):
        """Does the checks of the first start (seconds) now, so that it is quick."""
        procs.run(self.command("check"), 60)
        self._make_next_start_quick()

    def _make_next_start_quick(self):
        """What `postfix quick-stop` does: the next start skips its checks."""
        with open(os.path.join(self.queue, "quick-start"), "w", encoding="ascii"):
            pass

    def start(self, seconds=30):
        """Starts it; returns the Unix time at which its port was seen open."""
        if not ports.is_free(self.port):
            raise PostfixError(f"port {self.port} is taken by {ports.who_listens(self.port)}")
        # Its processes keep standard output open, so that goes to files.
        output = os.path.join(self.directory, "log", "start")
        pid = procs.start_detached([shutil.which("postfix"), *self.command("start")[1:]], output)
        def opened():
            return ports.is_listening(self.port)
        try:
            wait_until(opened, seconds, f"postfix listens on port {self.port}", 0.002)
        except AssertionError as late:
            raise PostfixError(f"{late}\n{procs.tail(output)}\n{procs.tail(self.log)}") from None
        when = time.time()
        os.waitpid(pid, 0)
        return when

    def master_pid(self):
        """Pid of the running master, else None."""
        return _master_pid(self.queue)

    def stop(self, seconds=20):
        """Stops it by its master pid; the port is closed when this returns."""
        if not self.stop_in(self.directory, seconds):
            return
        wait_until(lambda: not ports.is_listening(self.port), seconds,
                   f"postfix leaves port {self.port}")
        self._make_next_start_quick()

    @staticmethod
    def stop_in(directory, seconds=20):
        """Stops the instance of a directory; False when none runs there."""
        pid = _master_pid(os.path.join(directory, "queue"))
        return pid is not None and procs.kill_and_wait(pid, procs.command_line(pid), 15, seconds)


def _master_pid(queue):
    """The lock file names the master; its name and working directory prove it."""
    try:
        with open(os.path.join(queue, "pid", "master.pid"), encoding="ascii") as file:
            pid = int(file.read().split()[0])
        argv = procs.command_line(pid)
        if argv and os.path.basename(argv[0]) == "master" and \
                os.path.realpath(f"/proc/{pid}/cwd") == os.path.realpath(queue):
            return pid
    except (OSError, ValueError, IndexError):
        pass
    return None


class Primary(Instance):
    """A primary for some domains: every recipient's mail lands in one Maildir."""

    def __init__(self, directory, port, domains=("example.test",)):
        user = pwd.getpwnam("postfix") if _has_postfix_user() else None
        uid, gid = (user.pw_uid, user.pw_gid) if user else (0, 0)
        super().__init__(directory, port, "primary." + domains[0], {
            "virtual_mailbox_domains": ", ".join(domains), "virtual_mailbox_maps": "static:box/",
            "virtual_uid_maps": f"static:{uid}", "virtual_gid_maps": f"static:{gid}",
            "virtual_minimum_uid": "1", "in_flow_delay": "0"})
        self.maildir = os.path.join(self.mail, "box", "new")

    def count(self):
        """Messages in the Maildir now."""
        try:
            return len(os.listdir(self.maildir))
        except FileNotFoundError:
            return 0

    def deliveries(self):
        """Every message of the Maildir as a Delivery, in order of arrival."""
        found = []
        if os.path.isdir(self.maildir):
            for name in os.listdir(self.maildir):
                path = os.path.join(self.maildir, name)
                # The rename into new/ is the last change of the inode.
                when = os.stat(path).st_ctime
                with open(path, "rb") as file:
                    recipient, octets = strip_own_fields(file.read(), self.hostname)
                found.append(parse(octets, recipient, when, path))
        return sorted(found, key=lambda delivery: delivery.when)

    def times(self):
        """Unix times of arrival, ascending, without reading the messages."""
        if not os.path.isdir(self.maildir):
            return []
        return sorted(entry.stat().st_ctime for entry in os.scandir(self.maildir))


def _has_postfix_user():
    try:
        pwd.getpwnam("postfix")
        return True
    except KeyError:
        return False


_ADDED = re.compile(rb"Return-Path: <[^\n]*>\n"
                    rb"X-Original-To: (?P<original>[^\n]*)\n"
                    rb"Delivered-To: (?P<to>[^\n]*)\n"
                    rb"Received: from (?P<trace>[^\n]*(?:\n[ \t][^\n]*)*)\n")


def strip_own_fields(stored, hostname):
    """(recipient, octets that the primary got) of a file of its Maildir.

    Postfix stores LF for CRLF and puts exactly these fields on top: Return-Path,
    X-Original-To, Delivered-To and its own Received. Anything else in that place
    is an error: it would be somebody's change.
    """
    match = _ADDED.match(stored)
    if not match or f"by {hostname} (Postfix)".encode() not in match["trace"]:
        raise ValueError(f"not a message as Postfix stores it: {stored[:400]!r}")
    if b"\r" in stored:
        raise ValueError("a CR in a Maildir of messages that had none")
    return match["to"].decode(), stored[match.end():].replace(b"\n", b"\r\n")


class BackupMx(Instance):
    """Postfix as the backup MX that users would run instead: relay_domains, the
    primary refusing connections, mail deferred (in_flow_delay 0, 300 processes).
    It writes no log, which spares it some 8 % of its CPU seconds."""

    def __init__(self, directory, port, primary_port, domain="example.test"):
        super().__init__(directory, port, "backup." + domain, {
            "relay_domains": domain, "relay_recipient_maps": "",
            "relay_transport": f"relay:[127.0.0.1]:{primary_port}",
            "in_flow_delay": "0", "maillog_file": ""}, processes=300)

    def unsettled(self):
        """Files that have not reached the deferred queue yet."""
        return sum(len(files) for part in ("maildrop", "incoming", "active")
                   for _, _, files in os.walk(os.path.join(self.queue, part)))

    def deferred(self):
        return sum(len(files) for _, _, files in os.walk(os.path.join(self.queue, "deferred")))
