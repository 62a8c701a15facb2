"""What doctor says of one thing that it looks at."""

from typing import Literal

from pipelines.command import command
from pipelines.model import Model

START = f"start everything with `{command('up')}`"
"""What to do where nothing runs."""

Status = Literal["ok", "warn", "fail"]


class Check(Model):
    """One answer. `mend` says what to do, and is empty where all is well."""

    name: str
    status: Status
    detail: str
    mend: str = ""
