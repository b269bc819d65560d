#!/usr/bin/env python3
"""Starts a scheduler of its own and has schemathesis (`pip install schemathesis`) ask it all that its OpenAPI document allows, and
much that it does not.

    scripts/interface_by_schemathesis.py [path of the syncline binary] [more options of `schemathesis run`]

Programs are looked for in an empty folder, so that nothing runs that it happens to name. A cancelled job can still be asked for, and
not every job that fits the document is taken: names in use, fewest workers above the most, or more than the machines
have are refused (409, 422) by rules that no schema says: these two checks are left out. So are requests to `/api/events`, which never
ends, and to `/wait`, which may take a minute.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent.parent
ADDRESS = "127.0.0.1:7815"
CLUSTER = '[[machines]]\nname = "box"\ncapacity = { cpu = 1 }\n'


def main():
    syncline = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else HERE / "target/debug/syncline").resolve()
    with tempfile.TemporaryDirectory() as folder:
        cluster = pathlib.Path(folder, "one-core.toml")
        cluster.write_text(CLUSTER)
        state = pathlib.Path(folder, "state")
        command = [syncline, "schedule", "serve", "--cluster", cluster, "--policy", "fifo", "--state", state, "--listen", ADDRESS]
        nowhere = pathlib.Path(folder, "empty")
        nowhere.mkdir()
        daemon = subprocess.Popen(command, env={"PATH": str(nowhere)}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            token = next(found.group(1) for line in daemon.stdout if (found := re.search(r"#([0-9a-f]{32,})", line)))
            run = ["schemathesis", "run", HERE / "crates/serve/assets/openapi.json", "--url", f"http://{ADDRESS}"]
            run += ["--header", f"Authorization: Bearer {token}", "--exclude-path-regex", "events|wait"]
            run += ["--exclude-checks", "positive_data_acceptance,use_after_free", *sys.argv[2:]]
            return subprocess.run(run, cwd=folder).returncode
        finally:
            daemon.terminate()
            daemon.wait()


sys.exit(main())
