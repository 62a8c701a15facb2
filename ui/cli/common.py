"""What all commands share: the output's form, and the connection."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter
from pydantic import BaseModel
from pydantic_core import to_json

from pipelines.command import command
from ui.cli.exits import mapped
from ui.cli.looks import notes, safe
from ui.client import Client

Form = Literal["table", "json"]


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """Options of every command."""

    output: Annotated[Form, Parameter(name=["--output", "-o"])] = "table"
    """A table for people, or JSON and nothing else."""

    @property
    def json(self) -> bool:
        """Whether a program reads the output."""
        return self.output == "json"


PLAIN = Common()


@contextmanager
def connected() -> Iterator[Client]:
    """A client of this machine's edge; errors end the process with their exit code."""
    with mapped(), Client() as client:
        yield client


def undecided(ordered: str) -> None:
    """What was ordered, of which nobody has decided yet, and where a refusal will be told."""
    told = f"what of it cannot be carried out is told by `{command('dead-letters')}`"
    notes.print(safe(f"{ordered}; {told}"), soft_wrap=True)


def print_json(answer: BaseModel | Sequence[BaseModel]) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(f"{to_json(answer, indent=2).decode()}\n")
