"""Four years of Seattle's weather: load, clean the years in parallel, aggregate in SQL, draw a picture.

What to watch when it runs:

- `clean_2012` to `clean_2015` run side by side as soon as `load` is done, and before the `spread_...` tasks, which
  could run as well but have a lower priority.
- `clean_2014` fails at its first attempt and is tried again. That failure is made up, so that you can see a retry: its
  payload says `busy`, and the function then pretends that its source is busy.
- `report` writes the table `weather_report` in ClickHouse from the cleaned days; `rows` reads it back for `draw`, which
  puts weather.svg into the folder `artifacts` of Headrace's home.
- If WEATHER_NOTIFY holds Apprise addresses (separated by spaces), `draw` tells them that the picture is done.

The data are real: seattle-weather.csv from the package vega_datasets (NOAA, 2012-2015).
"""

import csv
import os
import random
import statistics
from datetime import datetime
from importlib.metadata import distribution
from pathlib import Path

from headrace import Pipeline
from pipelines.model import Happening, NotifyRule, Retries
from streams.settings import settings

CSV = Path(str(distribution("vega-datasets").locate_file("vega_datasets/_data/seattle-weather.csv")))
YEARS = (2012, 2013, 2014, 2015)
BUSY = 2014
AGAIN = Retries(limit=3, delay=0.5)  # seconds
TELL = tuple(os.environ.get("WEATHER_NOTIFY", "").split())

pipeline = Pipeline("weather", description="Seattle's weather, from a file to a table and a picture.", timeout=120)


@pipeline.task(priority=9)
def load():
    """Look at the file: how many days it has of each year."""
    with CSV.open() as file:
        dates = [day["date"] for day in csv.DictReader(file)]
    print(f"{len(dates)} days, from {dates[0]} to {dates[-1]}")
    return {str(year): sum(date.startswith(str(year)) for date in dates) for year in YEARS}


def clean(payload, load, context):
    """Clean one year: dates get one form, and days that cannot be are left out."""
    if payload["busy"] and context.attempt == 1:
        raise ConnectionError("the source is busy (made up, to show a retry)")
    with CSV.open() as file:
        year = [day for day in csv.DictReader(file) if day["date"].startswith(str(payload["year"]))]
    days = [[*_numbers(day), day["weather"].strip().lower()] for day in year]
    good = [day for day in days if day[1] >= 0 and day[2] >= day[3]]
    context.logger.info("%d of %d days are good", len(good), load[str(payload["year"])])
    return good


def _numbers(day):
    date = datetime.strptime(day["date"], "%Y/%m/%d").date()  # noqa: DTZ007  (a day has no time zone)
    return date.isoformat(), float(day["precipitation"]), float(day["temp_max"]), float(day["temp_min"])


def spread(payload, inputs):
    """How sure is the mean rain of a rainy day? draw the year again 20,000 times and see (a bootstrap)."""
    rain = [rain for _, rain, *_ in inputs[f"clean_{payload}"] if rain > 0]
    dice = random.Random(payload)  # noqa: S311  (statistics, not secrets)
    means = sorted(statistics.fmean(dice.choices(rain, k=len(rain))) for _ in range(20_000))
    return {"year": payload, "mean": statistics.fmean(rain), "low": means[500], "high": means[-501]}


cleaned, spreads = [], []
for year in YEARS:
    wanted = {"year": year, "busy": year == BUSY}
    cleaned.append(pipeline.task(clean, name=f"clean_{year}", payload=wanted, upstream=load, retries=AGAIN, priority=7))
    spreads.append(pipeline.task(spread, name=f"spread_{year}", payload=year, upstream=cleaned[-1], priority=3))

report = pipeline.sql(
    "report",
    """
    CREATE OR REPLACE TABLE weather_report ENGINE = MergeTree ORDER BY month AS
    WITH arrayJoin(arrayFlatten(arrayMap(year -> JSONExtractArrayRaw(year.2),
        JSONExtractKeysAndValuesRaw({inputs:String})))) AS day
    SELECT
        toMonth(toDate(JSONExtractString(day, 1))) AS month,
        count() AS days,
        round(sum(JSONExtractFloat(day, 2)) / uniqExact(toYear(toDate(JSONExtractString(day, 1)))), 1) AS rain_mm,
        round(avg(JSONExtractFloat(day, 3)), 1) AS warmest,
        round(avg(JSONExtractFloat(day, 4)), 1) AS coldest,
        round(100 * countIf(JSONExtractString(day, 5) = 'sun') / count()) AS sunny_percent
    FROM system.one GROUP BY month ORDER BY month
    """,
    upstream=cleaned,
    writes=True,
    priority=8,
)
rows = pipeline.sql("rows", "SELECT * FROM weather_report ORDER BY month", upstream=report)


@pipeline.task(
    upstream=[rows, *spreads],
    notify=[NotifyRule(on=(Happening.COMPLETED,), to=TELL, title="Seattle's weather is drawn")] if TELL else (),
)
def draw(rows, inputs):
    """Draw rain and temperatures by month, and how sure the rain of a rainy day is by year."""
    from matplotlib.figure import Figure  # noqa: PLC0415  (a second to import, and only needed here)

    figure = Figure(figsize=(9, 4), layout="constrained")
    months, years = figure.subplots(1, 2, width_ratios=(2, 1))
    numbers = [row["month"] for row in rows]
    months.bar(numbers, [row["rain_mm"] for row in rows], color="tab:blue", alpha=0.5, label="rain, mm a month")
    months.plot(numbers, [row["warmest"] for row in rows], color="tab:red", label="warmest of a day, mean, °C")
    months.plot(numbers, [row["coldest"] for row in rows], color="tab:cyan", label="coldest of a day, mean, °C")
    months.set(title="Seattle, 2012-2015", xlabel="month", xticks=numbers)
    months.legend()
    for year in (inputs[f"spread_{y}"] for y in YEARS):
        years.plot([year["low"], year["high"]], [year["year"]] * 2, color="tab:blue", linewidth=6, alpha=0.5)
        years.plot(year["mean"], year["year"], "o", color="tab:blue")
    years.set(title="a rainy day has ... mm (95 %)", yticks=YEARS)
    path = Path(settings().home) / "artifacts" / "weather.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return {"picture": str(path)}
