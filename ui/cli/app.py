"""The command line: what there is, in one table. A command's module is imported when it is called."""

from cyclopts import App, CycloptsError, CycloptsPanel, Group, UnusedCliTokensError
from rich.panel import Panel

from headrace import __version__
from pipelines.command import command
from pipelines.faults import nearest, shown

DO = Group("Do", sort_key=1)
LOOK = Group("Look", sort_key=2)
QUESTION = "SELECT state, count() FROM executions GROUP BY state"
"""A first one for the history."""
_ASK = f"sql '{QUESTION}'"

COMMANDS: dict[str, tuple[str, Group, *tuple[str, ...]]] = {
    "submit": (
        "ui.cli.submit:app",
        DO,
        "Run a task once, without keeping it.",
        "Each kind of task is a command of its own; --file reads tasks and events. Prints the execution's id at once.",
        "What is no task or event is refused at once, and nothing is sent.",
        f"An event that cannot be carried out (to execute what is not kept) is sent; see {command('dead-letters')}.",
    ),
    "create": (
        "ui.cli.create:create",
        DO,
        "Keep tasks or a pipeline from a JSON file, to be executed later.",
        f"{command('execute')} runs them, any number of times. What is kept under the same id is replaced.",
    ),
    "execute": (
        "ui.cli.execute:execute",
        DO,
        "Execute a task or a pipeline that is kept (created or loaded).",
        "Prints the execution's id, or the name of the pipeline's run, at once.",
    ),
    "cancel": (
        "ui.cli.act:cancel",
        DO,
        "Stop executions, waiting or running.",
        f"By id, or all that match: {command('cancel --pipeline sales --since 1h')}.",
    ),
    "retry": (
        "ui.cli.act:retry",
        DO,
        "Execute again what has ended, each under a new id.",
        f"By id, or all that match: {command('retry --state failed --since 1h')}.",
        "An execution has its own copy of its task: a retry runs what it ran, the task replaced or deleted or not.",
        "It waits for the newest executions of its upstream tasks: of many, each is retried after those it waits for.",
    ),
    "finish": ("ui.cli.act:finish", DO, "Say how an external execution ended, whose work somebody else did."),
    "delete": (
        "ui.cli.delete:delete",
        DO,
        "Let a task, or all tasks of a pipeline, take no further executions.",
        "Those already submitted run to their end, and can be retried.",
    ),
    "show": ("ui.cli.show:show", LOOK, "An execution: its attempts, its upstream tasks, why it waits, its result."),
    "tasks": ("ui.cli.kept:tasks", LOOK, "Tasks that are kept (created or loaded) and can be executed, by id."),
    "pipelines": ("ui.cli.kept:pipelines", LOOK, "Pipelines that are kept (created or loaded), by id."),
    "list": ("ui.cli.listing:executions", LOOK, "Executions that match, a page at a time."),
    "logs": (
        "ui.cli.logs:logs",
        LOOK,
        "An execution's output.",
        "With -o json as JSON Lines, an object a line: it can be read while more is to come.",
    ),
    "sql": (
        "ui.cli.sql:sql",
        LOOK,
        "A question to the history in ClickHouse.",
        f"For example: {command(_ASK)}",
    ),
    "workers": ("ui.cli.pools:workers", LOOK, "Workers: where they are, how busy, and for how long silent."),
    "queues": ("ui.cli.pools:queues", LOOK, "How many wait, by pool and priority, the most critical first."),
    "dead-letters": (
        "ui.cli.letters:dead_letters",
        LOOK,
        "Orders that could not be carried out, and why; the newest first.",
        "What the command line or the HTTP API refuses before it is sent is not among them.",
    ),
}
"""Where each command is, its group, and its help by paragraphs: the first one stands in the list of commands.

Here and nowhere else, since the list is printed without importing the commands.
"""


def make_app() -> App:
    """The commands of this room; the entry point adds the roles."""
    app = App(
        name="headrace",
        help="Data pipelines on a stream: the critical first.",
        version=__version__,
        error_formatter=_told,
    )
    for name, (path, group, *paragraphs) in COMMANDS.items():
        app.command(path, name=name, group=group, help="\n\n".join(paragraphs))
    app.register_install_completion_command()
    return app


def _told(error: CycloptsError) -> Panel:
    """The library's message, but for one that only its own people understand."""
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        word, names = error.unused_tokens[0], error.command_chain or ()
        known = [] if error.app is None else [name for name in error.app if not name.startswith("-")]
        helped = command(" ".join([*names, "--help"]))
        return CycloptsPanel(f"{shown(word)} is too much here; `{helped}` says what can be given{nearest(word, known)}")
    return CycloptsPanel(error)
