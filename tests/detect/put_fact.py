"""Appends a fact to a spool, as the monitor does: put_fact.py STATE name=value... Values that are missing: a run of training
that ended now. With -n only prints the line."""
import os
import sys
import time


def line(fields):
    body = "\t".join("%s=%s" % (k, str(v).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n"))
                     for k, v in fields.items())
    h = 14695981039346656037
    for b in body.encode("utf-8", "surrogateescape"):
        h = (h ^ b) * 1099511628211 & (1 << 64) - 1
    return "%s\tsum=%016x" % (body, h)


def main():
    state = sys.argv[1]
    given = dict(a.split("=", 1) for a in sys.argv[2:])
    now = int(time.time() * 1000)
    fields = {"kind": given.pop("kind", "exit"), "id": given.pop("id", "aa%030x" % now), "real": now}
    if fields["kind"] in ("exit", "hang"):
        fields.update(role="run", of_kind="training", pid=4711, start=5, ppid=1, comm="python3")
        if fields["kind"] == "exit":
            fields["status"] = "exited"
    fields.update(given)
    with open(os.path.join(state, "spool"), "ab") as f:
        f.write(("\n%s\n" % line(fields)).encode("utf-8", "surrogateescape"))


if __name__ == "__main__":
    main()
