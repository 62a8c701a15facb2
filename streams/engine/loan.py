"""While nobody is in a pool's line, DISPATCH lends its workers' room to SCHEDULE, which gives it away itself.

Who may run then needs no place in line, and crosses two topics less. The order stays strict, since all who can stand in
that line live here (DISPATCH lends to a single partition only): nobody gets anything of a loan while one who is more
critical waits. Some of the room DISPATCH keeps, for those of whom it had not heard yet; who comes when nothing is left
of a loan stands in line as ever, and where DISPATCH has no room left either it calls back what it lent.
"""

from msgspec.structs import replace

from streams.engine import commands as c
from streams.engine.attempt import give
from streams.engine.events import Lent
from streams.engine.records import Execution, Loan
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


def spend(step: Step, record: Execution) -> bool:
    """Give one that may run to whose room is lent; false: there is nothing for it, and it is to stand in line."""
    loan = step.table.lender(record.pool)
    if loan is None or step.table.waiting(record.pool, above=record.priority):
        return False
    (first, last), *others = loan.spans
    if give(step, record, loan.worker, loan.lane, first):
        spans = ((first + 1, last), *others) if first < last else tuple(others)
        step.emit(Lent(replace(loan, spans=spans)))
    return True
