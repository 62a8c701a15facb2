"""Exit codes, and how an error becomes one line and one of them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

from pydantic import ValidationError

from pipelines.faults import sentence
from ui.cli.looks import safe
from ui.client import ApiError, ApiUnavailableError


class Exit(IntEnum):
    """What the command line says to scripts."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    NOT_ALLOWED = 4
    UNAVAILABLE = 5


BY_STATUS = {
    400: Exit.USAGE,
    401: Exit.NOT_ALLOWED,
    403: Exit.NOT_ALLOWED,
    404: Exit.NOT_FOUND,
    413: Exit.USAGE,
    422: Exit.USAGE,
}


class UsageError(Exception):
    """The command was called wrongly in a way that its signature cannot say."""


@contextmanager
def mapped() -> Iterator[None]:
    """Let errors of API, network and input end the process with a line on standard error and their code."""
    try:
        yield
    except ApiError as error:
        stop(error, BY_STATUS.get(error.status, Exit.FAILED))
    except ApiUnavailableError as error:
        stop(error, Exit.UNAVAILABLE)
    except ValidationError as error:
        stop(sentence(error), Exit.USAGE)
    except (UsageError, UnicodeDecodeError) as error:
        stop(error, Exit.USAGE)
    except PermissionError as error:
        stop(error, Exit.NOT_ALLOWED)
    except BrokenPipeError:  # the reader of our output has left
        sys.stderr.close()
        sys.exit(Exit.OK)


def stop(why: object, code: Exit) -> None:
    """End the process with a reason, which may hold what somebody else wrote."""
    print(f"headrace: {safe(str(why)).plain}", file=sys.stderr)  # noqa: T201  (standard error is where this belongs)
    sys.exit(code)
