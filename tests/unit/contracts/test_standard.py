from __future__ import annotations

from collections.abc import Callable

import pytest

from mainstem.contracts import read_contract
from mainstem.errors import ConfigurationError

# Each line is ten times the one before.
LAUGHS = "".join(f"- &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))


@pytest.mark.parametrize(
    ("text", "where", "says"),
    [
        ("", "c.yaml", "holds no contract"),
        ("- a", "c.yaml", "holds no contract"),
        ("a: [", "c.yaml:1", "not YAML"),
        ("kind: DataContract\nkind: DataContract", "c.yaml:2", "'kind' is there twice"),
        ("schema:\n- name: a\n  name: b", "c.yaml:3", "'name' is there twice"),
        ("1: a", "c.yaml", "Key 1 is no text"),
        ("!!python/object/apply:os.system [ls]", "c.yaml:1", "not YAML"),
        ("a: &a [*a]", "c.yaml", "unknown to the Open Data Contract Standard"),
        ("tags: &a [*a]", "c.yaml", "more than a contract can"),
        ("a: \x00", "c.yaml", "not YAML"),
        ("[" * 2_000, "c.yaml", "not YAML"),
        ("a" * 600_000, "c.yaml", "longer than"),
        ("tags:\n- &a0 [x, x]\n" + LAUGHS, "c.yaml", "more than a contract can"),
        ("kind: ? ? ?", "c.yaml", ""),
    ],
)
def test_what_is_no_contract(text: str, where: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_contract(text, "c.yaml")
    assert str(caught.value).startswith(where)
    assert says in str(caught.value)


def test_aliases_and_comments_are_yaml_too(event_text: Callable[..., str]) -> None:
    text = event_text().replace("logicalType: string", "logicalType: &s string # a text", 1)
    assert read_contract(text.replace("logicalType: string", "logicalType: *s"), "c.yaml").stream == "things"


def test_dates_are_text_and_old_words_for_truth_are_not(event_text: Callable[..., str]) -> None:
    field = "  - name: x\n    logicalType: date\n    enum:\n    - value: 2026-01-02\n"
    text = event_text().replace("  properties:\n", f"  properties:\n{field}")
    assert read_contract(text, "c.yaml").fields["x"].allowed == ("2026-01-02",)
    with pytest.raises(ConfigurationError, match="Put it in quotes"):
        read_contract(text.replace("date\n", "string\n").replace("2026-01-02", "yes"), "c.yaml")
