"""The JSON Schema of the public events: `python -m pipelines.schema > docs/events.schema.json`."""

import json
import sys
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from pipelines.events import PUBLIC_EVENT


class _Schema(GenerateJsonSchema):
    """Pydantic's schema, with all the forms in which a duration is accepted."""

    def timedelta_schema(self, schema: core_schema.TimedeltaSchema) -> JsonSchemaValue:  # noqa: ARG002  (pydantic's)
        """Seconds, or ISO 8601."""
        seconds = {"type": "number", "minimum": 0, "description": "Seconds."}
        return {"anyOf": [seconds, {"type": "string", "format": "duration", "description": "ISO 8601."}]}


def event_schema() -> dict[str, Any]:
    """What may be produced to headrace.submit, one event a message."""
    schema = PUBLIC_EVENT.json_schema(schema_generator=_Schema)
    about = {
        "$schema": _Schema.schema_dialect,
        "title": "A Headrace event",
        "description": "One JSON object a Kafka message on headrace.submit; the key is yours.",
    }
    return about | schema


def as_text() -> str:
    """The schema as it stands in docs/."""
    return json.dumps(event_schema(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(as_text())
