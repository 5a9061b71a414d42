"""The command `mainstem`: one verb a file, thin."""

__all__: list[str] = []
