import pytest

from streams.settings import Settings
from streams.worker import sandbox
from streams.worker.outcomes import RefusedError
from streams.worker.sandbox import Sandbox


async def test_a_trial_that_failed_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was wrong may pass, such as a lack of memory; a worker must not refuse all code until it is restarted."""
    answers, trials = iter(["no room", ""]), 0

    async def trial(_: Sandbox) -> str:
        nonlocal trials
        trials += 1
        return next(answers)

    monkeypatch.setattr(Sandbox, "_try", trial)
    box = Sandbox(Settings())
    for _ in range(2):  # not with each task
        with pytest.raises(RefusedError, match="no room"):
            await box.check()
    assert trials == 1
    monkeypatch.setattr(sandbox, "AGAIN", 0.0)
    box._again_at = 0.0
    for _ in range(2):
        await box.check()
    assert trials == 2
