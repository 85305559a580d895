"""`settle jobs`, `settle retry` and `settle replay`: what was given up, and doing things once more."""

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from app.database import ID_MAX
from app.jobs.retries import PAGE, count_unfinished, list_dead, retry, retry_all
from app.projection import LIFECYCLES, compare_all
from app.records import InboxSource, JobKind, RecordKind
from app.replay import Choice, replay_inbox
from app.system import System
from handlers.figures import show
from handlers.running import run_with_system

replay = typer.Typer(help="Process once more what came in, or read once more what happened.", no_args_is_help=True)


def jobs(
    dead: Annotated[bool, typer.Option("--dead", help="List the jobs that were given up, one by one.")] = False,
    kind: Annotated[JobKind | None, typer.Option(help="Only of this kind.")] = None,
    after: Annotated[int, typer.Option(help="Only those with a higher id: the next page.", max=ID_MAX)] = 0,
    limit: Annotated[int, typer.Option(help="So many at most.", min=1, max=10_000)] = PAGE,
) -> None:
    """Show how many jobs wait, run or were given up; with --dead, which were given up and why."""

    async def task(system: System) -> None:
        if not dead:
            show(
                [
                    {
                        "kind": row["kind"],
                        "status": row["status"],
                        "jobs": row["count"],
                        "first_due_at": row["first_due_at"],
                        "oldest_change_at": row["oldest_at"],
                    }
                    for row in await count_unfinished(system)
                    if kind in (None, row["kind"])
                ]
            )
            return
        show(
            [
                {
                    "id": job.id,
                    "kind": job.kind,
                    "record": job.record,
                    "record_id": job.record_id,
                    "tries": job.attempts,
                    "given_up_at": job.updated_at,
                    "last_error": job.last_error,
                }
                for job in await list_dead(system, kind, after=after, limit=limit)
            ]
        )

    run_with_system(task)


def retry_jobs(
    ids: Annotated[
        list[int] | None, typer.Argument(help="Dead jobs, as `settle jobs --dead` lists them.", max=ID_MAX)
    ] = None,
    kind: Annotated[JobKind | None, typer.Option(help="Every dead job of this kind.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every dead job.")] = False,
) -> None:
    """Begin dead jobs anew: each at the foot of its ladder, its stuck payment or refund moved back with it."""
    if bool(ids) == (everything or kind is not None):
        raise typer.BadParameter("name jobs, or a kind, or --all")

    async def task(system: System) -> None:
        if ids:
            for job_id in ids:
                job = await retry(system, job_id)
                typer.echo(f"{job.id}: {job.kind} of {job.record} {job.record_id} begins anew")
            return
        begun, refused = await retry_all(system, kind)
        for job_id in refused:
            typer.echo(f"{job_id}: its record is stuck for a reason that no retry mends")
        typer.echo(f"{len(begun)} jobs begin anew, {len(refused)} do not")

    run_with_system(task)


def _utc(text: str | None) -> datetime | None:
    """ISO 8601; without a zone it is UTC, as in the logs."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no ISO 8601 time") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@replay.command("inbox")
def replay_what_came(
    ids: Annotated[
        list[int] | None, typer.Option("--id", help="This one (inbox_events.id); may be repeated.", max=ID_MAX)
    ] = None,
    source: Annotated[InboxSource | None, typer.Option(help="Only what this sender sent.")] = None,
    since: Annotated[str | None, typer.Option(help="Received at this time (ISO 8601, UTC) or later.")] = None,
    until: Annotated[str | None, typer.Option(help="Received before this time.")] = None,
    unprocessed: Annotated[bool, typer.Option("--unprocessed", help="Only what was never processed.")] = False,
    per_second: Annotated[int, typer.Option(help="So many become due in a second.", min=1, max=10_000)] = 100,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count them, and change nothing.")] = False,
) -> None:
    """Process events of the inbox once more. What was processed already changes nothing."""
    choice = Choice(ids or None, source, _utc(since), _utc(until), unprocessed)

    async def task(system: System) -> None:
        queued = empty = 0
        async for batch in replay_inbox(system, choice, per_second=per_second, dry_run=dry_run):
            queued, empty = queued + batch.queued, empty + batch.empty
            typer.echo(f"up to event {batch.last_id}: {queued}", err=True)
        verb = "would be processed" if dry_run else "are processed"
        typer.echo(f"{queued} events {verb} once more, {empty} have nothing left in them")

    run_with_system(task)


@replay.command("events")
def replay_what_happened(
    payment: Annotated[str | None, typer.Option(help="Only this payment (its id in the page's address).")] = None,
    refund: Annotated[str | None, typer.Option(help="Only this refund (its id in the link).")] = None,
) -> None:
    """Replay the history of payments and refunds, and compare what it comes to with the records. Changes nothing."""
    kinds = [RecordKind.payment] if payment else [RecordKind.refund] if refund else list(LIFECYCLES)
    found = 0

    async def task(system: System) -> None:
        nonlocal found
        async for difference in compare_all(system, kinds, payment or refund):
            found += 1
            told = {"record": difference.record, "id": difference.record_id, "problem": difference.problem}
            typer.echo(json.dumps(told))
        typer.echo(f"{found} differences")

    run_with_system(task)
    if found:
        raise typer.Exit(1)
