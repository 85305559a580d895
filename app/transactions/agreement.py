"""Reading back what landed, as all nodes of the cluster see it: what they do not agree on waits."""

from app import metrics
from app.clusters import ClusterParts
from app.logs import get_logger
from app.records import IssuedTransaction
from app.settings import Settings
from app.transactions.purpose import names_of
from chain.agreement import Accord, read_landed
from chain.commitment import Commitment
from chain.settled import SettledTransaction


async def read_agreed(
    settings: Settings, parts: ClusterParts, issued: IssuedTransaction, commitment: Commitment
) -> SettledTransaction | None:
    """The transaction as it landed, or None when it is to be looked at again later. Raises NodeError."""
    landing = await read_landed(parts.node, issued.signature, commitment, settings.node_alone_seconds)
    metrics.landings_read_total.labels(accord=landing.accord).inc()
    fields = {"cluster": parts.cluster, "signature": issued.signature, **names_of(issued)}
    match landing.accord:
        case Accord.WAITING:
            get_logger().info("landing_waits_for_nodes", **fields)
        case Accord.DISAGREED:
            metrics.alarms_total.labels(reason="nodes_disagree").inc()
            get_logger().error("nodes_disagree", **fields)
        case Accord.ALONE:
            metrics.alarms_total.labels(reason="node_alone").inc()
            get_logger().error("node_alone", **fields)
        case Accord.AGREED:
            pass
    return landing.transaction
