"""``octavo chat``: a conversation in the terminal, or one answer where stdin is not a terminal."""

from typing import Annotated

from typer import Option

from octavo.cli.flags import EMBEDDED, Json, Model, ModelFlags, SamplingFlags, ViewFlags

Prompt = Annotated[
    list[str] | None,
    Option("--prompt", "-p", metavar="TEXT", help="Say this instead of asking for it; - reads stdin. Repeatable."),
]
Url = Annotated[
    str | None,
    Option(metavar="URL", help="Talk with an OpenAI-like server instead, such as http://127.0.0.1:8000."),
]


def chat(
    model: Model = EMBEDDED,
    *,
    url: Url = None,
    prompt: Prompt = None,
    system: Annotated[str | None, Option(metavar="TEXT", help="The system message.")] = None,
    sampling: SamplingFlags,
    view: ViewFlags,
    json: Json = False,
    loading: ModelFlags,
) -> None:
    """Talks with a model that has a chat format, here or on a server.

    In the terminal: /experts LAYER colours the answers, /experts off does
    not, /reset forgets, /exit or ctrl-D ends, ctrl-C stops an answer.
    Where stdin is not a terminal, all of it is one message.

    With --url, MODEL is a name that the server knows (its first, if none is
    given), and the key is taken from OCTAVO_API_KEY or OPENAI_API_KEY.
    """
    import contextlib
    import sys

    from octavo.cli.conversation import Conversation, Speaker
    from octavo.cli.prompts import read_prompts
    from octavo.cli.screen import open_screen, print_json
    from octavo.errors import RequestError

    interactive = prompt is None and not json and sys.stdin.isatty()
    said = [] if interactive else read_prompts(prompt or ["-"], None)
    if sampling.n != 1:
        raise RequestError(f"--n is {sampling.n}: a conversation has one answer, so leave it out")
    with contextlib.ExitStack() as open_things:
        speaker: Speaker
        if url is None:
            from octavo.cli.local_speaker import LocalSpeaker
            from octavo.cli.models import open_llm, sampling_params

            params = sampling_params(sampling)
            opened = open_llm(model, loading, experts=view.experts)
            name, speaker = opened.name, LocalSpeaker(opened.llm, params)
        else:
            from octavo.cli.remote_speaker import RemoteSpeaker, named_model
            from octavo.client.endpoint import find_endpoint
            from octavo.client.remote import Remote

            asked = named_model(model, loading)
            remote = open_things.enter_context(Remote(find_endpoint(url)))
            speaker = RemoteSpeaker(remote, sampling, model=asked)
            name = speaker.name
            if view.experts is not None:
                speaker.check_layer(view.experts)
        screen = open_screen(no_color=view.no_color)
        conversation = Conversation(speaker, screen=screen, system=system, layer=view.experts)
        if interactive:
            conversation.talk()
            return
        for message in said:
            conversation.say(message, quiet=json)
        if json:
            print_json({"model": name, "messages": conversation.messages, "answers": conversation.answers})
