import httpx
from aiokafka.errors import KafkaTimeoutError
from fastapi import FastAPI

from streams.edge.problems import install


async def test_who_hears_nothing_of_kafka_is_not_told_that_nothing_happened() -> None:
    """An order whose acknowledgement was lost is carried out: the answer says so, and how to go on."""
    app = FastAPI()
    install(app)

    @app.post("/order")
    async def order() -> None:
        raise KafkaTimeoutError

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://edge") as client:
        answer = await client.post("/order")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    for part in (
        "may have taken it",
        "in the same run is executed once",
        "names no run",
        "cancel or retry does no harm",
    ):
        assert part in answer.json()["detail"]
