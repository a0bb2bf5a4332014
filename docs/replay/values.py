"""values -- turns what a program holds into short texts that don't vary"""
import re

import gdb

import scenarios

# Variables that vary, or say nothing.
SKIPPED_LOCALS = ("argc", "argv", "host", "port", "delay", "timeout",
                  "on_child", "events")


def quoted(data, most=12):
    """Bytes as C would write them, abbreviated."""
    text = "".join(chr(b) if 32 <= b < 127 and b not in (34, 92)
                   else "\\n" if b == 10 else "\\%o" % b for b in data[:most])
    return '"%s"%s' % (text, "…" if len(data) > most else "")


def fd_set(data):
    """The numbers in an fd_set."""
    return [8 * i + bit for i, byte in enumerate(data) for bit in range(8)
            if byte >> bit & 1]


def memory(address, n):
    return bytes(gdb.selected_inferior().read_memory(address, n))


def is_char(type_):
    return type_.code == gdb.TYPE_CODE_INT and type_.sizeof == 1


def fields(type_):
    """The names in the struct that a pointer of this type leads to."""
    it = type_.strip_typedefs()
    if it.code == gdb.TYPE_CODE_PTR:
        it = it.target().strip_typedefs()
        if it.code == gdb.TYPE_CODE_STRUCT:
            return [field.name for field in it.fields()]
    return []


def symbols(frame):
    """The variables of a frame, those of the innermost block first."""
    try:
        block = frame.block()
    except RuntimeError:
        return
    while block is not None and not block.is_static:
        yield from block
        if block.function is not None:
            return
        block = block.superblock


class Shown:
    """Turns values of the program into short texts that don't vary."""

    def __init__(self, recorder):
        self.recorder = recorder

    def is_conn(self, type_):
        """True if it's a pointer to a struct that has an fd, and isn't an
        event for a descriptor."""
        return "fd" in fields(type_) and not re.search(
            "event|poll",
            str(type_.strip_typedefs().target().strip_typedefs()))

    def pointer(self, value, type_):
        address = int(value)
        target = type_.target().strip_typedefs()
        if address == 0:
            return "NULL"
        if target.code == gdb.TYPE_CODE_FUNC:
            block = gdb.block_for_pc(address)
            return block.function.name if block and block.function else None
        if str(type_.target()) == "fd_set":
            return self.text(value.dereference())
        if is_char(target):
            return quoted(memory(address, 64).split(b"\0")[0])
        if "fd" in fields(type_):
            fd = str(int(value["fd"]))
            if str(target).endswith("struct poller_event"):
                return "fd %s, %s" % (fd, "|".join(
                    word for bit, word in ((1, "IN"), (2, "OUT"))
                    if int(value["events"]) & bit))
            name = self.recorder.process.fds.get(fd)
            if name in self.recorder.clients:
                return name
        return None

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
        """The variables of the innermost frame that have a value by now: ran,
        the text of all lines that have run in it, names them."""
        result = {}
        named = set(re.findall(r"\w+", ran))
        for symbol in symbols(frame):
            if (not (symbol.is_variable or symbol.is_argument) or
                    symbol.name in result or symbol.name in SKIPPED_LOCALS or
                    symbol.addr_class in (gdb.SYMBOL_LOC_STATIC,
                                          gdb.SYMBOL_LOC_OPTIMIZED_OUT) or
                    not symbol.is_argument and
                    (symbol.line >= sal.line or symbol.name not in named)):
                continue
            try:
                value, name = symbol.value(frame), symbol.name
                text = self.text(value)
                if text is None and "generation" in fields(value.type):
                    name += "->generation"
                    text = self.text(value["generation"])
            except gdb.MemoryError:
                text = None
            if text is not None:
                result[name] = text[:40]
        return result

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
        for symbol in symbols(frame):
            if (symbol.is_argument or symbol.is_variable and
                    symbol.line < frame.find_sal().line) and \
                    self.is_conn(symbol.type):
                value = symbol.value(frame)
                if int(value) != 0:
                    found[int(value)] = value

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
