# Runs queries for the benchmark: one JSON text a line on stdin, one answer a line on stdout.
# Only the query is timed; the process and its connection stay.
import json
import resource
import sys
import time

import duckdb


def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024


con = duckdb.connect()
con.execute("SET threads = %d" % int(sys.argv[1]))
con.execute("SET enable_progress_bar = false")
print(json.dumps({"version": duckdb.__version__}), flush=True)
for line in sys.stdin:
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    rows = con.execute(json.loads(line)).fetchall()
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        json.dumps({"seconds": seconds, "cpu": cpu, "mib": peak(), "groups": len(rows), "sum": str(sum(r[-1] for r in rows))}),
        flush=True,
    )
