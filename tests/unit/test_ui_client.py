"""What the client sends."""

import math

import pytest

from pipelines.events import PUBLIC_EVENT, ExecuteEvent
from ui.client import _json, _lines


@pytest.mark.parametrize(("payload", "sent"), [(math.nan, "NaN"), ({"x": [-math.inf]}, '{"x":[-Infinity]}')])
def test_a_number_that_is_none_of_json_is_not_sent_as_null(payload: object, sent: str) -> None:
    """The API refuses it, where null would be a payload like any other, or none."""
    body = _json(ExecuteEvent(task="t", payload=payload))
    assert body
    assert f'"payload":{sent}' in body.decode()
    assert str(PUBLIC_EVENT.validate_json(body).payload) == str(payload)


def test_what_unicode_takes_for_a_line_end_stands_in_a_line() -> None:
    """JSON leaves them as they are, and a stream of events ends its lines with a line feed."""
    texts = ['data: {"text": "a\u2028b', '\x85c"}\r', "\n\nda", "ta: 2\n"]
    assert list(_lines(texts)) == ['data: {"text": "a\u2028b\x85c"}', "", "data: 2"]
