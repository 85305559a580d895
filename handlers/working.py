"""The worker process: runs the jobs and watches the chain."""

import asyncio

from prometheus_client import start_http_server

from app.health import watch_balances
from app.jobs.worker import Worker
from app.logs import get_logger
from app.payments.expiry import Expiry
from app.reconciliation.reconciler import keep_reconciling
from app.restores import notice_restore
from app.system import System
from app.transactions.reclaim import Reclaimer
from app.upkeep import Upkeep
from app.watching.notices import Notices
from app.watching.sweep import Sweeper
from app.watching.watcher import Watcher
from handlers.service_manager import READY, notify


async def work(system: System, stop: asyncio.Event) -> None:
    """Work until `stop` is set, then finish the jobs that were begun. An error stops all parts: better restarted."""
    get_logger().info("worker_started", clusters=sorted(system.clusters))
    await notice_restore(system)
    if system.settings.worker_metrics_port:
        start_http_server(system.settings.worker_metrics_port, system.settings.host)
    notify(READY)
    parts = [Worker(system).run(stop), watch_balances(system, stop), Upkeep(system).run(stop)]
    parts += [keep_reconciling(system, stop)]
    parts += [Watcher(system, cluster).run(stop) for cluster in system.clusters.values()]
    parts += [Notices(system, cluster).run(stop) for cluster in system.clusters.values()]
    parts += [Sweeper(system, cluster).run(stop) for cluster in system.clusters.values()]
    parts += [Reclaimer(system, cluster).run(stop) for cluster in system.clusters.values()]
    parts += [Expiry(system, cluster).run(stop) for cluster in system.clusters.values()]
    parts += [cluster.node.watch(stop, system.settings.node_check_ms / 1000) for cluster in system.clusters.values()]
    async with asyncio.TaskGroup() as group:
        for part in parts:
            group.create_task(part)
    get_logger().info("worker_stopped")
