"""Raw files, the manifest that says which exist, compaction, reader, retention.

The way in is `LakeWriter`, the way out `LakeReader`; `store.py` is the contract of the object store below them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.lazy import lazy_door

if TYPE_CHECKING:
    from mainstem.lake.commit import COMMITS, OBSERVED_EPOCH, Chain, FileKey, LakeCommit, LakeFile
    from mainstem.lake.compaction import CompactReport, compact
    from mainstem.lake.lake import Lake, open_objects
    from mainstem.lake.local import LocalObjects
    from mainstem.lake.manifest import LakeTotal, Manifest, Proof
    from mainstem.lake.observed import append_observed, observed_chain
    from mainstem.lake.reader import Found, LakeQuery, LakeReader
    from mainstem.lake.recovery import log_past, prove_keys, recover_manifest
    from mainstem.lake.retention import trim_log
    from mainstem.lake.rows import ROWS
    from mainstem.lake.settings import LakeSettings
    from mainstem.lake.store import ObjectInfo, ObjectStore
    from mainstem.lake.sweeping import SweepReport, sweep
    from mainstem.lake.verification import Problem, VerifyReport, verify
    from mainstem.lake.writer import LakeWriter
else:
    __getattr__ = lazy_door(
        __name__,
        {
            "commit": "COMMITS OBSERVED_EPOCH Chain FileKey LakeCommit LakeFile",
            "compaction": "CompactReport compact",
            "lake": "Lake open_objects",
            "local": "LocalObjects",
            "manifest": "LakeTotal Manifest Proof",
            "observed": "append_observed observed_chain",
            "reader": "Found LakeQuery LakeReader",
            "recovery": "log_past prove_keys recover_manifest",
            "retention": "trim_log",
            "rows": "ROWS",
            "settings": "LakeSettings",
            "store": "ObjectInfo ObjectStore",
            "sweeping": "SweepReport sweep",
            "verification": "Problem VerifyReport verify",
            "writer": "LakeWriter",
        },
    )

__all__ = [
    "COMMITS",
    "OBSERVED_EPOCH",
    "ROWS",
    "Chain",
    "CompactReport",
    "FileKey",
    "Found",
    "Lake",
    "LakeCommit",
    "LakeFile",
    "LakeQuery",
    "LakeReader",
    "LakeSettings",
    "LakeTotal",
    "LakeWriter",
    "LocalObjects",
    "Manifest",
    "ObjectInfo",
    "ObjectStore",
    "Problem",
    "Proof",
    "SweepReport",
    "VerifyReport",
    "append_observed",
    "compact",
    "log_past",
    "observed_chain",
    "open_objects",
    "prove_keys",
    "recover_manifest",
    "sweep",
    "trim_log",
    "verify",
]
