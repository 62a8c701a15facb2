"""The command line: what there is, in one table. A command's module is imported when it is called."""

from cyclopts import App, Group

from headrace import __version__

DO = Group("Do", sort_key=1)
LOOK = Group("Look", sort_key=2)

COMMANDS = {
    "submit": ("ui.cli.submit:app", DO, "Run a task once, without keeping it."),
    "create": ("ui.cli.create:create", DO, "Keep tasks or a pipeline from a JSON file, to be executed later."),
    "execute": ("ui.cli.execute:execute", DO, "Execute a task or a pipeline that is kept (created or loaded)."),
    "cancel": ("ui.cli.act:cancel", DO, "Stop executions."),
    "retry": ("ui.cli.act:retry", DO, "Execute again what has ended, its task deleted or not."),
    "finish": ("ui.cli.act:finish", DO, "Say how an external execution ended."),
    "delete": ("ui.cli.delete:delete", DO, "Let a task, or all tasks of a pipeline, take no further executions."),
    "show": ("ui.cli.show:show", LOOK, "An execution: its attempts, its upstream tasks, why it waits, its result."),
    "tasks": ("ui.cli.kept:tasks", LOOK, "Tasks that are kept and can be executed, by id."),
    "pipelines": ("ui.cli.kept:pipelines", LOOK, "Pipelines that are kept and can be executed, by id."),
    "list": ("ui.cli.listing:executions", LOOK, "Executions that match."),
    "logs": ("ui.cli.logs:logs", LOOK, "An execution's output."),
    "sql": ("ui.cli.sql:sql", LOOK, "A question to the history in ClickHouse."),
    "workers": ("ui.cli.pools:workers", LOOK, "Who works."),
    "queues": ("ui.cli.pools:queues", LOOK, "Who waits, by pool and priority."),
    "dead-letters": ("ui.cli.letters:dead_letters", LOOK, "What was refused, and why."),
}


def make_app() -> App:
    """The commands of this room; the entry point adds the roles."""
    app = App(name="headrace", help="Data pipelines on a stream: the critical first.", version=__version__)
    for name, (path, group, text) in COMMANDS.items():
        app.command(path, name=name, group=group, help=text)
    app.register_install_completion_command()
    return app
