"""What can go wrong when ClickHouse is asked, in words for people."""

import re

from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError

SHOWN = 600
"""Characters of ClickHouse's own message that are repeated."""


class QueryRefusedError(Exception):
    """This statement may not run here; the message says why."""


class QueryFailedError(Exception):
    """ClickHouse could not answer; the message is its own, shortened. `code` is ClickHouse's number of the error."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


def is_away(error: ClickHouseError) -> bool:
    """Whether no ClickHouse spoke: a dead connection, or an HTTP status from somebody in between, without a number."""
    by_transport = isinstance(error, OperationalError) or type(error) is DatabaseError
    return by_transport and error.code is None


def shortened(message: str) -> str:
    """ClickHouse's message without its frame: codes in front; statement, version and address behind. Its name stays."""
    text = re.sub(r"^(Received ClickHouse exception, code: \d+, server response: )?", "", message)
    text = re.sub(r"(Code: \d+\. )?DB::Exception: ", "", text)
    text = re.sub(r"\s*\(version [\d.]+( \([^()]*\))?\)|\s*\(for url [^)]*\)", "", text)
    text = " ".join(text.split())
    text = re.sub(r" SETTINGS max_execution_time = .* = '\d+'| FORMAT Native", "", text)
    text = re.sub(r"[.:]? Expected one of: .*?(?=\. \([A-Z_]+\)$|$)", "", text)
    text = re.sub(r"[.:]? In scope .*?(?=\. \([A-Z_]+\)$|$)", "", text).replace("?. (", "? (")
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
