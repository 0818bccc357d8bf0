"""The faults of checks/faults.py, one a function: what is broken, what must go on meanwhile, and
what is said of it in the table."""

from fault_rows.hours import NOT_OPEN, clock, close_by_hand
from fault_rows.leases import lease_kill, lease_pause
from fault_rows.nodes import balancer_kill, intake_kill, reply_lost, rolling
from fault_rows.replicas import node_cut, node_kill, node_pause, quorum_lost

ROWS = {
    "node-kill": node_kill,
    "node-pause": node_pause,
    "node-cut": node_cut,
    "quorum-lost": quorum_lost,
    "intake-kill": intake_kill,
    "rolling": rolling,
    "lease-kill": lease_kill,
    "lease-pause": lease_pause,
    "balancer-kill": balancer_kill,
    "reply-lost": reply_lost,
    "clock": clock,
    "close-by-hand": close_by_hand,
}
# What the load does on purpose besides.
LOADS = {"reply-lost": ["--cut", "5%", "--duplicates", "5%"]}
# What the load may be refused for good, by row; in all others nothing.
REFUSALS = {"close-by-hand": {f"409 {NOT_OPEN}"}}
