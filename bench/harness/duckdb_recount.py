"""The same recount in DuckDB: `duckdb_recount.py BALLOTS THREADS` prints the seconds it took.

Semantics of Landslide's policy `one`: rows of one ballot id are one ballot, the earliest; of a
voter's ballots the first by (recorded_at, ballot id) counts. Rows of one ballot id have one voter
and one choice, so any of them will do, which is faster than the earliest's. The table is in
memory."""

import sys
import time

import duckdb

ballots, threads = map(int, sys.argv[1:])
database = duckdb.connect()
database.execute(f"set threads = {threads}")
database.execute(f"""
    create table ballots as select
        gen_random_uuid() as ballot_id,
        gen_random_uuid() as voter,
        (random() * 10)::tinyint % 10 as choice,
        make_timestamp(1795464000000000 + range * 20) as recorded_at
    from range({ballots})
""")
start = time.monotonic()
counts = database.execute("""
    with distinct_ballots as (
        select ballot_id, min(recorded_at) as recorded_at,
            any_value(voter) as voter, any_value(choice) as choice
        from ballots group by ballot_id
    ), first_ballots as (
        select arg_min(choice, (recorded_at, ballot_id)) as choice
        from distinct_ballots group by voter
    )
    select choice, count(*) from first_ballots group by choice order by choice
""").fetchall()
print(time.monotonic() - start)
assert sum(votes for _, votes in counts) == ballots, counts
