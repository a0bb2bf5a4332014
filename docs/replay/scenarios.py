"""scenarios -- what the clients do, and the moments worth pointing at

A script acts through the clients, then yields: the server runs until it
sleeps. It yields "freeze" to let another action follow at once, and "time" to
let the call in which the server sleeps wait for as long as it says.
"""


# Functions that are run, but not stepped through: they are no part of the
# story.
SKIP = ("announce", "may_log", "now_ms", "set_nonblocking", "pause_left",
        "conn_wants_read", "conn_wants_write", "grow",
        # stage 06
        "clock_ms", "conn_init", "poller_set", "poller_wait", "timers_add",
        "timers_remove", "conn_arg", "conn_loop", "loop_now", "sock_accept",
        "sock_would_block", "queue_room", "conn_queued", "has_progress",
        "has_input", "remove_file", "program_loop", "program_log",
        "loop_own", "loop_disown", "server_on_error", "wait_ms",
        "loop_alive")

# Handlers of signals: gdb stops in them only if it's told to.
HANDLERS = ("reap", "note_signal")

# Which phase of 06's loop a function belongs to.
PHASES = {"run_timers": "timers", "wait_for_events": "wait", "run_io": "I/O",
          "run_deferred": "tasks"}

# What is shown of a connection's struct.
FIELDS = ("start", "end", "life", "input", "output", "closing", "wants_drain")


class View:
    """A step, as the conditions of the moments see it."""

    def __init__(self, state, last):
        self.state = state
        self.last = last
        self.kind = state["kind"]
        self.process = state["processes"].get(state["process"], {})
        self.sockets = state["sockets"]
        self.clients = state["clients"]

    def blocked(self, *calls):
        return self.process.get("state") == "blocked" and \
            self.process.get("in") in calls

    def recv(self, name):
        return self.sockets.get(name, {}).get("server", {}).get("recv", 0)

    def call(self, *names):
        call = self.state.get("call") or {}
        return call.get("name") in names


class Silent:
    title = "The first client is silent"
    about = ("A connects and says nothing. B connects and says Hello. Who "
             "gets an answer, and when? Then A says Hello as well, and both "
             "leave.")
    clients = "AB"
    descriptors = 0
    moments = {
        "b-waits": lambda s: s.kind == "client" and s.recv("B") == 5,
        "b-served": lambda s: s.clients["B"]["got"] == 5,
    }

    @staticmethod
    def required(_stage):
        return ("b-waits", "b-served")

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
        yield
        a.close()
        yield
        if b.state != "closed":
            b.close()
        yield


SCENARIOS = {"silent": Silent}
