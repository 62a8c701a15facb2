"""Runs a Python snippet inside the sandbox. Started by path, alone: it may import nothing but the standard library.

Standard input: JSON {"code", "payload", "inputs"}. Descriptor named by the first argument: JSON {"outcome", "result",
"error"}. The last line of the traceback is the error; the whole traceback goes to standard error.
"""

import json
import os
import sys
import traceback


class Skip(Exception):  # noqa: N818  (a way to end, not an error)
    """Raise it to end the execution as skipped; its text is the reason."""


def main() -> None:
    """Run it, say how it went."""
    answers = int(sys.argv[1])
    os.set_inheritable(answers, False)
    job = json.load(sys.stdin)
    answer = _run(job)
    sys.stdout.flush()
    with open(answers, "w", encoding="utf-8", closefd=False) as pipe:
        pipe.write(answer)


def _run(job: dict[str, object]) -> str:
    names = {"__name__": "__main__", "payload": job["payload"], "inputs": job["inputs"], "Skip": Skip}
    try:
        exec(compile(str(job["code"]), "<snippet>", "exec"), names)  # noqa: S102  (this is what it is for, and why there are walls)
        return json.dumps({"outcome": "succeeded", "result": names.get("result")}, allow_nan=False)
    except Skip as skip:
        return json.dumps({"outcome": "skipped", "error": str(skip)})
    except BaseException as error:  # noqa: BLE001  (whatever it raises is its result)
        own = error.__traceback__.tb_next if error.__traceback__ else None
        traceback.print_exception(error.with_traceback(own))
        text = " ".join(str(error).split())
        return json.dumps({"outcome": "failed", "error": f"{type(error).__name__}: {text}".removesuffix(": ")[:1000]})


main()
