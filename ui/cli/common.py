"""What all commands share: the output's form, and the connection."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter
from pydantic import BaseModel
from pydantic_core import to_json

from ui.cli.exits import mapped
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


def print_json(answer: BaseModel | Sequence[BaseModel]) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(f"{to_json(answer, indent=2).decode()}\n")
