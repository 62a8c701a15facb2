"""What the environment may hold under our prefix that is no setting: each name, once."""

PREFIX = "HEADRACE_"

COMMAND = f"{PREFIX}COMMAND"
"""How we were called, as people type it; `./dev` sets it."""
READY_FILE = f"{PREFIX}READY_FILE"
"""The supervisor names here the file that a role makes when it is ready."""

TASK, RUN, EXECUTION, ATTEMPT = (f"{PREFIX}{name}" for name in ("TASK", "RUN", "EXECUTION", "ATTEMPT"))
"""What a code task learns about its own attempt."""
INPUTS = f"{PREFIX}INPUTS"
"""The file with the values of a command's upstream tasks."""

NO_SETTINGS = frozenset({COMMAND, READY_FILE, TASK, RUN, EXECUTION, ATTEMPT, INPUTS})
