"""Where all executions live on one partition, their line stands there, and DISPATCH lends SCHEDULE its workers' room.

Who may run then crosses two topics less, and nobody has to be told who waits. Whatever a worker accepts is lent as soon
as it says so, and given to who is first in line; what is left of it waits for who comes.
"""

from msgspec.structs import replace

from streams.engine import commands as c
from streams.engine.attempt import give
from streams.engine.events import Lent
from streams.engine.records import Loan
from streams.engine.step import Step


def lend(step: Step, command: c.Lend) -> None:
    """Take a loan."""
    before = step.table.loan(command.worker)
    if step.table.banned(command.worker) or (before and command.last <= before.upto):
        return step.stale("this loan came before, or its worker was lost")
    spans = before.spans if before else ()
    first = command.first
    if spans and spans[-1][1] + 1 == first:
        first, spans = spans[-1][0], spans[:-1]
    loan = Loan(command.worker, command.pool, command.lane, command.last, (*spans, (first, command.last)))
    return step.emit(Lent(loan))


def recall(step: Step, command: c.Recall) -> None:
    """Give back what is left of a worker's loan."""
    step.take_back(command.worker)


def spend(step: Step, loan: Loan, which: bytes) -> None:
    """Give something of a loan to who is first in line."""
    record = step.table.next_in_line(loan.pool, which)
    (first, last), *others = loan.spans
    if give(step, record, loan.worker, loan.lane, first):
        spans = ((first + 1, last), *others) if first < last else tuple(others)
        step.emit(Lent(replace(loan, spans=spans)))
