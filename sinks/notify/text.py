"""What a notification says: the rule's own templates, or the standard text.

A template is text with values, conditions and a few filters. It has no loops, calls, attributes or arithmetic that
could grow without bound, so that it costs no more than its own length: whatever it says, it ends.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from jinja2 import Template, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pipelines.ids import to_text
from streams.engine.events import Notification
from streams.engine.records import Execution, Rule

TITLE_LIMIT = 250
BODY_LIMIT = 10_000
VALUE_LIMIT = 2_000
"""Characters; what is longer is cut and ends in an ellipsis."""

_ALLOWED = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Concat, nodes.Filter),
    *(nodes.If, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Test),
    *(nodes.Add, nodes.Sub, nodes.Div, nodes.Neg),
)
_FILTERS = ("default", "d", "upper", "lower", "capitalize", "title", "trim", "truncate", "round", "int", "length")
_TESTS = ("defined", "none", "number", "string", "true", "false")

_VERBS = {
    "completed": "completed",
    "failed": "failed",
    "retried": "failed and will be tried again",
    "lost": "was lost",
    "late": "is late",
}


@dataclass(frozen=True, slots=True)
class Text:
    """Title and body of a notification; `problem` says why a template of the rule was not used."""

    title: str
    body: str
    problem: str = ""


def compose(notification: Notification) -> Text:
    """The text of a notification: the rule's templates, or the standard text where it has none or they fail."""
    values = values_of(notification)
    standard = _standard(values, lost=notification.lost)
    try:
        title = _render(notification.rule.title, values) or standard.title
        body = _render(notification.rule.body, values) or standard.body
    except Exception as error:  # noqa: BLE001  (a template is the user's: whatever it raises is an answer)
        problem = f"this rule's own template could not be used: {_line(str(error), 300) or type(error).__name__}"
        return replace(standard, body=f"{standard.body}\n\n({problem})", problem=problem)
    return Text(_line(title, TITLE_LIMIT), _clean(body, BODY_LIMIT))


def check_template(source: str) -> None:
    """Raise ValueError with a sentence where a template cannot be used."""
    try:
        _compile(source)
    except TemplateError as error:
        raise ValueError(str(error)) from None


def values_of(notification: Notification) -> dict[str, str | int | float]:
    """The names that a template may use; see docs/notifications.md."""
    execution = notification.execution
    return {
        "happening": notification.happening,
        "at": _time(notification.at),
        "pipeline": execution.task.partition(".")[0],
        "task": execution.task,
        "run": _clean(execution.run),
        "execution": to_text(execution.id),
        "state": str(execution.state),
        "attempt": execution.number,
        "retries": execution.retry.limit,
        "error": _clean(execution.error),
        "reason": _clean(execution.reason),
        "owner": execution.owner,
        "queue": execution.queue,
        "pool": execution.pool,
        "priority": execution.priority,
        "worker": execution.worker,
        "due_at": _time(execution.due_at),
        "started_at": _time(execution.started_at),
        "finished_at": _time(execution.finished_at),
        "waited": _seconds(execution.ready_at, execution.started_at or notification.at),
        "ran": 0.0 if notification.lost else _seconds(execution.started_at, execution.finished_at or notification.at),
        "max_latency": execution.max_latency / 1000,
    }


@functools.cache
def names() -> tuple[str, ...]:
    """The names that a template may use."""
    return tuple(values_of(Notification("", 0, Rule((), ()), Execution(bytes(16), "", "", "", ""))))


def _standard(values: Mapping[str, str | int | float], *, lost: bool) -> Text:
    """The standard text: what happened in the title, the facts that are known line by line."""
    facts = ("error", "reason", "run", "execution", "attempt", "worker", "started_at", "finished_at", "at")
    known = {name: name.replace("_", " ") for name in facts if values[name]}
    if lost and "finished_at" in known:
        known["finished_at"] = "found lost at"
    body = "\n".join(f"{label}: {values[name]}" for name, label in known.items())
    verb = _VERBS.get(str(values["happening"]), str(values["happening"]))
    return Text(f"{values['task']} {verb}", body)


def _render(source: str, values: Mapping[str, str | int | float]) -> str:
    return _compile(source).render(values) if source else ""


@functools.cache
def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        autoescape=False,  # plain text; Apprise escapes it for services that want HTML
        cache_size=0,
    )
    environment.globals.clear()
    environment.filters = {name: environment.filters[name] for name in _FILTERS}
    environment.tests = {name: environment.tests[name] for name in _TESTS}
    return environment


@functools.lru_cache(maxsize=1000)
def _compile(source: str) -> Template:
    environment = _environment()
    for node in environment.parse(source).find_all(nodes.Node):
        if not isinstance(node, _ALLOWED):
            kind = type(node).__name__
            raise TemplateError(f"line {node.lineno} has a {kind}; only values, conditions and simple filters are open")
        if isinstance(node, nodes.Name) and node.name not in names():
            raise TemplateError(f"line {node.lineno} has {node.name!r}; there are {', '.join(names())}")
    return environment.from_string(source)


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(" ", "seconds") if milliseconds else ""


def _seconds(start: int, end: int) -> float:
    return max(0, end - start) / 1000 if start else 0.0


def _clean(text: str, limit: int = VALUE_LIMIT) -> str:
    """Text without control characters, no longer than `limit`."""
    text = re.sub(r"[^\S\n\t ]|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", " ", text)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _line(text: str, limit: int) -> str:
    """Text on one line: a line break in a title could end a mail's header."""
    return " ".join(_clean(text, limit).split())
