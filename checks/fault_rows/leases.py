"""What can befall the tally that counts: it dies, or it stalls and comes back late."""

from fault_rows.row import PUBLISH_SECONDS_MAX
from rig.verdict import Red


def lease_kill(row):
    """`kill -9` of the tally that holds the lease"""
    row.until_published_steadily()
    victim = row.cluster.holder(row.voting.contest)
    [witness] = [node for node in row.cluster.tallies if node is not victim]
    victim.kill()
    seconds = row.longest_unpublished(witness, PUBLISH_SECONDS_MAX + 5)
    victim.start()
    victim.until_ready()
    return published(row, victim, seconds)


def lease_pause(row):
    """pause of the tally that holds the lease"""
    row.until_published_steadily()
    victim = row.cluster.holder(row.voting.contest)
    [witness] = [node for node in row.cluster.tallies if node is not victim]
    victim.pause()
    seconds = row.longest_unpublished(witness, PUBLISH_SECONDS_MAX + 5)
    victim.resume()
    # Its late row must change nothing: totals and times must not go back.
    row.longest_unpublished(witness, 5)
    return published(row, victim, seconds)


def published(row, victim, seconds):
    if seconds > PUBLISH_SECONDS_MAX:
        raise Red(f"nothing was published for {seconds:.1f} s")
    heir = row.cluster.holder(row.voting.contest)
    if heir is victim:
        raise Red(f"{victim.name} holds the lease still: the fault was none")
    return f"published again after {seconds:.1f} s at the longest, by {heir.name}"
