"""clients -- the clients of a recording, and what the kernel says of them"""
import fcntl
import os
import socket
import sys
import termios
import time

from values import quoted

STATES = ["?", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",
          "TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING"]

OURS = os.environ["REPLAY_STAGE"][:2] == "06"
PIPE = "signal pipe" if OURS else "pipe"
SOCKET = "workers' socket" if OURS else "socket"


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


def held(pipe):
    """How many bytes the read end of a pipe has, in words; none: ""."""
    fd = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    n = int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, bytes(4)),
                       sys.byteorder)
    os.close(fd)
    return n and ", %d byte%s" % (n, "" if n == 1 else "s") or ""


class Kernel:
    """The connections of one listening port, by the names of the clients."""

    def __init__(self, port):
        self.port = port
        self.names = {}    # port of a client -> its name
        self.accepted = set()
        self.inodes = {}   # inode of a socket of the server -> name

    def rows(self):
        """Yields (local port, remote port, state, send, receive, inode)."""
        # A server on :: has its ends in tcp6. Of two that listen, the one that
        # the clients connect to comes last.
        for name in ("tcp6", "tcp"):
            path = "/proc/net/" + name
            if not os.path.exists(path):
                continue
            with open(path, encoding="ascii") as file:
                lines = file.read().splitlines()[1:]
            for line in lines:
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
                result[fd] = self.inodes.get(int(link[8:-1]), SOCKET)
            elif link.startswith("anon_inode:["):
                result[fd] = link[12:-1].replace("eventpoll", "epoll")
            elif link.startswith("pipe:"):
                mode = os.lstat(folder + "/" + fd).st_mode
                result[fd] = PIPE + (", write end" if mode & 0o200 else
                                     ", read end" + held(folder + "/" + fd))
            else:
                result[fd] = "file"
        return result


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
        does = self.does
        sides = self.recorder.sockets.get(self.name, {})
        client = sides.get("client", {"state": "none", "recv": 0})
        if does and self.state == "connected" and \
                client["state"] != "ESTABLISHED":
            does = "doesn't know yet that the server has closed"
        elif does == "waits for an answer" and client["recv"] > 0:
            does = "has an answer, not read yet"
        elif does == "waits to be accepted" and \
                sides.get("server", {}).get("accepted"):
            does = "has said nothing yet"
        it = {"state": self.state, "sent": self.sent, "got": self.got,
              "does": does}
        return {key: value for key, value in it.items() if value != ""}

    def sides(self):
        return self.recorder.kernel.sockets().get(self.name, {})

    def _done(self, now, does=""):
        self.does = does
        self.recorder.sockets = self.recorder.kernel.settled()
        self.recorder.add("client", now)

    def connect(self, does="has said nothing yet"):
        kernel = self.recorder.kernel
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        kernel.names[self.socket.getsockname()[1]] = self.name
        try:
            self.socket.connect(("127.0.0.1", kernel.port))
        except ConnectionRefusedError as error:
            raise Failure("the server doesn't listen on 127.0.0.1") from error
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
                quoted(data)), does or "has its answer")
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
        self._done("%s loses its connection by a reset: the server has closed "
                   "it without reading all." % self.name)

    def close(self):
        self.socket.close()
        self.state = "closed"
        self.expects = 0
        self._done("%s closes its connection." % self.name)
