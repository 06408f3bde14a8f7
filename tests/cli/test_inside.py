"""A model in this process is asked as a server is, and leaves nothing behind."""

import asyncio
import os
import subprocess
from pathlib import Path

from octavo.cli.flags import ModelFlags
from octavo.cli.inside import inside, settings_of


def test_flags_become_a_servers_settings() -> None:
    flags = ModelFlags(dtype="bfloat16", max_num_seqs=3, no_verify=True)
    found = settings_of("m", flags, served_model_name=None)
    assert (found.model.name, found.model.dtype, found.model.verify) == ("m", "bfloat16", False)
    assert found.engine.max_num_seqs == 3
    assert found.model_names == ("m",)
    assert settings_of("m", flags, served_model_name="n").model_names == ("n",)


def test_it_answers_and_its_engine_is_gone_afterwards(folder: Path) -> None:
    async def go() -> dict[str, object]:
        async with inside(str(folder), ModelFlags(), served_model_name="small")() as (client, _):
            return dict((await client.get("/v1/models")).json()["data"][0])

    assert asyncio.run(go())["id"] == "small"
    children = ["pgrep", "-P", str(os.getpid()), "-f", "engine_main"]
    assert subprocess.run(children, capture_output=True, check=False).stdout == b""
