"""What can befall the store: a replica that dies, stalls or is cut off, and two that die."""

import time

from fault_rows.row import BALLOT
from rig.calls import call
from rig.verdict import Red


def node_kill(row):
    """`kill -9` of one Cassandra node, and its return"""
    victim = row.cluster.cassandras[2]
    victim.kill()
    row.wait(row.pace.down)
    victim.start()
    seconds = victim.until_ready()
    whole = row.cluster.whole_again()
    return f"back after {seconds + whole:.0f} s"


def node_pause(row):
    """one Cassandra node paused"""
    victim = row.cluster.cassandras[1]
    victim.pause()
    row.wait(row.pace.pause)
    victim.resume()
    return f"paused for {row.pace.pause:.0f} s, whole after {row.cluster.whole_again():.0f} s"


def node_cut(row):
    """one Cassandra node cut off from its peers, then one intake cut off from all nodes"""
    network, addresses = row.cluster.network, row.cluster.cassandra_addresses
    network.cut(addresses[0], addresses[1:])
    row.wait(row.pace.pause)
    network.heal(addresses[0], addresses[1:])
    row.cluster.whole_again()
    intake = row.cluster.intakes[1]
    host = intake.address.partition(":")[0]
    network.cut(host, addresses)
    left = row.until_balancers_say("intake-2", "DOWN")
    acknowledged = row.voting.acknowledged()
    row.wait(row.pace.down)
    if row.voting.acknowledged() <= acknowledged:
        raise Red("no vote is acknowledged although one intake is well")
    network.heal(host, addresses)
    back = row.until_balancers_say("intake-2", "UP")
    return f"the cut-off intake left the balancers after {left:.1f} s, was back after {back:.1f} s"


def quorum_lost(row):
    """two of three Cassandra nodes gone"""
    victims = row.cluster.cassandras[1:]
    for victim in victims:
        victim.kill()
    # What was on its way may still be answered.
    row.wait(7)
    acknowledged = row.voting.acknowledged()
    status, _ = call(
        "POST", f"{row.cluster.urls[0]}/v1/contests/{row.voting.contest}/ballots", BALLOT
    )
    if status != 503:
        raise Red(f"a ballot without a quorum got {status}, not 503")
    row.wait(row.pace.down)
    if row.voting.acknowledged() != acknowledged:
        raise Red("ballots were acknowledged without a quorum")
    for victim in victims:
        victim.start()
    for victim in victims:
        victim.until_ready()
    started = time.monotonic()
    row.voting.until_it_votes(60, acknowledged)
    return (
        f"503 meanwhile; votes again {time.monotonic() - started:.1f} s after the nodes were "
        f"back, by itself"
    )
