"""Commands: an argument list, or one string for `sh -c`.

The payload is on standard input as JSON; HEADRACE_INPUTS names a file with the upstream tasks' values, a JSON object.
The value is the last line of standard output: what it means as JSON, or else the line itself.
"""

import msgspec

from pipelines.environment import INPUTS
from streams.settings import Settings
from streams.worker.kinds.base import Attempt
from streams.worker.kinds.code import MARK, CodeRunner, about
from streams.worker.outcomes import ERROR_CHARACTERS, KindError, Outcome, encode_result
from streams.worker.sandbox import Program


class ShellKind:
    """Runs each command in a process of its own."""

    def __init__(self, settings: Settings, runner: CodeRunner) -> None:
        self._limit, self._runner = settings.result_limit, runner

    async def run(self, attempt: Attempt) -> Outcome:
        """Run a command; an exit status other than 0 is a failure."""
        command = attempt.call["command"]
        program = Program(
            argv=["sh", "-c", command] if isinstance(command, str) else [str(word) for word in command],
            env={**attempt.call.get("env", {}), **about(attempt.job), INPUTS: f"{MARK}/inputs.json"},
            timeout=attempt.job.timeout,
            data={"inputs.json": msgspec.json.encode(dict(attempt.inputs))},
        )
        _check_words(program)
        ran = await self._runner.run(program, attempt.output, attempt.job.payload)
        if ran.status != 0:
            raise KindError(f"exit status {ran.status}: {ran.stderr}".removesuffix(": ")[:ERROR_CHARACTERS])
        return encode_result(_value(ran.stdout), self._limit)

    async def close(self) -> None:
        """Nothing is shared between commands."""


def _check_words(program: Program) -> None:
    """No argument or variable can hold a zero byte (ours hold the mark)."""
    ours = f"{MARK}/inputs.json"
    for word in [*program.argv, *program.env, *program.env.values()]:
        if "\0" in word and word != ours:
            raise KindError(f"an argument or a variable holds a zero byte, which no program can get: {word!r:.80}")


def _value(line: str) -> object:
    try:
        return msgspec.json.decode(line) if line else None
    except msgspec.DecodeError:
        return line
