"""`headrace submit KIND ...`: one command a kind of task, with the options that all kinds share."""

import secrets
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from cyclopts import App, Parameter
from pydantic import TypeAdapter

from pipelines.command import command as typed
from pipelines.events import ExecuteEvent, SubmitEvent
from pipelines.faults import nearest, shown
from pipelines.model import AnyTask, Delivery, KindName, Task, Trigger
from ui.cli.accepted import report, report_all
from ui.cli.common import PLAIN, Common, connected, undecided
from ui.cli.documents import events_of, read_file, read_json
from ui.cli.exits import UsageError, mapped
from ui.cli.times import due
from ui.cli.upstreams import warn_of_unknown
from ui.cli.waiting import follow, follow_all

Many = Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)]
Flag = Annotated[bool, Parameter(negative=(), show_default=False)]
AS_IN_JSON = Parameter(name_transform=str.lower)
"""A choice is written with underscores, as in events and in Python."""

app = App(name="submit")
TASK: TypeAdapter[AnyTask] = TypeAdapter(Task)
KINDS: tuple[KindName, ...] = get_args(KindName)


@Parameter(name="*")
@dataclass(frozen=True)
class Options:
    """What all kinds of task take."""

    id: str | None = None
    """The task's name; none: a new one. The same name in the same run is executed once."""
    run: str | None = None
    """Executions of one run see each other as upstream tasks."""
    at: str | None = None
    """Not before: a time (ISO 8601) or a duration from now (90s, 15m)."""
    payload: str | None = None
    """JSON that is handed to the code; @FILE reads it from a file."""
    priority: int | None = None
    """0 to 9; 9 is the most critical, 5 where nothing is said."""
    pool: str | None = None
    """The group of workers that may run it."""
    queue: str | None = None
    """A named line in the pool."""
    upstream: Many = ()
    """A task of the same run that must end first; may be given many times."""
    trigger: Annotated[Trigger | None, AS_IN_JSON] = None
    """How the upstream tasks must end."""
    retries: int | None = None
    """Attempts after the first one."""
    timeout: float | None = None
    """Seconds for one attempt."""
    max_latency: float | None = None
    """Seconds that it may wait for a worker: above that it is marked as late."""
    delivery: Annotated[Delivery | None, AS_IN_JSON] = None
    """Where nobody knows whether an attempt ran: run it again (at_least_once, the default) or never (at_most_once)."""
    owner: str | None = None
    """Whose it is: a name to filter by."""
    notify: Many = ()
    """Whom to tell of failure and loss: an Apprise address, such as mailto://...; may be given many times."""
    wait: Flag = False
    """Wait for the end and print the result; exit 1 if it is no success."""

    def fields(self) -> dict[str, Any]:
        """The task's fields that were given."""
        names = ("priority", "pool", "queue", "trigger", "retries", "timeout", "max_latency", "delivery", "owner")
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        if self.payload is not None:
            given["payload"] = read_json(self.payload)
        if self.notify:
            given["notify"] = [{"to": self.notify}]
        return given | {"upstream": self.upstream}


NONE = Options()


def _help(what: str, example: str) -> str:
    return f"{what}: {typed(example)}."


def submit(kind: str, name: str, own: dict[str, Any], options: Options, common: Common) -> None:
    """Send one task and report."""
    with mapped():
        named = options.id or f"{name.replace('.', '-')[:180]}-{secrets.token_hex(4)}"
        task = TASK.validate_python({"id": named, "kind": kind, **own, **options.fields()})
        event = SubmitEvent(task=task, run=options.run, at=due(options.at))
    with connected() as client:
        accepted = client.submit(event.task, run=event.run, at=event.at)
        if not options.wait:
            report(accepted, common)
        warn_of_unknown(client, [event])
        if options.wait:
            follow(client, accepted, common)


@app.command(help=_help("A command for `sh -c`, in the sandbox", "submit shell 'echo hi'"))
def shell(command: str, /, *, options: Options = NONE, common: Common = PLAIN) -> None:
    """The command `submit shell`.

    Args:
        command: The command, in quotes.
        options: Of every task.
        common: Of every command.
    """
    submit("shell", "shell", {"command": command}, options, common)


@app.command(help=_help("Python code, in the sandbox", "submit python 'result = 1 + 1'"))
def python(code: str, /, *, options: Options = NONE, common: Common = PLAIN) -> None:
    """The command `submit python`.

    Args:
        code: The code, which leaves its result in `result`; @FILE reads it from a file.
        options: Of every task.
        common: Of every command.
    """
    with mapped():
        source = read_file(code[1:]) if code.startswith("@") else code
    submit("python", "python", {"code": source}, options, common)


@app.command(help=_help("A Python function that a pipeline file registers with @task", "submit function greet"))
def function(name: str, /, *, options: Options = NONE, common: Common = PLAIN) -> None:
    """The command `submit function`.

    Args:
        name: The function's name there.
        options: Of every task.
        common: Of every command.
    """
    submit("function", name, {"function": name}, options, common)


@app.command(help=_help("A statement for ClickHouse, as a task", "submit sql 'SELECT 1'"))
def sql(query: str, /, *, writes: Flag = False, options: Options = NONE, common: Common = PLAIN) -> None:
    """The command `submit sql`.

    Args:
        query: The statement.
        writes: It may change data.
        options: Of every task.
        common: Of every command.
    """
    submit("sql", "sql", {"sql": query, "writes": writes}, options, common)


@app.command(help=_help("An HTTP request", "submit http https://example.com"))
def http(
    url: str, /, *, method: str = "GET", header: Many = (), options: Options = NONE, common: Common = PLAIN
) -> None:
    """The command `submit http`.

    Args:
        url: Where it goes.
        method: GET, POST, PUT and so on.
        header: `Name: value`; may be given many times.
        options: Of every task.
        common: Of every command.
    """
    headers = dict(_header(h) for h in header)
    submit("http", "http", {"url": url, "method": method, "headers": headers}, options, common)


def _header(text: str) -> tuple[str, str]:
    name, _, value = text.partition(":")
    return name.strip(), value.strip()


@app.command(help=_help("A pause, which takes no worker", "submit sleep 5"))
def sleep(seconds: float, /, *, options: Options = NONE, common: Common = PLAIN) -> None:
    """The command `submit sleep`.

    Args:
        seconds: How long.
        options: Of every task.
        common: Of every command.
    """
    submit("sleep", "sleep", {"seconds": seconds}, options, common)


@app.command(help=f"Work that somebody else does and ends with {typed('finish')}.")
def external(*, options: Options = NONE, common: Common = PLAIN) -> None:
    """The command `submit external`."""
    submit("external", "external", {}, options, common)


@app.default
def document(
    *words: Annotated[str, Parameter(show=False)],
    file: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    run: str | None = None,
    wait: Flag = False,
    common: Common = PLAIN,
) -> None:
    """The command `submit`.

    Args:
        words: What is no kind of task; each kind is a command of its own.
        file: A JSON file: a task or an event, a list of them, or one a line; `-` reads standard input.
        run: The run of all in the file that name none.
        wait: Wait for the end of all that were submitted, and print the result of a single one; exit 1 if one is no
            success.
        common: Of every command.
    """
    with mapped():
        if words:
            kinds = f"{', '.join(KINDS)} are{nearest(words[0], KINDS)}"
            raise UsageError(f"{shown(words[0])} is no kind of task: {kinds}")
        if file is None:
            raise UsageError(f"say what to submit: a kind ({', '.join(KINDS)}) or --file")
        events = events_of(file, "submit", run)
    with connected() as client:
        accepted = client.send(events)
        if not wait:
            report_all(accepted, common)
        warn_of_unknown(client, events)
        told = SubmitEvent | ExecuteEvent if wait else SubmitEvent
        if not common.json and not all(isinstance(one, told) for one in events):
            undecided("sent")
        if wait:
            follow_all(client, accepted, common)
