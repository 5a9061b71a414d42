"""REST and WebSocket: one response envelope, one error shape, a stated permission on every route."""

__all__: list[str] = []
