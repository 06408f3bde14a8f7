"""lm-eval, unchanged: a model behind the server gets the same answers as in lm-eval's own process, item by item.

Both run batch-invariant, so scores are compared to the last bit. The client local-completions sends no token that
begins a text, and takes the one that stands before a whole text from its arguments; offline it is told to do the same.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.clients.environments import python_of, quiet_env
from benchmarks.clients.items import TASKS, write_items
from benchmarks.promises.promise import Promise
from benchmarks.promises.served import serving

KEY = "only-key"
SECONDS = 1800
# The token that begins a text, in the tokenizer of octavo-mini.
BOS = 1
Answers = dict[tuple[str, int], Any]


def local_completions(scale: float, seed: int) -> Promise:
    """lm-eval's local-completions gets the answers that the model gives offline: choices, scores, completions."""
    return compare(
        "lm-eval local-completions",
        "octavo_choice,octavo_text,octavo_go_on",
        lambda served: f"base_url={served.url}/v1/completions,custom_prefix_token_id={BOS}",
        scale=scale,
        seed=seed,
    )


def local_chat_completions(scale: float, seed: int) -> Promise:
    """lm-eval's local-chat-completions gets the answers that the model gives offline to the same questions."""
    return compare(
        "lm-eval local-chat-completions",
        "octavo_sums,octavo_go_on",
        lambda served: f"base_url={served.url}/v1/chat/completions",
        scale=scale,
        seed=seed,
    )


def compare(name: str, tasks: str, arguments: Any, *, scale: float, seed: int) -> Promise:
    """Runs tasks over HTTP and offline and counts the items whose answers are not the same."""
    chat = "chat" in name
    with tempfile.TemporaryDirectory(prefix="octavo-evals-") as given:
        folder = Path(given)
        write_items(folder, share=min(1.0, scale), seed=seed)
        offline = f"add_bos_token={chat},batch_invariant=True"
        alone = evaluate(folder, "octavo", offline, tasks, chat=chat)
        with serving("--batch-invariant", "--api-key", KEY) as served:
            client = name.removeprefix("lm-eval ")
            over_http = evaluate(folder, client, f"model=octavo-mini,{arguments(served)}", tasks, chat=chat)
    differing = [item for item in alone.keys() | over_http.keys() if alone.get(item) != over_http.get(item)]
    for item in sorted(differing)[:8]:
        print(f"  DIFFERS {item}: offline {alone.get(item)!r:.200}, over HTTP {over_http.get(item)!r:.200}", flush=True)
    return Promise(name=name, tried=len(alone), failed=len(differing), detail={"tasks": tasks.replace(",", " ")})


def evaluate(folder: Path, model: str, arguments: str, tasks: str, *, chat: bool) -> Answers:
    """What lm-eval says of each item, by task and number: the model's answers and the task's measures of them."""
    output = folder / model
    ours = model == "octavo"
    more = "" if ours else f",auth_token={KEY}"
    command = [str(python_of("lm-eval")), "-m", "octavo.lm_eval" if ours else "lm_eval", "run", "--model", model]
    command += ["--model_args", arguments + more, "--include_path", str(TASKS), "--tasks", tasks]
    command += ["--log_samples", "--output_path", str(output)] + ["--apply_chat_template"] * chat
    env = quiet_env(
        OPENAI_API_KEY=KEY,
        HF_HOME=str(folder / "hf"),
        HF_HUB_OFFLINE="1",
        HF_DATASETS_OFFLINE="1",
        OMP_NUM_THREADS=os.environ.get("OMP_NUM_THREADS", "1"),
    )
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        raise RuntimeError(f"lm-eval with {model} ended with {done.returncode}: {done.stderr[-2000:]}")
    return dict(read_answers(output))


def read_answers(output: Path) -> Iterator[tuple[tuple[str, int], Any]]:
    """The samples that lm-eval logged."""
    for path in sorted(output.rglob("samples_*.jsonl")):
        task = path.name.removeprefix("samples_").rsplit("_", 1)[0]
        for line in path.read_text(encoding="utf-8").splitlines():
            sample = json.loads(line)
            measures = {name: sample[name] for name in sample.get("metrics", ())}
            yield (task, sample["doc_id"]), {"answers": sample["resps"], **measures}


PROMISES = (local_completions, local_chat_completions)
