"""A door behind one of API Gateway's HTTP APIs (payload format 2.0). Each door is a module of its own beside this one:
Shopify waits for its door, whose cold start must not load what draws pages.
"""

from typing import Any

from mangum import Mangum

from handlers.aws.container import Container, Event


class LambdaDoor:
    """One door in one container: made at the first event, with the container's system."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._application: Mangum | None = None

    def make(self) -> Any:
        """The ASGI application."""
        raise NotImplementedError

    def __call__(self, event: Event, context: Any) -> Any:
        _, bell = self._container.ready()
        if self._application is None:
            self._application = Mangum(self.make(), lifespan="off")
        answer = self._application(event, context)
        self._container.finish(bell)
        return answer
