"""What happens when something fails: trigger rules, a skip, and a clean-up that always runs.

The data are real (cars.json of the package vega_datasets: 406 cars of 1970 to 1982) and have real holes: 8 cars have no
fuel consumption and 6 no horsepower. So two of the three checks fail, every time. That is what you should see:

- `check_consumption` and `check_power` fail, `check_weight` succeeds;
- `publish`, which wants all checks to succeed, ends as upstream_failed and never runs;
- `quarantine` (one_failed) runs as soon as the first check has failed, and finds the cars with holes;
- `report` (none_failed) goes on with the others;
- `electric` skips itself: there are no electric cars among them. `charging`, behind it, is skipped with it;
- `first_word` (one_success) starts when the first check has succeeded and does not wait for the others;
- `clean_up` (all_done) runs last, whatever happened, and removes the scratch file.
"""

import json
import statistics
from importlib.metadata import distribution
from pathlib import Path

from headrace import Pipeline, Skip
from pipelines.model import Trigger
from streams.settings import settings

CARS = Path(str(distribution("vega-datasets").locate_file("vega_datasets/_data/cars.json")))

pipeline = Pipeline("cars", description="Trigger rules, on cars with holes in their data.", timeout=60)


@pipeline.task()
def load(context):
    """Copy the cars to a scratch file of this run; the others get its path."""
    scratch = Path(settings().home) / "artifacts" / f"cars-{context.execution}.json"
    scratch.parent.mkdir(parents=True, exist_ok=True)
    scratch.write_text(CARS.read_text())
    return str(scratch)


def check(payload, load):
    """Fail where a car has no value in the column that the payload names."""
    holes = [car["Name"] for car in json.loads(Path(load).read_text()) if car[payload] is None]
    if holes:
        raise ValueError(f"{len(holes)} cars have no {payload}: {', '.join(holes[:3])}, ...")
    return f"every car has its {payload}"


consumption = pipeline.task(check, name="check_consumption", payload="Miles_per_Gallon", upstream=load)
power = pipeline.task(check, name="check_power", payload="Horsepower", upstream=load)
weight = pipeline.task(check, name="check_weight", payload="Weight_in_lbs", upstream=load)
checks = [consumption, power, weight]


@pipeline.task(upstream=checks)
def publish():
    """Never runs: two checks fail."""
    return "published"


@pipeline.task(upstream=checks, trigger=Trigger.ONE_SUCCESS)
def first_word(inputs):
    """Repeat the first good news."""
    return next(iter(inputs.values()))


@pipeline.task(upstream=[load, *checks], trigger=Trigger.ONE_FAILED, priority=8)
def quarantine(load):
    """Name the cars that have a hole anywhere."""
    return sorted({car["Name"] for car in json.loads(Path(load).read_text()) if None in car.values()})


@pipeline.task(upstream=[load, quarantine], trigger=Trigger.NONE_FAILED)
def report(load, quarantine):
    """Mean consumption by origin, in litres for 100 km, of the cars without holes."""
    good = [car for car in json.loads(Path(load).read_text()) if car["Name"] not in quarantine]
    origins = sorted({car["Origin"] for car in good})
    litres = {o: [235.215 / car["Miles_per_Gallon"] for car in good if car["Origin"] == o] for o in origins}
    return {origin: round(statistics.fmean(values), 1) for origin, values in litres.items()}


@pipeline.task(upstream=load)
def electric(load):
    """Count the electric cars, if there are any."""
    if not (found := [car for car in json.loads(Path(load).read_text()) if car["Cylinders"] == 0]):
        raise Skip("there are no electric cars among them")
    return len(found)


@pipeline.task(upstream=electric)
def charging(electric):
    """Skipped with its upstream."""
    return f"{electric} cars to charge"


@pipeline.task(upstream=[load, *checks, publish, first_word, quarantine, report, charging], trigger=Trigger.ALL_DONE)
def clean_up(load):
    """Remove the scratch file."""
    if load:
        Path(load).unlink(missing_ok=True)
