"""recorder -- runs inside gdb: steps a server and writes down what it sees

docs/replay/record starts it and tells it, in variables REPLAY_…, what to do. It
steps the server line by line. When the server sleeps in a system call, a
second thread, which never calls gdb, stops it there with SIGSTOP. Then the
scenario's next client acts, the kernel's figures are noted, and the server
goes on: its call starts again as if nothing had happened.
"""
import json
import os
import re
import resource
import signal
import socket
import sys
import threading
import time
import traceback

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import scenarios  # noqa: E402

JOB = {name: os.environ["REPLAY_" + name.upper()] for name in (
    "stage", "scenario", "server", "port", "clock", "out", "own_net",
    "chunk", "made")}
MAX_STEPS = 1500

STATES = ["?", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",
          "TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING"]

# The registers that hold a function's arguments and its result; those of a
# system call's number and result, and how long the instruction is.
REGISTERS = {
    "x86": (("rdi", "rsi", "rdx", "rcx", "r8"), "rax", "orig_rax", "rax", 2),
    "aarch64": (("x0", "x1", "x2", "x3", "x4"), "x0", "x8", "x0", 4)}

# The calls that are shown.
CALLS = ("read", "recv", "write", "send", "accept", "accept4", "close",
         "shutdown", "select", "poll", "epoll_wait", "epoll_ctl", "fork",
         "waitpid", "nanosleep")
TOUCH = CALLS[:8]  # those after which the sockets may be different
WAITS = ("select", "poll", "epoll_wait", "nanosleep")


class Failure(Exception):
    """What the recorder can't go on with."""


class Over(Exception):
    """The server has done something after which a script can't go on."""


def wait_until(condition, what):
    """Waits until condition() is true; the server may be loaded, not dead."""
    end = time.monotonic() + 10
    while not condition():
        if time.monotonic() > end:
            raise Failure("waited in vain until " + what)
        time.sleep(0.0005)


def quoted(data, most=12):
    """Bytes as C would write them, abbreviated."""
    text = "".join(chr(b) if 32 <= b < 127 and b not in (34, 92)
                   else "\\n" if b == 10 else "\\%o" % b for b in data[:most])
    return '"%s"%s' % (text, "…" if len(data) > most else "")


# --- what the kernel says


class Kernel:
    """The connections of one listening port, by the names of the clients."""

    def __init__(self, table, port):
        self.table = table
        self.port = port
        self.names = {}    # port of a client -> its name
        self.accepted = set()
        self.inodes = {}   # inode of a socket of the server -> name

    def rows(self):
        """Yields (local port, remote port, state, send, receive, inode)."""
        with open(self.table, encoding="ascii") as file:
            next(file)
            for line in file:
                f = line.split()
                send, recv = f[4].split(":")
                yield (int(f[1].rsplit(":", 1)[1], 16),
                       int(f[2].rsplit(":", 1)[1], 16), STATES[int(f[3], 16)],
                       int(send, 16), int(recv, 16), int(f[9]))

    def sockets(self):
        result = {}
        for name in sorted(self.names.values()):
            result[name] = {}
        for local, remote, state, send, recv, inode in self.rows():
            if state == "LISTEN" and local == self.port:
                result["listen"] = {"state": state, "queue": recv}
                self.inodes[inode] = "listen"
            elif local == self.port and remote in self.names:
                name = self.names[remote]
                result[name]["server"] = {
                    "state": state, "recv": recv, "send": send,
                    "accepted": inode != 0 or name in self.accepted}
                if inode != 0:
                    self.inodes[inode] = name
                    self.accepted.add(name)
            elif remote == self.port and local in self.names:
                result[self.names[local]]["client"] = {
                    "state": state, "recv": recv, "send": send}
        return {name: dict(sorted(it.items()))
                for name, it in sorted(result.items()) if it}

    def settled(self):
        """The sockets, once nothing is under way any more."""
        last = None
        end = time.monotonic() + 10
        while time.monotonic() < end:
            now = self.sockets()
            if now == last:
                return now
            last = now
            time.sleep(0.001)
        raise Failure("the kernel's figures don't come to rest")

    def fds(self, pid):
        """{number: name or a word} of a process."""
        result = {}
        folder = "/proc/%d/fd" % pid
        words = {"0": "stdin", "1": "stdout", "2": "stderr"}
        for fd in sorted(os.listdir(folder), key=int):
            link = os.readlink(folder + "/" + fd)
            if fd in words:
                result[fd] = words[fd]
            elif link.startswith("socket:["):
                result[fd] = self.inodes.get(int(link[8:-1]), "socket")
            elif link.startswith("anon_inode:["):
                result[fd] = link[12:-1].replace("eventpoll", "epoll")
            elif link.startswith("pipe:"):
                result[fd] = "pipe"
            else:
                result[fd] = "file"
        return result


# --- the clients


class Client:
    """A client of a scenario. Each of its methods is one action."""

    def __init__(self, recorder, name):
        self.recorder = recorder
        self.name = name
        self.socket = None
        self.state = "not yet"
        self.sent = self.got = 0
        self.expects = 0
        self.does = ""

    def as_state(self):
        it = {"state": self.state, "sent": self.sent, "got": self.got,
              "does": self.does}
        return {key: value for key, value in it.items() if value != ""}

    def sides(self):
        return self.recorder.kernel.sockets().get(self.name, {})

    def _done(self, now, does=""):
        self.does = does
        self.recorder.sockets = self.recorder.kernel.settled()
        self.recorder.add("client", now)

    def connect(self, does="keeps silent"):
        kernel = self.recorder.kernel
        self.socket = socket.socket(self.recorder.family)
        self.socket.bind((self.recorder.host, 0))
        kernel.names[self.socket.getsockname()[1]] = self.name
        self.socket.connect((self.recorder.host, kernel.port))
        self.socket.setblocking(False)
        wait_until(lambda: self.sides().get("server", {}).get("state") ==
                   "ESTABLISHED", self.name + " is connected")
        self.state = "connected"
        self._done("%s connects. The kernel puts its connection into the "
                   "accept queue." % self.name, does)

    def send(self, data, does="waits for an answer", expects=True):
        """Sends as much of data as the kernel takes; returns how much."""
        try:
            n = self.socket.send(data)
        except BlockingIOError:
            n = 0
        except ConnectionError as error:
            self.was_reset()
            raise Over from error
        self.sent += n
        if expects:
            self.expects += n
        if n == 0:
            self._done("%s would send more, but its send buffer is full."
                       % self.name, "can't send")
        else:
            self._done("%s sends %d byte%s: %s" % (
                self.name, n, "" if n == 1 else "s", quoted(data[:n])), does)
        return n

    def read(self, most=65536, does=""):
        """Reads what has come; returns how much. 0: the server's FIN."""
        try:
            data = self.socket.recv(most)
        except BlockingIOError as error:
            self._done("%s would read, but nothing has come." % self.name)
            raise Over from error
        except ConnectionError as error:
            self.was_reset()
            raise Over from error
        self.got += len(data)
        self.expects = max(0, self.expects - len(data))
        if data:
            self._done("%s reads %d byte%s: %s" % (
                self.name, len(data), "" if len(data) == 1 else "s",
                quoted(data)), does or "keeps silent")
        else:
            self._done("%s reads the end: the server has sent its FIN."
                       % self.name, does)
        return len(data)

    def readable(self):
        client = self.sides().get("client")
        return client is not None and (
            client["recv"] > 0 or client["state"] == "CLOSE_WAIT")

    def half_close(self, does="waits for the rest"):
        self.socket.shutdown(socket.SHUT_WR)
        self.state = "half-closed"
        self._done("%s half-closes: its FIN says that no more will come."
                   % self.name, does)

    def was_reset(self):
        self.state = "closed"
        self.expects = 0
        self._done("%s finds its connection reset: the server has closed it "
                   "without reading all." % self.name)

    def close(self):
        self.socket.close()
        self.state = "closed"
        self.expects = 0
        self._done("%s closes its connection." % self.name)


# --- what a value looks like


SKIPPED_LOCALS = ("argc", "argv", "delay", "timeout", "on_child", "events")


def is_char(type_):
    return type_.code == gdb.TYPE_CODE_INT and type_.sizeof == 1


def fd_set(data):
    """The numbers in an fd_set."""
    return [8 * i + bit for i, byte in enumerate(data) for bit in range(8)
            if byte >> bit & 1]


def memory(address, n):
    return bytes(gdb.selected_inferior().read_memory(address, n))


class Shown:
    """Turns values of the program into short texts that don't vary."""

    def __init__(self, recorder):
        self.recorder = recorder
        self.code = {}  # file -> the lines that have code

    def conn_type(self, type_):
        """The struct that a pointer of this type leads to, if it has an fd."""
        target = type_.target().strip_typedefs()
        if target.code == gdb.TYPE_CODE_STRUCT and any(
                f.name == "fd" for f in target.fields()):
            return target
        return None

    def is_conn(self, type_):
        """True if so is it, and it isn't an event for a descriptor."""
        target = self.conn_type(type_)
        return target is not None and not re.search("event|poll", str(target))

    def pointer(self, value, type_):
        address = int(value)
        target = type_.target().strip_typedefs()
        if address == 0:
            return "NULL"
        if target.code == gdb.TYPE_CODE_FUNC:
            block = gdb.block_for_pc(address)
            return block.function.name if block and block.function else "…"
        if str(type_.target()) == "fd_set":
            return self.text(value.dereference())
        if is_char(target):
            return quoted(memory(address, 64).split(b"\0")[0])
        if target.code == gdb.TYPE_CODE_STRUCT:
            if self.conn_type(type_):
                name = self.recorder.process.fds.get(
                    str(int(value.dereference()["fd"])))
                if name in self.recorder.clients:
                    return name
            return "a " + str(target)
        return "…"

    def text(self, value):
        """The text, or None: nothing to show."""
        type_ = value.type.strip_typedefs()
        code = type_.code
        if code == gdb.TYPE_CODE_PTR:
            return self.pointer(value, type_)
        if str(value.type) == "pid_t":
            return self.recorder.pid_name(int(value))
        if str(value.type) == "fd_set":
            return "{%s}" % ", ".join(
                map(str, fd_set(memory(int(value.address), type_.sizeof))))
        if code == gdb.TYPE_CODE_BOOL:
            return "true" if int(value) else "false"
        if code == gdb.TYPE_CODE_INT:
            return str(int(value))
        if code == gdb.TYPE_CODE_ENUM:
            return str(value)
        return None

    def locals(self, frame, sal, ran):
        """The variables of the innermost frame that have a value by now: their
        declaration has run, or is no line that runs."""
        result = {}
        lines = self.lines_with_code(sal.symtab)
        try:
            block = frame.block()
        except RuntimeError:
            return result
        while block is not None and not block.is_static:
            for symbol in block:
                if (not (symbol.is_variable or symbol.is_argument) or
                        symbol.name in result or
                        symbol.name in SKIPPED_LOCALS or
                        symbol.addr_class in (gdb.SYMBOL_LOC_STATIC,
                                              gdb.SYMBOL_LOC_OPTIMIZED_OUT) or
                        not symbol.is_argument and
                        (symbol.line >= sal.line or
                         symbol.line in lines and symbol.line not in ran)):
                    continue
                try:
                    text = self.text(symbol.value(frame))
                except gdb.MemoryError:
                    text = None
                if text is not None:
                    result[symbol.name] = text[:40]
            if block.function is not None:
                break
            block = block.superblock
        return result

    def lines_with_code(self, symtab):
        if symtab.filename not in self.code:
            self.code[symtab.filename] = symtab.linetable().source_lines()
        return self.code[symtab.filename]

    def globals(self, symtabs):
        result = {}
        for symtab in symtabs:
            for symbol in symtab.static_block():
                if not symbol.is_variable or symbol.symtab != symtab:
                    continue
                if symbol.type.strip_typedefs().code in (
                        gdb.TYPE_CODE_INT, gdb.TYPE_CODE_BOOL,
                        gdb.TYPE_CODE_ENUM):
                    result[symbol.name] = self.text(symbol.value())
        return result

    def note_conns(self, frame, found):
        """Adds the connections that this frame's variables point to."""
        try:
            block = frame.block()
        except RuntimeError:
            return
        while block is not None and not block.is_static:
            for symbol in block:
                type_ = symbol.type.strip_typedefs() if symbol.type else None
                if (type_ is None or type_.code != gdb.TYPE_CODE_PTR or
                        not (symbol.is_argument or
                             symbol.is_variable and
                             symbol.line < frame.find_sal().line) or
                        not self.is_conn(type_)):
                    continue
                value = symbol.value(frame)
                if int(value) != 0:
                    found[int(value)] = value
            if block.function is not None:
                break
            block = block.superblock

    def conns(self, found, fds):
        """What is known of each connection, by name."""
        result = []
        for address, pointer in list(found.items()):
            try:
                conn = pointer.dereference()
                fd = str(int(conn["fd"]))
            except gdb.MemoryError:
                fd = ""
            name = fds.get(fd)
            if name not in self.recorder.clients:
                del found[address]
                continue
            it = {"name": name, "fd": fd, "fields": {}}
            names = [field.name for field in conn.type.fields()]
            for field in names:
                if field in scenarios.FIELDS:
                    it["fields"][field] = self.text(conn[field])
            if "start" in names and "end" in names:
                it["pending"] = int(conn["end"]) - int(conn["start"])
            elif "out" in names:
                out = conn["out"]
                it["pending"] = 0 if int(out) == 0 else \
                    int(out["end"]) - int(out["start"])
            result.append(it)
        return sorted(result, key=lambda it: it["name"])


# --- calls


class CallBreakpoint(gdb.Breakpoint):
    """Stops nothing, but notes a call when it begins."""

    def __init__(self, recorder, name):
        super().__init__("*" + name, internal=True)
        self.silent = True
        self.recorder = recorder
        self.name = name

    def stop(self):
        try:
            self.recorder.call_begins(self.name)
        except Exception as error:  # gdb would say little of it
            self.recorder.failure = self.recorder.failure or error
        return False


class ReturnBreakpoint(gdb.FinishBreakpoint):
    """Stops nothing, but notes what the call has returned."""

    def __init__(self, recorder, process, call):
        super().__init__(gdb.newest_frame(), internal=True)
        self.silent = True
        self.recorder = recorder
        self.process = process
        self.call = call

    def stop(self):
        try:
            self.recorder.call_returns(self.process, self.call)
        except Exception as error:
            self.recorder.failure = self.recorder.failure or error
        return False


def errno_name(number):
    import errno
    return errno.errorcode.get(number, str(number))


def timeval(address, unit):
    if address == 0:
        return None
    data = memory(address, 16)
    sec, part = (int.from_bytes(data[i:i + 8], "little", signed=True)
                 for i in (0, 8))
    return sec * 1000 + part // unit


def time_text(ms):
    return "NULL" if ms is None else "%d ms" % ms


class Call:
    """One call, from its beginning."""

    def __init__(self, name, args, recorder, outer):
        self.outer = outer
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
        elif name == "epoll_ctl" and a[3]:
            data = memory(a[3], 12)
            self.recorder.epoll_data[data[4:]] = str(a[2])
            self.events = self.event_names(int.from_bytes(data[:4], "little"))

    @staticmethod
    def event_names(bits):
        names = [word for bit, word in ((1, "IN"), (4, "OUT"), (8, "ERR"),
                                        (16, "HUP")) if bits & bit]
        return "|".join(names) or "0"

    def pollfds(self, at):
        """{fd: events} of the array; at: 4 asked, 6 returned."""
        result = []
        data = memory(self.args[0], 8 * self.args[1]) if self.args[1] else b""
        for i in range(0, len(data), 8):
            fd = int.from_bytes(data[i:i + 4], "little", signed=True)
            bits = int.from_bytes(data[i + at:i + at + 2], "little")
            if at == 4 or bits:
                result.append("%d: %s" % (fd, self.event_names(bits)))
        return "{%s}" % ", ".join(result)

    def text(self, value, error):
        """The whole call with its result."""
        a = self.args
        name = self.name
        if value == -1:
            result = "-1 " + error
        else:
            result = str(value)
        data = getattr(self, "data", b"")
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
        elif name == "accept":
            text = "%d, NULL, NULL" % self.fd
        elif name == "accept4":
            text = "%d, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC" % self.fd
        elif name == "close":
            text = str(self.fd)
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
                self.asked, a[1],
                "-1" if self.timeout is None else self.timeout)
            if value > 0:
                result += " " + self.pollfds(6)
        elif name == "epoll_wait":
            size = 12 if self.recorder.arch == "x86" else 16
            ready = []
            for i in range(max(value, 0)):
                event = memory(a[1] + size * i, size)
                fd = self.recorder.epoll_data.get(event[size - 8:], "?")
                ready.append("%s: %s" % (fd, self.event_names(
                    int.from_bytes(event[:4], "little"))))
            text = "%d, events, %d, %s" % (
                self.fd, a[2], "-1" if self.timeout is None else self.timeout)
            if ready:
                result += " {%s}" % ", ".join(ready)
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
        else:
            text = str(self.fd)
        return "%s(%s) = %s" % (name, text, result)

    def sentence(self, value, error, who):
        """What the call did, in words."""
        name = self.name
        whose = who.get(str(self.fd), "descriptor %d" % self.fd)
        s = "" if value == 1 else "s"
        if error == "EAGAIN":
            what = {"read": "has nothing from " + whose,
                    "recv": "has nothing from " + whose,
                    "write": "finds no room: %s's send buffer is full" % whose,
                    "accept": "finds the accept queue empty",
                    "accept4": "finds the accept queue empty"}.get(
                        name, "would block")
            return "%s %s (EAGAIN)." % (name, what)
        if error:
            return "%s fails: %s." % (name, error)
        if name in ("read", "recv"):
            if value == 0:
                return "read returns 0: %s has sent its FIN." % whose
            return "read takes %d byte%s from %s." % (value, s, whose)
        if name in ("write", "send"):
            return "write hands %d byte%s for %s to the kernel." % (
                value, s, whose)
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
            return "%s returns: %d descriptor%s %s ready." % (
                name, value, s, "is" if value == 1 else "are")
        if name == "epoll_ctl":
            return "epoll_ctl: epoll is told about descriptor %d." % \
                self.args[2]
        if name == "fork":
            return "fork: there are two processes now."
        if name == "waitpid":
            return "waitpid: %s." % ("a child has ended" if value > 0
                                     else "no other child has ended")
        if name == "nanosleep":
            return "%d ms have passed." % self.timeout
        return "%s returns %d." % (name, value)


# --- a process of the server


class Process:
    def __init__(self, name, inferior, role):
        self.name = name
        self.number = inferior.num
        self.pid = inferior.pid
        self.role = role
        self.fds = {}
        self.call = None          # the call that it is in, or None
        self.calls = []           # texts and sentences of what returned
        self.interrupted = False  # the watcher stopped it in self.call
        self.at = None            # its socket's figures then
        self.asleep = False       # and so will be, until a client acts
        self.moved = False        # a call of it has returned
        self.signaled = False     # a signal with a handler is on its way
        self.found = {}           # address -> pointer to a connection
        self.shown = {}           # as in the recording
        self.ran = [set()]        # for each frame, the lines that have run
        self.exited = False


class Watcher(threading.Thread):
    """Stops a process that sleeps in a call."""

    def __init__(self):
        super().__init__(daemon=True)
        self.process = None
        self.start()

    def run(self):
        looks = 0
        while True:
            process = self.process
            if process is None or not self.sleeps(process.pid):
                looks = 0
            elif process.call is not None or looks > 500:
                # Without a call that we know, it has slept for a while.
                self.process = None
                os.kill(process.pid, signal.SIGSTOP)
            looks += 1
            time.sleep(0.0005)

    @staticmethod
    def sleeps(pid):
        try:
            with open("/proc/%d/stat" % pid, encoding="ascii",
                      errors="replace") as file:
                return file.read().rsplit(")", 1)[1].split()[0] == "S"
        except OSError:
            return False


# --- the recorder


def difference(old, new):
    """The JSON merge patch (RFC 7396) that makes new of old."""
    patch = {}
    for key in old:
        if key not in new:
            patch[key] = None
    for key, value in new.items():
        if key not in old:
            patch[key] = value
        elif isinstance(value, dict) and isinstance(old[key], dict):
            inner = difference(old[key], value)
            if inner:
                patch[key] = inner
        elif value != old[key]:
            patch[key] = value
    return patch


class Recorder:
    def __init__(self):
        self.failure = None
        self.processes = []
        self.process = None
        self.clients = {}
        self.sockets = {}
        self.epoll_data = {}
        self.files = {}
        self.last = None
        self.start = None
        self.steps = []
        self.moments = {}
        self.shown = Shown(self)
        self.stop_event = None
        self.watcher = Watcher()
        self.symtabs = {}
        self.lines = {}    # file -> its lines
        self.own = {}      # file -> whether it is the program's
        self.clock = None
        self.scenario = scenarios.SCENARIOS[JOB["scenario"]]
        self.small = self.scenario.small
        self.chunk = self.fill = int(JOB["chunk"])
        if JOB["stage"].startswith("06"):
            self.small *= 8
            self.fill *= 2
        if self.small and JOB["own_net"] == "yes":
            for name in ("rmem", "wmem"):
                with open("/proc/sys/net/ipv4/tcp_" + name, "w",
                          encoding="ascii") as file:
                    file.write("4096 %d %d" % (self.small,
                                               self.small))
        self.skipping = False

    # what the texts need

    def pid_name(self, pid):
        for process in self.processes:
            if process.pid == pid:
                return process.name
        for inferior in gdb.inferiors():
            if inferior.pid == pid and pid:
                return "p%d" % inferior.num
        return str(pid)

    def fds_of_process(self):
        self.kernel.sockets()
        return self.kernel.fds(self.process.pid)

    # gdb

    def set_up(self):
        for command in (
                "set host-charset UTF-8", "set pagination off",
                "set confirm off", "set width 0",
                "set startup-with-shell off", "set disable-randomization on",
                "set debuginfod enabled off", "set breakpoint pending off",
                "set debug-file-directory /nonexistent",
                "set breakpoint always-inserted on",
                "set detach-on-fork off", "set schedule-multiple off",
                "set follow-fork-mode parent", "set print thread-events off",
                "set print inferior-events off", "set cwd /",
                "set environment LD_BIND_NOW=1",
                "handle SIGSTOP stop print nopass",
                "handle SIGCHLD nostop noprint pass",
                "handle SIGTERM nostop noprint pass",
                "handle SIGPIPE nostop noprint pass"):
            try:
                gdb.execute(command, to_string=True)
            except gdb.error:
                pass  # an older gdb lacks it, and its default will do
        gdb.execute("set environment LD_PRELOAD=" + JOB["clock"])
        for fd in map(int, os.listdir("/proc/self/fd")):
            try:
                if fd > 2:
                    os.set_inheritable(fd, False)
            except OSError:
                pass  # that of the listing
        gdb.execute('file "%s"' % re.sub(r'(["\\])', r"\\\1", JOB["server"]),
                    to_string=True)
        gdb.execute("set args " + " ".join(self.scenario.args) +
                    " 127.0.0.1 " + JOB["port"])
        for name in scenarios.SKIP:
            gdb.execute("skip function " + name, to_string=True)
        gdb.events.stop.connect(self.on_stop)
        gdb.events.exited.connect(self.on_exit)

    def on_stop(self, event):
        self.stop_event = event

    def on_exit(self, event):
        for process in self.processes:
            if process.number == event.inferior.num:
                process.exited = True

    def run_to_listen(self):
        """Starts the server and stops when it has a listening socket."""
        try:
            gdb.execute("tbreak main", to_string=True)
        except gdb.error as error:
            raise Failure("the server is no C program with a main that can "
                          "be debugged: build it with -g") from error
        gdb.execute("run", to_string=True)
        inferior = gdb.selected_inferior()
        if not inferior.pid:
            raise Failure("the server ended at once")
        if gdb.selected_frame().find_sal().symtab is None:
            raise Failure("the server has no line numbers: build it with -g")
        name = gdb.selected_frame().architecture().name()
        self.arch = "aarch64" if name.startswith("aarch64") else "x86"
        self.process = Process("p1", inferior, "server")
        self.processes = [self.process]
        gdb.execute("tbreak listen", to_string=True)
        gdb.execute("continue", to_string=True)
        if not inferior.pid:
            raise Failure("the server ended before it listened")
        gdb.execute("finish", to_string=True)
        try:
            self.clock = int(gdb.parse_and_eval("(long long *)&replay_ms"))
        except gdb.error:
            pass  # a static program keeps the real clock
        self.find_port(inferior.pid)
        for function in scenarios.STOPS:
            try:
                gdb.execute("break " + function, to_string=True)
            except gdb.error:
                pass  # this program has none of that name
        self.errno = int(gdb.parse_and_eval(
            "(long)((void *(*)(void))__errno_location)()"))
        for name in CALLS:
            CallBreakpoint(self, name)

    def find_port(self, pid):
        mine = set()
        for fd in os.listdir("/proc/%d/fd" % pid):
            link = os.readlink("/proc/%d/fd/%s" % (pid, fd))
            if link.startswith("socket:["):
                mine.add(int(link[8:-1]))
        for table, family, host in (
                ("/proc/net/tcp", socket.AF_INET, "127.0.0.1"),
                ("/proc/net/tcp6", socket.AF_INET6, "::1")):
            for local, _, state, _, _, inode in Kernel(table, 0).rows():
                if state == "LISTEN" and inode in mine:
                    self.kernel = Kernel(table, local)
                    self.family = family
                    self.host = host
                    return
        raise Failure("the server has no listening TCP socket")

    # calls

    def register(self, name):
        return int(gdb.parse_and_eval("$" + name)) & (2 ** 64 - 1)

    def call_begins(self, name):
        args = [self.register(it) for it in REGISTERS[self.arch][0]]
        p = self.process
        # A signal's handler may call while another call is under way.
        p.call = Call(name, args, self, p.call)
        ReturnBreakpoint(self, p, p.call)

    def call_returns(self, p, call):
        p.call = call.outer
        value = self.register(REGISTERS[self.arch][1]) & 0xffffffff
        value = value - 2 ** 32 if value >= 2 ** 31 else value
        if call.written and value >= 0:
            value += call.written
            gdb.execute("set $%s = %d" % (REGISTERS[self.arch][1], value))
        error = ""
        inferior = gdb.selected_inferior()
        if value == -1:
            error = errno_name(int.from_bytes(
                inferior.read_memory(self.errno, 4), sys.byteorder))
        if call.name in WAITS and value == 0 and call.timeout and self.clock:
            now = int.from_bytes(inferior.read_memory(self.clock, 8),
                                 sys.byteorder)
            inferior.write_memory(self.clock, (now + call.timeout).to_bytes(
                8, sys.byteorder))
        p.calls.append((call.name, call.text(value, error),
                        call.sentence(value, error, p.fds)))

    # stepping

    def in_source(self, frame):
        """True in the program's own source, where we step line by line."""
        sal = frame.find_sal()
        if sal.symtab is None or sal.line == 0 or \
                frame.name() in scenarios.SKIP:
            return False
        name = sal.symtab.fullname()
        if name not in self.own:
            self.own[name] = os.path.exists(name) and \
                not name.startswith("/usr/")
        return self.own[name]

    def user_frame(self):
        """The innermost frame in the program's source, and the one that it
        called, or None."""
        callee, frame = None, gdb.newest_frame()
        while frame is not None and not self.in_source(frame):
            callee, frame = frame, frame.older()
        return frame, callee

    def execute(self, command, watch=True):
        self.stop_event = None
        self.watcher.process = self.process if watch else None
        try:
            gdb.execute(command, to_string=True)
        finally:
            self.watcher.process = None
        if self.failure:
            raise self.failure

    def was_asleep(self, p):
        """True if SIGSTOP has met p asleep, and not on its way: then its call
        returns for the kernel alone to see."""
        value = self.register(REGISTERS[self.arch][3])
        if p.call is not None and p.call.name in ("write", "send") and \
                0 < value < p.call.args[2]:
            return True
        return 2 ** 64 - value in (4, 512, 513, 514, 516)  # EINTR, ERESTART…

    def restart_call(self, p):
        """A stop makes epoll_wait fail with EINTR, and makes a write that has
        sent a part return. Other calls start again by themselves. Do for these
        two what the kernel does for the others."""
        arguments, _, number, result, length = REGISTERS[self.arch]
        call = p.call
        value = self.register(result)
        if p.signaled or call is None:
            return
        if call.name in ("write", "send") and 0 < value < call.args[2]:
            call.written += value
            gdb.execute("set $%s = %d" % (arguments[1],
                                          call.args[1] + call.written))
            gdb.execute("set $%s = %d" % (arguments[2],
                                          call.args[2] - call.written))
        elif call.name != "epoll_wait" or value != 2 ** 64 - 4:
            return
        again = self.register(number) if self.arch == "x86" else call.args[0]
        gdb.execute("set $pc = $pc - %d" % length)
        gdb.execute("set $%s = %d" % (result, again))

    def select(self, p):
        if gdb.selected_inferior().num != p.number:
            gdb.execute("inferior %d" % p.number, to_string=True)

    def go_on(self, p, watch=True):
        """Runs p to its next line, or until it sleeps, or to its end."""
        self.select(p)
        p.asleep = False
        while True:
            if p.interrupted:
                self.restart_call(p)
                p.interrupted = p.signaled = False
            frame, callee = self.user_frame()
            if frame is None:
                self.execute("continue", watch)
            elif callee is not None:
                callee.select()
                self.execute("finish", watch)
            else:
                self.execute("step", watch)
            if p.exited:
                return
            event = self.stop_event
            if isinstance(event, gdb.SignalEvent):
                if event.stop_signal != "SIGSTOP":
                    raise Failure("the server got " + event.stop_signal)
                if self.was_asleep(p):
                    p.interrupted = p.asleep = True
                    return
            frame, callee = self.user_frame()
            if frame is not None and callee is None and \
                    not isinstance(event, gdb.SignalEvent):
                sal = frame.find_sal()
                # At the brace that ends a function, it has done all it does.
                if frame.pc() == sal.pc and self.line_of(sal) != "}":
                    return

    def line_of(self, sal):
        """The text of a line."""
        name = sal.symtab.fullname()
        if name not in self.lines:
            with open(name, encoding="utf-8", errors="replace") as file:
                self.lines[name] = file.read().split("\n")
        return self.lines[name][sal.line - 1].strip()

    # writing down

    def look(self, p):
        """Notes what gdb and the kernel say of process p."""
        frame, _ = self.user_frame()
        if frame is None:
            return
        sal = frame.find_sal()
        name = os.path.basename(sal.symtab.filename)
        if name not in self.symtabs:
            self.symtabs[name] = sal.symtab
            self.line_of(sal)
            self.files[name] = "\n".join(self.lines[sal.symtab.fullname()])
        stack = []
        outer = frame
        while outer is not None:
            if self.in_source(outer):
                stack.insert(0, outer.name())
                self.shown.note_conns(outer, p.found)
            outer = outer.older()
        if p.shown:
            p.ran[-1].add(p.shown["line"])
        del p.ran[len(stack):]
        while len(p.ran) < len(stack):
            p.ran.append(set())
        self.text = self.line_of(sal)
        if p.calls or not p.fds:
            p.fds = self.kernel.fds(p.pid)
        it = {"name": p.role if p.role != "server" else "server",
              "role": p.role, "file": name, "line": sal.line,
              "function": frame.name(), "stack": stack, "state": "runs",
              "in": "", "locals": self.shown.locals(frame, sal, p.ran[-1]),
              "globals": self.shown.globals(
                  [self.symtabs[key] for key in sorted(self.symtabs)]),
              "conns": self.shown.conns(p.found, p.fds), "fds": p.fds}
        for function, phase in scenarios.PHASES.items():
            if function in stack:
                it["phase"] = phase
        p.shown = it

    def add(self, kind, now, call=None):
        process = self.process.name if kind != "client" else \
            self.last["process"]
        state = {"now": now, "kind": kind, "process": process,
                 "processes": {p.name: p.shown for p in self.processes},
                 "sockets": self.sockets,
                 "clients": {name: client.as_state()
                             for name, client in self.clients.items()}}
        if call:
            state["call"] = {"name": call[0], "text": call[1]}
        state = json.loads(json.dumps(state))
        if self.last is None:
            self.start = state
        else:
            self.steps.append(difference(self.last, state))
        if len(self.steps) > MAX_STEPS:
            raise Failure("more than %d steps" % MAX_STEPS)
        for moment in self.scenario.moments_of(JOB["stage"]):
            if moment not in self.moments and self.scenario.moments[moment](
                    scenarios.View(state, self.text)):
                self.moments[moment] = len(self.steps)
        self.last = state

    def new_processes(self):
        """Finds the children that fork has made."""
        known = {p.number for p in self.processes}
        for inferior in gdb.inferiors():
            if inferior.num in known or not inferior.pid:
                continue
            child = Process("p%d" % (len(self.processes) + 1), inferior,
                            "child")
            child.calls = [("fork", "fork() = 0",
                            "In the child, fork returns 0.")]
            child.found = dict(self.process.found)
            child.ran = [set(lines) for lines in self.process.ran]
            self.processes.append(child)
            # It stands in fork, on the line on which its parent has been.
            child.shown = dict(self.process.shown, name="child", role="child")
            child.fds = self.kernel.fds(child.pid)

    def one_step(self, p):
        """Lets p run one line, and writes it down."""
        self.process = p
        line, stack = p.shown["line"], p.shown["stack"]
        self.go_on(p, watch=not self.skipping)
        self.new_processes()
        if p.exited:
            p.shown = {"name": p.role, "role": p.role, "state": "exited",
                       "in": "", "file": p.shown["file"], "line": line,
                       "function": p.shown["function"], "stack": stack}
            self.sockets = self.kernel.settled()
            for other in self.processes:
                other.asleep = False  # for SIGCHLD
            self.add("exit", "The %s ends: the kernel closes its descriptors."
                     % p.role)
            return
        if p.asleep:
            if p.shown["state"] != "blocked":
                name = p.call.name if p.call is not None else "a call"
                if name in TOUCH:
                    self.sockets = self.kernel.settled()
                p.at = self.figures(p)
                p.shown = dict(p.shown, state="blocked")
                p.shown["in"] = name
                self.add("blocked", self.sleep_sentence(p))
            return
        called = p.calls
        if any(it[0] in TOUCH for it in called):
            self.sockets = self.kernel.settled()
        self.look(p)
        for other in self.processes:
            if other is not p and not other.exited and called:
                other.fds = self.kernel.fds(other.pid)
                other.shown = dict(other.shown, fds=other.fds)
        p.calls = []
        if called:
            self.add("call", " ".join(it[2] for it in called),
                     (called[-1][0], "; ".join(it[1] for it in called)))
        elif len(p.shown["stack"]) > len(stack):
            new = p.shown["stack"][len(stack):]
            if new[0] in scenarios.HANDLERS:
                self.add("line", "A signal comes: the kernel has %s run %s." %
                         (stack[-1], new[0]))
            else:
                self.add("line", "%s calls %s." % (
                    stack[-1], ", which calls ".join(new)))
        else:
            self.add("line", "Line %d has run." % line)

    def sleep_sentence(self, p):
        if p.call is None:
            return "The %s sleeps in a call." % p.role
        name = p.call.name
        whose = p.fds.get(str(p.call.fd), "")
        who = "The %s sleeps in %s" % (p.role, name)
        if name in ("read", "recv"):
            return "%s until %s sends something." % (who, whose)
        if name in ("write", "send"):
            return "%s until %s reads: its buffers are full." % (who, whose)
        if name in ("accept", "accept4"):
            return "%s until a client connects." % who
        if p.call.timeout:
            return "%s until something is ready, for at most %d ms." % (
                who, p.call.timeout) if name != "nanosleep" else \
                "%s for %d ms." % (who, p.call.timeout)
        return who + " until something is ready."

    def run_until_quiet(self):
        """Lets the server run until all of its processes sleep."""
        while True:
            ready = [p for p in self.processes
                     if not p.exited and not p.asleep]
            if not ready:
                return
            self.one_step(self.process if self.process in ready else ready[0])

    # what a scenario may do beside what its clients do

    def no_more_descriptors(self):
        """Makes the descriptors that are in use the limit."""
        p = self.processes[0]
        n = max(map(int, p.fds)) + 1
        resource.prlimit(p.pid, resource.RLIMIT_NOFILE, (n, n))
        self.add("client", "The limit of open files is %d now: the server has "
                 "no descriptor left." % n)

    def send_signal(self, number):
        p = self.processes[0]
        os.kill(p.pid, number)
        p.signaled = True
        self.add("client", "The recorder sends %s to the server." %
                 signal.Signals(number).name)

    def wake(self):
        """What has happened may concern any process, except one that sleeps
        in a call on a socket whose figures are as they were."""
        for p in self.processes:
            if p.call is None or p.signaled or p.at is None or \
                    p.at != self.figures(p):
                p.asleep = False

    def figures(self, p):
        """What the call in which p sleeps waits to see change, or None."""
        if p.call is None:
            return None
        name = p.fds.get(str(p.call.fd))
        if name == "listen":
            return self.sockets["listen"]["queue"]
        side = self.sockets.get(name, {}).get("server")
        return side and (side["state"], side[
            "send" if p.call.name in ("write", "send") else "recv"])

    def record(self):
        self.set_up()
        self.run_to_listen()
        self.go_to_main()
        self.sockets = self.kernel.settled()
        for name in self.scenario.clients:
            self.clients[name] = Client(self, name)
        self.look(self.process)
        self.add("line", "The server has made its listening socket.")
        self.run_until_quiet()
        try:
            for wait in self.scenario.script(self):
                self.let_run(wait)
        except Over:
            pass
        missing = [moment for moment in self.scenario.moments_of(JOB["stage"])
                   if moment not in self.moments and JOB["stage"][0] == "0"]
        if missing:
            raise Failure("the recording has no moment " + ", ".join(missing))

    def go_to_main(self):
        """To the next line of main, as listen has been called somewhere."""
        while True:
            frame, callee = self.user_frame()
            if callee is None and frame.name() == "main" and \
                    frame.pc() == frame.find_sal().pc:
                return
            if frame.name() == "main" and callee is None:
                gdb.execute("step", to_string=True)
            else:
                (callee or frame).select()
                gdb.execute("finish", to_string=True)

    def let_run(self, wait):
        """Lets the server run, as a script's yield asks for."""
        if wait == "freeze":
            return
        self.wake()
        if wait == "time":
            self.let_time_pass()
        else:
            self.run_until_quiet()
        self.answers()

    def let_time_pass(self):
        self.skipping = True
        sleeper = [p for p in self.processes
                   if not p.exited and p.call and p.call.timeout]
        if sleeper:
            self.one_step(sleeper[0])
        self.skipping = False
        self.run_until_quiet()

    def answers(self):
        """Clients that wait for an answer read it as soon as it is there."""
        found = True
        while found:
            found = False
            for client in self.clients.values():
                if client.expects > 0 and client.socket and \
                        client.state in ("connected", "half-closed") and \
                        client.readable():
                    client.read()
                    found = True
                elif client.state == "connected" and not client.sides():
                    client.was_reset()

    def write(self):
        scenario = self.scenario
        text = json.dumps({
            "format": 1, "id": JOB["stage"].split("-")[0] + "-" + JOB["scenario"],
            "stage": JOB["stage"], "scenario": JOB["scenario"],
            "title": scenario.title, "about": scenario.about,
            "clients": list(scenario.clients),
            "files": {name: self.files[name] for name in sorted(self.files)},
            "made": JOB["made"], "moments": self.moments},
            ensure_ascii=False)
        out = [text[:-1], ',\n"start": ', dump(self.start), ',\n"steps": [\n',
               ",\n".join(dump(step) for step in self.steps), "\n]}\n"]
        with open(JOB["out"], "w", encoding="utf-8") as file:
            file.write("".join(out).replace("</", "<\\/"))


def dump(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def main():
    recorder = Recorder()
    status = 0
    try:
        recorder.record()
        recorder.write()
    except (Failure, gdb.error) as error:
        print("recorder: %s-%s: %s" % (JOB["stage"], JOB["scenario"], error))
        status = 1
    except Exception:
        traceback.print_exc(file=sys.stdout)
        status = 1
    for inferior in gdb.inferiors():
        if inferior.pid:
            gdb.execute("kill inferiors %d" % inferior.num, to_string=True)
    sys.stdout.flush()
    gdb.execute("quit %d" % status)


main()
