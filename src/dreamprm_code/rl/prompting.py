"""What a policy reads when it learns, and which part of its answer is the program.

Chat prompts open the answer with a code fence: the answer begins with the program, and steps end at the same offsets in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dreamprm_code.policies.base import chat_text
from dreamprm_code.policies.continuation import FENCE
from dreamprm_code.prompts import solution_messages
from dreamprm_code.records import Problem

STYLES = ("cof", "plain", "statement")


@dataclass(frozen=True)
class Prompts:
    """``style``: Chain-of-Function, plain, or the bare statement and a line end (for tiny models)."""

    style: str
    tokenizer: Any

    def text(self, problem: Problem) -> str:
        if self.style == "statement":
            return problem.question_content + "\n"
        messages = solution_messages(problem, "cof" if self.style == "cof" else "plain")
        if self.tokenizer.chat_template:
            text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        else:
            text = chat_text(messages)
        return text + FENCE

    def ids(self, problem: Problem) -> list[int]:
        special = self.style != "statement" and not self.tokenizer.chat_template
        return list(self.tokenizer(self.text(problem), add_special_tokens=special).input_ids)

    @staticmethod
    def program(answer: str) -> str:
        """The answer up to the fence that closes it."""
        return answer.partition("```")[0].rstrip()
