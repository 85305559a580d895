"""The command line, `settle`."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from app.clock import make_clock
from app.coherence import check_chain, check_records
from app.doctor import examine
from app.invariants import Invariant
from app.log_check import check_log
from app.logs import configure_logs
from app.migrations import migrate as apply_migrations
from app.onboarding.configuration import resend_configurations
from app.payments.resend import resend_stuck
from app.refunds.resend import resend_stuck_refunds
from app.seeding import seed_merchant
from app.settings import load
from app.settings.example import example
from app.system import System
from handlers.chain_commands import adopt, restored, unknown
from handlers.door_processes import PROCESSES_MAX, keep_doors
from handlers.fee_commands import fee_payers, fees
from handlers.job_commands import jobs, replay, retry_jobs
from handlers.key_commands import keys
from handlers.lookup_commands import find, stuck
from handlers.privacy_commands import privacy
from handlers.reconcile_commands import reconcile
from handlers.running import run, run_command, run_until_stopped, run_with_system
from handlers.serving import serve as serve_doors
from handlers.working import work

cli = typer.Typer(
    help="Settle: Solana Pay for Shopify, self-hosted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

cli.add_typer(keys, name="keys")
cli.add_typer(fee_payers, name="fee-payers")
cli.command()(fees)
cli.command()(restored)
cli.command()(unknown)
cli.command()(adopt)
cli.command()(find)
cli.command()(stuck)
cli.command()(reconcile)
cli.add_typer(privacy, name="privacy")
cli.command()(jobs)
cli.command("retry")(retry_jobs)
cli.add_typer(replay, name="replay")


def main() -> None:
    """Entry point."""
    run_command(cli)


@cli.command()
def serve(
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=PROCESSES_MAX,
            help="So many processes behind the same sockets, which a parent keeps; SIGHUP renews them.",
        ),
    ] = None,
) -> None:
    """Serve both doors: the public one and Shopify's, with mutual TLS."""
    settings = load()
    if workers is None:
        run_until_stopped(settings, "serve", serve_doors)
    else:
        run(lambda: keep_doors(settings, workers))


@cli.command()
def worker() -> None:
    """Run the jobs and watch the chain."""
    settings = load()
    run_until_stopped(settings, "worker", work)


@cli.command()
def migrate() -> None:
    """Bring the database up to date; in the sandbox, insert its demo merchant."""
    settings = load()

    async def task() -> None:
        applied = await apply_migrations(settings.database_url)
        typer.echo(f"applied: {', '.join(applied)}" if applied else "nothing to apply")
        if await seed_merchant(settings):
            typer.echo("the sandbox's merchant is there")

    configure_logs("warning")
    run(task)


@cli.command()
def doctor() -> None:
    """Look at everything Settle needs; say what is wrong and how to mend it."""
    settings = load()
    problems = 0

    async def task() -> None:
        nonlocal problems
        async for finding in examine(settings):
            if finding.problem is None:
                typer.echo(f"ok       {finding.subject}")
            else:
                problems += 1
                problem = finding.problem.removesuffix(".")
                typer.echo(f"PROBLEM  {finding.subject}: {problem}. {finding.remedy}")

    configure_logs("error")
    run(task)
    if problems:
        raise typer.Exit(1)


@cli.command()
def check(
    chain: Annotated[
        bool, typer.Option("--chain", help="Also read every payment's transaction back from the chain.")
    ] = False,
    log: Annotated[
        Path | None, typer.Option(help="Also look through this log for secrets and customers (I9); -: standard input.")
    ] = None,
) -> None:
    """Check the invariants over all records: exit 1 and a line each where one is broken."""
    settings = load()
    violations = 0

    def say(invariant: Invariant) -> None:
        # What takes long says how far it is, where somebody watches.
        if sys.stderr.isatty():
            typer.echo(f"{invariant.name}: {invariant.claim}", err=True)

    async def task() -> None:
        nonlocal violations
        system = await System.open(settings)
        try:
            checkers = [check_records(system, say)]
            if chain:
                checkers.append(check_chain(system))
            if log is not None:
                checkers.append(check_log(settings, log))
            for checker in checkers:
                async for violation in checker:
                    violations += 1
                    typer.echo(
                        json.dumps(
                            {"invariant": violation.invariant, "record": violation.record, "problem": violation.problem}
                        )
                    )
        finally:
            await system.close()
        typer.echo(f"{violations} violations at {make_clock(settings.clock_file).now():%Y-%m-%d %H:%M:%S} UTC")

    configure_logs("error")
    run(task)
    if violations:
        raise typer.Exit(1)


@cli.command()
def resend(
    payment: Annotated[str | None, typer.Option(help="Only this payment (its id in the page's address).")] = None,
    refund: Annotated[str | None, typer.Option(help="Only this refund (its id in the link).")] = None,
) -> None:
    """Tell Shopify again of what it never acknowledged: stuck payments and refunds, and whether a merchant is ready."""

    async def task(system: System) -> None:
        payments = [] if refund else await resend_stuck(system, payment)
        refunds = [] if payment else await resend_stuck_refunds(system, refund)
        told = [] if payment or refund else await resend_configurations(system)
        counts = (f"{len(payments)} payments", f"{len(refunds)} refunds", f"{len(told)} merchants' readiness")
        typer.echo("\n".join([*payments, *refunds, *(f"{count} sent again" for count in counts)]))

    run_with_system(task)


@cli.command()
def settings() -> None:
    """Print every setting with its meaning and default: the text of .env.example."""
    typer.echo(example(), nl=False)


@cli.command()
def sandbox(
    port: Annotated[int, typer.Option(help="The outside world: store, devnet, screening, prices, wallets.")] = 8000,
    app_port: Annotated[int, typer.Option(help="Settle's public door.")] = 8001,
    shopify_port: Annotated[int, typer.Option(help="Settle's door for Shopify (TLS).")] = 8443,
    data: Annotated[Path, typer.Option(help="Folder of all state; a second start continues there.")] = Path(".sandbox"),
    outside_only: Annotated[
        bool,
        typer.Option(
            "--outside-only", help="Only the outside world and the database; Settle joins with DATA/sandbox.env."
        ),
    ] = False,
    slot_ms: Annotated[int, typer.Option(help="Length of a slot of the local devnet.")] = 400,
) -> None:
    """Start the outside world in a box, and Settle in it."""
    # Imported here: production has none of what the sandbox needs.
    from app.sandbox.command import run_sandbox

    code = run_sandbox(
        port=port,
        app_port=app_port,
        shopify_port=shopify_port,
        data=data,
        outside_only=outside_only,
        slot_ms=slot_ms,
    )
    raise typer.Exit(code)


if __name__ == "__main__":
    main()
