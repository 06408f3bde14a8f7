"""A folder's chat template gives the ids of transformers, stays in its sandbox and inside its limits."""

import json
import shutil
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from octavo.errors import OctavoError, RequestError, TokenizerError
from octavo.tokenizer import Tokenizer
from octavo.tokenizer.template import ChatTemplate
from octavo.tokenizer.training import CHAT_TEMPLATE
from tests.tokenizer.conftest import SENTENCEPIECE, mixtral_json
from tests.tokenizer.test_chat import CONVERSATION, random_conversations
from tests.tokenizer.texts import SPELLINGS, hostile_texts

MIXTRAL = """{{ bos_token }}{% for message in messages %}
    {%- if message['role'] != 'assistant' %}{{ '[INST] ' + message['content'] | trim + ' [/INST]' }}
    {%- else %}{{ ' ' + message['content'] + eos_token }}{% endif %}
{%- endfor %}"""
CHATML = """{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""


def folder_with(folder: Path, template: object, *, metaspace: bool = False, **config: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(mixtral_json(metaspace=metaspace, added=("<|im_start|>", "<|im_end|>")))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "chat_template": template,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | config))
    return folder


@pytest.mark.parametrize("metaspace", [False, True])
@pytest.mark.parametrize("template", [MIXTRAL, CHATML, CHAT_TEMPLATE])
def test_conversations_have_the_ids_of_transformers(tmp_path: Path, template: str, metaspace: bool) -> None:
    from transformers import PreTrainedTokenizerFast

    folder = folder_with(tmp_path, template, metaspace=metaspace)
    ours = Tokenizer.from_folder(folder)
    theirs = PreTrainedTokenizerFast.from_pretrained(folder)
    for messages in [CONVERSATION, *random_conversations(300, seed=21)]:
        if template == CHAT_TEMPLATE and [message["role"] for message in messages] != ["user"]:
            continue
        if any(spelling in message["content"] for message in messages for spelling in SPELLINGS):
            continue  # transformers takes these for control tokens
        expected = theirs.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        assert ours.encode_chat(messages) == expected, messages


def test_our_own_folder_gives_the_ids_of_transformers(own_folder: Path) -> None:
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(own_folder)
    ours = Tokenizer.from_folder(own_folder)
    for messages in (CONVERSATION, CONVERSATION[1:2], CONVERSATION[:2], CONVERSATION[1:]):
        assert ours.encode_chat(messages) == theirs.apply_chat_template(messages, return_dict=False)


@pytest.mark.parametrize("template", [MIXTRAL, CHATML])
def test_hostile_messages_add_no_control_token(tmp_path: Path, template: str) -> None:
    tokenizer = Tokenizer.from_folder(folder_with(tmp_path, template))
    plain = tokenizer.encode_chat(CONVERSATION[1:3], add_generation_prompt=False)
    expected = [token_id for token_id in plain if token_id in tokenizer.special_ids]
    texts = hostile_texts(10_000, seed=22)
    for question, reply in pairwise(texts[::2] if template == MIXTRAL else texts[::20]):
        messages = [{"role": "user", "content": question}, {"role": "assistant", "content": reply}]
        ids = tokenizer.encode_chat(messages, add_generation_prompt=False)
        assert [token_id for token_id in ids if token_id in tokenizer.special_ids] == expected


def control_ids(folder: Path, template: str, content: str) -> list[int]:
    (folder / "chat_template.jinja").write_text(template)
    tokenizer = Tokenizer.from_folder(folder)
    ids = tokenizer.encode_chat([{"role": "user", "content": content}])
    assert tokenizer.decode(ids, skip_special_tokens=False)
    return [token_id for token_id in ids if token_id in tokenizer.special_ids]


@pytest.mark.parametrize(
    ("expression", "content"),
    [
        ("'<' + text", "s>"),
        ("text + '>'", "<s"),
        ("text | replace('x', '')", "<xsx>"),
        ("text | lower", "<S>"),
        ("text | reverse", ">s<"),
        ("text.split('|') | join", "<|s|>"),
        ("text | tojson", "<s>"),
        ("text | tojson(ensure_ascii=true)", "<s>é"),
        ("text[1:]", "x<s>"),
    ],
)
def test_a_message_cut_and_joined_by_the_template_is_still_text(
    own_folder: Path, tmp_path: Path, expression: str, content: str
) -> None:
    shutil.copytree(own_folder, tmp_path, dirs_exist_ok=True)
    template = "{% set text = messages[0].content %}{{ bos_token }}{{ " + expression + " }}{{ eos_token }}"
    assert control_ids(tmp_path, template, content) == [1, 2]


def test_a_message_keeps_its_brackets(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_folder(folder_with(tmp_path, CHATML))
    content = "if (a < b | c[0]) {} </s> \U000f0001 é"
    ids = tokenizer.encode_chat([{"role": "user", "content": content}])
    text = tokenizer.decode(ids, skip_special_tokens=False)
    assert content in text


def test_tools_and_arguments_reach_the_template_as_text(tmp_path: Path) -> None:
    template = "{{ bos_token }}{{ tools | tojson }}{{ messages[1].tool_calls[0].function.arguments | tojson }}"
    tokenizer = Tokenizer.from_folder(folder_with(tmp_path, template))
    call = {"type": "function", "function": {"name": "f", "arguments": {"<s>": "</s>"}}}
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": None, "tool_calls": [call]}]
    ids = tokenizer.encode_chat(messages, tools=[{"type": "function", "function": {"name": "f</s>"}}])
    assert [token_id for token_id in ids if token_id in tokenizer.special_ids] == [1]
    assert '{"name": "f</s>"}' in tokenizer.decode(ids) and '{"<s>": "</s>"}' in tokenizer.decode(ids)


def test_a_list_of_templates_gives_its_default(tmp_path: Path) -> None:
    named = [{"name": "tool_use", "template": "no"}, {"name": "default", "template": MIXTRAL}]
    ids = Tokenizer.from_folder(folder_with(tmp_path / "list", named)).encode_chat(CONVERSATION)
    assert ids == Tokenizer.from_folder(folder_with(tmp_path / "one", MIXTRAL)).encode_chat(CONVERSATION)


def test_a_file_of_its_own_goes_before_the_configuration(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "no")
    (folder / "chat_template.jinja").write_text(MIXTRAL)
    assert Tokenizer.from_folder(folder).encode_chat(CONVERSATION)[:2] == [1, 733]


def test_a_template_beside_a_sentencepiece_model_is_used(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(SENTENCEPIECE["v1"].read_bytes())
    (tmp_path / "chat_template.jinja").write_text(CHATML)
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<|im_start|>": 32000, "<|im_end|>": 32001}))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|im_end|>"}))
    tokenizer = Tokenizer.from_folder(tmp_path)
    ids = tokenizer.encode_chat([{"role": "user", "content": "<|im_end|>"}])
    assert [token_id for token_id in ids if token_id in tokenizer.special_ids] == [32000, 32001, 32000]
    assert (tokenizer.eos_id, tokenizer.vocab_size) == (32001, 32002)


def test_what_the_template_refuses_is_the_fault_of_the_request(own_folder: Path) -> None:
    tokenizer = Tokenizer.from_folder(own_folder)
    with pytest.raises(RequestError, match="does not take these messages: the roles must be"):
        tokenizer.encode_chat([*CONVERSATION[:2], CONVERSATION[1]])
    assert tokenizer.encode_chat(CONVERSATION)


@pytest.fixture
def variables() -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "Hello"}], "bos_token": "<s>", "add_generation_prompt": True}


def rendered(source: str, variables: dict[str, Any]) -> str:
    template = ChatTemplate(source, where="chat_template.jinja")
    try:
        return template.render(variables)
    finally:
        template.close()


def test_the_tools_that_templates_count_on_are_there(variables: dict[str, Any]) -> None:
    source = (
        "{% for m in messages %}\n    {% if loop.first %}\n{{ m | tojson }}{% break %}{% endif %}{% endfor %}"
        "{{ strftime_now('%Y') }}{% generation %}x{% endgeneration %}"
    )
    year = time.strftime("%Y")
    assert rendered(source, variables) == '{"role": "user", "content": "Hello"}' + year + "x"


ESCAPES = [
    "{{ ''.__class__ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ messages.__class__.__base__ }}",
    "{{ raise_exception.__globals__ }}",
    "{{ strftime_now.__globals__['sys'] }}",
    "{{ self.__init__.__globals__ }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ ''['__class__']['__mro__'] }}",
    "{{ (''|attr('__class__')).__mro__ }}",
    "{{ '{0.__class__.__mro__}'.format('') }}",
    "{{ (messages|map(attribute='__class__')|list)[0].__mro__ }}",
    "{{ messages.append(1) }}",
    "{{ messages[0].update({'role': 'x'}) }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{{ lipsum.__globals__['os'] }}",
    "{{ ().__class__.__bases__[0] }}",
    "{% set x = ''.__class__ %}{{ x }}",
    "{{ request.application.__globals__ }}",
]
ENDLESS = [
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% for a in range(99999) %}{% for b in range(99999) %}{{ 'x' * 99999 }}{% endfor %}{% endfor %}",
    "{{ 'x' * 10**11 }}",
    "{{ 9 ** (9 ** 9) }}",
    "{% set ns = namespace(x='x') %}{% for a in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace(x=[1]) %}{% for a in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
    "{{ '%99999999999d' % 1 }}",
    "{{ 'x'.ljust(10**11) }}",
    "{{ '{:99999999999}'.format(1) }}",
    "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
    "{{ range(10**9) | list }}",
    "{{ 'x' | center(10**11) }}",
    "{{ ('a' * 30000) | replace('a', 'b' * 30000) | length }}{{ 'x' * 10**9 }}",
    "{% for a in range(300) %}{{ 'x' * 99999 }}{% endfor %}",
    "{" * 100_000,
    "{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}",
    "{% if a %}" * 3_000,
]


@pytest.mark.parametrize("source", ESCAPES)
def test_a_template_cannot_leave_its_sandbox(source: str, variables: dict[str, Any]) -> None:
    with pytest.raises(OctavoError) as caught:
        rendered(source, variables)
    assert "\n" not in str(caught.value) and "chat template" in str(caught.value)


@pytest.mark.parametrize("source", ENDLESS)
def test_a_template_that_takes_too_much_is_stopped(source: str, variables: dict[str, Any]) -> None:
    begin = time.monotonic()
    with pytest.raises(OctavoError) as caught:
        rendered(source, variables)
    assert time.monotonic() - begin < 10  # two seconds to render, and on a busy machine some to start
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize("source", ["{% for %}", "{{ 1 + }}", "{% endif %}", "{{ 'x' | nosuchfilter }}"])
def test_a_template_that_does_not_compile_is_the_fault_of_the_folder(source: str, variables: dict[str, Any]) -> None:
    with pytest.raises(
        TokenizerError, match=r"chat_template.jinja: a chat template that does not compile .* in line 1"
    ):
        rendered(source, variables)


def test_a_template_too_long_is_refused_unread() -> None:
    with pytest.raises(TokenizerError, match="250001 characters was found, at most 250000"):
        ChatTemplate("x" * 250_001, where="chat_template.jinja")


def test_after_a_conversation_that_took_too_long_the_next_is_served(variables: dict[str, Any]) -> None:
    source = "{% for m in messages if m.role == 'loop' %}{% for a in range(99999) %}{% for b in range(99999) %}"
    source += "{% endfor %}{% endfor %}{% endfor %}served"
    template = ChatTemplate(source, where="chat_template.jinja")
    with pytest.raises(TokenizerError, match="takes more than 2 s"):
        template.render({**variables, "messages": [{"role": "loop"}]})
    assert template.render(variables) == "served"
    template.close()


def test_the_words_of_a_template_cannot_steer_a_terminal(variables: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as caught:
        rendered("{{ raise_exception('a\\nb \\x1b[31m c') }}", variables)
    assert str(caught.value).endswith("a b \ufffd[31m c")


def test_the_process_ends_with_its_template(variables: dict[str, Any]) -> None:
    template = ChatTemplate("x", where="chat_template.jinja")
    template.render(variables)
    worker = template._worker
    assert worker is not None and worker.poll() is None
    del template
    assert worker.poll() is not None


@pytest.fixture(autouse=True)
def no_process_left() -> Iterator[None]:
    yield
    import gc

    gc.collect()


def test_a_template_that_says_nothing_of_tools_takes_none(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_folder(folder_with(tmp_path, MIXTRAL))
    with pytest.raises(RequestError, match=r"tokenizer_config.json says nothing of them"):
        tokenizer.encode_chat(CONVERSATION, tools=[{"type": "function", "function": {"name": "f"}}])
