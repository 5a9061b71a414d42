"""One thing Arrow should do itself."""

from __future__ import annotations

import pyarrow as pa

__all__ = ["whole"]


def whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """A column as one array, copied only when it is in several pieces."""
    combined = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return pa.concat_arrays(combined.chunks) if isinstance(combined, pa.ChunkedArray) else combined
