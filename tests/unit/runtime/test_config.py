from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from mainstem.errors import ConfigurationError
from mainstem.runtime.config import check_config, config_schema, load_config
from mainstem.runtime.config_view import settings_shown, settings_text


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_without_anything_there_are_defaults_and_they_are_frozen(tmp_path: Path) -> None:
    loaded = load_config(tmp_path, environment={})
    assert loaded.file is None
    assert loaded.config.runtime.port == 8321
    assert loaded.origin(("runtime", "port")) == "default"
    with pytest.raises(ValidationError):
        loaded.config.runtime.port = 1


def test_the_given_file_comes_before_the_data_folders_and_that_before_the_working_folders(tmp_path: Path) -> None:
    here = write(tmp_path / "here" / "mainstem.yaml", "runtime: {port: 1}")
    assert load_config(tmp_path, environment={}).config.runtime.port == 1
    assert load_config(tmp_path, environment={}).file == Path(here.name)
    write(tmp_path / "mainstem.yaml", "runtime: {port: 2}")
    assert load_config(tmp_path, environment={}).config.runtime.port == 2
    given = write(tmp_path / "given.yaml", "runtime: {port: 3}")
    assert load_config(tmp_path, given, environment={}).config.runtime.port == 3
    with pytest.raises(ConfigurationError, match=r"--config .*absent\.yaml: there is no such file"):
        load_config(tmp_path, tmp_path / "absent.yaml", environment={})


def test_environment_wins_over_the_file_and_options_over_both_and_each_value_knows_its_origin(tmp_path: Path) -> None:
    file = write(tmp_path / "mainstem.yaml", "runtime:\n  host: h\n  port: 1\n  drain_seconds: 5\n")
    environment = {
        "MAINSTEM_RUNTIME__PORT": "2",
        "MAINSTEM_RUNTIME__DRAIN_SECONDS": "6",
        "MAINSTEM_DATABASE__PARAMETERS": '{"work_mem": "1MB"}',
        "MAINSTEM_RUNTIME__LOG_LEVEL": "",
        "MAINSTEM_DATA_DIR": "/elsewhere",
        "OTHER__THING": "x",
    }
    loaded = load_config(tmp_path, environment=environment, options={("runtime", "port"): 3, ("runtime", "host"): None})
    assert loaded.config.runtime.host == "h"
    assert loaded.config.runtime.port == 3
    assert loaded.config.runtime.drain_seconds == 6
    assert loaded.config.runtime.log_level == "info"
    assert loaded.config.database.parameters == {"work_mem": "1MB"}
    assert loaded.origin(("runtime", "host")) == f"{file}:2"
    assert loaded.origin(("runtime", "port")) == "option --port"
    assert loaded.origin(("runtime", "drain_seconds")) == "environment MAINSTEM_RUNTIME__DRAIN_SECONDS"


def test_every_problem_is_named_with_its_place_and_a_near_miss_and_no_value(tmp_path: Path) -> None:
    file = write(
        tmp_path / "mainstem.yaml",
        "runtime:\n  prot: 5\n  port: geheim\ndatabase:\n  parameters:\n    work_mem: [geheim]\nlaek: {}\n",
    )
    problems = [
        str(problem) for problem in check_config(tmp_path, environment={"MAINSTEM_DATABASE__ACCUONT": "geheim"})
    ]
    assert sorted(problems) == sorted(
        [
            f"{file}:2: runtime.prot is no setting. Did you mean 'port'?",
            f"{file}:3: runtime.port: Input should be a valid integer, unable to parse string as an integer.",
            f"{file}:6: database.parameters.work_mem: Input should be a valid string.",
            f"{file}:7: laek is no setting. Did you mean 'lake'?",
            "environment MAINSTEM_DATABASE__ACCUONT: database.accuont is no setting. Did you mean 'account'?",
        ]
    )
    with pytest.raises(ConfigurationError, match="There are 4 more: mainstem config check"):
        load_config(tmp_path, environment={"MAINSTEM_DATABASE__ACCUONT": "x"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("runtime: [\n", r"yaml:2: is no YAML"),
        ("- 1\n", r"yaml: is no mapping of settings"),
        ("runtime:\n  port: 1\n  port: 2\n", r"yaml:3: 'port' is there twice"),
        ("runtime:\n  host: ${NO_SUCH}\n", r"yaml:2: runtime\.host names the environment variable NO_SUCH"),
        ("database:\n  url: file:/no/such\n", r"yaml:2: database\.url: the secret's file /no/such cannot be read"),
        ("runtime: 5\n", r"yaml:1: runtime: Input should be"),
    ],
)
def test_a_file_that_cannot_be_used_says_where_and_why(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path / "mainstem.yaml", text)
    with pytest.raises(ConfigurationError, match=message):
        load_config(tmp_path, environment={})


def test_an_empty_file_is_a_file_without_settings(tmp_path: Path) -> None:
    write(tmp_path / "mainstem.yaml", "# nothing yet\n")
    assert check_config(tmp_path, environment={}) == []


def test_variables_and_secret_files_are_filled_in_and_secrets_never_shown(tmp_path: Path) -> None:
    secret = write(tmp_path / "secret", "postgresql://u:geheim@h/db\n")
    write(tmp_path / "mainstem.yaml", "runtime: {host: 'a$$b-${PART}'}\nlake: {url: file:///srv/lake}\n")
    loaded = load_config(tmp_path, environment={"PART": "x", "MAINSTEM_DATABASE__URL": f"file:{secret}"})
    assert loaded.config.runtime.host == "a$b-x"
    assert loaded.config.lake.url == "file:///srv/lake", "only a secret is looked for in a file"
    url = loaded.config.database.url
    assert url is not None
    assert url.get_secret_value() == "postgresql://u:geheim@h/db"
    shown = settings_text(loaded)
    assert "geheim" not in shown + repr(loaded)
    assert 'url: "**********"  # environment MAINSTEM_DATABASE__URL' in shown


def test_what_is_shown_is_the_configuration(tmp_path: Path) -> None:
    write(tmp_path / "mainstem.yaml", "database:\n  parameters: {work_mem: 1MB}\n")
    loaded = load_config(tmp_path, environment={})
    names = [shown.name for shown in settings_shown(loaded)]
    assert len(names) == len(set(names))
    assert {"runtime.port", "database.url", "lake.url"} <= set(names)
    copy = write(tmp_path / "copy.yaml", settings_text(loaded))
    assert load_config(tmp_path, copy, environment={}).config == loaded.config


def test_the_schema_describes_every_setting(tmp_path: Path) -> None:
    schema = config_schema()
    sections = schema["properties"]
    for shown in settings_shown(load_config(tmp_path, environment={})):
        section = (
            schema["$defs"][sections[shown.path[0]]["$ref"].rpartition("/")[2]]
            if "$ref" in sections[shown.path[0]]
            else schema["$defs"][sections[shown.path[0]]["allOf"][0]["$ref"].rpartition("/")[2]]
        )
        assert section["properties"][shown.path[1]].get("description"), shown.name
    assert schema["additionalProperties"] is False
