"""Settings of jobs."""

from dataclasses import dataclass
from typing import Annotated

from app.settings.about import about


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """Jobs, and what is done now and then."""

    job_poll_ms: Annotated[
        int, about("Longest nap between two looks for due jobs, should a notification get lost.", ge=20, le=60_000)
    ] = 1_000
    job_workers: Annotated[int, about("Jobs one worker process runs at once.", ge=1, le=500)] = 16
    job_lease_seconds: Annotated[
        int, about("How long a job is one worker's alone; longer than a call may take.", ge=30)
    ] = 60
    inbox_payload_days: Annotated[
        int, about("How long the payload of an event that came in is kept once it was processed.", ge=1, le=3650)
    ] = 30
    upkeep_seconds: Annotated[
        int, about("How often tokens of quiet shops and what has ended are looked for.", ge=1, le=86_400)
    ] = 300
