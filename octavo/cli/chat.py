"""``octavo chat``: a conversation in the terminal, or one answer where stdin is not a terminal."""

from typing import Annotated

from typer import Option

from octavo.cli.flags import EMBEDDED, Json, Model, ModelFlags, SamplingFlags, ViewFlags

Prompt = Annotated[
    list[str] | None,
    Option("--prompt", "-p", metavar="TEXT", help="Say this instead of asking for it; - reads stdin. Repeatable."),
]


def chat(
    model: Model = EMBEDDED,
    *,
    prompt: Prompt = None,
    system: Annotated[str | None, Option(metavar="TEXT", help="The system message.")] = None,
    sampling: SamplingFlags,
    view: ViewFlags,
    json: Json = False,
    loading: ModelFlags,
) -> None:
    """Talks with a model that has a chat format.

    In the terminal: /experts LAYER colours the answers, /experts off does
    not, /reset forgets, /exit or ctrl-D ends, ctrl-C stops an answer.
    Where stdin is not a terminal, all of it is one message.
    """
    import sys

    from octavo.cli.conversation import Conversation
    from octavo.cli.models import open_llm, sampling_params
    from octavo.cli.prompts import read_prompts
    from octavo.cli.screen import open_screen, print_json

    interactive = prompt is None and not json and sys.stdin.isatty()
    said = [] if interactive else read_prompts(prompt or ["-"], None)
    params = sampling_params(sampling)
    opened = open_llm(model, loading, experts=view.experts)
    screen = open_screen(no_color=view.no_color)
    conversation = Conversation(opened.llm, params, screen=screen, system=system, layer=view.experts)
    if interactive:
        conversation.talk()
        return
    for message in said:
        conversation.say(message, quiet=json)
    if json:
        print_json({"model": opened.name, "messages": conversation.messages, "answers": conversation.answers})
