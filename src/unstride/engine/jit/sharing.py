"""How threads share a job, in compiled code.

Each has a part of the task indices, one after the other, for neighbours share inputs and weights, and its part of the
outputs is in its own cache when the next layer has the same parts. Who is done helps the others: the next index of each
part is an atomic counter.

All else is in a block of 64-bit words. The state, its first, is
``jobs so far · 2³² + open places · 2¹⁶ + workers inside``:

- the leader writes the job, then opens places, one job more (release);
- a worker enters by compare-and-swap of the state, to one place fewer and one worker more, and only then reads the
  job (acquire); the place that it took says its number;
- whoever finds no index left closes the places; a worker leaves by taking itself off the state (release);
- the leader is done when nobody is inside (acquire): every index was taken by somebody who has left since, and who
  comes late finds no place.

A worker goes to sleep when no job came for a while, or more workers are awake than the last job had places for. No
wake is lost: the leader opens places and then reads how many sleep, a worker counts itself asleep and then reads the
state, all sequentially consistent, so one of them sees the other. Orders: https://llvm.org/docs/Atomics.html.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from llvmlite import ir

from .target import Target
from .words import ALIGNMENT, Word

PLACE, JOB = 1 << 16, 1 << 32
"""one open place, and one job, in the state"""

BREATH = 32
"""pauses, about a microsecond, after which whoever waits lets another thread have the core"""


VOID, I64 = ir.VoidType(), ir.IntType(64)
Task = Callable[[ir.Value], object]
"""emits the call of the task with an index"""
BLOCK, BYTES = I64.as_pointer(), ir.IntType(8).as_pointer()
TASK = ir.FunctionType(VOID, [BYTES, I64, I64]).as_pointer()
YIELD = ir.FunctionType(ir.IntType(32), []).as_pointer()


def emit(target: Target) -> ir.Module:
    """The module of ``alone``, ``stay``, ``spin``, ``lead``, ``finish`` and ``serve``, described where emitted."""
    module = ir.Module("pool")
    hint = _declare_hint(module, target)
    drain = _emit_drain(module)
    complete = _emit_complete(module, drain, hint)
    _emit_alone(module)
    _emit_stay(module)
    _emit_spin(module, hint)
    _emit_lead(module, complete)
    _emit_finish(module, complete)
    _emit_serve(module, drain, hint)
    return module


class _Code(ir.IRBuilder):  # type: ignore[misc] # llvmlite has no types
    """A function in construction; its argument ``words`` is the block, the others are integers."""

    def __init__(self, module: ir.Module, name: str, result: ir.Type, arguments: str) -> None:
        names = arguments.split()
        kinds = [BLOCK if argument == "words" else I64 for argument in names]
        self.whole = ir.Function(module, ir.FunctionType(result, kinds), name)
        self.given: dict[str, ir.Value] = dict(zip(names, self.whole.args, strict=True))
        super().__init__(self.whole.append_basic_block("entry"))

    def blocks(self, names: str) -> list[ir.Block]:
        """Basic blocks of these names, still empty."""
        return [self.append_basic_block(name) for name in names.split()]

    def begin(self, block: ir.Block) -> None:
        """Go on in this block, from the end of the present one if that is still open."""
        if not self.block.is_terminated:
            self.branch(block)
        self.position_at_end(block)

    def at(self, word: Word) -> ir.Value:
        """The word's address."""
        return self.gep(self.given["words"], [I64(int(word))])

    def get(self, word: Word, order: str = "monotonic") -> ir.Value:
        """The word."""
        return self.load_atomic(self.at(word), order, 8)

    def put(self, word: Word, value: ir.Value) -> None:
        """Set the word, in no order."""
        self.store_atomic(value, self.at(word), "monotonic", 8)

    def change(self, operation: str, word: Word, value: ir.Value, order: str) -> ir.Value:
        """Change the word; what it was before."""
        return self.atomic_rmw(operation, self.at(word), value, order)

    def swap(self, word: Word, old: ir.Value, new: ir.Value, order: str) -> ir.Value:
        """Change the word from ``old`` to ``new``; whether it was ``old``."""
        return self.extract_value(self.cmpxchg(self.at(word), old, new, order, "monotonic"), 1)

    def open(self, state: ir.Value) -> ir.Value:
        """Whether the state has an open place."""
        return self.icmp_unsigned("!=", self.and_(state, I64(JOB - PLACE)), I64(0))

    def wanted(self) -> ir.Value:
        """Whether the last job had places for all who are awake."""
        awake = self.sub(self.get(Word.WORKERS), self.get(Word.ASLEEP))
        return self.icmp_signed("<=", awake, self.get(Word.PLACES))

    def least(self, a: ir.Value, b: ir.Value) -> ir.Value:
        """The smaller one."""
        return self.select(self.icmp_signed("<", a, b), a, b)

    def give_way(self) -> None:
        """Let another thread have the core."""
        self.call(self.inttoptr(self.get(Word.YIELD), YIELD), [])


def _declare_hint(module: ir.Module, target: Target) -> Callable[[_Code], None]:
    """What emits the CPU's hint that a loop is waiting."""
    values: list[ir.Value] = []
    if target.triple.startswith(("x86_64", "i686")):
        name = "llvm.x86.sse2.pause"
    elif target.triple.startswith(("aarch64", "arm64")):
        name, values = "llvm.aarch64.hint", [ir.IntType(32)(1)]
    else:
        return lambda _: None
    hint = ir.Function(module, ir.FunctionType(VOID, [value.type for value in values]), name)

    def emit_hint(code: _Code) -> None:
        code.call(hint, values)

    return emit_hint


def emit_parts(
    code: ir.IRBuilder, counters: ir.Value, worker: ir.Value, parts: ir.Value, count: ir.Value, task: Task
) -> None:
    """Do the indices of the worker's part, then those that the others have left; ``counters`` start at 0."""
    with _each(code, parts) as helped:
        whose = code.urem(code.add(worker, helped), parts)
        begin = code.udiv(code.mul(whose, count), parts)
        end = code.udiv(code.mul(code.add(whose, I64(1)), count), parts)
        counter = counter_of(code, counters, whose)
        more, work, none = (code.append_basic_block(name) for name in ("more", "work", "none"))
        code.branch(more)
        code.position_at_end(more)
        index = code.add(begin, code.atomic_rmw("add", counter, I64(1), "monotonic"))
        code.cbranch(code.icmp_signed("<", index, end), work, none)
        code.position_at_end(work)
        task(index)
        code.branch(more)
        code.position_at_end(none)


def emit_begin(code: ir.IRBuilder, counters: ir.Value, parts: ir.Value) -> None:
    """Set the counters of so many parts to 0."""
    with _each(code, parts) as part:
        code.store_atomic(I64(0), counter_of(code, counters, part), "monotonic", 8)


@contextmanager
def _each(code: ir.IRBuilder, count: ir.Value) -> Iterator[ir.Value]:
    """Every index below a count, one after the other."""
    turn, body, done = (code.append_basic_block(name) for name in ("turn", "body", "done"))
    entry = code.block
    code.branch(turn)
    code.position_at_end(turn)
    index = code.phi(I64)
    index.add_incoming(I64(0), entry)
    code.cbranch(code.icmp_signed("<", index, count), body, done)
    code.position_at_end(body)
    yield index
    index.add_incoming(code.add(index, I64(1)), code.block)
    code.branch(turn)
    code.position_at_end(done)


def counter_of(code: ir.IRBuilder, counters: ir.Value, part: ir.Value) -> ir.Value:
    """The address of a part's counter."""
    return code.gep(counters, [code.mul(part, I64(ALIGNMENT // 8))])


def _emit_drain(module: ir.Module) -> ir.Function:
    """``drain(words, worker)``: do indices until none is left, then close the places."""
    code = _Code(module, "drain", VOID, "words worker")
    code.whole.linkage = "internal"
    task = code.inttoptr(code.get(Word.TASK), TASK)
    context = code.inttoptr(code.get(Word.CONTEXT), BYTES)
    counters, worker = code.inttoptr(code.get(Word.COUNTERS), BLOCK), code.given["worker"]
    parts = code.add(code.get(Word.PLACES), I64(1))
    emit_parts(
        code, counters, worker, parts, code.get(Word.COUNT), lambda index: code.call(task, [context, index, worker])
    )
    code.change("and", Word.STATE, I64(~(JOB - PLACE)), "monotonic")
    code.ret_void()
    return code.whole


def _emit_complete(module: ir.Module, drain: ir.Function, hint: Callable[[_Code], None]) -> ir.Function:
    """``complete(words)``: do the rest of the job, wait for the workers inside, and give the block free."""
    code = _Code(module, "complete", VOID, "words")
    code.whole.linkage = "internal"
    look, wait, rest, tired, done = code.blocks("look wait rest tired done")
    code.call(drain, [code.given["words"], I64(0)])
    entry = code.block
    code.begin(look)
    left = code.phi(I64)
    left.add_incoming(I64(4 * BREATH), entry)
    inside = code.and_(code.get(Word.STATE, "acquire"), I64(PLACE - 1))
    code.cbranch(code.icmp_unsigned("==", inside, I64(0)), done, wait)
    code.begin(wait)
    code.cbranch(code.icmp_signed(">", left, I64(0)), rest, tired)
    code.begin(rest)
    hint(code)
    left.add_incoming(code.sub(left, I64(1)), rest)
    code.branch(look)
    code.begin(tired)
    code.give_way()
    left.add_incoming(I64(0), tired)
    code.branch(look)
    code.begin(done)
    code.store_atomic(I64(0), code.at(Word.OWNER), "release", 8)
    code.ret_void()
    return code.whole


def _emit_alone(module: ir.Module) -> None:
    """``alone(task, context, count)``: do every index here."""
    code = _Code(module, "alone", VOID, "task context count")
    task = code.inttoptr(code.given["task"], TASK)
    context = code.inttoptr(code.given["context"], BYTES)
    with _each(code, code.given["count"]) as index:
        code.call(task, [context, index, I64(0)])
    code.ret_void()


def _emit_stay(module: ir.Module) -> None:
    """``stay()``: nothing, where the system has no function that lets another thread run."""
    code = ir.IRBuilder(ir.Function(module, YIELD.pointee, "stay").append_basic_block("entry"))
    code.ret(ir.IntType(32)(0))


def _emit_spin(module: ir.Module, hint: Callable[[_Code], None]) -> None:
    """``spin(words, n)``: look at the state and pause, n times, as ``serve`` does."""
    code = _Code(module, "spin", VOID, "words n")
    more, done = code.blocks("more done")
    entry = code.block
    code.begin(more)
    left = code.phi(I64)
    left.add_incoming(code.given["n"], entry)
    code.get(Word.STATE, "acquire")
    code.get(Word.STOP)
    hint(code)
    fewer = code.sub(left, I64(1))
    left.add_incoming(fewer, more)
    code.cbranch(code.icmp_signed(">", fewer, I64(0)), more, done)
    code.begin(done)
    code.ret_void()


def _emit_lead(module: ir.Module, complete: ir.Function) -> None:
    """``lead(words, task, context, count, places, caller, counters)``: open a job for places beside the caller's.

    ``counters`` is memory for one more than there are places, each ``ALIGNMENT`` bytes.

    −1 where another thread has the block; 0 with the job done; n > 0 with the job open, and the caller to send n wakes
    and then call ``finish``.
    """
    code = _Code(module, "lead", I64, "words task context count places caller counters")
    busy, mine, look, take, wake, whole = code.blocks("busy mine look take wake whole")
    places = code.given["places"]
    code.cbranch(code.swap(Word.OWNER, I64(0), code.given["caller"], "acquire"), mine, busy)
    code.begin(mine)
    for word in (Word.TASK, Word.CONTEXT, Word.COUNT, Word.PLACES, Word.COUNTERS):
        code.put(word, code.given[word.name.lower()])
    emit_begin(code, code.inttoptr(code.given["counters"], BLOCK), code.add(places, I64(1)))
    code.change("add", Word.STATE, code.add(code.mul(places, I64(PLACE)), I64(JOB)), "seq_cst")
    code.begin(look)
    asleep = code.get(Word.ASLEEP, "seq_cst")
    lacking = code.sub(places, code.sub(code.get(Word.WORKERS), asleep))
    wakes = code.least(asleep, lacking)
    code.cbranch(code.icmp_signed(">", wakes, I64(0)), take, whole)
    code.begin(take)
    code.cbranch(code.swap(Word.ASLEEP, asleep, code.sub(asleep, wakes), "seq_cst"), wake, look)
    code.begin(wake)
    code.ret(wakes)
    code.begin(whole)
    code.call(complete, [code.given["words"]])
    code.ret(I64(0))
    code.begin(busy)
    code.ret(I64(-1))


def _emit_finish(module: ir.Module, complete: ir.Function) -> None:
    """``finish(words, caller)``: complete the job if it is the caller's; else nothing."""
    code = _Code(module, "finish", VOID, "words caller")
    mine, done = code.blocks("mine done")
    code.cbranch(code.icmp_signed("==", code.get(Word.OWNER), code.given["caller"]), mine, done)
    code.begin(mine)
    code.call(complete, [code.given["words"]])
    code.branch(done)
    code.begin(done)
    code.ret_void()


def _emit_serve(module: ir.Module, drain: ir.Function, hint: Callable[[_Code], None]) -> None:
    """``serve(words)``: do jobs as they come. 1 when none came for a while, counted asleep; 0 when told to stop."""
    code = _Code(module, "serve", I64, "words")
    fresh, look, enter, work, closed, doze = code.blocks("fresh look enter work closed doze")
    spins = code.get(Word.SPINS)
    code.begin(fresh)
    jobs = code.lshr(code.get(Word.STATE), I64(32))
    code.begin(look)
    left = code.phi(I64)
    left.add_incoming(spins, fresh)
    state = code.get(Word.STATE, "acquire")
    code.cbranch(code.open(state), enter, closed)
    code.begin(enter)
    left.add_incoming(left, enter)
    code.cbranch(code.swap(Word.STATE, state, code.sub(state, I64(PLACE - 1)), "acquire"), work, look)
    code.begin(work)
    place = code.lshr(code.and_(state, I64(JOB - PLACE)), I64(16))
    worker = code.add(code.sub(code.get(Word.PLACES), place), I64(1))
    code.call(drain, [code.given["words"], worker])
    code.change("sub", Word.STATE, I64(1), "release")
    left.add_incoming(left, work)
    code.cbranch(code.wanted(), fresh, look)
    code.begin(closed)
    tired = _emit_rest(code, hint, left, look)
    code.begin(tired)
    more = code.icmp_unsigned("!=", code.lshr(state, I64(32)), jobs)
    code.cbranch(code.and_(more, code.wanted()), fresh, doze)
    code.begin(doze)
    _emit_doze(code, fresh)


def _emit_rest(code: _Code, hint: Callable[[_Code], None], left: ir.Value, look: ir.Block) -> ir.Block:
    """Return 0 when told to stop, else pause and ``look`` again; the block returned follows the last pause."""
    rest, breathe, tired, stop = code.blocks("rest breathe tired stop")
    code.cbranch(code.icmp_signed("!=", code.get(Word.STOP), I64(0)), stop, rest)
    code.begin(rest)
    hint(code)
    fewer = code.sub(left, I64(1))
    left.add_incoming(fewer, rest)
    short = code.icmp_unsigned("==", code.and_(fewer, I64(BREATH - 1)), I64(0))
    code.cbranch(short, breathe, look)
    code.begin(breathe)
    code.give_way()
    left.add_incoming(fewer, breathe)
    code.cbranch(code.icmp_signed(">", fewer, I64(0)), look, tired)
    code.begin(stop)
    code.ret(I64(0))
    return tired


def _emit_doze(code: _Code, fresh: ir.Block) -> None:
    """Counted asleep, return 1; or ``fresh`` again where a job was opened meanwhile and no wake is on the way."""
    rouse, again, asleep = code.blocks("rouse again asleep")
    code.change("add", Word.ASLEEP, I64(1), "seq_cst")
    code.cbranch(code.open(code.get(Word.STATE, "seq_cst")), rouse, asleep)
    code.begin(rouse)
    sleepers = code.get(Word.ASLEEP, "seq_cst")
    code.cbranch(code.icmp_signed(">", sleepers, I64(0)), again, asleep)
    code.begin(again)
    code.cbranch(code.swap(Word.ASLEEP, sleepers, code.sub(sleepers, I64(1)), "seq_cst"), fresh, rouse)
    code.begin(asleep)
    code.ret(I64(1))
