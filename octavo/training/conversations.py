"""Question-and-answer documents as chats: which ones they are, and where the turns are.

Three shapes are known: "Q: ... A: ..." with the best answer first (Stack Exchange), "Question: ... Answer: ..." in
any number (MedQuAD), and lines that ask and answer in turn, an even number of them (the mathematics data set).
"""

import re

Turn = tuple[str, str]

_MEDICAL = re.compile(r"^Question: (.+?)\nAnswer: (.+?)(?=\n+Question: |\Z)", re.MULTILINE | re.DOTALL)
_LONGEST_ANSWER_LINE = 80
_TURNS_A_CHAT = 6


def conversations(domain: str, text: str) -> list[list[Turn]]:
    """The chats that a document can be told as, each a list of (question, answer); none for most documents."""
    if text.startswith("Q: ") and "\n\nA:\n\n" in text:
        question, answer = text.removeprefix("Q: ").split("\n\nA:\n\n")[:2]
        return _whole([(question.strip(), answer.strip())])
    turns = [(question.strip(), answer.strip()) for question, answer in _MEDICAL.findall(text)]
    if turns:
        return _whole(turns)
    if domain == "dm_mathematics":
        lines = text.strip("\n").split("\n")
        answers = lines[1::2]
        if len(lines) % 2 == 0 and all(len(answer) <= _LONGEST_ANSWER_LINE for answer in answers):
            turns = list(zip(lines[::2], answers, strict=True))
            return [chat for i in range(0, len(turns), _TURNS_A_CHAT) for chat in _whole(turns[i : i + _TURNS_A_CHAT])]
    return []


def _whole(turns: list[Turn]) -> list[list[Turn]]:
    return [turns] if turns and all(question and answer for question, answer in turns) else []
