"""The public door as a function."""

import asyncio
from typing import Any

from app.page_feed import PaymentFeed
from handlers.aws.container import CONTAINER
from handlers.aws.doors import LambdaDoor
from handlers.public_door import make_public_door


class PublicLambda(LambdaDoor):
    def make(self) -> Any:
        system, _ = self._container.ready()
        door = make_public_door(system, PaymentFeed(), asyncio.Event())
        # A stream would hold an invocation for minutes: none is opened, and the page polls.
        door.state.streams = system.settings.page_streams_max
        return door


handle = PublicLambda(CONTAINER)
