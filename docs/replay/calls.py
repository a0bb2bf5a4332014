"""calls -- notes the system calls that a line makes, with their results"""
import errno
import re

import gdb

from values import fd_set, memory, quoted

# The registers that hold a function's arguments and its result; those of a
# system call's number and result, and how long the instruction is.
REGISTERS = {
    "x86": (("rdi", "rsi", "rdx", "rcx", "r8"), "rax", "orig_rax", "rax", 2),
    "aarch64": (("x0", "x1", "x2", "x3", "x4"), "x0", "x8", "x0", 4)}

# The calls that are shown.
CALLS = ("read", "recv", "write", "send", "accept", "accept4", "close",
         "shutdown", "select", "poll", "epoll_wait", "epoll_ctl", "fork",
         "waitpid", "nanosleep")
# Those that are shown as one of them.
ALIKE = {"recvfrom": "recv", "sendto": "send", "epoll_pwait": "epoll_wait"}
TOUCH = CALLS[:8]  # those after which the sockets may be different
WAITS = ("select", "poll", "epoll_wait", "nanosleep")


class Note:
    """A breakpoint that stops nothing, but notes something."""

    def stop(self):
        try:
            self.note()
        except Exception as error:  # gdb would say little of it
            self.recorder.failure = self.recorder.failure or error
        return False


class CallBreakpoint(Note, gdb.Breakpoint):
    """Notes a call when it begins."""

    def __init__(self, recorder, name):
        super().__init__("*" + name, internal=True)
        self.silent = True
        self.recorder = recorder
        self.note = lambda: recorder.call_begins(name)


class ReturnBreakpoint(Note, gdb.FinishBreakpoint):
    """Notes what a call has returned."""

    def __init__(self, recorder, process, call):
        super().__init__(gdb.newest_frame(), internal=True)
        self.silent = True
        self.recorder = recorder
        self.note = lambda: recorder.call_returns(process, call)


def errno_name(number):
    return errno.errorcode.get(number, str(number))


def named(what):
    """What a descriptor stands for, in a sentence."""
    if ", " in what:
        return "the " + what.split(",")[0]  # of a pipe
    return "the listening socket" if what == "listen" else what


def timeval(address, unit):
    if address == 0:
        return None
    data = memory(address, 16)
    sec, part = (int.from_bytes(data[i:i + 8], "little", signed=True)
                 for i in (0, 8))
    return sec * 1000 + part // unit


def listed(events):
    """{fd: events} as a text."""
    return "{%s}" % ", ".join("%s: %s" % it for it in events.items())


def time_text(ms):
    return "NULL" if ms is None else "%d ms" % ms


class Call:
    """One call, from its beginning."""

    def __init__(self, name, args, recorder, outer, within):
        self.outer = outer
        self.within = within  # a function that isn't stepped through, or ""
        self.name = name
        self.args = args
        self.recorder = recorder
        self.timeout = None
        self.written = 0  # by a write that was stopped, and went on
        fd = args[0] & 0xffffffff
        self.fd = fd - 2 ** 32 if fd >= 2 ** 31 else fd
        self.note_arguments()

    def note_arguments(self):
        a = self.args
        name = self.name
        if name == "select":
            self.sets = [fd_set(memory(at, (a[0] + 7) // 8)) if at else None
                         for at in a[1:3]]
            self.timeout = timeval(a[4], 1000)
        elif name == "poll":
            self.asked = self.pollfds(4)
            ms = a[2] & 0xffffffff
            self.timeout = None if ms >= 2 ** 31 else ms
        elif name == "epoll_wait":
            ms = a[3] & 0xffffffff
            self.timeout = None if ms >= 2 ** 31 else ms
        elif name == "nanosleep":
            self.timeout = timeval(a[0], 1000000)
        elif name in ("write", "send"):
            self.data = memory(a[1], min(a[2], 64))
        elif name == "epoll_ctl":
            self.events = ""
            if a[1] != 2:  # EPOLL_CTL_DEL
                data = memory(a[3], 12)
                self.recorder.epoll_data[data[4:]] = str(a[2])
                self.events = self.event_names(
                    int.from_bytes(data[:4], "little"))

    @staticmethod
    def event_names(bits):
        names = [word for bit, word in ((1, "IN"), (4, "OUT"), (8, "ERR"),
                                        (16, "HUP")) if bits & bit]
        return "|".join(names) or "0"

    def pollfds(self, at):
        """{fd: events} of the array; at: 4 asked, 6 returned."""
        result = {}
        data = memory(self.args[0], 8 * self.args[1]) if self.args[1] else b""
        for i in range(0, len(data), 8):
            fd = int.from_bytes(data[i:i + 4], "little", signed=True)
            bits = int.from_bytes(data[i + at:i + at + 2], "little")
            if at == 4 or bits:
                result[str(fd)] = self.event_names(bits)
        return result

    def watches(self, polled):
        """{fd: events} that a process sleeping in it waits for; where events
        are "", it waits for what the call does. polled: what epoll watches."""
        if self.name == "epoll_wait":
            return polled
        if self.name == "poll":
            return self.asked
        if self.name == "select":
            reads, writes = ([] if it is None else it for it in self.sets)
            return {str(fd): "|".join(["IN"] * (fd in reads) +
                                      ["OUT"] * (fd in writes))
                    for fd in sorted({*reads, *writes})}
        return {str(self.fd): ""} if self.name in TOUCH else {}

    def text(self, value, error):
        """The whole call with its result."""
        a = self.args
        name = self.name
        if value == -1:
            result = "-1 " + error
        else:
            result = str(value)
        data = getattr(self, "data", b"")
        text = {"accept": "%d, NULL, NULL",
                "accept4": "%d, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC"
                }.get(name, "%d") % self.fd
        if name in ("read", "recv") and value > 0:
            data = memory(a[1], min(value, 64))
        if name in ("read", "write", "recv", "send"):
            if len(data) < (value if name in ("read", "recv") else a[2]):
                shown = quoted(data, 11)
                shown = shown if shown.endswith("…") else shown + "…"
            else:
                shown = quoted(data)
            if name in ("read", "recv") and value <= 0:
                shown = "buf" if value < 0 else '""'
            text = "%d, %s, %d" % (self.fd, shown, a[2])
        elif name == "shutdown":
            text = "%d, %s" % (self.fd, ("SHUT_RD", "SHUT_WR",
                                         "SHUT_RDWR")[a[1]])
        elif name == "select":
            sets = ["NULL" if it is None else
                    "{%s}" % ", ".join(map(str, it)) for it in self.sets]
            text = "%d, %s, NULL, %s" % (a[0], ", ".join(sets),
                                         time_text(self.timeout))
            if value > 0:
                ready = [fd_set(memory(at, (a[0] + 7) // 8)) if at else []
                         for at in a[1:3]]
                parts = ["%d: %s" % (fd, word) for ready_fds, word in
                         zip(ready, ("readable", "writable"))
                         for fd in ready_fds]
                result += " {%s}" % ", ".join(parts)
        elif name == "poll":
            text = "%s, %d, %s" % (
                listed(self.asked), a[1],
                "-1" if self.timeout is None else self.timeout)
            if value > 0:
                result += " " + listed(self.pollfds(6))
        elif name == "epoll_wait":
            size = 12 if self.recorder.arch == "x86" else 16
            ready = {}
            for i in range(max(value, 0)):
                event = memory(a[1] + size * i, size)
                fd = self.recorder.epoll_data.get(event[size - 8:], "?")
                ready[fd] = self.event_names(
                    int.from_bytes(event[:4], "little"))
            text = "%d, events, %d, %s" % (
                self.fd, a[2], "-1" if self.timeout is None else self.timeout)
            if ready:
                result += " " + listed(ready)
        elif name == "epoll_ctl":
            op = {1: "ADD", 2: "DEL", 3: "MOD"}[a[1]]
            text = "%d, EPOLL_CTL_%s, %d" % (self.fd, op, a[2])
            if op != "DEL":
                text += ", " + self.events
        elif name == "fork":
            text = ""
            result = self.recorder.pid_name(value)
        elif name == "waitpid":
            text = "-1, NULL, WNOHANG"
            if value > 0:
                result = self.recorder.pid_name(value)
        elif name == "nanosleep":
            text = time_text(self.timeout)
        return "%s(%s) = %s" % (name, text, result)

    def sentence(self, value, error, who):
        """What the call did, in words."""
        name = self.name
        whose = named(who.get(str(self.fd), "descriptor %d" % self.fd))
        s = "" if value == 1 else "s"
        if error == "EAGAIN":
            nothing = "finds %s empty" % whose if whose.endswith("pipe") \
                else "finds nothing from " + whose
            what = {"read": nothing, "recv": nothing,
                    "write": "finds no room: %s's send buffer is full" % whose,
                    "accept": "finds the accept queue empty",
                    "accept4": "finds the accept queue empty"}.get(
                        name, "would block")
            return "%s %s (EAGAIN)." % (name, what)
        if error == "EINTR":
            return "%s fails with EINTR: a signal has interrupted it." % name
        if error:
            return "%s fails: %s." % (name, error)
        if name in ("read", "recv"):
            if value == 0:
                return "%s returns 0: %s has sent its FIN." % (name, whose)
            return "%s takes %d byte%s from %s." % (name, value, s, whose)
        if self.written:
            return "%s hands the other %d bytes for %s to the kernel, and " \
                "returns %d." % (name, value - self.written, whose, value)
        if name in ("write", "send"):
            return "%s hands %d byte%s for %s to the kernel." % (
                name, value, s, whose)
        if name in ("accept", "accept4"):
            return "accept returns %d: the connection of %s." % (
                value, self.recorder.fds_of_process().get(str(value), "?"))
        if name == "close":
            return "close: descriptor %d (%s) is gone." % (self.fd, whose)
        if name == "shutdown":
            return "shutdown: the server sends its FIN to %s." % whose
        if name in ("select", "poll", "epoll_wait"):
            if value == 0 and self.timeout:
                return "%s returns after %d ms: nothing is ready." % (
                    name, self.timeout)
            if value == 0:
                return "%s returns at once: nothing is ready." % name
            ready = list(dict.fromkeys(
                named(who.get(fd, "descriptor " + fd)) for fd in re.findall(
                    r"(\d+):", self.text(value, error).split(" = ")[1])))
            return "%s returns: %s %s ready." % (
                name, " and ".join(filter(None, (
                    ", ".join(ready[:-1]), ready[-1]))),
                "is" if len(ready) == 1 else "are")
        if name == "epoll_ctl":
            fd = str(self.args[2])
            what = "descriptor %s (%s)" % (fd, named(
                self.recorder.fds_of_process().get(fd, "?")))
            if self.args[1] == 2:  # EPOLL_CTL_DEL
                return "epoll_ctl: epoll no longer watches %s." % what
            return "epoll_ctl: epoll watches %s for %s." % (
                what, "nothing for now" if self.events == "0" else
                self.events.replace("|", " and ") + " from now on")
        if name == "fork":
            return "fork returns %s, the number of a child: it runs beside " \
                "it now." % self.recorder.pid_name(value)
        if name == "waitpid":
            return "waitpid returns %s." % (
                self.recorder.pid_name(value) + ": that child has ended"
                if value > 0 else "0: no other child has ended")
        if name == "nanosleep":
            return "%d ms have passed." % self.timeout
        return "%s returns %d." % (name, value)
