"""`headrace delete TASK`."""

from ui.cli.common import PLAIN, Common, connected, print_json
from ui.cli.guess import ask_first, guessing, nearly_same
from ui.cli.looks import notes, safe


def delete(task: str, /, *, common: Common = PLAIN) -> None:
    """Let a task take no further executions. Those already submitted run to their end, and can be retried.

    Args:
        task: The task's id.
        common: Of every command.
    """
    with connected() as client, guessing(client, task, nearly_same):
        ask_first(client.task, task)
        accepted = client.delete_task(task)
    if common.json:
        print_json(accepted)
    else:
        notes.print(safe(f"deleted {task}"))
