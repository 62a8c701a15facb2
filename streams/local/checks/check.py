"""What doctor says of one thing that it looks at."""

from pathlib import Path
from typing import Literal

from pipelines.command import command
from pipelines.model import Model
from streams.local import preflight

START = f"start everything with `{command('up')}`"
"""What to do where nothing runs."""

Status = Literal["ok", "warn", "fail"]


class Check(Model):
    """One answer. `mend` says what to do, and is empty where all is well."""

    name: str
    status: Status
    detail: str
    mend: str = ""


def unanswered(name: str, where: str, detail: str, port: int | None, log: Path) -> Check:
    """Of a server that does not answer. One of `up` that has ended is started again; one that hangs is left alone.

    `port`: at which `up` has it listen here; none: it is not of an `up` that runs. `log`: where `up` writes its.
    """
    if port is None:
        return Check(name=name, status="warn", detail=detail, mend=START)
    if pid := preflight.listener(port):
        detail = f"process {pid} listens at {where}, and does not answer"
        mend = f"where that stays so it hangs: `kill -9 {pid}`, and `up` starts it again; {log} may say why"
    else:
        mend = f"{log} says why; it is started again until it comes up"
    return Check(name=name, status="fail", detail=detail, mend=mend)
