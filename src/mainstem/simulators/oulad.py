"""The Open University Learning Analytics data as an upstream system: four streams of one learning platform.

Kuzilek, Hlosta, Zdrahal, "Open University Learning Analytics dataset", Scientific Data 4:170171 (2017), CC BY 4.0.

The data knows whole days relative to the start of a course presentation, and no calendar. A presentation whose name ends
in B starts on 1 February, in J on 1 October; then everything is shifted by whole days so that the last day with usage is
`last_day`. There is no time of day: everything happens at 00:00 UTC of its day.

A registration (student and presentation) is the customer, the student the person, a row of clicks a usage event, a
submission a milestone, and `date_unregistration` the churn date.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from mainstem.errors import ConfigurationError

__all__ = ["OULAD_STREAMS", "OuladData", "Slice"]

OULAD_STREAMS: Final = ("registrations", "students", "clicks", "submissions")
"""In the order in which one moment's rows are sent."""

_FILES: Final = ("courses", "assessments", "studentInfo", "studentRegistration", "studentAssessment", "vle")

_CUSTOMER = "code_module || '_' || code_presentation || '_' || id_student::BIGINT"

_PREPARE = """
CREATE TABLE presentation AS
SELECT code_module, code_presentation,
       make_date(left(code_presentation, 4)::BIGINT, CASE right(code_presentation, 1) WHEN 'B' THEN 2 ELSE 10 END, 1) AS starts
FROM courses;
SET VARIABLE shift = (
    SELECT getvariable('last_day')::DATE - max(starts + days) FROM presentation JOIN (
        SELECT code_module, code_presentation, max(date)::INTEGER AS days FROM studentVle GROUP BY ALL
    ) USING (code_module, code_presentation));
CREATE TABLE calendar AS
SELECT code_module, code_presentation, starts + getvariable('shift')::INTEGER AS starts FROM presentation;
"""

# A stream is a query with the columns known (DATE: when it became so) and payload (VARCHAR: JSON, as it is sent).
_STREAMS: Final = {
    # A registration is known when it is made, and once more when it is taken back.
    "registrations": f"""
        WITH registration AS (
            SELECT {_CUSTOMER} AS customer_id, id_student::BIGINT::VARCHAR AS person_id, code_module, code_presentation,
                   region, studied_credits::BIGINT AS studied_credits,
                   num_of_prev_attempts::BIGINT AS previous_attempts,
                   starts + coalesce(date_registration, -30)::INTEGER AS registered,
                   starts + date_unregistration::INTEGER AS unregistered
            FROM studentRegistration
            JOIN studentInfo USING (code_module, code_presentation, id_student)
            JOIN calendar USING (code_module, code_presentation)),
        version AS (
            SELECT registered AS known, NULL::DATE AS churned, * FROM registration
            UNION ALL
            SELECT greatest(unregistered, registered) AS known, unregistered AS churned, * FROM registration
            WHERE unregistered IS NOT NULL)
        SELECT known, to_json({{customer_id: customer_id, person_id: person_id, module: code_module,
            presentation: code_presentation, region: region, studied_credits: studied_credits,
            previous_attempts: previous_attempts, registered_at: strftime(registered, '%Y-%m-%dT00:00:00Z'),
            unregistered_at: strftime(churned, '%Y-%m-%dT00:00:00Z'),
            updated_at: strftime(known, '%Y-%m-%dT00:00:00Z')}})::VARCHAR AS payload FROM version""",
    "students": f"""
        SELECT min(starts + coalesce(date_registration, -30)::INTEGER) AS known,
            to_json({{person_id: id_student::BIGINT::VARCHAR, customer_id: min({_CUSTOMER}),
            highest_education: min(highest_education), age_band: min(age_band),
            updated_at: strftime(min(starts + coalesce(date_registration, -30)::INTEGER), '%Y-%m-%dT00:00:00Z')
            }})::VARCHAR AS payload
        FROM studentInfo JOIN studentRegistration USING (code_module, code_presentation, id_student)
        JOIN calendar USING (code_module, code_presentation) GROUP BY id_student""",
    "clicks": f"""
        SELECT starts + date::INTEGER AS known, to_json({{customer_id: {_CUSTOMER},
            person_id: id_student::BIGINT::VARCHAR, event: activity_type, page: id_site::BIGINT::VARCHAR,
            clicks: sum_click::BIGINT,
            occurred_at: strftime(starts + date::INTEGER, '%Y-%m-%dT00:00:00Z')}})::VARCHAR AS payload
        FROM studentVle JOIN calendar USING (code_module, code_presentation)
        JOIN vle USING (code_module, code_presentation, id_site)""",
    "submissions": f"""
        SELECT starts + date_submitted::INTEGER AS known, to_json({{
            id: id_assessment::BIGINT || '-' || id_student::BIGINT, customer_id: {_CUSTOMER},
            person_id: id_student::BIGINT::VARCHAR, event: lower(assessment_type),
            assessment: id_assessment::BIGINT::VARCHAR, score: score::BIGINT, banked: is_banked = 1,
            occurred_at: strftime(starts + date_submitted::INTEGER, '%Y-%m-%dT00:00:00Z')}})::VARCHAR AS payload
        FROM studentAssessment JOIN assessments USING (id_assessment)
        JOIN calendar USING (code_module, code_presentation)""",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Slice:
    """Some rows of one stream, in order of `known`.

    Columns: `known` (DATE), `payload` (JSON text), `n` (running number of equal payloads over the whole stream, from 1).
    """

    stream: str
    rows: pa.Table


class OuladData:
    """A folder of the data set's Parquet files, whole or an extract, on a calendar that ends with `last_day`.

    Raises ConfigurationError when the folder does not hold the data set.
    """

    def __init__(self, folder: Path, last_day: dt.date) -> None:
        missing = [name for name in _FILES if not (folder / f"{name}.parquet").is_file()]
        if missing or not (folder / "studentVle_ds").is_dir():
            raise ConfigurationError(
                f"{folder} does not hold the OULAD data set: {', '.join(missing) or 'studentVle_ds'} is missing.",
                hint="Expected are studentVle_ds/ and the six Parquet tables beside it.",
            )
        self._duck = duckdb.connect(config={"threads": 2})
        for name in _FILES:
            self._duck.read_parquet(str(folder / f"{name}.parquet")).create_view(name)
        self._duck.read_parquet(
            str(folder / "studentVle_ds" / "*" / "*" / "*.parquet"), hive_partitioning=True
        ).create_view("studentVle")
        self._duck.execute("SET VARIABLE last_day = ?", [last_day])
        self._duck.execute(_PREPARE)
        for stream, query in _STREAMS.items():
            # Rows later than the last day are known on the last day: nothing of the source is left out.
            self._duck.execute(
                f"CREATE TABLE {stream} AS SELECT least(known, getvariable('last_day')::DATE) AS known, payload,"
                f" row_number() OVER (PARTITION BY payload ORDER BY known) AS n FROM ({query}) ORDER BY known, payload, n"
            )

    def days(self) -> tuple[dt.date, dt.date]:
        """The first and the last day on which anything becomes known."""
        query = " UNION ALL ".join(
            f"SELECT min(known) AS first, max(known) AS last FROM {stream}" for stream in OULAD_STREAMS
        )
        row = self._duck.execute(f"SELECT min(first), max(last) FROM ({query})").fetchone()
        assert row is not None  # noqa: S101 - an aggregate without GROUP BY has a row
        return row

    def first_usage(self) -> dt.date:
        """The first day with clicks."""
        row = self._duck.execute("SELECT min(known) FROM clicks").fetchone()
        assert row is not None  # noqa: S101 - an aggregate without GROUP BY has a row
        first: dt.date = row[0]
        return first

    def counts(self) -> dict[str, int]:
        """Rows by stream."""
        counts = {}
        for stream in OULAD_STREAMS:
            row = self._duck.execute(f"SELECT count(*) FROM {stream}").fetchone()
            counts[stream] = row[0] if row else 0
        return counts

    def between(self, first: dt.date, last: dt.date, *, rows: int = 50_000) -> Iterator[Slice]:
        """Everything that becomes known from `first` to `last`, both included, in slices of at most `rows` rows."""
        for stream in OULAD_STREAMS:
            reader = self._duck.execute(
                f"SELECT known, payload, n FROM {stream} WHERE known BETWEEN ? AND ? ORDER BY known, payload, n",
                [first, last],
            ).to_arrow_reader(rows)
            for batch in reader:
                if batch.num_rows:
                    yield Slice(stream, pa.Table.from_batches([batch]))

    def clicks_by_customer_and_day(self) -> pa.Table:
        """customer_id, day, clicks, rows: the truth that the served metrics are held against."""
        return self._duck.execute(
            "SELECT payload->>'customer_id' AS customer_id, known AS day, sum((payload->>'clicks')::BIGINT)::BIGINT AS clicks,"
            " count(*) AS rows FROM clicks GROUP BY ALL ORDER BY ALL"
        ).to_arrow_table()
