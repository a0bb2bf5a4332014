"""recorder -- runs inside gdb: steps a server and writes down what it sees

docs/replay/record starts it, and tells it what to do in variables REPLAY_….
It steps the server line by line. When the server sleeps in a system call, a
second thread, which never calls gdb, stops it there with SIGSTOP. Then the
scenario's next client acts, the kernel's figures are noted, and the server
goes on: its call starts again as if nothing had happened.
"""
import json
import os
import re
import resource
import signal
import sys
import threading
import time
import traceback

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import scenarios  # noqa: E402
from calls import (  # noqa: E402
    ALIKE, CALLS, REGISTERS, TOUCH, WAITS, Call, CallBreakpoint,
    ReturnBreakpoint, errno_name)
from clients import Client, Failure, Kernel, Over  # noqa: E402
from values import Shown  # noqa: E402

JOB = {name: os.environ["REPLAY_" + name.upper()] for name in (
    "stage", "scenario", "server", "port", "clock", "out", "own_net",
    "chunk", "made")}
MAX_STEPS = 1500
MAX_RUN = 250  # steps without a client's action


class Process:
    def __init__(self, name, inferior, role):
        self.name = name
        self.number = inferior.num
        self.pid = inferior.pid
        self.role = role
        self.title = role
        self.fds = {}
        self.call = None          # the call that it is in, or None
        self.polled = {}          # descriptor -> what epoll watches it for
        self.calls = []           # texts and sentences of what returned
        self.interrupted = False  # the watcher stopped it in self.call
        self.at = None            # its socket's figures then
        self.asleep = False       # and so will be, until a client acts
        self.signaled = False     # a signal with a handler is on its way
        self.found = {}           # address -> pointer to a connection
        self.shown = {}           # as in the recording
        self.ran = [""]           # for each frame, the lines that have run
        self.exited = False


class Watcher(threading.Thread):
    """Stops a process that sleeps in a call."""

    def __init__(self):
        super().__init__(daemon=True)
        self.process = None
        self.start()

    def run(self):
        # gdb may wait for SIGCHLD, in the main thread: it must come there.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
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
        """True if the process is off the run queue, in a system call. The
        state S alone says only that it may be about to sleep."""
        def state():
            with open("/proc/%d/stat" % pid, encoding="ascii",
                      errors="replace") as file:
                return file.read().rsplit(")", 1)[1].split()[0]

        try:
            if state() != "S":
                return False
            with open("/proc/%d/syscall" % pid, encoding="ascii") as file:
                return file.read(1).isdigit() and state() == "S"
        except OSError:
            return False


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
                    file.write("4096 %d %d" % (self.small, self.small))
        self.skipping = False
        self.spins = False  # the server has run on and on

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
                "set print inferior-events off",
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
                          "be debugged: build it with -O0 -g") from error
        gdb.execute("run", to_string=True)
        inferior = gdb.selected_inferior()
        if not inferior.pid:
            raise Failure("the server ended at once")
        if gdb.selected_frame().find_sal().symtab is None:
            raise Failure("the server has no line numbers: build it with "
                          "-O0 -g")
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
        for name in (*CALLS, *ALIKE):
            CallBreakpoint(self, name)

    def find_port(self, pid):
        mine = set()
        for fd in os.listdir("/proc/%d/fd" % pid):
            link = os.readlink("/proc/%d/fd/%s" % (pid, fd))
            if link.startswith("socket:["):
                mine.add(int(link[8:-1]))
        for local, _, state, _, _, inode in Kernel(0).rows():
            if state == "LISTEN" and inode in mine:
                self.kernel = Kernel(local)
                return
        raise Failure("the server has no listening TCP socket")

    # calls

    def register(self, name):
        return int(gdb.parse_and_eval("$" + name)) & (2 ** 64 - 1)

    def call_begins(self, name):
        args = [self.register(it) for it in REGISTERS[self.arch][0]]
        p = self.process
        if name in ALIKE:
            name = ALIKE[name]
            if p.call is not None and p.call.name == name:
                return  # musl's recv calls recvfrom
        # A signal's handler may call while another call is under way.
        _, callee = self.user_frame()
        within = callee.name() if callee and \
            callee.name() in scenarios.SKIP else ""
        p.call = Call(name, args, self, p.call, within)
        # The watcher has to find it asleep, on a busy machine as well: it's
        # told to wait five times as long. The server's clock doesn't know.
        if p.call.timeout and name == "select":
            gdb.selected_inferior().write_memory(
                args[4], b"".join(n.to_bytes(8, sys.byteorder) for n in (
                    p.call.timeout // 200, p.call.timeout % 200 * 5000)))
        elif p.call.timeout and name in ("poll", "epoll_wait"):
            gdb.execute("set $%s = %d" % (
                REGISTERS[self.arch][0][2 if name == "poll" else 3],
                5 * p.call.timeout))
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
        if call.name == "epoll_ctl" and value == 0:
            p.polled[str(call.args[2])] = call.events
        if call.name in WAITS and value == 0 and call.timeout and self.clock:
            now = int.from_bytes(inferior.read_memory(self.clock, 8),
                                 sys.byteorder)
            inferior.write_memory(self.clock, (now + call.timeout).to_bytes(
                8, sys.byteorder))
        where = "'s ".join(filter(None, (
            p.role == "worker" and p.title, call.within)))
        p.calls.append((call.name, call.text(value, error),
                        "In %s, " % where * bool(where) +
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
            p.ran[-1] += p.text + "\n"
        else:  # what main did before
            p.ran = ["\n".join(self.lines[sal.symtab.fullname()][
                frame.function().line:sal.line - 1])]
        del p.ran[len(stack):]
        p.ran += [""] * (len(stack) - len(p.ran))
        p.text = self.text = self.line_of(sal)
        if p.calls or not p.fds:
            p.fds = self.kernel.fds(p.pid)
        p.polled = {fd: events for fd, events in p.polled.items()
                    if events and fd in p.fds}
        it = {"name": p.title, "file": name, "line": sal.line,
              "function": frame.name(), "stack": stack, "state": "runs",
              "in": "", "locals": self.shown.locals(frame, sal, p.ran[-1]),
              "globals": self.shown.globals(
                  [self.symtabs[key] for key in sorted(self.symtabs)]),
              "conns": self.shown.conns(p.found, p.fds), "fds": p.fds,
              "watches": p.polled}
        for function, phase in scenarios.PHASES.items():
            if function in stack:
                it["phase"] = phase
        p.shown = it

    def add(self, kind, now, call=None):
        process = self.last["process"] if kind in ("client", "outside") \
            else self.process.name
        state = {"now": now, "kind": kind, "process": process,
                 "processes": {p.name: p.shown for p in self.processes},
                 "sockets": self.sockets,
                 "clients": {name: client.as_state()
                             for name, client in self.clients.items()}}
        if call:
            state["call"] = {"name": call[0], "text": call[1]}
        state = json.loads(json.dumps(state))
        self.find_moments(state)
        if len(self.steps) == MAX_STEPS - 1:
            state["means"] = "%sThe recording ends here, after %d steps." % (
                "It never sleeps. " * self.spins, MAX_STEPS)
        if self.last is None:
            self.start = state
        else:
            self.steps.append(difference(self.last, state))
        self.last = state
        if len(self.steps) == MAX_STEPS:
            raise Over

    def find_moments(self, state):
        """Notes the moments that this state is, and what they mean."""
        view = scenarios.View(state, self.text)
        for name in self.scenario.moments_of(JOB["stage"]):
            condition, meaning = self.scenario.moments[name]
            if name not in self.moments and condition(view):
                self.moments[name] = len(self.steps) + (self.last is not None)
                state["means"] = " ".join(filter(None, (
                    state.get("means"), meaning.format_map(view.numbers))))

    def new_processes(self):
        """Finds the children that fork has made."""
        known = {p.number for p in self.processes}
        for inferior in gdb.inferiors():
            if inferior.num in known or not inferior.pid:
                continue
            number = len(self.processes)
            child = Process("p%d" % (number + 1), inferior, scenarios.CHILD)
            child.calls = [("fork", "fork() = 0",
                            "In the child, fork returns 0.")]
            child.found = dict(self.process.found)
            child.ran, child.text = list(self.process.ran), self.process.text
            self.processes.append(child)
            child.fds = self.kernel.fds(child.pid)
            for name in set(child.fds.values()) & set(self.clients):
                child.title = "child for " + name
            if scenarios.CHILD == "worker":
                child.title = "worker %d" % number
            # It stands in fork, on the line on which its parent has been.
            child.shown = dict(self.process.shown, name=child.title,
                               watches={})

    def one_step(self, p):
        """Lets p run one line, and writes it down."""
        self.process = p
        was = p.shown
        line, stack = was["line"], was["stack"]
        self.go_on(p, watch=not self.skipping)
        if not p.exited and len(gdb.selected_inferior().threads()) > 1:
            raise Failure("the server starts a thread, and the recorder can "
                          "step only processes")
        self.new_processes()
        if p.exited:
            p.shown = {"name": p.title, "state": "exited", "in": "",
                       "file": p.shown["file"], "line": line,
                       "function": p.shown["function"], "stack": stack}
            self.sockets = self.kernel.settled()
            for other in self.processes:
                other.asleep = False  # for SIGCHLD
            self.add("exit", "The %s ends: the kernel closes its descriptors."
                     % p.title)
            return
        if p.asleep:
            if p.shown["state"] != "blocked":
                name = p.call.name if p.call is not None else "a call"
                if name in TOUCH:
                    self.sockets = self.kernel.settled()
                p.at = self.figures(p)
                p.shown = dict(
                    p.shown, state="blocked",
                    watches=p.call.watches(p.polled) if p.call else {})
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
        elif p.shown["function"] in scenarios.HANDLERS and \
                len(p.shown["stack"]) > len(stack):
            number = self.register(REGISTERS[self.arch][0][0])
            self.add("line", "%s has come: the kernel interrupts %s and has "
                     "it run the handler, %s." % (
                         signal.Signals(number).name, stack[-1],
                         p.shown["function"]))
        else:
            self.add("line", "")  # the page says what it did

    def sleep_sentence(self, p):
        if p.call is None:
            return "The %s sleeps in a call." % p.title
        name = p.call.name
        inner = p.call.within and p.call.within + "'s "
        whose = p.fds.get(str(p.call.fd), "")
        title = p.title.capitalize() if p.role == "worker" else \
            "The " + p.title
        who = "%s sleeps in %s%s" % (title, inner, name)
        if name in ("read", "recv"):
            return "%s until %s sends something." % (who, whose)
        if name in ("write", "send"):
            left = p.call.args[2] - p.call.written
            value = self.register(REGISTERS[self.arch][3])
            return "%s until %s reads: %d of the %d bytes fit, the buffers " \
                "towards %s are full." % (
                    who, whose, p.call.written +
                    (value if 0 < value < left else 0), p.call.args[2], whose)
        if name in ("accept", "accept4"):
            return "%s until a client connects." % who
        if p.call.timeout:
            return "%s until something is ready, for at most %d ms." % (
                who, p.call.timeout) if name != "nanosleep" else \
                "%s for %d ms." % (who, p.call.timeout)
        return who + " until something is ready."

    def run_until_quiet(self):
        """Lets the server run until all of its processes sleep, or for so
        many steps that it will never do so."""
        for _ in range(MAX_RUN):
            ready = [p for p in self.processes
                     if not p.exited and not p.asleep]
            if not ready:
                return
            self.one_step(self.process if self.process in ready else ready[0])
        self.spins = True

    # what a scenario may do beside what its clients do

    def let(self, name, steps=MAX_RUN):
        """Lets one process run until it sleeps, or for so many steps."""
        self.wake()
        p = next(it for it in self.processes if it.name == name)
        while steps > 0 and not p.asleep and not p.exited:
            self.one_step(p)
            steps -= 1

    def no_more_descriptors(self):
        """Makes the descriptors that are in use the limit."""
        p = self.processes[0]
        n = max(map(int, p.fds)) + 1
        resource.prlimit(p.pid, resource.RLIMIT_NOFILE, (n, n))
        self.add("outside", "The limit of open files is now what is in use.")

    def send_signal(self, number):
        p = self.processes[0]
        os.kill(p.pid, number)
        p.signaled = True
        self.add("outside", "The recorder sends %s to the server." %
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
        try:
            self.run_until_quiet()
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
            "format": 1,
            "id": JOB["stage"].split("-")[0] + "-" + JOB["scenario"],
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
        if "optimized out" in str(error):
            error = "the server was optimized: build it with -O0 -g"
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
