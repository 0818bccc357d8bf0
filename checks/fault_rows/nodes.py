"""What can befall the way of a vote: intakes and balancers that die, replies that are lost, and the
restart of every process in turn."""

import signal
import time

from rig.cluster import INTAKES
from rig.verdict import Red


def intake_kill(row):
    """`kill -9` of an intake, again and again"""
    for kill in range(row.pace.kills):
        number = kill % INTAKES
        intake = row.cluster.intakes[number]
        intake.kill()
        row.wait(1)
        intake.start()
        intake.until_ready()
        row.until_balancers_say(f"intake-{number + 1}", "UP")
        row.wait(1)
    return f"{row.pace.kills} kills"


def rolling(row):
    """rolling restart of every process"""
    started = time.monotonic()
    for process in row.cluster.processes:
        code = process.stop()
        # Cassandra and HAProxy say 143: ended by SIGTERM, in order.
        if code not in (0, 143, -signal.SIGTERM):
            raise Red(f"{process.name}, told to end, exited with {code}")
        process.start()
        process.until_ready()
        if process in row.cluster.cassandras:
            row.cluster.whole_again()
        if process in row.cluster.intakes:
            row.until_balancers_say(process.name, "UP")
    return f"{len(row.cluster.processes)} processes in {time.monotonic() - started:.0f} s"


def balancer_kill(row):
    """HAProxy killed, the second one takes the clients"""
    for balancer in row.cluster.balancers:
        balancer.kill()
        acknowledged = row.voting.acknowledged()
        row.wait(max(3, row.pace.down / 2))
        if row.voting.acknowledged() <= acknowledged:
            raise Red("the other balancer does not take the clients")
        balancer.start()
        balancer.until_ready()
        row.wait(2)
    return "each in turn"


def reply_lost(row):
    """replies lost on purpose after the write (the fault wrapper), voters cut off, voting twice"""
    for intake in row.cluster.intakes:
        plain = intake.environment
        intake.environment = {**plain, "LANDSLIDE_INJECT_FAULTS": "seed=7,reply-lost=0.2"}
        intake.kill()
        intake.start()
        intake.until_ready()
        intake.environment = plain
    row.wait(row.pace.down)
    lost = sum(intake.metric("landslide_puts_failed_total") or 0 for intake in row.cluster.intakes)
    if not lost:
        raise Red("no reply was lost: the fault was none")
    for intake in row.cluster.intakes:
        intake.kill()
        intake.start()
        intake.until_ready()
    return f"{lost:,.0f} replies of the store"
