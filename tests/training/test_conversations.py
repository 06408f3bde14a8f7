"""Question-and-answer documents become chats; other documents stay text."""

from octavo.training.conversations import conversations


def test_a_question_is_told_with_its_best_answer():
    text = "Q: Why is it so?\n\nTell me.\n\nA:\n\nBecause.\n\nA:\n\nAnother answer.\n"
    assert conversations("stackexchange", text) == [[("Why is it so?\n\nTell me.", "Because.")]]


def test_a_question_without_an_answer_is_no_chat():
    assert conversations("stackexchange", "Q: Why is it so?\n") == []


def test_medical_questions_of_one_page_are_the_turns_of_one_chat():
    text = (
        "Gout\n\nQuestion: What is gout ?\nAnswer: A disease.\nOf joints.\n\nQuestion: Who gets it ?\nAnswer: Adults.\n"
    )
    assert conversations("biomedical", text) == [
        [("What is gout ?", "A disease.\nOf joints."), ("Who gets it ?", "Adults.")]
    ]


def test_sums_are_told_six_to_a_chat():
    text = "".join(f"What is {i} + 1?\n{i + 1}\n" for i in range(8))
    chats = conversations("dm_mathematics", text)
    assert [len(chat) for chat in chats] == [6, 2]
    assert chats[0][0] == ("What is 0 + 1?", "1")


def test_lines_that_do_not_pair_are_no_chat():
    assert conversations("dm_mathematics", "What is 1 + 1?\n2\nWhat is 3?") == []
    assert conversations("law", "One line.\nAnother line.\n") == []
