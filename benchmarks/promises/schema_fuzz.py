"""Schema fuzzing: schemathesis writes requests that /openapi.json allows and forbids, and reads what comes back."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.promises.promise import Promise, count
from benchmarks.promises.served import serving

EXAMPLES = 1_000
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)
MOST_SHOWN = 5_000


def schema_fuzz(scale: float, seed: int) -> Promise:
    """schemathesis reads /openapi.json and tries every operation with 1,000 requests that the description allows and
    forbids, with NUL in texts, beside those that cover each keyword of it. A failure is a 5xx, a status, a content type
    or a body that the description does not name, a forbidden body that is accepted, or a method that is.
    """
    with serving("--max-model-len", "64") as served, tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        call = [sys.executable, "-m", "schemathesis.cli", "run", f"{served.url}/openapi.json", "--mode", "all"]
        call += ["--max-examples", str(count(EXAMPLES, scale)), "--seed", str(seed), "--checks", ",".join(CHECKS)]
        call += ["--phases", "coverage,fuzzing", "--generation-allow-x00", "true", "--generation-database", "none"]
        call += [
            "--no-shrink",
            "--continue-on-failure",
            "--suppress-health-check",
            "all",
            "--no-color",
            "--workers",
            "2",
        ]
        call += ["--request-timeout", "60", "--report", "json", "--report-json-path", str(report)]
        done = subprocess.run(call, capture_output=True, text=True, cwd=folder, check=False)
        if not report.exists():
            raise RuntimeError(f"schemathesis wrote no report: {(done.stdout + done.stderr)[-2000:]}")
        found = json.loads(report.read_text(encoding="utf-8"))
        left = served.num_unfreed()
    if done.returncode:
        print(done.stdout[-MOST_SHOWN:], flush=True)
    cases, operations = found["test_cases"], found["operations"]
    skipped = operations["total"] - operations["tested"]
    failed = cases["with_failures"] + cases["errored"] + skipped + (left > 0) + (not found["complete"])
    return Promise(
        name="schema fuzzing",
        tried=cases["generated"],
        failed=int(failed) or min(1, done.returncode),
        detail={"operations": operations["tested"], "schemathesis": found["schemathesis_version"], "left behind": left},
    )


PROMISES = (schema_fuzz,)
