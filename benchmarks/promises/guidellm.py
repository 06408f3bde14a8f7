"""guidellm, unchanged, measures the server: completions one after another, and chats side by side."""

import importlib.resources
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.clients.environments import python_of, quiet_env
from benchmarks.promises.promise import Promise, count
from benchmarks.promises.served import serving

KEY = "only-key"
REQUESTS = 60
OUTPUT_TOKENS = 12
SECONDS = 900
RUNS = (
    ("/v1/completions", "kind=synchronous"),
    ("/v1/chat/completions", "kind=concurrent,streams=4"),
)


def guidellm(scale: float, seed: int) -> Promise:
    """guidellm completes every request, and counts the tokens that the server says there were."""
    wanted = count(REQUESTS, scale)
    tried = failed = 0
    rates = {}
    with tempfile.TemporaryDirectory(prefix="octavo-guidellm-") as given, serving("--api-key", KEY) as served:
        prompts = write_prompts(Path(given) / "prompts.jsonl")
        for path, profile in RUNS:
            report = measure(f"{served.url}", path, profile, prompts=prompts, wanted=wanted)
            totals = report["metrics"]["request_totals"]
            tried += wanted
            failed += wanted - min(totals["successful"], wanted)
            failed += sum(not is_whole(each) for each in report["requests"]["successful"] or ())
            rates[f"{path} requests/s"] = round(totals["successful"] / report["duration"], 2)
    return Promise(name="guidellm", tried=tried, failed=failed, detail=rates)


def measure(url: str, path: str, profile: str, *, prompts: Path, wanted: int) -> dict[str, Any]:
    """One run of guidellm, and its report."""
    output = prompts.with_name(f"{path.strip('/').replace('/', '-')}.json")
    command = [str(python_of("guidellm").with_name("guidellm")), "run", "--disable-console", "--profile", profile]
    command += ["--backend", f"kind=openai_http,target={url},api_key={KEY},request_format={path}"]
    command += ["--constraint", f"kind=max_requests,count={wanted}", "--data", f"kind=json_file,path={prompts}"]
    command += ["--output", f"kind=json,path={output}"]
    env = quiet_env(HF_HUB_OFFLINE="1", OMP_NUM_THREADS=os.environ.get("OMP_NUM_THREADS", "1"))
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode or not output.exists():
        raise RuntimeError(f"guidellm ended with {done.returncode}: {(done.stderr or done.stdout)[-2000:]}")
    (report,) = json.loads(output.read_text(encoding="utf-8"))["benchmarks"]
    return dict(report)


def is_whole(request: dict[str, Any]) -> bool:
    """Whether a request has its counts, as the server told them, and no more tokens than were asked for."""
    tokens = request.get("output_metrics", {}).get("text_tokens") or request.get("output_tokens") or 0
    return 0 < tokens <= OUTPUT_TOKENS


def write_prompts(path: Path) -> Path:
    """The beginnings of the package's texts, as guidellm reads them."""
    root = Path(str(importlib.resources.files("octavo") / "samples"))
    texts = [file.read_text(encoding="utf-8")[:300] for file in sorted(root.rglob("*.txt"))]
    rows = [{"prompt": text, "output_tokens_count": OUTPUT_TOKENS} for text in texts]
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    return path


PROMISES = (guidellm,)
