"""`mainstem log`: how the event log stands, and into how many partitions it is split."""

from __future__ import annotations

import json as json_format
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from mainstem.cli.options import DEFAULT_DATA_DIR, AsJson, ConfigFile, DataDir
from mainstem.errors import ConfigurationError

if TYPE_CHECKING:
    from mainstem.runtime.wiring import Runtime

__all__ = ["app"]

app = App(name="log", help="Look at the event log, change its number of partitions.", help_format="plaintext")


@app.command
def show(*, json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR, config: ConfigFile = None) -> None:
    """Show each epoch's partitions: how far each lane is appended to, in effect, and in the lake."""
    from mainstem.runtime.wiring import connect_runtime

    with connect_runtime(data_dir, config, start=True) as runtime:
        epochs = _standing(runtime)
    if json:
        print(json_format.dumps(epochs))
        return
    for epoch in epochs:
        print(f"epoch {epoch['epoch']}: {epoch['partitions']} partitions, {'closed' if epoch['closed'] else 'open'}")
        for head in epoch["heads"]:
            print(
                f"  partition {head['partition']}, {head['lane']}: {head['appended']:,} batches,"
                f" {head['in_effect']:,} in effect, {head['in_lake']:,} in the lake"
            )


@app.command
def repartition(
    partitions: Annotated[int, Parameter(help="1, 2, 4, 8 or 16: at least as many as workers are to share the work.")],
    *,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
) -> None:
    """Split the log into another number of partitions; records that come from now on go there.

    Nothing stops: workers finish the old partitions before they read the new ones.
    """
    from mainstem.runtime.wiring import connect_runtime

    with connect_runtime(data_dir, config, start=True) as runtime:
        opened = runtime.log.epochs()[-1]
        if opened.partitions == partitions:
            print(f"The log has {partitions} partitions already.")
            return
        try:
            epoch = runtime.log.repartition(partitions)
        except ValueError as error:
            raise ConfigurationError(f"A log cannot have {partitions} partitions.", hint="1, 2, 4, 8 or 16.") from error
    print(
        f"Epoch {epoch.number} of the log has {epoch.partitions} partitions; epoch {opened.number} had {opened.partitions}."
    )


def _standing(runtime: Runtime) -> list[dict[str, Any]]:
    in_effect, in_lake = runtime.sink_positions(), runtime.lake.manifest.positions()
    return [
        {
            "epoch": epoch.number,
            "partitions": epoch.partitions,
            "closed": epoch.closed,
            "heads": [
                {
                    "partition": head.partition,
                    "lane": head.lane.label,
                    "appended": head.position,
                    "in_effect": in_effect.get((head.epoch, head.partition, head.lane), 0),
                    "in_lake": in_lake.get((head.epoch, head.partition, head.lane), 0),
                }
                for head in runtime.log.heads(epoch.number)
            ],
        }
        for epoch in runtime.log.epochs()
    ]
