from streams.bench.overtaking import Assigned, judge
from streams.engine.commands import Assign, Beat, Credit, Finished, Ready, ReadyCommand

POOL = "default"
HIGH = b"critical"


def _ready(which: bytes, priority: int = 1) -> Ready:
    return Ready(POOL, which, 1, priority, 0, 0)


def _line(*messages: list[ReadyCommand]) -> list[tuple[int, list[ReadyCommand]]]:
    return [(at, commands) for at, commands in enumerate(messages)]


def _assigned(*order: tuple[bytes, str], started: dict[bytes, int] | None = None) -> Assigned:
    """Assignments in the order in which they were made, 100 ms apart; each worker counts its own."""
    found, numbers = Assigned(), dict[str, int]()
    for place, (which, worker) in enumerate(order):
        numbers[worker] = numbers.get(worker, 0) + 1
        found.take(Assign(which, 1, worker, 0, numbers[worker]), 100 * place)
    for which, at in (started or {}).items():
        found.take(Finished(which, 1, "w", "succeeded", at, at + 1), at + 1)
    return found


def test_a_critical_one_that_gets_the_next_credit_overtook_all() -> None:
    """What had been given away before it came does not count."""
    line = _line([Beat("w", POOL, 2, 2, 0, 0)], [_ready(b"%d" % n) for n in range(5)], [_ready(HIGH, 9)])
    line += [(7, [Credit("w", POOL, 4)])]
    assigned = _assigned((b"0", "w"), (b"1", "w"), (HIGH, "w"), (b"2", "w"), started={HIGH: 205})
    given = judge(line, assigned, frozenset([HIGH]), POOL)[HIGH]
    assert (given.ready_at, given.assigned_at, given.started_at) == (2, 200, 205)
    assert given.overtaken == 0


def test_low_ones_given_away_while_it_waits_are_counted() -> None:
    """By its own worker and by others, and those before it in the message that gave it away."""
    line = _line([Beat("w", POOL, 1, 1, 0, 0), Beat("v", POOL, 1, 0, 0, 0)], [_ready(b"0")], [_ready(HIGH, 9)])
    line += [(5, [Credit("v", POOL, 1)]), (6, [Credit("w", POOL, 3)])]
    assigned = _assigned((b"0", "w"), (b"1", "v"), (b"2", "w"), (HIGH, "w"), started={HIGH: 400})
    assert judge(line, assigned, frozenset([HIGH]), POOL)[HIGH].overtaken == 2


def test_low_ones_that_its_worker_held_and_started_first_are_counted() -> None:
    """Only those that started behind its dispatch and before its start."""
    line = _line([Beat("w", POOL, 9, 9, 0, 0)], [_ready(b"%d" % n) for n in range(3)], [_ready(HIGH, 9)])
    starts = {b"0": 200, b"1": 310, b"2": 900, HIGH: 350}
    assigned = _assigned((b"0", "w"), (b"1", "w"), (b"2", "w"), (HIGH, "w"), started=starts)
    assert judge(line, assigned, frozenset([HIGH]), POOL)[HIGH].held == 1


def test_what_is_still_in_line_is_not_told_of() -> None:
    """A critical one that nobody was given says nothing yet."""
    line = _line([Beat("w", POOL, 1, 1, 0, 0)], [_ready(b"0"), _ready(HIGH, 9)])
    assert judge(line, _assigned((b"0", "w")), frozenset([HIGH]), POOL) == {}
