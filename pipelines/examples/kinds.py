"""Every kind of task once, each with the one thing that it is good for.

What to watch when it runs:

- `words` (shell) counts the words of a poem, its payload, which it finds on standard input; `longest` (python) is a
  snippet that sees the same poem. Both run inside the sandbox: no network, no files of yours.
- `history` (sql) asks ClickHouse about Headrace's own executions, once `pause` is over, so that those of this run are
  written by then.
- `page` (http) fetches a page. Without a network it fails, after one retry, and the rest goes on.
- `approval` (external) runs nowhere: it waits for somebody to say how it ended. Here that is `approver`, a function,
  which sends a `finish` event to Kafka by a plain client once `pause` (sleep, on no worker either) is over. You may be
  quicker: `headrace finish ID`.
- `summary` (function, and async) waits until all have ended, however they ended.
"""

import asyncio
import json

from kafka import KafkaProducer

from headrace import Pipeline
from pipelines.model import Trigger
from streams.settings import settings
from streams.topics import Topics

POEM = """\
Water, water, every where,
And all the boards did shrink;
Water, water, every where,
Nor any drop to drink.
"""  # Samuel Taylor Coleridge, 1798

pipeline = Pipeline("kinds", description="Every kind of task once.", timeout=30)

words = pipeline.shell("words", ["wc", "-w"], payload=" ".join(POEM.split()), description="Count words.")

longest = pipeline.python(
    "longest",
    """
    print(payload)
    result = max(payload.replace(",", " ").replace(";", " ").replace(".", " ").split(), key=len)
    """,
    payload=POEM,
    description="Find the longest word.",
)

page = pipeline.http("page", "https://example.org/", retries=1, timeout=5, description="Fetch a page.")

pause = pipeline.sleep("pause", 2, description="Let some time pass.")

history = pipeline.sql(
    "history",
    "SELECT kind, count() AS executions, countIf(state = 'failed') AS bad FROM executions GROUP BY kind ORDER BY kind",
    upstream=pause,
    description="Ask the history which kinds have been executed.",
)

approval = pipeline.external("approval", execution_timeout=60, description="Wait for somebody's word.")


@pipeline.task(upstream=pause)
def approver(context):
    """Approve: one JSON event, by any Kafka client, with any key."""
    event = {"type": "finish", "task": approval.id, "run": context.run, "result": {"approved_by": context.task}}
    producer = KafkaProducer(bootstrap_servers=settings().kafka)
    producer.send(Topics.under(settings().namespace).submit, json.dumps(event).encode()).get(timeout=10)
    producer.close()
    return event


@pipeline.task(upstream=[words, longest, history, page, approval, approver], trigger=Trigger.ALL_DONE)
async def summary(words, longest, history, page, approval):
    """Say what the others found; one that failed has no value, so it is None here."""
    await asyncio.sleep(0)
    kinds = ", ".join(row["kind"] for row in history or ()) or "none yet"
    lines = {
        "words": words,
        "longest": longest,
        "kinds in the history": kinds,
        "page": page["status"] if page else "not reached",
        "approved by": approval["approved_by"] if approval else "nobody",
    }
    for name, value in lines.items():
        print(f"{name}: {value}")
    return lines
