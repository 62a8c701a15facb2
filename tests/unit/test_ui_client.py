"""What the client sends."""

import math

import pytest

from pipelines.events import PUBLIC_EVENT, ExecuteEvent
from ui.client import _json


@pytest.mark.parametrize(("payload", "sent"), [(math.nan, "NaN"), ({"x": [-math.inf]}, '{"x":[-Infinity]}')])
def test_a_number_that_is_none_of_json_is_not_sent_as_null(payload: object, sent: str) -> None:
    """The API refuses it, where null would be a payload like any other, or none."""
    body = _json(ExecuteEvent(task="t", payload=payload))
    assert body
    assert f'"payload":{sent}' in body.decode()
    assert str(PUBLIC_EVENT.validate_json(body).payload) == str(payload)
