from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mainstem.errors import ConfigurationError, IntegrityError, MissingKeysError
from mainstem.privacy import Keyring, sealing
from mainstem.privacy import keyring as keyring_module

PASSPHRASE = "correct horse battery"


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_created_keys_are_private_and_open_again(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "keys"
    created = Keyring.create(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["index.key", "sealing.json"]
    assert (_mode(folder), _mode(folder / "index.key"), _mode(folder / "sealing.json")) == (0o700, 0o600, 0o600)
    opened = Keyring.open(folder)
    assert opened.check() == created.check()
    assert opened.index_key == created.index_key
    assert opened.sealer.open(created.sealer.seal(b"data", b"context"), b"context") == b"data"


class _KilledError(BaseException):
    """Ends what a process does where `kill -9` would."""


@pytest.mark.parametrize("steps", range(4))
def test_keys_whose_making_was_broken_off_are_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    folder, left = tmp_path / "keys", iter(range(steps))

    def until_killed(act: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any) -> Any:
            if next(left, None) is None:
                raise _KilledError
            return act(*arguments)

        return wrapped

    with monkeypatch.context() as patch:
        # Two files are written, and then put into their places.
        patch.setattr(keyring_module, "_create", until_killed(keyring_module._create))
        patch.setattr(Path, "rename", until_killed(Path.rename))
        with pytest.raises(_KilledError):
            Keyring.create(folder)
    if Keyring.made(folder):
        Keyring.open(folder)
    else:
        Keyring.create(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["index.key", "sealing.json"]


def test_a_key_that_was_put_beside_a_making_that_was_broken_off_is_left(keyring: Keyring) -> None:
    (keyring.folder / "index.key").unlink()
    own = (keyring.folder / "sealing.json").read_bytes()
    for name in ("sealing.json", "index.key"):
        (keyring.folder / f".{name}.new").write_bytes(b"of a making that was killed")
    assert Keyring.made(keyring.folder)
    assert {path.name: path.read_bytes() for path in keyring.folder.iterdir()} == {"sealing.json": own}


def test_one_key_alone_was_not_broken_off_but_lost(keyring: Keyring) -> None:
    (keyring.folder / "index.key").unlink()
    assert Keyring.made(keyring.folder)
    with pytest.raises(MissingKeysError):
        Keyring.open(keyring.folder)
    with pytest.raises(ConfigurationError):
        Keyring.create(keyring.folder)


def test_two_installations_differ(tmp_path: Path) -> None:
    one, other = Keyring.create(tmp_path / "one"), Keyring.create(tmp_path / "other")
    assert one.check() != other.check()
    assert one.references.ref("s", "customer", "c") != other.references.ref("s", "customer", "c")
    assert one.hasher.digest(b"p", ["c"]) != other.hasher.digest(b"p", ["c"])
    with pytest.raises(IntegrityError):
        other.sealer.open(one.sealer.seal(b"data", b""), b"")


def test_nothing_secret_shows_in_a_repr(keyring: Keyring) -> None:
    shown = repr([keyring, keyring.sealer, keyring.references, keyring.hasher])
    assert repr(keyring.index_key) not in shown
    assert keyring.index_key.hex() not in shown


def test_derived_keys_differ_by_purpose_and_last(keyring: Keyring) -> None:
    assert keyring.derive("session") == Keyring.open(keyring.folder).derive("session")
    assert len({keyring.derive("session"), keyring.derive("token"), keyring.check()}) == 3


def test_create_never_overwrites(keyring: Keyring) -> None:
    before = {path.name: path.read_bytes() for path in keyring.folder.iterdir()}
    with pytest.raises(ConfigurationError, match="never overwritten"):
        Keyring.create(keyring.folder)
    (keyring.folder / "index.key").unlink()
    with pytest.raises(ConfigurationError, match="never overwritten"):
        Keyring.create(keyring.folder)
    assert (keyring.folder / "sealing.json").read_bytes() == before["sealing.json"]
    assert not (keyring.folder / "index.key").exists()


def test_create_says_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="file"):
        Keyring.create(tmp_path / "file" / "keys")


@pytest.mark.parametrize("name", ["index.key", "sealing.json"])
def test_a_missing_file_is_said_with_a_hint(keyring: Keyring, name: str) -> None:
    (keyring.folder / name).unlink()
    with pytest.raises(MissingKeysError, match=rf"{name} is missing.*mainstem keys import"):
        Keyring.open(keyring.folder)


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingKeysError, match="nowhere"):
        Keyring.open(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("index.key", b""),
        ("index.key", b"x" * 31),
        ("index.key", b"x" * 33),
        ("sealing.json", b""),
        ("sealing.json", b"{}"),
        ("sealing.json", b"\xff\xfe"),
        ("sealing.json", b'{"primaryKeyId": 1, "key": []}'),
    ],
)
def test_a_damaged_file_is_said(keyring: Keyring, name: str, content: bytes) -> None:
    (keyring.folder / name).write_bytes(content)
    with pytest.raises(MissingKeysError, match=rf"{name} is damaged"):
        Keyring.open(keyring.folder)


def test_a_directory_in_a_files_place_is_said(keyring: Keyring) -> None:
    (keyring.folder / "index.key").unlink()
    (keyring.folder / "index.key").mkdir()
    with pytest.raises(MissingKeysError, match="cannot be read"):
        Keyring.open(keyring.folder)


def test_rotation_keeps_what_was_sealed_and_spares_the_index_key(keyring: Keyring) -> None:
    before = keyring.sealer.seal(b"old", b"c")
    key_ids = [key["keyId"] for key in json.loads((keyring.folder / "sealing.json").read_text())["key"]]
    keyring.rotate()
    keyset = json.loads((keyring.folder / "sealing.json").read_text())
    assert [key["keyId"] for key in keyset["key"]][:-1] == key_ids
    assert keyset["primaryKeyId"] not in key_ids
    assert _mode(keyring.folder / "sealing.json") == 0o600
    after = keyring.sealer.seal(b"new", b"c")
    reopened = Keyring.open(keyring.folder)
    assert [reopened.sealer.open(sealed, b"c") for sealed in (before, after)] == [b"old", b"new"]
    assert reopened.check() == keyring.check()
    assert sorted(path.name for path in keyring.folder.iterdir()) == ["index.key", "sealing.json"]


def test_another_process_notices_a_rotation(keyring: Keyring) -> None:
    other = Keyring.open(keyring.folder)
    keyring.rotate()
    assert other.sealer.open(keyring.sealer.seal(b"new", b"c"), b"c") == b"new"
    other.rotate()
    assert keyring.sealer.open(other.sealer.seal(b"newer", b"c"), b"c") == b"newer"


def test_export_and_import_restore_the_installation(keyring: Keyring, tmp_path: Path) -> None:
    keyring.rotate()
    sealed = keyring.sealer.seal(b"data", b"c")
    path = tmp_path / "backup"
    keyring.export_to(path, PASSPHRASE)
    assert _mode(path) == 0o600
    assert keyring.index_key not in path.read_bytes()
    restored = Keyring.import_from(path, tmp_path / "restored", PASSPHRASE)
    assert restored.check() == keyring.check()
    assert restored.sealer.open(sealed, b"c") == b"data"
    assert _mode(tmp_path / "restored") == 0o700


def test_export_and_import_never_overwrite(keyring: Keyring, tmp_path: Path) -> None:
    path = tmp_path / "backup"
    keyring.export_to(path, PASSPHRASE)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="never overwrites"):
        keyring.export_to(path, PASSPHRASE)
    assert path.read_bytes() == before
    other = Keyring.create(tmp_path / "other")
    with pytest.raises(ConfigurationError, match="never overwritten"):
        Keyring.import_from(path, other.folder, PASSPHRASE)
    assert Keyring.open(other.folder).check() == other.check()


def test_a_wrong_passphrase_or_a_changed_file_does_not_open(keyring: Keyring, tmp_path: Path) -> None:
    path = tmp_path / "backup"
    keyring.export_to(path, PASSPHRASE)
    with pytest.raises(ConfigurationError, match="passphrase is wrong"):
        Keyring.import_from(path, tmp_path / "restored", PASSPHRASE + "!")
    changed = json.loads(path.read_text())
    changed["iterations"] += 1
    path.write_text(json.dumps(changed))
    with pytest.raises(ConfigurationError, match="does not open"):
        Keyring.import_from(path, tmp_path / "restored", PASSPHRASE)
    assert not (tmp_path / "restored").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"format": "mainstem-keys-1", "kdf": "argon2id", "sealed": "!"}',
        (
            b'{"format": "mainstem-keys-1", "kdf": "argon2id", "sealed": "", "iterations": 3, "lanes": 4, '
            b'"memory_kib": 999999999, "salt": "AAAAAAAAAAAAAAAAAAAAAA==", "nonce": ""}'
        ),
    ],
)
def test_what_is_no_export_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ConfigurationError, match="no export"):
        Keyring.import_from(tmp_path / "file", tmp_path / "restored", PASSPHRASE)


def test_exports_of_another_version_missing_files_and_short_passphrases_are_said(
    keyring: Keyring, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text('{"format": "mainstem-keys-2", "kdf": "argon2id", "sealed": ""}')
    with pytest.raises(ConfigurationError, match="another version"):
        Keyring.import_from(tmp_path / "file", tmp_path / "restored", PASSPHRASE)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Keyring.import_from(tmp_path / "nothing", tmp_path / "restored", PASSPHRASE)
    with pytest.raises(ConfigurationError, match="8 characters"):
        keyring.export_to(tmp_path / "backup", "short")
    assert not (tmp_path / "backup").exists()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        keyring.export_to(tmp_path / "no" / "backup", PASSPHRASE)


def test_whoever_seals_takes_up_a_rotation_by_another_process(
    keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = keyring, Keyring.open(keyring.folder)
    before = ours.sealer.seal(b"data", b"")
    theirs.rotate()
    monkeypatch.setattr(sealing, "_LOOK_SECONDS", 0.0)
    after = ours.sealer.seal(b"data", b"")
    # Tink begins with a byte of its own and the key's id.
    assert before[1:5] != after[1:5] == theirs.sealer.seal(b"data", b"")[1:5]
    assert ours.sealer.open(before, b"") == ours.sealer.open(after, b"") == b"data"
    shutil.rmtree(keyring.folder)
    assert ours.sealer.open(ours.sealer.seal(b"more", b""), b"") == b"more"
