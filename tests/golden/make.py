"""Write a new golden file: `python tests/golden/make.py v2`. A file that is there is never written again."""

import json
import sys
from pathlib import Path

import msgspec
from samples import SAMPLES

HERE = Path(__file__).parent


def golden(sample: msgspec.Struct) -> dict[str, object]:
    """Its bytes, and the fields that it has now."""
    fields = [field.name for field in msgspec.structs.fields(sample)]
    return {"fields": fields, "msgpack": msgspec.msgpack.encode(sample).hex()}


if __name__ == "__main__":
    with (HERE / f"{sys.argv[1]}.json").open("x") as file:
        json.dump({type(sample).__name__: golden(sample) for sample in SAMPLES}, file, indent=1)
        file.write("\n")
