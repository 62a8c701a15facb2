"""Express: while nobody waits in a pool, DISPATCH lends its workers' room, and SCHEDULE gives it away itself.

Who may run then needs no place in line, and crosses two topics less. The order stays strict, since all who may stand in
that line live here (DISPATCH lends to a single partition only): a loan is accepted where nobody waits, and whoever may
run takes of it at once. So nobody waits while something of it is left, and who comes later stands in line as ever.
"""

from msgspec.structs import replace

from streams.engine import commands as c
from streams.engine.attempt import give
from streams.engine.events import Lent
from streams.engine.records import MOST_CRITICAL, Execution, Loan, State
from streams.engine.step import Step


def lend(step: Step, command: c.Lend) -> None:
    """Take a loan, or give it back at once where somebody waits: DISPATCH does not know of them yet."""
    before = step.table.loan(command.worker)
    if step.table.banned(command.worker) or (before and command.last <= before.last):
        return step.stale("this loan came before, or its worker was lost")
    first = command.first
    if before and before.left:
        if before.last + 1 == first:
            first = before.next
        else:
            step.take_back(command.worker)
    loan = Loan(command.worker, command.pool, command.lane, first, command.last)
    step.emit(Lent(loan))
    if step.table.waiting(command.pool):
        step.take_back(command.worker)
    return None


def recall(step: Step, command: c.Recall) -> None:
    """Give back what is left of a worker's loan."""
    step.take_back(command.worker)


def spend(step: Step) -> None:
    """Give who may run since this step to whose room is lent, the most critical first."""
    entered = [record for which in step.entered if (record := step.table.execution(which))]
    step.entered.clear()
    for record in sorted(entered, key=_place):
        loan = step.table.lender(record.pool) if record.state == State.WAITING else None
        if loan and give(step, record, loan.worker, loan.lane, loan.next):
            step.emit(Lent(replace(loan, next=loan.next + 1)))


def _place(record: Execution) -> tuple[int, int, int, int]:
    return MOST_CRITICAL - record.priority, record.deadline, record.ready_at, record.arrival
