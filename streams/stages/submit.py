"""SUBMIT: the public door. Plain JSON events from anyone, checked, and forwarded to their homes."""

from collections.abc import Container

from msgspec.structs import replace
from pydantic import ValidationError

from pipelines.events import PUBLIC_EVENT
from pipelines.faults import sentence
from streams.engine.commands import TaskCommand
from streams.envelope import pack
from streams.settings import Settings
from streams.stages.ends import NEVER
from streams.stages.incoming import BugError, Incoming, PoisonError, Send
from streams.state.partition import Changes, Partition
from streams.topics import Topics
from streams.translate import to_command


class Submit:
    """The logic of one partition of headrace.submit. Its table holds nothing but the marker."""

    strict = False  # producers of others may use transactions, whose marks take offsets

    def __init__(self, partition: Partition, settings: Settings) -> None:
        self._number = partition.number
        self._partitions = settings.task_partitions
        self._topic = Topics.under(settings.namespace).tasks
        self._homes: dict[int, list[TaskCommand]] = {}

    def first(self) -> list[Send]:
        """Nothing to repeat at a takeover."""
        return []

    def handle(self, message: Incoming, skip: Container[int | bytes] = ()) -> None:
        """See Logic. The same message always gives the same ids, so that a repeated one makes no second execution.

        What came in between by HTTP is overruled by a creation or a deletion that is repeated so, within `SAVE_AFTER`.
        """
        if 0 in skip:
            return
        fresh_run = f"{message.at:x}-{self._number}-{message.offset:x}"
        try:
            event = PUBLIC_EVENT.validate_json(message.value)
            home, command = to_command(event, message.at, self._partitions, fresh_run)
        except ValidationError as error:
            raise PoisonError(sentence(error)) from None
        except ValueError as error:
            raise PoisonError(str(error)) from None
        except Exception as error:
            raise BugError(0, error) from error
        came = replace(command, came=(self._number, message.offset))
        self._homes.setdefault(home, []).append(came)

    def weight(self) -> int:
        """See Logic."""
        return 0

    def outputs(self) -> tuple[list[Send], list[Send]]:
        """See Logic."""
        sends = [Send(self._topic, home, value) for home, commands in self._homes.items() for value in pack(commands)]
        self._homes = {}
        return sends, []

    def changes(self) -> Changes:
        """See Logic."""
        return Changes([], [])

    def saved(self) -> None:
        """See Logic."""

    def ring(self, now: int) -> list[Send]:  # noqa: ARG002  (Logic's signature)
        """See Logic."""
        return []

    def next_timer(self, now: int) -> int:  # noqa: ARG002  (Logic's signature)
        """See Logic."""
        return NEVER
