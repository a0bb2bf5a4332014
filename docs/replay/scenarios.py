"""scenarios -- what the clients do, and the moments worth pointing at

A script acts through the clients, then yields: the server runs until it
sleeps. It yields "freeze" to let another action follow at once, and "time" to
let the call in which the server sleeps wait for as long as it says.
"""
import os


# Functions that are run, but not stepped through: they are no part of the
# story.
SKIP = ("announce", "may_log", "now_ms", "set_nonblocking", "pause_left",
        "conn_wants_read", "conn_wants_write", "grow",
        "loop_watch", "loop_unwatch", "events_of", "loop_defer",
        "conn_changed", "loop_timer_start", "loop_timer_stop",
        "conn_set_timeout", "server_forget", "conn_drop_fd",
        # stage 06
        "conn_send",
        "clock_ms", "conn_init", "poller_set", "poller_wait", "timers_add",
        "timers_remove", "conn_arg", "conn_loop", "loop_now", "sock_accept",
        "sock_would_block", "queue_room", "conn_queued", "has_progress",
        "has_input", "remove_file", "program_loop", "program_log",
        "on_signal_pipe", "loop_free", "loop_new", "server_start",
        "loop_own", "loop_disown", "server_on_error", "wait_ms",
        "loop_alive", "loop_signal", "fork_without")

# Handlers of signals.
HANDLERS = ("reap", "note_signal")

# gdb has to be told to stop here: nothing that is stepped through calls it.
STOPS = HANDLERS + ("on_signal",)

# Which phase of 06's loop a function belongs to.
PHASES = {"run_timers": "timers", "wait_for_events": "wait", "run_io": "I/O",
          "run_deferred": "tasks"}

# What is shown of a connection's struct.
FIELDS = ("start", "end", "life", "input", "output", "closing", "wants_drain")


# What a process that fork makes is.
CHILD = "worker" if os.environ.get("REPLAY_SCENARIO") == "workers" else "child"


class View:
    """A step, as the conditions of the moments see it."""

    def __init__(self, state, text):
        self.state = state
        self.text = text  # of the line at which the process stands
        self.kind = state["kind"]
        self.process_name = state["process"]
        self.process = state["processes"].get(state["process"], {})
        self.sockets = state["sockets"]
        self.clients = state["clients"]
        self.numbers = {name: fd for fd, name in
                        self.process.get("fds", {}).items()}
        self.numbers["g"] = self.process.get("locals", {}).get("w->generation")

    def blocked(self, *calls):
        return self.process.get("state") == "blocked" and \
            self.process.get("in") in calls

    def accepts(self, name):
        return self.call("accept", "accept4") and \
            self.server(name).get("accepted")

    def asleep(self):
        """How many processes sleep."""
        return sum(p["state"] == "blocked"
                   for p in self.state["processes"].values())

    def returned(self, result):
        return self.state["call"]["text"].endswith(result)

    def short_write(self):
        if not self.call("write", "send"):
            return False
        asked, sent = self.state["call"]["text"].rsplit(", ", 1)[1].split(
            ") = ")
        return sent != asked

    def server(self, name):
        return self.sockets.get(name, {}).get("server", {})

    def client(self, name):
        return self.sockets.get(name, {}).get("client", {})

    def pending(self, name):
        return sum(conn.get("pending", 0)
                   for conn in self.process.get("conns", [])
                   if conn["name"] == name)

    def function(self):
        return self.process.get("function")

    def call(self, *names):
        return self.state.get("call", {}).get("name") in names


class Scenario:
    """What a scenario may leave out."""
    small = 0        # the size of every socket's buffers; 0: as it is
    args = ()        # of the server, before HOST and PORT
    moments = {}     # name -> its condition, and what it means: a sentence.
                     # {A} is the number of A's descriptor.
    only = {}        # moments of these stages alone; "own": a reader's

    def moments_of(self, stage):
        """The names of the moments that a recording of this stage has, or
        may have: if it's a reader's own."""
        number = stage[:2] if stage[0] == "0" else "own"
        return [name for name in self.moments
                if number in self.only.get(name, number)]


class Silent(Scenario):
    title = "The first client is silent"
    about = ("A connects and says nothing. B connects and says Hello. Who "
             "gets an answer, and when? Then both talk at once, and leave.")
    clients = "AB"
    moments = {
        "a-accepted": (
            lambda s: s.accepts("A"),
            "The kernel has taken it out of the accept queue."),
        "b-waits": (lambda s: s.server("B").get("recv") == 5 and
                    not s.server("B")["accepted"] and s.blocked("read"),
                    "The server sleeps in read for A, so nothing accepts B."),
        "b-sends": (lambda s: s.kind == "client" and
                    s.server("B").get("recv") == 5 and
                    s.server("B")["accepted"],
                    "It's in the server's receive buffer for B until it's "
                    "read."),
        "b-served": (lambda s: s.clients["B"]["got"] >= 5,
                     "B has its answer. Look at what A has done by now."),
        "both-ready": (
            lambda s: s.server("A").get("recv") and
            s.clients["B"]["sent"] == 10,
            "The debugger has held whoever reads it until both had sent."),
        "fork": (lambda s: s.call("fork"),
                 "The child has a copy of each descriptor, A's among them."),
        "parent-closes": (
            lambda s: s.call("close") and s.process_name == "p1",
            "The child has its own, so A stays connected."),
        "two-processes": (lambda s: s.asleep() == 2,
                          "Now both processes sleep, each in its own call."),
        "child-ends": (
            lambda s: s.kind == "exit",
            "That ends A's connection, as no other process has it open."),
        "eintr": (
            lambda s: s.call("accept") and s.returned("EINTR"),
            "The signal was SIGCHLD. The server will call accept again."),
    }
    only = {**dict.fromkeys(("fork", "parent-closes", "two-processes",
                             "child-ends", "eintr"), "02"),
            "b-waits": "01 own", "b-sends": "02 03 04 05 06 own"}

    @staticmethod
    def script(r):
        a, b = r.clients["A"], r.clients["B"]
        a.connect()
        yield
        b.connect()
        yield
        b.send(b"Hello")
        yield
        a.send(b"Hello")
        yield "freeze"
        b.send(b"Again")
        yield
        a.close()
        yield
        b.close()
        yield


SMALL = ("To keep it to a few steps, the kernel is told to make all "
         "buffers small (net.ipv4.tcp_rmem and tcp_wmem).")


DRAINED = (lambda s: s.clients["A"]["got"] == s.clients["A"]["sent"] > 0,
           "A has all of it: nothing is lost.")


class HalfClose(Scenario):
    title = "A half-close with bytes pending"
    about = ("A fills the server's receive buffer, says with a FIN that no "
             "more will come, and only then reads. The server echoes all of "
             "it, and its FIN comes last. " + SMALL)
    small = 4608
    clients = "A"
    moments = {
        "fin": (
            lambda s: s.server("A").get("state") == "CLOSE_WAIT",
            "A's FIN is in the receive buffer, behind bytes that the server "
            "hasn't read."),
        "eof": (lambda s: s.call("read") and s.returned(" = 0"),
                "All that came before it has been read."),
        "server-fin": (
            lambda s: s.client("A").get("state") == "TIME_WAIT" or
            s.server("A").get("state") in ("FIN_WAIT1", "LAST_ACK", "CLOSING"),
            "The server's FIN waits in the send buffer, behind bytes for A."),
        "drained": DRAINED,
    }

    @staticmethod
    def script(r):
        a = r.clients["A"]
        a.connect()
        yield
        for size in (r.fill, r.fill // 2):
            a.send(b"x" * size, "doesn't read yet", expects=False)
            yield "freeze"
        a.half_close("doesn't read yet")
        yield
        while a.read(does="reads") > 0:
            yield
        a.close()
        yield


class Stalled(Scenario):
    title = "A peer that doesn't read"
    about = ("A sends and sends, and reads nothing. Four buffers fill, one "
             "after the other: A's receive buffer, the server's send buffer, "
             "the server's receive buffer, A's send buffer. Then A reads, and "
             "all of it drains. " + SMALL)
    small = 4608
    clients = "A"
    moments = {
        "a-receive-full": (lambda s: s.server("A").get("send", 0) > 0,
                           "A's receive buffer is full. A's kernel tells the "
                           "server's to send no more (TCP's window), so the "
                           "server's send buffer begins to fill."),
        "server-send-full": (
            lambda s: s.blocked("write") or s.short_write(),
            "The server's send buffer has no room for the rest."),
        "interest-changes": (
            lambda s: s.blocked("select", "poll", "epoll_wait") and
            s.pending("A") > 0, "The server waits until A can take more, and "
            "doesn't read from A meanwhile."),
        "server-receive-full": (
            lambda s: s.client("A").get("send", 0) > 0, "The server's receive "
            "buffer is full: A's send buffer begins to fill."),
        "a-send-full": (lambda s: s.clients["A"].get("does") == "can't send",
                        "All four buffers are full."),
        "drains": (
            lambda s: s.clients["A"]["got"] > 0,
            "That makes room, and the buffers drain one after the other."),
        "drained": DRAINED,
    }
    only = {"interest-changes": "03 04 05 06"}

    @staticmethod
    def script(r):
        a = r.clients["A"]
        a.connect()
        yield
        while a.send(b"x" * r.chunk, "doesn't read", expects=False) > 0:
            yield
        yield
        while a.got < a.sent:
            a.read(does="reads")
            yield
        a.close()
        yield


class Descriptors(Scenario):
    title = "No descriptor left"
    about = ("The server has as many connections as the limit of open files "
             "allows: the recorder sets the limit to what is in use. B "
             "connects. accept fails, and the listening socket stays "
             "readable: the server stops watching it for a while. The clock "
             "stands still while the server is stepped: time passes only "
             "while it waits.")
    clients = "AB"
    moments = {
        "limit": (lambda s: "limit" in s.state["now"],
                  "The server has no descriptor left."),
        "emfile": (
            lambda s: s.call("accept", "accept4") and s.returned("EMFILE"),
            "B stays in the accept queue."),
        "paused": (lambda s: s.kind == "blocked" and
                   s.blocked("select", "poll", "epoll_wait") and
                   s.sockets["listen"]["queue"] == 1,
                   "It doesn't watch the listening socket meanwhile, or "
                   "each wait would return at once, over and over."),
        "resumed": (lambda s: s.accepts("B"),
                    "A has left, so there is a descriptor for B."),
        "b-served": (lambda s: s.clients["B"]["got"] >= 5,
                     "B has its answer."),
    }

    @staticmethod
    def script(r):
        a, b = r.clients["A"], r.clients["B"]
        a.connect()
        yield
        r.no_more_descriptors()
        yield "freeze"
        b.connect("waits to be accepted")
        yield
        yield "time"
        a.close()
        yield
        yield "time"
        b.send(b"Hello")
        yield


def hello(r, meanwhile):
    """A says Hello, then something else happens, and only then A reads what
    has come, and leaves."""
    a = r.clients["A"]
    a.connect()
    yield
    a.send(b"Hello")
    yield from meanwhile
    a.read()
    yield "freeze"
    a.close()
    yield


class Idle(Scenario):
    title = "Idle for too long"
    about = ("The server runs with -t 1: a connection may be idle for a "
             "second. A says Hello, and then nothing. The clock stands still "
             "while the server is stepped: time passes only while it waits.")
    args = ("-t", "1")
    clients = "A"
    moments = {
        "timer-starts": (lambda s: s.call("accept4", "accept"),
                         "From now on, A may be idle for a second."),
        "timer": (lambda s: s.function() == "conn_on_idle",
                  "The second is over, and this is the timer's callback."),
        "on-timeout": (lambda s: s.function() == "on_timeout",
                       "The server's handler closes the connection."),
        "closed": (lambda s: s.clients["A"]["state"] == "closed",
                   "Now both ends are closed."),
    }

    @staticmethod
    def script(r):
        return hello(r, (None, "time"))


class Sigterm(Scenario):
    title = "SIGTERM during an echo"
    about = ("A's Hello has arrived, but the server hasn't read it yet. Then "
             "somebody sends SIGTERM. A still gets its answer, then the "
             "server's FIN, and the server ends.")
    clients = "A"
    moments = {
        "signal": (lambda s: "SIGTERM" in s.state["now"],
                   "A's Hello waits to be read."),
        "handler": (lambda s: s.function() == "note_signal",
                    "All it does is to write a byte to the signal pipe."),
        "eintr": (lambda s: s.call("epoll_wait") and s.returned("EINTR"),
                  "poller_wait makes 0 events of that, and the loop goes "
                  "round: the next wait finds the pipe."),
        "callback": (lambda s: s.function() == "on_signal",
                     "on_signal is a callback of the loop, not the signal's "
                     "handler: it may call any function."),
        "answered": (lambda s: s.clients["A"]["got"] == 5,
                     "A has its answer all the same."),
        "ends": (lambda s: s.kind == "exit",
                 "Its loop had nothing left to wait for."),
    }

    @staticmethod
    def script(r):
        def meanwhile():
            yield "freeze"
            r.send_signal(15)
            yield
        return hello(r, meanwhile())


class Stale(Scenario):
    title = "A stale event"
    about = ("Not stage 06's server, but docs/replay/stale.c on its loop: "
             "whoever sends a ! has the newest connection closed, and the "
             "next one accepted. A sends one while B's Hello has arrived as "
             "well, and C waits. C gets B's descriptor, for which the loop "
             "still has B's event.")
    clients = "ABC"
    moments = {
        "three-ready": (lambda s: s.call("epoll_wait") and
                        s.state["call"]["text"].count(": IN") == 3,
                        "The loop handles their events one by one: A's, B's, "
                        "and then the listening socket's."),
        "closed": (lambda s: s.call("close"), "The loop still has B's event."),
        "same-number": (
            lambda s: s.accepts("C"),
            "It's the number that B had, and B's event is still to come."),
        "stale-dropped": (
            lambda s: s.function() == "run_io" and
            s.process["locals"].get("e") == "fd %s, IN" %
            s.numbers.get("C") and
            s.text.startswith("w = &loop->watchers"),
            "Both are {g}: the watcher of {C} began after this wait, so the "
            "event isn't C's. It was B's, and is dropped."),
        "c-served": (lambda s: s.clients["C"]["got"] == 5,
                     "C has its answer."),
    }

    @staticmethod
    def script(r):
        a, b, c = (r.clients[name] for name in "ABC")
        a.connect()
        yield
        b.connect()
        yield
        a.send(b"!")
        yield "freeze"
        b.send(b"Hello")
        yield "freeze"
        c.connect("waits to be accepted")
        yield
        c.send(b"Hello")
        yield


class Workers(Scenario):
    title = "Two workers"
    about = ("The server runs with -w 2: it listens and forks two workers, "
             "which accept from the one listening socket. A comes, then B. "
             "Each wakes both workers, and who accepts is up to the kernel; "
             "here the recorder holds worker 2 until B comes.")
    args = ("-w", "2")
    clients = "AB"
    moments = {
        "fork": (lambda s: s.call("fork"),
                 "The worker has a copy of each descriptor, but makes a loop "
                 "of its own."),
        "all-sleep": (lambda s: s.asleep() == 3,
                      "The parent waits for signals and for the end of its "
                      "workers. Both workers wait for clients."),
        "a-accepted": (lambda s: s.accepts("A"),
                       "It's worker 1's now. A would have woken worker 2 as "
                       "well, but the recorder holds it until B comes."),
        "both-wake": (lambda s: s.process_name == "p3" and
                      s.call("epoll_wait"),
                      "B in the accept queue has woken both workers: their "
                      "listening socket is the same."),
        "b-accepted": (lambda s: s.accepts("B"), "Worker 2 was first."),
        "too-late": (lambda s: s.process_name == "p2" and s.accepts("B"),
                     "Worker 2 was first. With a blocking listening socket, "
                     "worker 1 would now sleep in accept, and its own client, "
                     "A, would get no answer."),
        "b-served": (lambda s: s.clients["B"]["got"] == 5,
                     "Each worker serves its own client; the parent sleeps "
                     "all the time."),
    }

    @staticmethod
    def script(r):
        a, b = r.clients["A"], r.clients["B"]
        a.connect()
        r.let("p2")
        yield
        b.connect()
        r.let("p2", 1)
        r.let("p3")
        yield
        a.send(b"Hello")
        r.let("p2")
        yield
        b.send(b"Hello")
        r.let("p3")
        yield


SCENARIOS = {"silent": Silent(), "half-close": HalfClose(),
             "stalled": Stalled(), "descriptors": Descriptors(),
             "idle": Idle(), "sigterm": Sigterm(),
             "stale": Stale(), "workers": Workers()}
