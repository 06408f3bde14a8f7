"""``octavo run-batch``: a file of requests in, a file of answers out, in OpenAI's batch format."""

from pathlib import Path
from typing import Annotated

from typer import Option

from octavo.cli.flags import EMBEDDED, SWITCH, Json, Model, ModelFlags

Input = Annotated[Path, Option("--input-file", "-i", metavar="FILE", help="Requests, one JSON object a line.")]
Output = Annotated[Path, Option("--output-file", "-o", metavar="FILE", help="Answers, one JSON object a line.")]
Url = Annotated[
    str | None, Option(metavar="URL", help="Ask an OpenAI-like server instead, such as http://127.0.0.1:8000.")
]
Served = Annotated[
    str | None, Option(metavar="NAME", help="What requests call the model, where not by MODEL as it stands.")
]


def run_batch(
    model: Model = EMBEDDED,
    *,
    input_file: Input,
    output_file: Output,
    url: Url = None,
    served_model_name: Served = None,
    max_concurrency: Annotated[int, Option(metavar="N", help="Most requests under way at once.")] = 64,
    overwrite: Annotated[
        bool, Option("--overwrite", metavar=SWITCH, help="Forget what FILE answers, and begin anew.")
    ] = False,
    json: Json = False,
    loading: ModelFlags,
) -> None:
    """Answers a file of requests in OpenAI's batch format.

    octavo run-batch -i requests.jsonl -o answers.jsonl

    A run that was stopped, by kill -9 at any moment too, goes on when it is
    started again: every request is answered once. Lines that are no request
    are answered with their error. Answers come in the order they are ready.
    """
    from octavo.cli import batch
    from octavo.errors import RequestError

    if max_concurrency < 1:
        raise RequestError(f"--max-concurrency is {max_concurrency}: want at least 1")
    files = batch.Files(requests=input_file, answers=output_file, overwrite=overwrite)
    files.check()
    if url is None:
        from octavo.cli.inside import inside

        open_client = inside(model, loading, served_model_name=served_model_name)
    else:
        from octavo.cli.remote_speaker import refuse_loading
        from octavo.client.endpoint import find_endpoint

        refuse_loading(loading)
        if served_model_name is not None:
            raise RequestError("--served-model-name names a model here, but --url asks a server: leave it out")
        open_client = batch.at(find_endpoint(url))
    batch.answer(files, open_client, max_concurrency=max_concurrency, as_json=json)
