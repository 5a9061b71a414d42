"""What a draft finds in a sample: forms of time, and words for nothing."""

from __future__ import annotations

import yaml

from mainstem.contracts import draft_contract


def _drafted(values: list[str]) -> dict[str, object]:
    payloads = [{"customer_id": f"c{n}", "x": value} for n, value in enumerate(values)]
    text = yaml.safe_load(draft_contract(payloads, "shop", "things"))
    found: dict[str, object] = next(one for one in text["schema"][0]["properties"] if one["name"] == "x")
    return found


def test_a_form_of_time_is_found_where_a_day_tells_it_from_a_month() -> None:
    assert _drafted(["29/2/2016 01:16", "1/3/2016 23:59"]) == {
        "name": "x", "logicalType": "timestamp", "required": True, "logicalTypeOptions": {"format": "d/M/yyyy H:mm"},
    }  # fmt: skip
    assert _drafted(["01/05/2015 12:40:41 PM", "01/31/2015 01:00:00 AM"])["logicalTypeOptions"] == {
        "format": "M/d/yyyy h:mm:ss a"
    }


def test_a_form_that_the_sample_does_not_tell_is_left_to_a_person() -> None:
    told = _drafted(["1/2/2016", "3/4/2016"])
    assert told["logicalType"] == "string"
    assert "d/M/yyyy or M/d/yyyy" in str(told["description"])


def test_words_for_nothing_are_declared_where_the_rest_says_what_the_field_is() -> None:
    assert _drafted(["5", "NULL", "7"]) == {
        "name": "x", "logicalType": "integer", "customProperties": [{"property": "missing", "value": ["NULL"]}],
    }  # fmt: skip
    assert _drafted(["29/2/2016", "-", "1/3/2016"])["logicalTypeOptions"] == {"format": "d/M/yyyy"}


def test_a_word_that_may_be_a_value_stays_one() -> None:
    # Namibia.
    assert "customProperties" not in _drafted(["DE", "NA", "FR"])
    assert _drafted(["DE", "?", "FR"])["customProperties"] == [{"property": "missing", "value": ["?"]}]
